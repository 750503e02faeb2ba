"""What stands in ``gnd_instre.mat``: queries, gallery, and positives and box of each query.

MATLAB has no one shape for a list: a cell array may lie or stand, a struct array too, and a cell of structs
looks like neither once it is read. All of them are read here; everything else is named.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

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
        where = f"{path.name} gnd entry {number}"
        places = _positives(listed, len(gallery))
        if isinstance(places, str):
            problems.append(f"{where}: {places}")
        else:
            positives.append(places[0])
            repeated += places[1]
        if with_boxes:
            numbers = _numbers(box)
            if numbers is None or len(numbers) != 4:
                problems.append(f"{where}: its box is not four numbers, but {_brief(box)}")
            else:
                x, y, z, w = numbers
                boxes.append((x, y, z, w))
    return Truth(tuple(queries), tuple(gallery), tuple(positives), tuple(boxes), repeated)


def _load(path: Path) -> dict[str, Any]:
    from scipy.io import loadmat

    try:
        lists: dict[str, Any] = loadmat(str(path), variable_names=NAMES)
    except NotImplementedError:
        found = "a MATLAB 7.3 file, which is HDF5"
    except Exception as error:  # on damaged bytes it raises whatever it stumbles over
        found = f"no whole MATLAB file: {error}"
    else:
        missing = [name for name in NAMES if name not in lists]
        if not missing:
            return lists
        found = f"no {', '.join(missing)}"
    raise DatasetError(
        shown(path),
        found=found,
        expected=f"a MATLAB 5 file with {', '.join(NAMES)}",
        next_step="fetch the file again, whole",
    )


def _images(path: Path, name: str, cells: Any, problems: list[str]) -> list[str]:
    """Return the paths of a list, a cell array of texts or a matrix of characters."""
    images = []
    # The rows of a matrix of characters are filled up with blanks.
    padded = cells.dtype.kind == "U"
    for number, cell in enumerate(cells.reshape(-1), start=1):
        text = _only(cell)
        if not isinstance(text, str):
            problems.append(f"{path.name} {name} entry {number}: {_brief(cell)} is no text")
            images.append("")
            continue
        image = text.rstrip(" ") if padded else str(text)
        reason = image_path_problem(image) or unicode_problem("path", image)
        if not reason and "/" not in image_path(image):
            reason = f"path {image!r} has no folder, which names its object"
        if reason:
            problems.append(f"{path.name} {name} entry {number}: {reason}")
        images.append(image_path(image))
    return images


def _entries(path: Path, gnd: Any) -> list[tuple[Any, Any]]:
    """Return positives and box of each entry: fields ``ok`` and ``bbx``, or else the first two."""
    entries = []
    for cell in gnd.reshape(-1):
        entry = cell
        # A cell of structs: each cell holds an array of one struct.
        while getattr(entry, "dtype", None) is not None and entry.dtype.names is None:
            if entry.dtype.kind != "O" or entry.size != 1:
                break
            entry = entry.reshape(-1)[0]
        names = getattr(getattr(entry, "dtype", None), "names", None)
        if names is None or len(names) < 2 or entry.size != 1:
            raise DatasetError(
                f"{shown(path)} gnd entry {len(entries) + 1}",
                found=_brief(cell),
                expected="a struct with the positives (ok) and the box (bbx) of a query",
            )
        first, second = _FIELDS if set(_FIELDS) <= set(names) else names[:2]
        one = entry.reshape(-1)[0] if entry.shape else entry
        entries.append((one[first], one[second]))
    return entries


def _only(value: Any) -> Any:
    """Return what is inside arrays of one element."""
    while getattr(value, "shape", ()) and value.size == 1:
        value = value.reshape(-1)[0]
    return value


def _numbers(value: Any) -> list[float] | None:
    import numpy as np

    array = np.asarray(value)
    if array.dtype.kind not in "iuf" or not np.isfinite(array).all():
        return None
    numbers: list[float] = array.reshape(-1).astype(np.float64).tolist()
    return numbers


def _positives(value: Any, gallery: int) -> tuple[NDArray[np.int64], int] | str:
    """Return the places from 0 and how many stood twice, or what is wrong."""
    import numpy as np

    numbers = _numbers(value)
    if numbers is None or any(number != int(number) for number in numbers):
        return f"its positives are not whole numbers, but {_brief(value)}"
    places = np.unique(np.asarray(numbers, dtype=np.int64))
    outside = places[(places < 1) | (places > gallery)]
    if len(outside):
        return f"positive {outside[0]}, expected 1 … {gallery} (counted from 1) in imlist"
    return places - 1, len(numbers) - len(places)


def _brief(value: Any) -> str:
    text = " ".join(repr(value).split())
    return text if len(text) <= 60 else text[:57] + "..."
