"""The committed catalogs: complete, balanced, untouched."""

import csv
import json
from collections import Counter
from pathlib import Path

import pytest

import pytest_prodbench
from fixtures.render.__main__ import CATALOGS
from fixtures.render.sectors import SECTORS, catalog
from pytest_prodbench.rendering import catalog as files
from pytest_prodbench.rendering.design import LEVELS
from pytest_prodbench.rendering.pictures import digest, plan
from pytest_prodbench.rendering.telling import NEEDED

NO_CONDITION = {"image", "product_id", "role", "sector", "family", *files.NOTES}


def rows_of(sector: str) -> list[dict[str, str]]:
    with (CATALOGS / sector / "manifest.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("sector", SECTORS)
def test_manifest_images_and_digests_agree(sector):
    assert files.problems(CATALOGS / sector) == []


@pytest.mark.parametrize("sector", SECTORS)
def test_rows_are_of_the_sector_and_products_of_one_family_with_siblings(sector):
    rows = rows_of(sector)
    assert {r["role"] for r in rows} == {"gallery", "query"}
    assert {r["sector"] for r in rows} == {sector}
    family = {r["product_id"]: r["family"] for r in rows}
    assert all(family[r["product_id"]] == r["family"] for r in rows)
    assert min(Counter(family.values()).values()) >= 2
    assert len({r["product_id"] for r in rows if r["role"] == "gallery"}) >= 12
    assert len([r for r in rows if r["role"] == "query"]) >= 48


@pytest.mark.parametrize("sector", SECTORS)
def test_counts(sector):
    rows = rows_of(sector)
    gallery = [r for r in rows if r["role"] == "gallery"]
    queries = [r for r in rows if r["role"] == "query"]
    images = Counter(r["product_id"] for r in gallery)
    asked = {r["product_id"] for r in queries}
    assert len(asked & images.keys()) == 100
    assert len(images.keys() - asked) == 150
    assert {images[product] for product in asked & images.keys()} == {1, 2, 3}
    assert Counter(r["product_id"] in images for r in queries) == {True: 400, False: 40}
    family = {r["product_id"]: r["family"] for r in rows}
    assert Counter(Counter(family.values()).values()) == {26: 10}


@pytest.mark.parametrize("sector", SECTORS)
def test_every_query_shows_what_tells_its_product_from_its_siblings(sector):
    family = {r["product_id"]: r["family"] for r in rows_of(sector)}
    for row in rows_of(sector):
        if row["role"] == "query":
            assert int(row["told_by"]) >= NEEDED
            assert family[row["nearest"]] == row["family"]
            assert row["nearest"] != row["product_id"]


@pytest.mark.parametrize("model", ["baseline:colour-histogram", "baseline:pixels"])
@pytest.mark.parametrize("sector", SECTORS)
def test_what_needs_no_model_finds_next_to_nothing(sector, model):
    evaluation = pytest_prodbench.evaluate(
        model,
        CATALOGS / sector / "manifest.csv",
        open_set=True,
        # The whole is asked for, not what each condition costs.
        layout_options={"notes": [*LEVELS, *files.NOTES]},
    )
    assert evaluation.metrics["recall@1"].value < 0.1


@pytest.mark.parametrize("sector", SECTORS)
def test_conditions_are_filled_and_balanced(sector):
    rows = rows_of(sector)
    conditions = set(rows[0]) - NO_CONDITION
    assert len(conditions) >= 5
    for condition in conditions:
        assert {r[condition] for r in rows if r["role"] == "gallery"} == {""}
        counts = Counter(r[condition] for r in rows if r["role"] == "query")
        assert "" not in counts
        assert max(counts.values()) - min(counts.values()) <= 1


@pytest.mark.parametrize("sector", SECTORS)
def test_the_manifest_is_the_plan_of_its_seed(sector):
    record = files.read_digests(CATALOGS / sector)
    made = catalog(sector, record["seed"])
    pictures = plan(made)
    expected = files.manifest_bytes(sector, pictures, record["images"])
    assert expected == (CATALOGS / sector / "manifest.csv").read_bytes()
    planned = {image: entry["plan"] for image, entry in record["images"].items()}
    assert planned == {p.image: digest(made, p) for p in pictures}


@pytest.mark.parametrize("sector", SECTORS)
def test_images_carry_no_metadata_and_no_two_are_the_same(sector):
    record = files.read_digests(CATALOGS / sector)
    digests = [entry["sha256"] for entry in record["images"].values()]
    assert len(set(digests)) == len(digests)
    for image in record["images"]:
        data = (CATALOGS / sector / image).read_bytes()
        assert data[:3] == b"\xff\xd8\xff"
        assert b"Exif\x00" not in data


@pytest.mark.parametrize("sector", SECTORS)
def test_digests_are_sorted_and_name_no_place(sector):
    text = (CATALOGS / sector / "digests.json").read_text("utf-8")
    record = json.loads(text)
    assert text == json.dumps(record, indent=1, sort_keys=True) + "\n"
    assert not any(Path(part).is_absolute() for part in record["command"].split())
    assert record["renderer"]["name"] == "mitsuba"


def test_all_together_stay_small():
    files = [p for p in CATALOGS.rglob("*") if p.is_file()]
    assert sum(p.stat().st_size for p in files) < 80e6
