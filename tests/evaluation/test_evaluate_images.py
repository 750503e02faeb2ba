"""One call from files to numbers, on a catalog drawn here."""

from __future__ import annotations

import json
import shutil
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest
from evaluation_builders import PRODUCTS, TINY, by_definition, catalog, manifest, product_photo

from pytest_prodbench import compare, evaluate
from pytest_prodbench.datasets.content import content
from pytest_prodbench.datasets.opening import open_dataset
from pytest_prodbench.embedding import ImageRequest, ModelHandle, embed_images
from pytest_prodbench.errors import DatasetError, EvidenceError, ModelError, SettingsError
from pytest_prodbench.settings.types import DatasetSpec, RunSettings


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Folder, rows, run settings with a cache that all tests of this module share."""
    folder = tmp_path_factory.mktemp("catalog")
    cache = tmp_path_factory.mktemp("cache")
    settings = RunSettings(cache_dir=cache, threads=1, device="cpu", resamples=100)
    return folder, catalog(folder), settings


def test_the_numbers_are_those_of_the_definition(made):
    folder, rows, settings = made
    path = manifest(folder, rows)
    found = evaluate(TINY, path, settings=settings, project=folder)
    spec = DatasetSpec(name="x", layout="manifest", path=path)
    dataset = open_dataset(spec, max_pixels=10**6)
    digests = content(dataset)
    requests = [
        ImageRequest(image, dataset.path(image), digest, None)
        for table, side in (
            (dataset.queries, digests.query_digests),
            (dataset.gallery, digests.gallery_digests),
        )
        for image, digest in zip(table.images, side, strict=True)
    ]
    vectors = embed_images(requests, ModelHandle(TINY, settings), settings, dataset="x").vectors
    numbers, ranks = by_definition(
        vectors[: len(PRODUCTS)],
        vectors[len(PRODUCTS) :],
        dataset.queries.product_ids,
        dataset.gallery.product_ids,
        families=(dataset.queries.families, dataset.gallery.families),
    )
    assert found.ranks.tolist() == ranks
    for name, number in numbers.items():
        assert found.metrics[name].value == pytest.approx(number, abs=1e-9)
    assert found.metrics["recall@1"].value > 0.5  # even random weights know coarse colours
    assert set(found.measurement.conditions["light"]) == {"dim", "bright"}
    assert found.queries["product_id"].to_pylist() == list(PRODUCTS)


def test_what_model_and_dataset_were(made):
    folder, rows, settings = made
    found = evaluate(TINY, manifest(folder, rows), settings=settings, project=folder.parent)
    assert (found.model.source, found.model.dimension) == ("timm:test_convnext", 64)
    assert len(found.model.weights_digest) == len(found.model.preprocessing_digest) == 64
    engine = found.model.engine
    assert (engine.name, engine.version) == ("onnxruntime", version("onnxruntime"))
    assert (engine.precision, engine.worst_cosine, engine.changed_ranks) == ("float32", 1.0, 0)
    assert engine.reason == ""
    assert found.measurement.precision == "float32"
    dataset = found.dataset
    assert (dataset.queries, dataset.gallery, dataset.products) == (6, 12, 6)
    assert (dataset.absent, dataset.distractors) == (0, 0)
    assert dataset.root == folder.name
    assert dataset.conditions == {"light": ["bright", "dim"]}


def test_two_runs_and_two_orders_give_the_same_evidence(made):
    folder, rows, settings = made
    first = evaluate(TINY, manifest(folder, rows), settings=settings, project=folder).to_dict()
    again = evaluate(TINY, manifest(folder, rows), settings=settings, project=folder).to_dict()
    shuffled = [rows[i] for i in np.random.default_rng(3).permutation(len(rows))]
    other = evaluate(TINY, manifest(folder, shuffled), settings=settings, project=folder).to_dict()
    assert first == again == other
    assert json.loads(json.dumps(first, allow_nan=False)) == first


def test_models_are_compared_photo_by_photo_whatever_the_order_of_the_rows(made, tmp_path):
    folder, rows, settings = made
    one = evaluate(TINY, manifest(folder, rows), settings=settings)
    turned = evaluate(TINY, manifest(folder, rows[::-1], "turned.csv"), settings=settings)
    assert compare(one, turned).difference.value == 0.0
    assert compare(one, turned, "mrr").difference.value == 0.0
    assert one.queries["query"].to_pylist() != turned.queries["query"].to_pylist()
    fewer = evaluate(TINY, manifest(folder, rows[1:], "fewer.csv"), settings=settings)
    with pytest.raises(EvidenceError, match="of different content"):
        compare(one, fewer)


def test_a_cold_cache_and_another_batch_size_give_the_same_ranks(made, tmp_path):
    folder, rows, settings = made
    path = manifest(folder, rows)
    warm = evaluate(TINY, path, settings=settings, project=folder)
    cold = evaluate(
        TINY, path, settings=settings, project=folder, cache_dir=tmp_path / "c", batch_size=1
    )
    assert cold.timing.images_embedded == 18
    assert cold.ranks.tolist() == warm.ranks.tolist()
    assert cold.to_dict() == warm.to_dict()


def test_a_moved_catalog_is_the_same_catalog(made, tmp_path):
    folder, rows, settings = made
    first = evaluate(TINY, manifest(folder, rows), settings=settings, project=folder)
    moved = tmp_path / "elsewhere"
    shutil.copytree(folder, moved)
    second = evaluate(TINY, moved / "parts.csv", settings=settings, project=moved)
    assert second.timing.images_embedded == 0
    assert second.to_dict() == first.to_dict()


@pytest.mark.parametrize("how", ["copied file", "other compression", "own file"])
def test_the_query_itself_in_the_gallery_is_taken_out(made, tmp_path, how):
    folder, rows, settings = made
    here = tmp_path / "catalog"
    shutil.copytree(folder, here)
    query = next(row for row in rows if row["role"] == "query")
    name = "again.png"
    if how == "copied file":
        shutil.copy(here / query["image"], here / name)
    elif how == "other compression":
        product_photo(query["product_id"], 2).save(here / name, compress_level=0)
        assert (here / name).read_bytes() != (here / query["image"]).read_bytes()
    else:
        name = query["image"]
    added = [*rows, {**query, "image": name, "role": "gallery", "light": ""}]
    plain = evaluate(TINY, manifest(folder, rows), settings=settings, project=folder)
    found = evaluate(TINY, manifest(here, added), settings=settings, project=here)
    assert found.measurement.excluded == 1
    assert found.ranks.tolist() == plain.ranks.tolist()
    first = found.queries.to_pylist()[0]
    assert first["candidates"] == 12
    assert name not in first["top_images"]
    assert name in found.queries.to_pylist()[1]["top_images"]


def test_the_query_itself_is_no_positive(made, tmp_path):
    shutil.copytree(made[0], tmp_path / "catalog")
    rows = [row for row in made[1] if row["role"] == "query" or row["product_id"] != "007"]
    query = next(row for row in rows if row["product_id"] == "007")
    shutil.copy(tmp_path / "catalog" / query["image"], tmp_path / "catalog/copy.png")
    rows.append({**query, "image": "copy.png", "role": "gallery", "light": ""})
    path = manifest(tmp_path / "catalog", rows)
    with pytest.raises(
        DatasetError, match=r"1 queries without a positive.*p0-2\.png \(product 007\)"
    ):
        evaluate(TINY, path, settings=made[2])


def test_a_folder_and_a_trained_model(made, tmp_path):
    for i, product in enumerate(PRODUCTS):
        for shot, side in ((0, "gallery"), (1, "queries")):
            place = tmp_path / "shop" / side / product
            place.mkdir(parents=True)
            product_photo(product, 10 * i + shot).save(place / "photo.png")
    found = evaluate(
        "timm:tf_efficientnet_lite0", tmp_path / "shop", settings=made[2], project=tmp_path
    )
    assert found.dataset.layout == "folder"
    assert found.dataset.root == "shop"
    assert sorted(found.queries["product_id"].to_pylist()) == sorted(PRODUCTS)
    assert found.metrics["recall@1"].value > 0.5


def test_an_opened_dataset_and_a_loaded_model(made):
    folder, rows, settings = made
    spec = DatasetSpec(name="parts", layout="manifest", path=manifest(folder, rows))
    model = ModelHandle(TINY, settings)
    one = evaluate(model, spec, settings=settings, project=folder)
    two = evaluate(model, open_dataset(spec, max_pixels=10**6), settings=settings, project=folder)
    assert one.to_dict() == two.to_dict()


def test_open_set(made):
    folder, rows, settings = made
    rows = [row for row in rows if row["product_id"] != "x" or row["role"] == "query"]
    path = manifest(folder, rows, "open.csv")
    with pytest.raises(DatasetError, match=r"p5-2\.png"):
        evaluate(TINY, path, settings=settings)
    spec = DatasetSpec(name="open", layout="manifest", path=path, open_set=True)
    found = evaluate(TINY, spec, settings=settings, project=folder)
    assert (found.dataset.absent, found.dataset.open_set) == (1, True)
    assert found.metrics["recall@1"].n == 5
    assert found.queries.to_pylist()[5]["rank"] is None
    again = evaluate(TINY, path, settings=settings, project=folder, open_set=True)
    assert again.to_dict()["measurement"] == found.to_dict()["measurement"]
    with pytest.raises(TypeError, match="open_set and layout_options describe a dataset given as"):
        evaluate(TINY, spec, settings=settings, open_set=True)


def test_options_of_the_layout_for_a_path(made):
    folder, rows, settings = made
    rows = [{**row, "checked_by": row["image"]} for row in rows]
    path = manifest(folder, rows, "checked.csv")
    options = {"notes": ["checked_by"]}
    found = evaluate(TINY, path, settings=settings, layout_options=options)
    assert "checked_by" not in found.dataset.conditions
    with pytest.raises(DatasetError, match="chekced_by"):
        evaluate(TINY, path, settings=settings, layout_options={"notes": ["chekced_by"]})


def test_more_metrics_where_they_are_asked_for(made):
    folder, rows, settings = made
    path = manifest(folder, rows)
    found = evaluate(TINY, path, settings=settings, metrics=["recall@3", "map@2", "recall@1"])
    assert {"recall@3", "map@2", "recall@1", "mrr"} <= set(found.metrics)
    with pytest.raises(SettingsError, match="did you mean 'recall'"):
        evaluate(TINY, path, settings=settings, metrics=["recal@3"])


def test_a_statistic_that_is_asked_for_is_measured_for_pairs_of_conditions(made):
    folder, rows, settings = made
    shown = [{**row, "angle": "front" if row["role"] == "query" else ""} for row in rows]
    copies = []
    for row in (row for row in shown if row["role"] == "query"):
        for k in range(6):
            image = f"{k}-{Path(row['image']).name}"
            shutil.copy(folder / row["image"], folder / image)
            copies.append({**row, "image": image})
    path = manifest(folder, shown + copies, "many.csv")
    plain = evaluate(TINY, path, settings=settings).measurement
    asked = evaluate(TINY, path, settings=settings, metrics=["median_rank"]).measurement
    assert [crossing.small for crossing in plain.crossings] == [False, False]
    for without, having in zip(plain.crossings, asked.crossings, strict=True):
        assert (
            {"recall@1", "map@20"} <= set(without.metrics) == set(having.metrics) - {"median_rank"}
        )
        rank = having.metrics["median_rank"]
        assert 1 <= rank.low <= rank.value <= rank.high
        assert rank.n == having.n


def test_options_in_place_of_settings(made, tmp_path):
    folder, rows, _ = made
    path = str(manifest(folder, rows))
    options = {"cache_dir": str(tmp_path / "c"), "device": "cpu", "threads": 1}
    found = evaluate(TINY, path, **options, resamples=100, seed=5)
    assert (found.measurement.seed, found.measurement.resamples) == (5, 100)
    assert (tmp_path / "c/vectors").is_dir()


@pytest.mark.parametrize(
    ("arguments", "options", "error", "said"),
    [
        (("timm:tf_efficientnet_lite0", "gone"), {}, SettingsError, "gone, which does not exist"),
        (("tf_efficientnet_lite0", "."), {}, SettingsError, "LIBRARY:IDENTIFIER"),
        (("timm:no_such_net", "parts.csv"), {}, ModelError, "no_such_net"),
        (
            (TINY, "parts.csv"),
            {"batchsize": 3},
            TypeError,
            "unknown options batchsize; known: .*batch",
        ),
        ((TINY, "parts.csv"), {"batch_size": -1}, SettingsError, "key 'batch_size' is -1"),
        ((TINY, "parts.csv"), {"batch_size": "4"}, SettingsError, "key 'batch_size' is '4'"),
        ((TINY, "parts.csv"), {"device": "gpu"}, SettingsError, "device: 'gpu'"),
        ((TINY, "parts.csv"), {"precision": "float16"}, SettingsError, "'float16' on the CPU"),
        ((TINY, "parts.csv"), {"layout": "foldr"}, SettingsError, "did you mean 'folder'"),
    ],
)
def test_what_is_wrong_is_named(made, monkeypatch, arguments, options, error, said):
    folder, rows, settings = made
    manifest(folder, rows)
    monkeypatch.chdir(folder)
    with pytest.raises(error, match=said):
        evaluate(*arguments, **{"settings": settings, **options})


def test_a_catalog_in_a_home_folder_is_shown_without_it(made, tmp_path, monkeypatch):
    home = tmp_path / "home/ada"
    shutil.copytree(made[0], home / "catalog")
    manifest(home / "catalog", made[1])
    monkeypatch.setenv("HOME", str(home))
    for project, root in ((tmp_path / "ci", "~/catalog"), (home / "project", "../catalog")):
        found = evaluate(TINY, home / "catalog/parts.csv", settings=made[2], project=Path(project))
        assert found.dataset.root == root
        assert "ada" not in json.dumps(found.to_dict())
