"""Layout ``in_shop``: In-shop Clothes Retrieval Benchmark of DeepFashion, photos of worn clothes by item.

Liu, Luo, Qiu, Wang and Tang, "DeepFashion: Powering Robust Clothes Recognition and Retrieval with Rich
Annotations", CVPR 2016, https://mmlab.ie.cuhk.edu.hk/projects/DeepFashion.html; non-commercial research and
education only, as the README of the set says. Read in that README (copies: czla/cloth-image-retrieval
``data/InShop/README.txt``, open-mmlab/mmfashion ``docs/dataset/IN_SHOP_DATASET.md``): the lists begin with
the number of their rows and a line of column names; boxes are the upper left and the lower right corner, in
pixels of the images of ``img.zip``, which were fitted into 256 x 256. Paths, counts and the mapping from
``img/`` to ``img_highres/`` were read in OML-Team/open-metric-learning (``convert_inshop.py``).

``Eval/list_eval_partition.txt``, in some copies at the root: ``image_name item_id evaluation_status``, where
the status is train, query or gallery. Images lie below ``Img/img`` or ``img``, or in full size below
``img_highres`` beside it; in the list all paths begin with ``img/``. 47 of the 3,985 items that are searched
for have images in two categories (counted in the lists of czla/cloth-image-retrieval): a family is of an
image here, not of an item.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal

from pydantic import model_validator

from pytest_prodbench.datasets.counts import verify_counts
from pytest_prodbench.datasets.layout import Layout, Origin, Tables, image_table
from pytest_prodbench.datasets.paths import image_path, image_path_problem
from pytest_prodbench.datasets.problems import product_id_problem, shown
from pytest_prodbench.datasets.release import StatedCounts, numbered_lines, release_file
from pytest_prodbench.errors import DatasetError
from pytest_prodbench.protocol import Box, ImageTable
from pytest_prodbench.settings.frozen import Frozen
from pytest_prodbench.settings.types import DatasetSpec

PUBLISHED = {
    "images": 52_712,
    "items": 7_982,
    "query images": 14_218,
    "gallery images": 12_612,
    "train images": 25_882,
}
OFFICIAL_METRICS = ("recall@1", "recall@10", "recall@20", "recall@30", "recall@40", "recall@50")
STATUSES = ("train", "query", "gallery")
PARTITION = "list_eval_partition.txt"
BOXES = "list_bbox_inshop.txt"

_COLUMNS = ("image_name", "item_id", "evaluation_status")
_CORNERS = ("x_1", "y_1", "x_2", "y_2")
# img/WOMEN/Dresses/id_00000002/02_1_front.jpg
_FAMILY = re.compile(r"img/([^/]+/[^/]+)/[^/]+/[^/]+")
_VIEW = re.compile(r"\d+_\d+_([A-Za-z]+)\.[A-Za-z]+")


class InShopOptions(Frozen):
    """Options of the layout ``in_shop``.

    Attributes:
        images: folder of the images: fitted into 256 x 256 pixels, or in full size.
        boxes: cut the boxes of the list out of queries and gallery. They fit ``img`` only.
        expected_counts: for subsets and tests, instead of the published counts.
    """

    images: Literal["img", "img_highres"] = "img"
    boxes: bool = False
    expected_counts: StatedCounts | None = None

    @model_validator(mode="after")
    def _boxes_fit(self) -> InShopOptions:
        if self.boxes and self.images != "img":
            raise ValueError("boxes = true needs images = 'img': boxes count in its pixels")
        return self


def open_in_shop(spec: DatasetSpec, options: InShopOptions) -> Tables:
    """Read the partition, and the boxes if asked for, into tables; see ``Layout.open``.

    Raises:
        DatasetError: a list or the folder of the images is missing, a list has another header, or
            counts differ from the published ones.
    """
    root = spec.path.resolve()
    problems: list[str] = []
    path = _list_file(root, f"Eval/{PARTITION}")
    rows = _read_partition(path, problems)
    boxes: dict[str, Box] = {}
    if options.boxes:
        boxes = _read_boxes(_list_file(root, f"Anno/{BOXES}"), problems)
        for image, (_item, status, line) in rows.items():
            if status != "train" and image not in boxes:
                problems.append(f"{PARTITION} line {line}: {image!r} has no box in {BOXES}")
    folder = _image_folder(root, options.images)
    if not problems:
        statuses = [status for _item, status, _line in rows.values()]
        found = {"images": len(rows), "items": len({item for item, *_ in rows.values()})}
        found |= {f"{status} images": statuses.count(status) for status in STATUSES}
        verify_counts(path, found, PUBLISHED, options.expected_counts)
    cut = "; the boxes of the set are cut out" if options.boxes else ""
    return Tables(
        root=root,
        queries=_table(rows, "query", folder, boxes),
        gallery=_table(rows, "gallery", folder, boxes),
        protocol_note=(
            "Official: the images of status query against those of status gallery, whose items were not "
            f"trained on; images of {folder}{cut}. family = section and category of the path, condition "
            "view = last word of the file name."
        ),
        query_origin=_origin(rows, "query"),
        gallery_origin=_origin(rows, "gallery"),
        problems=tuple(problems),
        official_metrics=OFFICIAL_METRICS,
        published="in_shop",
    )


_Rows = dict[str, tuple[str, str, int]]
"""Path in the list → item, status, line."""


def _list_file(root: Path, name: str) -> Path:
    return release_file(
        root,
        name,
        name.rpartition("/")[2],
        expected="the folder of the In-shop Clothes Retrieval Benchmark, with Eval, Anno and Img in it",
        next_step="correct path, or fetch the lists of the benchmark too",
    )


def _image_folder(root: Path, name: str) -> str:
    for folder in (f"Img/{name}", name):
        if (root / folder).is_dir():
            return folder
    raise DatasetError(
        shown(root),
        found=f"no folder Img/{name} or {name}",
        expected=f"the images of {name}.zip",
        next_step="unpack them there, or choose the other folder with the option images",
    )


def _read_partition(path: Path, problems: list[str]) -> _Rows:
    rows: _Rows = {}
    for number, (image, item, status) in _read_rows(path, _COLUMNS, problems):
        reason = _image_problem(image) or product_id_problem(item)
        if not reason and status not in STATUSES:
            reason = f"status {status!r} is none of {', '.join(STATUSES)}"
        if not reason and image in rows:
            reason = f"image {image!r} stands already in line {rows[image][2]}; keep one of the two"
        if reason:
            problems.append(f"{path.name} line {number}: {reason}")
        else:
            rows[image] = (item, status, number)
    return rows


def _read_boxes(path: Path, problems: list[str]) -> dict[str, Box]:
    boxes: dict[str, Box] = {}
    for number, (image, *corners) in _read_rows(path, ("image_name", *_CORNERS), problems):
        reason = _image_problem(image)
        if not reason and image in boxes:
            reason = f"image {image!r} has two boxes"
        if not reason and not all(corner.isascii() and corner.isdigit() for corner in corners):
            reason = f"box {' '.join(corners)} is not four whole numbers {' '.join(_CORNERS)}"
        if not reason:
            left, top, right, bottom = map(float, corners)
            boxes[image] = (left, top, right - left, bottom - top)
            if right <= left or bottom <= top:
                reason = (
                    f"box {' '.join(corners)} has no area: {' '.join(_CORNERS)} are its corners"
                )
        if reason:
            problems.append(f"{path.name} line {number}: {reason}")
    return boxes


def _image_problem(image: str) -> str | None:
    if not image.startswith("img/"):
        return f"image {image!r} does not begin with img/"
    return image_path_problem(image)


def _read_rows(
    path: Path, columns: tuple[str, ...], problems: list[str]
) -> list[tuple[int, list[str]]]:
    """Return line number and wanted fields of each row of a list; its count and rows are checked."""
    lines = list(numbered_lines(path))
    stated: int | None = None
    if lines and lines[0][1].isascii() and lines[0][1].isdigit():
        # Some copies have lost the first line, which says how many rows follow.
        stated = int(lines.pop(0)[1])
    header_line, header = lines.pop(0) if lines else (1, "")
    names = header.casefold().split()
    if missing := [name for name in columns if name not in names]:
        raise DatasetError(
            f"{shown(path)} line {header_line}",
            found=repr(header) if header else "no line of column names",
            expected=f"column names, also {', '.join(missing)}",
            next_step=f"fetch {path.name} again as it was released",
        )
    if stated is not None and stated != len(lines):
        problems.append(
            f"{path.name} line 1: says {stated:,} rows, but {len(lines):,} follow; fetch it again, whole"
        )
    places = [names.index(name) for name in columns]
    rows = []
    for number, line in lines:
        fields = line.split()
        if len(fields) != len(names):
            problems.append(f"{path.name} line {number}: {line!r} is not {' '.join(names)!r}")
        else:
            rows.append((number, [fields[place] for place in places]))
    return rows


def _table(rows: _Rows, role: str, folder: str, boxes: dict[str, Box]) -> ImageTable:
    kept = {image: item for image, (item, status, _line) in rows.items() if status == role}
    families = [_FAMILY.fullmatch(image) for image in kept]
    views = [_VIEW.fullmatch(image.rpartition("/")[2]) for image in kept]
    return image_table(
        [image_path(folder + image.removeprefix("img")) for image in kept],
        list(kept.values()),
        families=[match[1] if match else "" for match in families],
        boxes=[boxes.get(image) for image in kept],
        conditions={"view": [match[1] if match else "" for match in views]},
    )


def _origin(rows: _Rows, role: str) -> Origin:
    return Origin(PARTITION, "line", [line for _, status, line in rows.values() if status == role])


LAYOUT = Layout(options=InShopOptions, open=open_in_shop)
