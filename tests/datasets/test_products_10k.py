"""Products-10K: two lists of a classification task, made into queries and gallery."""

from __future__ import annotations

from pathlib import Path

import pytest
from dataset_builders import opened
from release_builders import edit, problems, refusal, write_products_10k

LAYOUT = "products_10k"
COUNTS = {"train images": 4, "train products": 3, "test images": 2, "test products": 2}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_products_10k(tmp_path)


def test_test_images_against_train_images(root: Path) -> None:
    dataset = opened(root, LAYOUT, options={"expected_counts": COUNTS})
    assert dataset.queries.images == ("test/10.jpg", "test/11.jpg")
    assert dataset.queries.product_ids == ("1", "2")
    assert dataset.queries.families == ("0", "5")
    assert dataset.gallery.images == ("train/0.jpg", "train/1.jpg", "train/2.jpg", "train/3.jpg")
    assert dataset.gallery.product_ids == ("0", "0", "1", "2")
    assert dataset.gallery.families == ("0", "0", "0", "5")
    assert dataset.protocol_note.startswith("Ours, not official")
    assert (dataset.official_metrics, dataset.published) == ((), "products_10k")
    # No counts are published, so that none are asked for.
    assert opened(root, LAYOUT) == dataset


@pytest.mark.parametrize("header", ["name,class,group", "name,class", "class,name,visibility"])
def test_the_third_column_of_the_test_list_does_not_matter(root: Path, header: str) -> None:
    plain = opened(root, LAYOUT)
    values = {"name": ("10.jpg", "11.jpg"), "class": ("1", "2")}
    lines = [
        ",".join(values.get(name, ("a", "b"))[i] for name in header.split(",")) for i in range(2)
    ]
    (root / "test_kaggletest.csv").write_text("\n".join([header, *lines]))
    assert opened(root, LAYOUT) == plain


def test_counts_that_differ_are_both_named(root: Path) -> None:
    error = refusal(root, LAYOUT, expected_counts=COUNTS | {"test images": 55_376})
    assert error.found == "2 test images"
    assert error.expected == "55,376 test images (option expected_counts)"


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        ("train.csv", "1.jpg,0,0", "1.jpg,0", "train.csv line 3: 2 fields, the header has 3"),
        ("train.csv", "1.jpg,0,0", "1.jpg,,0", "train.csv line 3: product_id is empty"),
        ("train.csv", "1.jpg,0,0", ",0,0", "train.csv line 3: image path is empty"),
        (
            "train.csv",
            "1.jpg,0,0",
            "../1.jpg,0,0",
            "line 3: image '../1.jpg' is outside the folder",
        ),
        ("test_kaggletest.csv", "11.jpg,2", "11.jpg, 2", "line 3: product_id ' 2' begins or ends"),
    ],
)
def test_damaged_lines_are_named(root: Path, file: str, old: str, new: str, message: str) -> None:
    edit(root / file, old, new)
    edit(root / "test_kaggletest.csv", "10.jpg", "/10.jpg")
    found = problems(root, LAYOUT)
    assert len(found) == 2
    assert any(message in problem for problem in found)
    assert any("test_kaggletest.csv line 2: path '/10.jpg' is absolute" in text for text in found)


def test_a_class_of_two_groups_gives_its_queries_no_family(root: Path) -> None:
    edit(root / "train.csv", "3.jpg,2,5", "3.jpg,2,5\n0.jpeg,1,9\n1.jpeg,1,0")
    dataset = opened(root, LAYOUT, check=False)
    assert dataset.queries.families == ("", "5")
    assert dataset.gallery.families == ("0", "0", "0", "5", "9", "0")


def test_a_class_that_is_not_in_train_must_be_declared(root: Path) -> None:
    edit(root / "test_kaggletest.csv", "11.jpg,2", "11.jpg,02")
    (found,) = problems(root, LAYOUT)
    assert (
        "test_kaggletest.csv line 3 (image 'test/11.jpg'): product '02' is not in the gallery"
        in found
    )
    assert opened(root, LAYOUT, open_set=True).queries.families == ("0", "")


def test_missing_pieces(root: Path) -> None:
    (root / "train/3.jpg").unlink()
    (found,) = problems(root, LAYOUT, check=True)
    assert found.startswith("train.csv line 5 (image 'train/3.jpg'): no such file")
    edit(root / "train.csv", "name,class,group", "name,class,grp")
    error = refusal(root, LAYOUT)
    assert error.where.endswith("train.csv line 1")
    assert (error.found, error.expected) == ("columns name, class, grp", "also group")
    (root / "test_kaggletest.csv").unlink()
    edit(root / "train.csv", "name,class,grp", "name,class,group")
    error = refusal(root, LAYOUT)
    assert error.found == "no file test_kaggletest.csv"
    assert "test.csv of the challenge has no classes" in error.next_step
