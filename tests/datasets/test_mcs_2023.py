"""MCS 2023: boxes in customers' photos against sellers' photos."""

from __future__ import annotations

from pathlib import Path

import pytest
from dataset_builders import opened
from release_builders import edit, problems, refusal, write_mcs_2023

LAYOUT = "mcs_2023"
COUNTS = {"gallery images": 3, "gallery products": 2, "queries": 3, "query products": 2}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_mcs_2023(tmp_path)


def test_boxes_against_whole_photos(root: Path) -> None:
    dataset = opened(root, LAYOUT, options={"expected_counts": COUNTS})
    # Two boxes of one photo are two queries.
    assert dataset.queries.images == (
        "queries/bold-gecko.jpg", "queries/calm-newt.jpg", "queries/calm-newt.jpg",
    )  # fmt: skip
    assert dataset.queries.product_ids == ("3550", "5019", "5019")
    assert dataset.queries.boxes == ((1, 2, 3, 4), (0, 0, 8, 6), (4, 0, 4, 6))
    assert dataset.gallery.images[0] == "gallery/ambitious-teal.jpg"
    assert dataset.gallery.product_ids == ("5019", "3550", "3550")
    assert dataset.gallery.boxes == (None, None, None)
    assert set(dataset.gallery.families) == set(dataset.queries.groups) == {""}
    assert dataset.official_metrics == ("map@1000",)
    assert dataset.published == "mcs_2023"
    assert dataset.protocol_note.startswith("Official: query = the box")
    # No counts are published, so that none are asked for.
    assert opened(root, LAYOUT) == dataset


def test_counts_that_differ_are_both_named(root: Path) -> None:
    error = refusal(root, LAYOUT, expected_counts=COUNTS | {"queries": 1935})
    assert (error.found, error.expected) == ("3 queries", "1,935 queries (option expected_counts)")


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        ("queries.csv", "3550,1,2,3,4", "3550,1,2,3", "queries.csv line 2: 6 fields, the header has 7"),
        ("queries.csv", "3550,1,2,3,4", "3550,1,2,0,4", "line 2: box 1, 2, 0, 4 has no area"),
        ("queries.csv", "3550,1,2,3,4", "3550,1,2,,4", "line 2: box 1, 2, , 4 is not four numbers"),
        ("queries.csv", "3550,1,2,3,4", "3550,1,nan,3,4", "line 2: box 1, nan, 3, 4 holds a number"),
        ("queries.csv", "3550,1,2,3,4", "3550,-1,2,3,4", "line 2: box -1, 2, 3, 4 begins outside"),
        ("queries.csv", "3550,1,2,3,4", ",1,2,3,x", "product_id is empty; box 1, 2, 3, x is"),
        ("gallery.csv", "1,gallery/fine", "1,/gallery/fine", "gallery.csv line 3: path '/gallery/fine"),
    ],
)  # fmt: skip
def test_damaged_lines_are_named(root: Path, file: str, old: str, new: str, message: str) -> None:
    edit(root / file, old, new)
    edit(root / "gallery.csv", "2,gallery/kind-otter.jpg,", "2,,")
    found = problems(root, LAYOUT)
    assert len(found) == 2
    assert any(message in problem for problem in found)
    assert any("gallery.csv line 4: image path is empty" in problem for problem in found)


def test_a_box_outside_its_image_is_named_with_its_line(root: Path) -> None:
    edit(root / "queries.csv", "5019,4,0,4,6", "5019,4,0,5,6")
    (found,) = problems(root, LAYOUT, check=True)
    assert found.startswith("queries.csv line 4 (image 'queries/calm-newt.jpg'): box 4 0 5 6 (x y")


def test_missing_pieces(root: Path) -> None:
    (root / "gallery/kind-otter.jpg").unlink()
    (found,) = problems(root, LAYOUT, check=True)
    assert found.startswith("gallery.csv line 4 (image 'gallery/kind-otter.jpg'): no such file")
    edit(root / "queries.csv", "bbox_w,bbox_h", "w,h")
    error = refusal(root, LAYOUT)
    assert error.where.endswith("queries.csv line 1")
    assert error.expected == "also bbox_w, bbox_h"
    (root / "gallery.csv").unlink()
    error = refusal(root, LAYOUT)
    assert error.found == "no file gallery.csv"
    assert "the folder of the public data" in error.expected
