"""Layout ``grocery_store``: phone photos in a shop against one studio image of each class.

Klasson, Zhang and Kjellström, "A Hierarchical Grocery Store Image Dataset with Visual and Semantic
Labels", WACV 2019, https://github.com/marcusklasson/GroceryStoreDataset (MIT). Its authors define splits
for classification only; the retrieval protocol is ours and the report says so.
"""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import Field

from pytest_prodbench.datasets.counts import verify_counts
from pytest_prodbench.datasets.layout import Layout, Origin, Tables, image_table
from pytest_prodbench.datasets.manifest_rows import read_text
from pytest_prodbench.datasets.paths import image_path, image_path_problem
from pytest_prodbench.datasets.problems import product_id_problem, shown
from pytest_prodbench.datasets.release import release_file
from pytest_prodbench.errors import DatasetError, ProblemList
from pytest_prodbench.protocol import ImageTable
from pytest_prodbench.settings.frozen import Frozen
from pytest_prodbench.settings.types import DatasetSpec

CLASSES = 81
# The paper counts 42 coarse classes; the released classes.csv holds 43, ids 0 to 42. Files decide.
COARSE_CLASSES = 43
SPLIT_IMAGES = {"train": 2640, "val": 296, "test": 2485}

_NAME, _ID, _COARSE, _COARSE_ID, _ICONIC = (
    "Class Name (str)",
    "Class ID (int)",
    "Coarse Class Name (str)",
    "Coarse Class ID (int)",
    "Iconic Image Path (str)",
)
_COLUMNS = (_NAME, _ID, _COARSE, _COARSE_ID, _ICONIC)
# Packaged goods are true SKUs; "a lemon" is a category. Mixing the two would blur what is measured.
_KINDS = {"Packages": "packaged", "Fruit": "produce", "Vegetables": "produce"}


class ExpectedCounts(Frozen):
    """Counts that a set must have: of classes, of coarse classes, of images in the split."""

    classes: int = Field(ge=1)
    coarse_classes: int = Field(ge=1)
    queries: int = Field(ge=1)


class GroceryStoreOptions(Frozen):
    """Options of the layout ``grocery_store``.

    Attributes:
        split: whose phone photos are the queries.
        expected_counts: for subsets and tests, instead of the counts of the release.
    """

    split: Literal["test", "train", "val"] = "test"
    expected_counts: ExpectedCounts | None = None


@dataclass(frozen=True, slots=True)
class _Class:
    name: str
    coarse: str
    coarse_id: str
    iconic: str
    line: int


def open_grocery_store(spec: DatasetSpec, options: GroceryStoreOptions) -> Tables:
    """Read ``classes.csv`` and one split into tables; see ``Layout.open``.

    Raises:
        DatasetError: a file is missing, or counts differ from the released ones.
    """
    inner = spec.path / "dataset"
    root = (inner if inner.is_dir() else spec.path).resolve()
    problems: list[str] = []
    classes = _read_classes(_file(root, "classes.csv"), problems)
    images, ids, lines = _read_split(_file(root, f"{options.split}.txt"), classes, problems)
    if problems:
        # Without all classes the counts below would be blamed for what is wrong with single lines.
        raise ProblemList(shown(root), problems)
    _verify_counts(root, options, classes, len(images))
    shelf = list(classes.values())
    return Tables(
        root=root,
        queries=_table(images, [classes[i] for i in ids]),
        gallery=_table([c.iconic for c in shelf], shelf),
        protocol_note=(
            f"Ours, not official: query = phone photos of the split {options.split!r}, gallery = one "
            f"studio image of each of the {len(shelf)} classes; family = coarse class. Fruit and "
            "vegetables are categories, not SKUs: see the condition kind (packaged or produce)."
        ),
        query_origin=Origin(f"{options.split}.txt", "line", lines),
        gallery_origin=Origin("classes.csv", "line", [c.line for c in shelf]),
        # The authors define splits for classification: no official metric of retrieval.
        official_metrics=(),
        published="grocery_store",
    )


