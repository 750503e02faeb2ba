"""Layout ``mcs_2023``: photos by customers against photos by sellers, with a box around what is searched.

Visual Product Recognition Challenge of the Machines Can See summit 2023,
https://www.aicrowd.com/challenges/visual-product-recognition-challenge-2023, whose rules must be accepted
there to get the data. Read in repositories of two participants, which keep the organisers' code:
melgor/Visual-Product-Recognition-2023 (``mean_average_precision.py``, ``README.md``, ``MCS2023_baseline``)
and Strekalov/1st-place-solution-visual-product-recognition-challenge-2023 (``local_evaluation.py``). The
official figure is the mean over queries of the average precision over the first 1,000 images, divided by all
positives of the query; here it is divided by min(1,000, positives), which is the same up to 1,000 positives.
The organisers publish the public part for local validation, and no counts of it.

``gallery.csv``: seller_img_id, img_path, product_id. ``queries.csv``: user_img_id, img_path, product_id,
bbox_x, bbox_y, bbox_w, bbox_h in pixels. Paths hang below the folder of the two files. The organisers' code
ignores an EXIF orientation, which is applied here; whether any photo has one could not be read.
"""

from __future__ import annotations

from pathlib import Path

from pytest_prodbench.datasets.counts import verify_counts
from pytest_prodbench.datasets.layout import Layout, Origin, Tables, image_table
from pytest_prodbench.datasets.manifest_roles import parse_box
from pytest_prodbench.datasets.manifest_rows import Rows
from pytest_prodbench.datasets.paths import image_path, image_path_problem
from pytest_prodbench.datasets.problems import product_id_problem
from pytest_prodbench.datasets.release import StatedCounts, csv_columns, release_file
from pytest_prodbench.protocol import Box, ImageTable
from pytest_prodbench.settings.frozen import Frozen
from pytest_prodbench.settings.types import DatasetSpec

GALLERY, QUERIES = "gallery.csv", "queries.csv"
_BOX = ("bbox_x", "bbox_y", "bbox_w", "bbox_h")


class Mcs2023Options(Frozen):
    """Options of the layout ``mcs_2023``.

    Attributes:
        expected_counts: counts that the set must have; none are published.
    """

    expected_counts: StatedCounts | None = None


def open_mcs_2023(spec: DatasetSpec, options: Mcs2023Options) -> Tables:
    """Read both lists into tables; see ``Layout.open``.

    Raises:
        DatasetError: a list is missing or not CSV, or counts differ from the stated ones.
    """
    root = spec.path.resolve()
    problems: list[str] = []
    gallery, gallery_lines = _read(root, GALLERY, (), problems)
    queries, query_lines = _read(root, QUERIES, _BOX, problems)
    if not problems:
        found = {
            "gallery images": len(gallery),
            "gallery products": len(set(gallery.product_ids)),
            "queries": len(queries),
            "query products": len(set(queries.product_ids)),
        }
        verify_counts(root, found, {}, options.expected_counts)
    return Tables(
        root=root,
        queries=queries,
        gallery=gallery,
        protocol_note=(
            "Official: query = the box in a customer's photo, gallery = whole photos by sellers; average "
            "precision over the first 1,000 images. The public part of the data, not the hidden test."
        ),
        query_origin=Origin(QUERIES, "line", query_lines),
        gallery_origin=Origin(GALLERY, "line", gallery_lines),
        problems=tuple(problems),
        official_metrics=("map@1000",),
        published="mcs_2023",
    )


def _read(
    root: Path, name: str, box_columns: tuple[str, ...], problems: list[str]
) -> tuple[ImageTable, list[int]]:
    path = release_file(
        root,
        name,
        expected=f"the folder of the public data: {GALLERY}, {QUERIES} and their images",
        next_step="correct path, or unpack the archive of the challenge again",
    )
    rows = csv_columns(path, "img_path", "product_id", *box_columns)
    problems += rows.problems
    kept: list[int] = []
    boxes: list[Box | None] = []
    for i, image in enumerate(rows.columns["img_path"]):
        reason = image_path_problem(image) or product_id_problem(rows.columns["product_id"][i])
        box, wrong_box = _box(rows, box_columns, i)
        if wrong := [text for text in (reason, wrong_box) if text]:
            problems.append(f"{name} line {rows.numbers[i]}: {'; '.join(wrong)}")
        else:
            kept.append(i)
            boxes.append(box)
    images = [image_path(rows.columns["img_path"][i]) for i in kept]
    table = image_table(images, [rows.columns["product_id"][i] for i in kept], boxes=boxes)
    return table, [rows.numbers[i] for i in kept]


def _box(rows: Rows, columns: tuple[str, ...], i: int) -> tuple[Box | None, str]:
    """Return the box of row i, or what is wrong with it."""
    values = [rows.columns[name][i] for name in columns]
    if not values:
        return None, ""
    try:
        return parse_box(" ".join(values)), ""
    except ValueError as error:
        return None, f"box {', '.join(values)} {error}: {', '.join(columns)}"


LAYOUT = Layout(options=Mcs2023Options, open=open_mcs_2023)
