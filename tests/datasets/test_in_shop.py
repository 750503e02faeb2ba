"""In-Shop: a partition with query and gallery, boxes that fit one of two folders of images."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from dataset_builders import opened, spec
from release_builders import IN_SHOP, edit, problems, refusal, write_in_shop, write_lines

from pytest_prodbench.datasets.opening import validate_options
from pytest_prodbench.errors import SettingsError

LAYOUT = "in_shop"
COUNTS = {
    "images": 7,
    "items": 3,
    "query images": 3,
    "gallery images": 2,
    "train images": 2,
}
SMALL = {"expected_counts": COUNTS}
PARTITION = "Eval/list_eval_partition.txt"
BOXES = "Anno/list_bbox_inshop.txt"
LIST, BOX_LIST = "list_eval_partition.txt line", "list_bbox_inshop.txt line"
BOX = "1 2 001 001 005 004"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_in_shop(tmp_path)


def test_query_against_gallery(root: Path) -> None:
    dataset = opened(root, LAYOUT, options=SMALL)
    assert dataset.queries.images == (
        "Img/img/MEN/Denim/id_00000080/01_1_front.jpg",
        "Img/img/WOMEN/Tees_Tanks/id_00007982/13_3_back.jpg",
        "Img/img/WOMEN/Tees_Tanks/id_00007982/13_4_full.jpg",
    )
    assert dataset.queries.product_ids == ("id_00000080", "id_00007982", "id_00007982")
    assert dataset.queries.families == ("MEN/Denim", "WOMEN/Tees_Tanks", "WOMEN/Tees_Tanks")
    assert dataset.queries.conditions == {"view": ("front", "back", "full")}
    assert dataset.gallery.images == (
        "Img/img/MEN/Denim/id_00000080/01_7_additional.jpg",
        "Img/img/WOMEN/Tees_Tanks/id_00007982/12_1_front.jpg",
    )
    assert dataset.gallery.product_ids == ("id_00000080", "id_00007982")
    assert dataset.gallery.groups == ("", "")
    assert dataset.gallery.boxes == (None, None)
    assert dataset.official_metrics == tuple(f"recall@{k}" for k in (1, 10, 20, 30, 40, 50))
    assert dataset.published == "in_shop"
    assert dataset.protocol_note.startswith("Official: the images of status query")


def test_where_copies_have_the_files(root: Path) -> None:
    plain = opened(root, LAYOUT, options=SMALL)
    shutil.move(root / PARTITION, root / "list_eval_partition.txt")
    shutil.move(root / "Img/img", root / "img")
    moved = opened(root, LAYOUT, options=SMALL)
    assert moved.queries.images == tuple(i.removeprefix("Img/") for i in plain.queries.images)
    shutil.move(root / "img", root / "Img/img_highres")
    large = opened(root, LAYOUT, options=SMALL | {"images": "img_highres"})
    assert large.gallery.images[0] == "Img/img_highres/MEN/Denim/id_00000080/01_7_additional.jpg"
    assert "images of Img/img_highres" in large.protocol_note
    error = refusal(root, LAYOUT, **SMALL)
    assert error.found == "no folder Img/img or img"
    assert error.expected == "the images of img.zip"


def test_boxes_are_corners_in_the_small_images(root: Path) -> None:
    dataset = opened(root, LAYOUT, options=SMALL | {"boxes": True})
    assert dataset.queries.boxes == ((1.0, 1.0, 4.0, 3.0),) * 3
    assert dataset.gallery.boxes == ((1.0, 1.0, 4.0, 3.0),) * 2
    assert "boxes of the set are cut out" in dataset.protocol_note
    shutil.move(root / BOXES, root / "list_bbox_inshop.txt")
    assert opened(root, LAYOUT, options=SMALL | {"boxes": True}) == dataset
    with pytest.raises(SettingsError, match="boxes = true needs images = 'img'"):
        validate_options(spec(root, LAYOUT, options={"boxes": True, "images": "img_highres"}))
    (root / "list_bbox_inshop.txt").unlink()
    error = refusal(root, LAYOUT, boxes=True)
    assert error.found == "no file Anno/list_bbox_inshop.txt or list_bbox_inshop.txt"


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize(
    "head",
    [
        ("7", "image_name item_id evaluation_status"),
        ("7", "", "Image_Name\titem_id   evaluation_status "),
        ("image_name  item_id  evaluation_status",),
    ],
)
def test_header_variants_mean_the_same(root: Path, head: tuple[str, ...], end: str) -> None:
    plain = opened(root, LAYOUT, options=SMALL)
    rows = [f"{image}\t{item}  {status}" for image, item, status in IN_SHOP]
    write_lines(root / PARTITION, *head, *rows, "", end=end)
    assert opened(root, LAYOUT, options=SMALL) == plain


def test_columns_are_found_by_name(root: Path) -> None:
    plain = opened(root, LAYOUT, options=SMALL)
    rows = [f"{status} {image} x {item}" for image, item, status in IN_SHOP]
    write_lines(root / PARTITION, "7", "evaluation_status image_name note item_id", *rows)
    assert opened(root, LAYOUT, options=SMALL) == plain


def test_counts_that_differ_are_both_named(root: Path) -> None:
    error = refusal(root, LAYOUT)
    assert error.found == ("7 images, 3 items, 3 query images, 2 gallery images, 2 train images")
    assert error.expected == (
        "52,712 images, 7,982 items, 14,218 query images, 12,612 gallery images, "
        "25,882 train images (as published)"
    )


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        (PARTITION, "7\nimage", "8\nimage", f"{LIST} 1: says 8 rows, but 7 follow"),
        (PARTITION, "query\nimg/WOMEN", "querry\nimg/WOMEN", f"{LIST} 7: status 'querry' is none of"),
        (PARTITION, "id_00000080  query", "query", f"{LIST} 5: 'img/MEN/Denim/id_00000080/01_1_front"),
        (PARTITION, "img/MEN/Denim/id_00000080/01_1", "MEN/01_1", f"{LIST} 5: image 'MEN/01_1_front"),
        (PARTITION, "13_4_full", "13_3_back", "13_3_back.jpg' stands already in line 7; keep one"),
        (BOXES, "7\nimage", "6\nimage", f"{BOX_LIST} 1: says 6 rows, but 7 follow; fetch it again"),
        (BOXES, "13_3_back", "13_9_back", "13_3_back.jpg' has no box in list_bbox_inshop.txt"),
        (BOXES, f"{BOX}\nimg/MEN", "1 2 005 001 001 004\nimg/MEN", f"{BOX_LIST} 4: box 005 001 001 004 has"),
        (BOXES, f"{BOX}\nimg/MEN", "1 2 001 -01 005 004\nimg/MEN", f"{BOX_LIST} 4: box 001 -01 005 004 is"),
        (BOXES, f"{BOX}\nimg/MEN", "1 2 001 001 005\nimg/MEN", f"{BOX_LIST} 4: 'img/WOMEN/Dresses/id_"),
        (BOXES, "02_2_side", "02_1_front", f"{BOX_LIST} 4: image 'img/WOMEN/Dresses/id_00000002/02_1"),
    ],
)  # fmt: skip
def test_damaged_lines_are_named(root: Path, file: str, old: str, new: str, message: str) -> None:
    edit(root / file, old, new)
    edit(root / PARTITION, "id_00007982  gallery", "id_00007982  shelf")
    found = problems(root, LAYOUT, boxes=True)
    assert len(found) == 2
    assert any(message in problem for problem in found)
    assert any("line 9: status 'shelf'" in problem for problem in found)


def test_a_box_outside_its_image_is_named_with_its_line(root: Path) -> None:
    edit(
        root / BOXES,
        "13_3_back.jpg              1 2 001 001 005 004",
        "13_3_back.jpg 1 2 001 001 256 004",
    )
    (found,) = problems(root, LAYOUT, check=True, boxes=True, **SMALL)
    assert found.startswith("list_eval_partition.txt line 7 (image 'Img/img/WOMEN/Tees_Tanks")
    assert "box 1 1 255 3 (x y width height) reaches outside the upright image of 8 x 6" in found


def test_missing_pieces(root: Path) -> None:
    (root / "Img" / IN_SHOP[2][0]).unlink()
    (found,) = problems(root, LAYOUT, check=True, **SMALL)
    assert found.startswith("list_eval_partition.txt line 5 (image 'Img/img/MEN/Denim/")
    edit(root / PARTITION, "evaluation_status", "status")
    error = refusal(root, LAYOUT)
    assert error.where.endswith("list_eval_partition.txt line 2")
    assert error.expected == "column names, also evaluation_status"
    write_lines(root / PARTITION, "0")
    assert refusal(root, LAYOUT).found == "no line of column names"
    (root / PARTITION).unlink()
    error = refusal(root, LAYOUT)
    assert error.found == "no file Eval/list_eval_partition.txt or list_eval_partition.txt"
    assert "In-shop Clothes Retrieval" in error.expected
