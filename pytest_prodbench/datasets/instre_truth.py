"""What stands in ``gnd_instre.mat``: queries, gallery, and positives and box of each query."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_prodbench.datasets.matlab_file import read_matlab
from pytest_prodbench.datasets.paths import image_path, image_path_problem
from pytest_prodbench.datasets.problems import shown, unicode_problem
from pytest_prodbench.errors import DatasetError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

NAMES = ("qimlist", "imlist", "gnd")
_FIELDS = ("ok", "bbx")


@dataclass(frozen=True)
class Truth:
    """Queries and gallery of the file.

    Attributes:
        queries: image of each query, relative to the folder of the images.
        gallery: image of each gallery row.
        positives: places in ``gallery`` of each query's positives, int64, counted from 0, ascending.
        boxes: the four numbers of each query as they stand; empty where they were not asked for.
        repeated: positives that stood twice in one list.
    """

    queries: tuple[str, ...]
    gallery: tuple[str, ...]
    positives: tuple[NDArray[np.int64], ...]
    boxes: tuple[tuple[float, float, float, float], ...]
    repeated: int


def read_truth(path: Path, problems: list[str], *, with_boxes: bool) -> Truth:
    """Read the file; appends what is wrong with single entries, counted from 1 as MATLAB does.

    Raises:
        DatasetError: it is no MATLAB file, or does not hold the three lists.
    """
    lists = _load(path)
    queries = _images(path, "qimlist", lists["qimlist"], problems)
    gallery = _images(path, "imlist", lists["imlist"], problems)
    entries = _entries(path, lists["gnd"])
    if len(entries) != len(queries):
        raise DatasetError(
            shown(path),
            found=f"{len(queries):,} queries in qimlist, {len(entries):,} entries in gnd",
            expected="an entry for each query",
        )
    positives, boxes, repeated = [], [], 0
    for number, (listed, box) in enumerate(entries, start=1):
        where = f"{path.name} gnd row {number}"
        places = _positives(listed, len(gallery))
        if isinstance(places, str):
            problems.append(f"{where}: {places}")
        else:
            positives.append(places[0])
            repeated += places[1]
        if with_boxes:
            if not _numbers(box) or len(box) != 4:
                problems.append(f"{where}: its box is not four numbers, but {_brief(box)}")
            else:
                boxes.append((box[0], box[1], box[2], box[3]))
    return Truth(tuple(queries), tuple(gallery), tuple(positives), tuple(boxes), repeated)


def _load(path: Path) -> dict[str, Any]:
    try:
        lists = read_matlab(path.read_bytes(), NAMES)
        missing = [name for name in NAMES if name not in lists]
        found = f"no {', '.join(missing)}"
    except (OSError, ValueError) as error:
        found = f"no whole MATLAB file: {error}"
    else:
        if not missing:
            return lists
    raise DatasetError(
        shown(path),
        found=found,
        expected=f"a MATLAB 5 file with {', '.join(NAMES)}",
        next_step="fetch the file again, whole and in binary mode",
    )


def _images(path: Path, name: str, cells: list[Any], problems: list[str]) -> list[str]:
    """Return the paths of a list: cells of texts, cells of those, or rows of characters."""
    images = []
    for number, cell in enumerate(cells, start=1):
        text = cell
        while isinstance(text, list) and len(text) == 1:
            text = text[0]
        if not isinstance(text, str):
            problems.append(f"{path.name} {name} row {number}: {_brief(cell)} is no text")
            images.append("")
            continue
        # The rows of a matrix of characters are filled up with blanks.
        image = text.rstrip(" ") if isinstance(cell, str) else text
        reason = image_path_problem(image) or unicode_problem("path", image)
        if not reason and "/" not in image_path(image):
            reason = f"path {image!r} has no folder, which names its object"
        if reason:
            problems.append(f"{path.name} {name} row {number}: {reason}")
        images.append(image_path(image))
    return images


def _entries(path: Path, gnd: list[Any]) -> list[tuple[Any, Any]]:
    """Return positives and box of each entry: fields ``ok`` and ``bbx``, or else the first two."""
    entries: list[tuple[Any, Any]] = []
    for cell in gnd:
        entry = cell
        while isinstance(entry, list) and len(entry) == 1:  # a cell of structs
            entry = entry[0]
        if not isinstance(entry, dict) or len(entry) < 2:
            raise DatasetError(
                f"{shown(path)} gnd row {len(entries) + 1}",
                found=_brief(cell),
                expected="a struct with the positives (ok) and the box (bbx) of a query",
            )
        first, second = _FIELDS if set(_FIELDS) <= set(entry) else list(entry)[:2]
        entries.append((entry[first], entry[second]))
    return entries


def _numbers(value: Any) -> bool:
    return all(isinstance(number, float) and math.isfinite(number) for number in value)


def _positives(value: Any, gallery: int) -> tuple[NDArray[np.int64], int] | str:
    """Return the places from 0 and how many stood twice, or what is wrong."""
    import numpy as np

    if not _numbers(value) or any(number != int(number) for number in value):
        return f"its positives are not whole numbers, but {_brief(value)}"
    wrong = [int(number) for number in value if not 1 <= number <= gallery]
    if wrong:
        return f"positive {wrong[0]}, expected 1 … {gallery} (counted from 1) in imlist"
    places = np.unique(np.asarray(value, dtype=np.int64))
    return places - 1, len(value) - len(places)


def _brief(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
