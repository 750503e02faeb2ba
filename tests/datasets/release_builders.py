"""Small sets in exactly the layout of public ones: lists, folders and real JPEGs, made in the test."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from dataset_builders import opened, write_images

from pytest_prodbench.errors import DatasetError, ProblemList


def write_lines(path: Path, *lines: str, end: str = "\n") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes("".join(line + end for line in lines).encode())
    return path


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_bytes().decode()
    assert old in text
    path.write_bytes(text.replace(old, new, 1).encode())


def problems(root: Path, layout: str, *, check: bool = False, **options: Any) -> list[str]:
    with pytest.raises(ProblemList) as caught:
        opened(root, layout, check=check, options=options)
    return list(caught.value.problems)


def refusal(root: Path, layout: str, **options: Any) -> DatasetError:
    with pytest.raises(DatasetError) as caught:
        opened(root, layout, check=False, options=options)
    return caught.value


STANFORD = (
    "1 1 1 bicycle_final/111085122871_0.JPG",
    "2 1 1 bicycle_final/111085122871_1.JPG",
    "3 2 1 bicycle_final/111265328556_0.JPG",
    "4 2 1 bicycle_final/111265328556_1.JPG",
    "5 3 2 cabinet_final/251952414262_2.JPG",
    "6 3 2 cabinet_final/251952414262_10.JPG",
)
RETAIL = (
    "0 0 0 test/0/119.jpg",
    "1 1 0 test/0/120.jpg",
    "2 1 7 test/7/121.jpg",
    "3 2 7 test/7/122.jpg",
)


def write_online_products(root: Path, name: str, rows: Sequence[str], *, end: str = "\n") -> Path:
    """Write one list and its images; the released list of Retail-786k ends lines with CR LF."""
    write_lines(root / name, "image_id class_id super_class_id path", *rows, end=end)
    write_images(root, *(row.split(" ", 3)[3] for row in rows))
    return root


IN_SHOP = (
    ("img/WOMEN/Dresses/id_00000002/02_1_front.jpg", "id_00000002", "train"),
    ("img/WOMEN/Dresses/id_00000002/02_2_side.jpg", "id_00000002", "train"),
    ("img/MEN/Denim/id_00000080/01_1_front.jpg", "id_00000080", "query"),
    ("img/MEN/Denim/id_00000080/01_7_additional.jpg", "id_00000080", "gallery"),
    ("img/WOMEN/Tees_Tanks/id_00007982/13_3_back.jpg", "id_00007982", "query"),
    ("img/WOMEN/Tees_Tanks/id_00007982/13_4_full.jpg", "id_00007982", "query"),
    ("img/WOMEN/Tees_Tanks/id_00007982/12_1_front.jpg", "id_00007982", "gallery"),
)


def write_in_shop(root: Path) -> Path:
    """Write the partition, the boxes and the images below Img; 8 x 6 pixels, boxes 1 1 5 4."""
    rows = [f"{image:<60}{item}  {status}" for image, item, status in IN_SHOP]
    names = "image_name item_id evaluation_status"
    write_lines(root / "Eval/list_eval_partition.txt", str(len(rows)), names, *rows)
    names = "image_name clothes_type pose_type x_1 y_1 x_2 y_2"
    boxes = [f"{image:<60}1 2 001 001 005 004" for image, *_ in IN_SHOP]
    write_lines(root / "Anno/list_bbox_inshop.txt", str(len(boxes)), names, *boxes)
    write_images(root / "Img", *(image for image, *_ in IN_SHOP))
    return root


def write_products_10k(root: Path) -> Path:
    write_lines(
        root / "train.csv", "name,class,group", "0.jpg,0,0", "1.jpg,0,0", "2.jpg,1,0", "3.jpg,2,5"
    )
    write_lines(
        root / "test_kaggletest.csv", "name,class,Usage", "10.jpg,1,Public", "11.jpg,2,Private"
    )
    write_images(root, *(f"train/{i}.jpg" for i in range(4)), "test/10.jpg", "test/11.jpg")
    return root


def write_rp2k(root: Path, *images: str) -> Path:
    write_images(root / "all", *images)
    return root


def write_mcs_2023(root: Path) -> Path:
    write_lines(
        root / "gallery.csv",
        "seller_img_id,img_path,product_id",
        "0,gallery/ambitious-teal.jpg,5019",
        "1,gallery/fine-oarfish.jpg,3550",
        "2,gallery/kind-otter.jpg,3550",
    )
    write_lines(
        root / "queries.csv",
        "user_img_id,img_path,product_id,bbox_x,bbox_y,bbox_w,bbox_h",
        "0,queries/bold-gecko.jpg,3550,1,2,3,4",
        "1,queries/calm-newt.jpg,5019,0,0,8,6",
        "2,queries/calm-newt.jpg,5019,4,0,4,6",
    )
    write_images(
        root, "gallery/ambitious-teal.jpg", "gallery/fine-oarfish.jpg", "gallery/kind-otter.jpg",
        "queries/bold-gecko.jpg", "queries/calm-newt.jpg",
    )  # fmt: skip
    return root
