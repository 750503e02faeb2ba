"""UnED: domains apart and merged, several classes, escaped paths; in small sets of its own layout."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import pytest
from dataset_builders import opened, spec, write_images
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_prodbench.datasets.opening import validate_options
from pytest_prodbench.errors import DatasetError, ProblemList, SettingsError
from pytest_prodbench.protocol import Dataset

LABEL = st.one_of(st.integers(0, 5), st.lists(st.integers(0, 5), min_size=1, max_size=3))
RP2K = "rp2k/all/test/可口可乐"
ESCAPED = "rp2k/all/test/#U53ef#U53e3#U53ef#U4e50"

INFO: dict[str, list[tuple[str, Any]]] = {
    "cars/test": [(f"cars/car_ims/{i}.jpg", 90 + i // 2) for i in range(4)],
    "cars/val": [(f"cars/car_ims/{i}.jpg", 7) for i in (8, 9)],
    "sop/test": [("sop/chair_final/1_0.jpg", 0), ("sop/chair_final/1_1.jpg", 0)],
    "inshop/test": [("deepfashion/inshop/img/MEN/1_1.jpg", 5)],
    "inshop/index": [("deepfashion/inshop/img/MEN/1_2.jpg", 5)],
    "inat/test": [("inat/a/1.jpg", 3), ("inat/a/2.jpg", 3)],
    "met/test": [("met/test_met/1.jpg", 3)],
    "met/index": [("met/MET/3/0.jpg", 3), ("met/MET/4/0.jpg", 4)],
    "met/val": [("met/test_met/2.jpg", 4)],
    "met/small_index": [("met/MET/4/0.jpg", 4)],
    # A photo of two landmarks; and one whose classes stand in another order, with one twice.
    "gldv2/test": [
        ("gldv2/images/test/0.jpg", [3, 17]),
        ("gldv2/images/test/1.jpg", [17, 3, 3]),
        ("gldv2/images/test/2.jpg", 17),
    ],
    "gldv2/index": [
        ("gldv2/images/index/0.jpg", 17),
        ("gldv2/images/index/1.jpg", 3),
        ("gldv2/images/index/2.jpg", [3]),
        ("gldv2/images/index/3.jpg", 4),
        ("gldv2/images/index/4.jpg", [4, 17]),
    ],
    "food2k/test": [("food2k/Food2k_complete/9/1.jpg", 9), ("food2k/Food2k_complete/9/2.jpg", 9)],
    "rp2k/test": [(f"{RP2K}/1.jpg", 1), (f"{RP2K}/2.jpg", 1)],
}


def write_uned(root: Path, *, escaped: bool = False) -> Path:
    for name, entries in INFO.items():
        write_info(root, name, [{"path": path, "class_id": label} for path, label in entries])
    paths = dict.fromkeys(path for entries in INFO.values() for path, _ in entries)
    write_images(root / "images", *(p.replace(RP2K, ESCAPED) if escaped else p for p in paths))
    return root


def write_info(root: Path, name: str, content: Any) -> None:
    path = root / "info_files" / f"{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content))


def uned(root: Path, *, counted: str = "", **options: Any) -> Dataset:
    domain, split = options.get("domain", "cars"), options.get("split", "test")
    names = counted.split() or [f"{domain}/{split}"]
    counts = {f"{name.replace('/', ' ')} images": len(INFO[name]) for name in names}
    return opened(root, "uned", options={"expected_counts": counts, **options})


def test_all_domains_search_the_merged_index(tmp_path: Path) -> None:
    tests = [name for name in INFO if name.endswith(("/test", "/index"))]
    dataset = uned(write_uned(tmp_path), counted=" ".join(tests))
    queries = [name for name in INFO if name.endswith("/test")]
    assert dataset.root == tmp_path / "images"
    assert dataset.queries.images == tuple(path for name in queries for path, _ in INFO[name])
    assert dataset.queries.product_ids[:7] == (
        *("cars:90", "cars:90", "cars:91", "cars:91"),
        *("sop:0", "sop:0", "inshop:5"),
    )
    # Class 3 of three domains is three products.
    assert {"inat:3", "met:3", "gldv2:3"} <= set(dataset.gallery.product_ids)
    assert dataset.queries.conditions["domain"] == tuple(
        name.split("/")[0] for name in queries for _ in INFO[name]
    )
    # cars, sop, inat, food2k and rp2k are their own index: the query itself is taken out by its pixels.
    assert {"cars/car_ims/0.jpg", "met/MET/4/0.jpg"} <= set(dataset.gallery.images)
    assert "met/test_met/1.jpg" not in dataset.gallery.images
    assert len(dataset.gallery) == 4 + 2 + 1 + 2 + 2 + 5 + 2 + 2
    assert (dataset.official_metrics, dataset.published) == (("recall@1", "mmp@5"), "uned")
    assert dataset.protocol_note.startswith(
        "Official: query = 17 images of the split 'test' of all"
    )
    assert "see the condition domain" in dataset.protocol_note
    assert "taken out by identity" in dataset.protocol_note


def test_a_query_of_several_classes_is_answered_by_any(tmp_path: Path) -> None:
    dataset = uned(write_uned(tmp_path), domain="gldv2", index="separate")
    assert dataset.queries.product_ids == ("gldv2:3+17", "gldv2:3+17", "gldv2:17")
    assert dataset.gallery.product_ids == (
        *("gldv2:17", "gldv2:3", "gldv2:3"),
        *("gldv2:4", "gldv2:4+17"),
    )
    assert dataset.answers == {
        "gldv2:3+17": ("gldv2:3", "gldv2:17", "gldv2:4+17"),
        "gldv2:17": ("gldv2:17", "gldv2:4+17"),
    }
    assert "Queries of several classes (1 product) are answered by any" in dataset.protocol_note
    assert "not the standard one" in dataset.protocol_note


@settings(max_examples=60, deadline=None)
@given(
    queries=st.lists(LABEL, min_size=1, max_size=6), gallery=st.lists(LABEL, min_size=1, max_size=8)
)
def test_positives_are_the_images_that_share_a_class(
    queries: list[Any], gallery: list[Any]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        for name, labels in (("test", queries), ("index", gallery)):
            entries = [
                {"path": f"{name}/{i}.jpg", "class_id": each} for i, each in enumerate(labels)
            ]
            write_info(Path(folder), f"gldv2/{name}", entries)
        counts = {"gldv2 test images": len(queries), "gldv2 index images": len(gallery)}
        options = {"domain": "gldv2", "index": "separate", "expected_counts": counts}
        dataset = opened(Path(folder), "uned", check=False, open_set=True, options=options)

    def classes(label: Any) -> set[int]:
        return set(label) if isinstance(label, list) else {label}

    for product, label in zip(dataset.queries.product_ids, queries, strict=True):
        answers = dataset.answers.get(product, (product,))
        assert [found in answers for found in dataset.gallery.product_ids] == [
            bool(classes(label) & classes(other)) for other in gallery
        ]


@pytest.mark.parametrize(
    ("domain", "split", "queries", "gallery"),
    [
        ("cars", "test", "cars/test", "cars/test"),
        ("cars", "val", "cars/val", "cars/val"),
        ("inshop", "test", "inshop/test", "inshop/index"),
        ("met", "test", "met/test", "met/index"),
        ("met", "val", "met/val", "met/small_index"),
    ],
)
def test_one_domain_alone(
    tmp_path: Path, domain: str, split: str, queries: str, gallery: str
) -> None:
    root = write_uned(tmp_path)
    counted = f"{queries} {gallery}"
    dataset = uned(root, counted=counted, domain=domain, split=split, index="separate")
    assert dataset.queries.images == tuple(path for path, _ in INFO[queries])
    assert dataset.gallery.images == tuple(path for path, _ in INFO[gallery])
    assert dataset.queries.conditions == {}
    assert dataset.answers == {}


def test_one_domain_in_the_merged_index(tmp_path: Path) -> None:
    dataset = uned(write_uned(tmp_path), domain="met")
    assert dataset.queries.images == ("met/test_met/1.jpg",)
    assert len(dataset.gallery) == 20
    assert dataset.protocol_note.startswith("Official: query = 1 images of the split 'test' of met")


def test_paths_of_rp2k_may_be_escaped_on_disk(tmp_path: Path) -> None:
    options = {"domain": "rp2k", "index": "separate"}
    assert uned(write_uned(tmp_path / "a"), **options).queries.images[0] == f"{RP2K}/1.jpg"
    escaped = uned(write_uned(tmp_path / "b", escaped=True), **options)
    assert escaped.queries.images == (f"{ESCAPED}/1.jpg", f"{ESCAPED}/2.jpg")
    root = write_uned(tmp_path / "c")
    write_images(root / "images", "rp2k/#U53ef.jpg", "rp2k/b.jpg")
    entries = [("rp2k/可.jpg", 1), ("rp2k/b.jpg", 1)]
    write_info(root, "rp2k/test", [{"path": path, "class_id": label} for path, label in entries])
    assert uned(root, **options).queries.images == ("rp2k/#U53ef.jpg", "rp2k/b.jpg")


def test_counts_are_the_published_ones(tmp_path: Path) -> None:
    options = {"domain": "inshop", "index": "separate"}
    with pytest.raises(DatasetError) as caught:
        opened(write_uned(tmp_path), "uned", options=options)
    assert caught.value.found == "1 inshop test images, 1 inshop index images"
    assert caught.value.expected == (
        "14,218 inshop test images, 12,612 inshop index images (as published)"
    )


def test_damaged_entries_are_named_together(tmp_path: Path) -> None:
    root = write_uned(tmp_path)
    good = {"path": "cars/car_ims/0.jpg", "class_id": 1}
    entries: list[Any] = [good, {"path": "a.jpg"}, "a.jpg", {"path": 3, "class_id": 1}]
    entries += [
        {"path": "a.jpg", "class_id": label} for label in (1.0, True, [], [1, "x"], -1, "7")
    ]
    entries.append({"path": "/a.jpg", "class_id": 1})
    write_info(root, "cars/test", entries)
    with pytest.raises(ProblemList) as caught:
        uned(root, domain="cars", index="separate")
    name = "info_files/cars/test.json row"
    what = "of 'a.jpg' is no whole number and no list of them"
    form = "is not {path, class_id} with a path as text"
    assert caught.value.problems[:-1] == (
        f"{name} 2: class_id None {what}",
        f"{name} 3: 'a.jpg' {form}",
        f"{name} 4: {{'path': 3, 'class_id': 1}} {form}",
        f"{name} 5: class_id 1.0 {what}",
        f"{name} 6: class_id True {what}",
        f"{name} 7: class_id [] {what}",
        f"{name} 8: class_id [1, 'x'] {what}",
        f"{name} 9: class_id -1 {what}",
    )
    assert caught.value.problems[-1].startswith(f"{name} 11: path '/a.jpg' is absolute")


def test_missing_pieces(tmp_path: Path) -> None:
    root = write_uned(tmp_path)
    (root / "images/met/MET/4/0.jpg").unlink()
    with pytest.raises(ProblemList, match=r"info_files/met/index\.json row 2 .*: no such file"):
        uned(root, domain="met", index="separate")
    (root / "info_files/met/index.json").unlink()
    with pytest.raises(DatasetError, match=r"no file info_files/met/index\.json.*info_files\.zip$"):
        uned(root, domain="met", index="separate")
    with pytest.raises(DatasetError, match=r"met/index\.json.*for one domain alone state index"):
        uned(root, domain="cars")
    write_info(root, "met/index", '[{"path": "a.jpg",\n "class_id": }]')
    with pytest.raises(DatasetError, match=r"index\.json line 2: no JSON.*column 14"):
        uned(root, domain="met", index="separate")
    write_info(root, "met/index", {"path": "a.jpg"})
    with pytest.raises(DatasetError, match="JSON of type dict; expected a list of"):
        uned(root, domain="met", index="separate")


def test_a_query_whose_classes_are_not_in_the_index_is_named(tmp_path: Path) -> None:
    root = write_uned(tmp_path)
    write_info(root, "gldv2/index", [{"path": "gldv2/images/index/0.jpg", "class_id": 3}])
    with pytest.raises(ProblemList, match="product 'gldv2:17' is not in the gallery"):
        uned(root, domain="gldv2", index="separate")


@pytest.mark.parametrize(
    ("options", "found"),
    [
        ({"domain": "shoes"}, "domain"),
        ({"split": "index"}, "split"),
        ({"index": "separate"}, "state one domain"),
    ],
)
def test_wrong_options(tmp_path: Path, options: dict[str, Any], found: str) -> None:
    with pytest.raises(SettingsError, match=found):
        validate_options(spec(tmp_path, "uned", options=options))
