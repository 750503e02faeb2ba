"""Grocery Store: small sets in its layout, and the real one where it is on this machine."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from dataset_builders import opened, spec, write_images

from pytest_prodbench.datasets.opening import validate_options
from pytest_prodbench.errors import DatasetError, ProblemList, SettingsError

HEADER = (
    "Class Name (str),Class ID (int),Coarse Class Name (str),Coarse Class ID (int),"
    "Iconic Image Path (str),Product Description Path (str)"
)
CLASSES = (
    ("Royal-Gala", "Apple", 0, "Fruit/Apple/Royal-Gala"),
    ("Pink-Lady", "Apple", 0, "Fruit/Apple/Pink-Lady"),
    ("Arla-Standard-Milk", "Milk", 1, "Packages/Milk/Arla-Standard-Milk"),
    ("Leek", "Leek", 2, "Vegetables/Leek"),
)
COUNTS = {"expected_counts": {"classes": 4, "coarse_classes": 3, "queries": 8}}


REAL_ROWS = "95e4f27753b2a700c0282f4803b3aed4a29baf10f78e804841a766cbb000286c"


def write_grocery_store(root: Path) -> Path:
    lines = {"classes.csv": [HEADER], "test.txt": []}
    images = []
    for number, (name, coarse, coarse_id, folder) in enumerate(CLASSES):
        iconic = f"iconic-images-and-descriptions/{folder}/{name}_Iconic.jpg"
        lines["classes.csv"].append(
            f"{name},{number},{coarse},{coarse_id},/{iconic},/{iconic[:-10]}Description.txt"
        )
        photos = [f"test/{folder}/{name}_{i:03}.jpg" for i in (1, 2)]
        lines["test.txt"] += [f"{photo}, {number}, {coarse_id}" for photo in photos]
        images += [iconic, *photos]
    write_images(root / "dataset", *images)
    for name, text in lines.items():
        (root / "dataset" / name).write_text("\n".join(text) + "\n")
    return root


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def test_small_set(tmp_path: Path) -> None:
    root = write_grocery_store(tmp_path)
    dataset = opened(root, "grocery_store", options=COUNTS)
    assert dataset == opened(root / "dataset", "grocery_store", options=COUNTS)
    assert dataset.root == root / "dataset"
    assert dataset.gallery.product_ids == tuple(name for name, *_ in CLASSES)
    assert dataset.gallery.families == ("Apple", "Apple", "Milk", "Leek")
    assert dataset.gallery.conditions == {"kind": ("produce", "produce", "packaged", "produce")}
    assert dataset.queries.images[0] == "test/Fruit/Apple/Royal-Gala/Royal-Gala_001.jpg"
    assert dataset.queries.product_ids[4:6] == ("Arla-Standard-Milk",) * 2
    assert dataset.queries.conditions["kind"][4:6] == ("packaged", "packaged")
    assert "not official" in dataset.protocol_note
    assert (dataset.official_metrics, dataset.published) == ((), "grocery_store")


def test_counts_are_those_of_the_release(tmp_path: Path) -> None:
    with pytest.raises(DatasetError) as caught:
        opened(write_grocery_store(tmp_path), "grocery_store")
    assert caught.value.found == "4 classes, 3 coarse classes, 8 test images"
    assert (
        caught.value.expected == "81 classes, 43 coarse classes, 2,485 test images (as published)"
    )


def test_only_what_differs_from_stated_counts_is_named(tmp_path: Path) -> None:
    stated = {"expected_counts": COUNTS["expected_counts"] | {"coarse_classes": 2, "queries": 9}}
    with pytest.raises(DatasetError) as caught:
        opened(write_grocery_store(tmp_path), "grocery_store", options=stated)
    assert caught.value.found == "3 coarse classes, 8 test images"
    assert caught.value.expected == "2 coarse classes, 9 test images (option expected_counts)"


@pytest.mark.parametrize(
    ("file", "old", "new", "found"),
    [
        ("test.txt", "_001.jpg, 0, 0", "_001.jpg, 9, 0", "test.txt line 1: class id '9' is not in"),
        (
            "test.txt",
            "_001.jpg, 0, 0",
            "_001.jpg, 0, 2",
            "test.txt line 1: coarse class id '2', but",
        ),
        (
            "test.txt",
            "_001.jpg, 0, 0",
            "_001.jpg 0 0",
            "test.txt line 1: .* is not 'path, class id",
        ),
        ("classes.csv", ",Apple,0,", ",Apple,", "classes.csv line 2: not as many fields"),
        ("classes.csv", "Pink-Lady,1", "Royal-Gala,1", "classes.csv line 3: class 'Royal-Gala'"),
        ("classes.csv", "descriptions/Fruit", "descriptions/Frut", "is below none of Packages"),
        ("classes.csv", "Royal-Gala,0", " Royal-Gala,0", "begins or ends with white space"),
    ],
)
def test_wrong_lines_are_named(tmp_path: Path, file: str, old: str, new: str, found: str) -> None:
    root = write_grocery_store(tmp_path)
    edit(root / "dataset" / file, old, new)
    with pytest.raises(ProblemList, match=found):
        opened(root, "grocery_store", options=COUNTS)


def test_missing_pieces(tmp_path: Path) -> None:
    root = write_grocery_store(tmp_path)
    (root / "dataset" / CLASSES[0][3].join(("test/", "/Royal-Gala_002.jpg"))).unlink()
    with pytest.raises(
        ProblemList, match=r"test\.txt line 2 .*Royal-Gala_002\.jpg'\): no such file"
    ):
        opened(root, "grocery_store", options=COUNTS)
    with pytest.raises(DatasetError, match=r"no file train\.txt"):
        opened(root, "grocery_store", options={"split": "train"})
    edit(root / "dataset/classes.csv", "Class ID (int)", "Class")
    with pytest.raises(DatasetError, match=r"expected also Class ID \(int\)"):
        opened(root, "grocery_store", options=COUNTS)


@pytest.mark.parametrize(
    "options", [{"split": "dev"}, {"expected_counts": {"classes": "4"}}, {"expected_counts": {}}]
)
def test_wrong_options(tmp_path: Path, options: dict[str, Any]) -> None:
    with pytest.raises(SettingsError, match=next(iter(options))):
        validate_options(spec(tmp_path, "grocery_store", options=options))


@pytest.fixture
def real() -> Path:
    beside = Path(__file__).parents[3] / "shared" / "data" / "grocery-store"
    path = Path(os.environ.get("PRODBENCH_GROCERY_STORE") or beside)
    if not path.is_dir():
        pytest.skip(
            "Grocery Store is not on this machine; PRODBENCH_GROCERY_STORE names its folder"
        )
    return path


def test_the_real_one(real: Path) -> None:
    dataset = opened(real.resolve(), "grocery_store")
    assert (len(dataset.queries), len(dataset.gallery)) == (2485, 81)
    assert len(set(dataset.gallery.families)) == 43
    assert Counter(dataset.gallery.conditions["kind"]) == {"produce": 50, "packaged": 31}
    assert set(dataset.queries.product_ids) == set(dataset.gallery.product_ids)
    # Every column of both tables, digested before the counts were held by verify_counts.
    rows = [
        (
            t.images,
            t.product_ids,
            t.families,
            t.groups,
            t.boxes,
            tuple(sorted(t.conditions.items())),
        )
        for t in (dataset.queries, dataset.gallery)
    ]
    assert hashlib.sha256(repr(rows).encode()).hexdigest() == REAL_ROWS