def _file(root: Path, name: str) -> Path:
    return release_file(
        root,
        name,
        expected="the folder 'dataset' of Grocery Store, or the folder that holds it",
        next_step="correct path, or choose a split that is there with the option split",
    )


def _read_classes(path: Path, problems: list[str]) -> dict[str, _Class]:
    reader = csv.DictReader(io.StringIO(read_text(path), newline=""))
    missing = [name for name in _COLUMNS if name not in (reader.fieldnames or ())]
    if missing:
        raise DatasetError(
            f"{shown(path)} line 1",
            found=f"columns {', '.join(reader.fieldnames or ()) or 'none'}",
            expected=f"also {', '.join(missing)}",
        )
    classes: dict[str, _Class] = {}
    names: set[str] = set()
    for row in reader:
        place = f"{path.name} line {reader.line_num}"
        if None in row.values() or None in row:
            problems.append(f"{place}: not as many fields as the header has")
            continue
        iconic = row[_ICONIC].removeprefix("/")
        reason = product_id_problem(row[_NAME]) or image_path_problem(iconic)
        if not reason and (row[_ID] in classes or row[_NAME] in names):
            reason = f"class {row[_NAME]!r} or id {row[_ID]} stands twice"
        if not reason and _kind(iconic) is None:
            reason = f"iconic image {iconic!r} is below none of {', '.join(_KINDS)}"
        if reason:
            problems.append(f"{place}: {reason}")
            continue
        names.add(row[_NAME])
        classes[row[_ID]] = _Class(
            row[_NAME], row[_COARSE], row[_COARSE_ID], image_path(iconic), reader.line_num
        )
    return classes


def _read_split(
    path: Path, classes: dict[str, _Class], problems: list[str]
) -> tuple[list[str], list[str], list[int]]:
    images, ids, lines = [], [], []
    for number, line in enumerate(read_text(path).splitlines(), start=1):
        if not line.strip():
            continue
        # From the right: a path may hold a comma.
        fields = [field.strip() for field in line.rsplit(",", 2)]
        if len(fields) != 3:
            reason: str | None = f"{line!r} is not 'path, class id, coarse class id'"
        elif fields[1] not in classes:
            reason = f"class id {fields[1]!r} is not in classes.csv"
        elif fields[2] != classes[fields[1]].coarse_id:
            expected = classes[fields[1]].coarse_id
            reason = (
                f"coarse class id {fields[2]!r}, but classes.csv says {expected!r} of {fields[1]!r}"
            )
        else:
            reason = image_path_problem(fields[0])
        if reason:
            problems.append(f"{path.name} line {number}: {reason}")
            continue
        images.append(image_path(fields[0]))
        ids.append(fields[1])
        lines.append(number)
    return images, ids, lines


def _verify_counts(
    root: Path, options: GroceryStoreOptions, classes: dict[str, _Class], photos: int
) -> None:
    queries = f"{options.split} images"
    published = {
        "classes": CLASSES,
        "coarse classes": COARSE_CLASSES,
        queries: SPLIT_IMAGES[options.split],
    }
    found = {
        "classes": len(classes),
        "coarse classes": len({c.coarse for c in classes.values()}),
        queries: photos,
    }
    stated = options.expected_counts
    verify_counts(
        root,
        found,
        published,
        None
        if stated is None
        else {
            "classes": stated.classes,
            "coarse classes": stated.coarse_classes,
            queries: stated.queries,
        },
    )


def _kind(image: str) -> str | None:
    """Return the kind of ``<split or folder>/<Packages|Fruit|Vegetables>/...``; None if it is neither."""
    parts = image.split("/")
    return _KINDS.get(parts[1]) if len(parts) > 1 else None


def _table(images: list[str], labels: list[_Class]) -> ImageTable:
    return image_table(
        images,
        [c.name for c in labels],
        families=[c.coarse for c in labels],
        # The class's kind, so that a photo in the wrong folder cannot have another than its product.
        conditions={"kind": [_kind(c.iconic) or "" for c in labels]},
    )


LAYOUT = Layout(options=GroceryStoreOptions, open=open_grocery_store)
