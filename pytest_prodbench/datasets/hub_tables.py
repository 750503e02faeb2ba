"""The Parquet files of a retrieval set on a data-set hub: which there are, their ids, their judgements.

Image columns are never touched here.
"""

from __future__ import annotations

import glob
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_prodbench.datasets.parquet_files import IMAGE_COLUMN, image_name
from pytest_prodbench.datasets.problems import product_id_problem, shown
from pytest_prodbench.datasets.qrels import among
from pytest_prodbench.errors import DatasetError, shorten

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_SHARD = re.compile(r"(?P<split>.*?)-?(?P<number>\d+)(?:-of-(?P<count>\d+))?")
_MOST = 20
"""Rows with the same fault that are named; a table of the wrong set can have millions."""


@dataclass(frozen=True, slots=True)
class Images:
    """Id and name of each image of a table, in its order."""

    ids: tuple[str, ...]
    images: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Judgements:
    """Rows of ``qrels``: row of the query, row of the document, whether the score is above 0."""

    queries: NDArray[np.int64]
    documents: NDArray[np.int64]
    positive: NDArray[np.bool_]


def find_files(root: Path, part: str, names: Sequence[str], split: str) -> list[Path]:
    """Return the files of a part, in order.

    Args:
        root: folder of the set.
        part: what the option and the message call it.
        names: folders, or beginnings of file names, of which the first that is there is taken.
        split: taken where a folder has files of several.

    Raises:
        DatasetError: there are none, none of this split, or not all of them.
    """
    for name in names:
        folder = root / name
        found = sorted(folder.rglob("*.parquet")) if folder.is_dir() else []
        if found:
            return _whole(_of_split(found, folder, split))
        found = sorted(root.glob(f"{glob.escape(name)}-*.parquet"))
        # Beside them an older upload may lie, as one file.
        if found or (root / f"{name}.parquet").is_file():
            return _whole(found or [root / f"{name}.parquet"])
    raise DatasetError(
        shown(root),
        found=f"no Parquet files of {' or '.join(names)}",
        expected=" or ".join(f"{name}/*.parquet or {name}-*.parquet" for name in names),
        next_step=f"fetch the set again, whole, or name its folder with the option {part}",
    )


def _of_split(files: list[Path], folder: Path, split: str) -> list[Path]:
    splits: dict[str, list[Path]] = {}
    for path in files:
        inner = path.relative_to(folder)
        match = _SHARD.fullmatch(path.stem)
        name = match["split"] if match else path.stem
        splits.setdefault(inner.parts[0] if len(inner.parts) > 1 else name, []).append(path)
    # A corpus has often one split, of another name than that of the queries.
    if split not in splits and len(splits) > 1:
        raise DatasetError(
            shown(folder),
            found=f"files of the splits {', '.join(sorted(splits))}",
            expected=f"some of split {split!r}",
            next_step="name one with the option split",
        )
    return splits.get(split) or files


def _whole(files: list[Path]) -> list[Path]:
    counted: dict[tuple[Path, str, str], set[int]] = {}
    for path in files:
        match = _SHARD.fullmatch(path.stem)
        if match and match["count"]:
            key = (path.parent, match["split"], match["count"])
            counted.setdefault(key, set()).add(int(match["number"]))
    for (folder, name, count), numbers in counted.items():
        missing = sorted(set(range(int(count))) - numbers)
        if missing:
            raise DatasetError(
                f"{shown(folder)}/{name}-*-of-{count}.parquet",
                found=f"{len(numbers):,} files; without number {', '.join(map(str, missing[:_MOST]))}",
                expected=f"{int(count):,}",
                next_step="fetch the set again, whole",
            )
    return files


def read_images(root: Path, files: Sequence[Path], problems: list[str]) -> Images:
    """Read the ids of a table of images; wrong rows go to ``problems``.

    Raises:
        DatasetError: a file is no Parquet, or has other columns.
    """
    ids: list[str] = []
    images: list[str] = []
    first: dict[str, str] = {}
    for path in files:
        name = path.relative_to(root).as_posix()
        with _parquet(path) as file:
            columns = file.schema_arrow.names
            key = "_id" if "_id" in columns else "id"
            _require(path, columns, (key, IMAGE_COLUMN))
            # Text and modality say whether the image is all that is asked.
            wanted = [key, *(c for c in ("modality", "text") if c in columns)]
            table = file.read(columns=wanted)
        for row, value in enumerate(_texts(table[key], path, key), start=1):
            place = f"{name} row {row}"
            reason = (product_id_problem(value) or "").replace("product_id", key)
            if not reason and value in first:
                reason = f"{key} {value!r} repeats {first[value]}"
            if reason:
                problems.append(f"{place}: {reason}")
                continue
            first[value] = place
            ids.append(value)
            images.append(image_name(name, row))
        problems += _not_images(table, name)
    return Images(tuple(ids), tuple(images))


def _not_images(table: Any, name: str) -> list[str]:
    """Find rows that are more, or other, than an image: without their text they ask another question."""
    from pyarrow import types

    problems = []
    for column, is_fine in (("modality", {None, "image"}), ("text", {None, ""})):
        if column not in table.column_names or types.is_null(table[column].type):
            continue
        values = table[column].to_pylist()
        wrong = [i for i, value in enumerate(values, start=1) if value not in is_fine]
        problems += _shortened(
            [
                f"{name} row {i}: {column} {values[i - 1]!r}; only images are read"
                for i in wrong[: _MOST + 1]
            ],
            len(wrong),
        )
    return problems


def read_judgements(
    root: Path,
    files: Sequence[Path],
    queries: Sequence[str],
    documents: Sequence[str],
    problems: list[str],
) -> Judgements:
    """Read ``qrels``; rows with an unknown id, or that contradict one another, go to ``problems``.

    Raises:
        DatasetError: a file is no Parquet, or has other columns.
    """
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    known = {
        "query-id": pa.array(queries, pa.string()),
        "corpus-id": pa.array(documents, pa.string()),
    }
    found: dict[str, list[Any]] = {"query-id": [], "corpus-id": [], "score": []}
    places: list[tuple[str, int]] = []
    for path in files:
        name = path.relative_to(root).as_posix()
        with _parquet(path) as file:
            _require(path, file.schema_arrow.names, tuple(found))
            table = file.read(columns=list(found))
            scores = table["score"].cast(pa.float64()).to_numpy()
        places.append((name, table.num_rows))
        for column, ids in known.items():
            texts = _strings(table[column], path, column)
            rows = pc.fill_null(pc.index_in(texts, value_set=ids), -1).to_numpy()
            found[column].append(rows.astype(np.int64))
            lost = np.flatnonzero(rows < 0)
            of = "queries" if column == "query-id" else "corpus"
            problems += _shortened(
                [
                    f"{name} row {i + 1}: {column} {texts[i].as_py()!r} is not in {of}"
                    for i in lost[: _MOST + 1].tolist()
                ],
                len(lost),
            )
        found["score"].append(scores)
        bad = np.flatnonzero(~np.isfinite(scores))
        problems += _shortened(
            [f"{name} row {i + 1}: score is no number" for i in bad[: _MOST + 1].tolist()], len(bad)
        )
    query, document = (np.concatenate(found[column]) for column in known)
    scores = np.concatenate(found["score"])
    positive = scores > 0
    keys = query * max(len(documents), 1) + document
    whole = (query >= 0) & (document >= 0) & np.isfinite(scores)
    both = np.sort(keys[whole & ~positive])
    both = both[among(both, np.sort(keys[whole & positive]))]
    torn = np.flatnonzero(whole & among(keys, both))
    problems += _shortened(
        [
            f"{_place(places, i)}: the pair of query and document stands twice, with a score above 0 and "
            "with one that is not"
            for i in torn[: _MOST + 1].tolist()
        ],
        len(torn),
    )
    return Judgements(query, document, positive)


def _place(places: list[tuple[str, int]], row: int) -> str:
    for name, count in places:
        if row < count:
            return f"{name} row {row + 1}"
        row -= count
    raise IndexError(row)


def _shortened(messages: list[str], count: int) -> list[str]:
    return list(shorten(messages + [""] * (count - len(messages)), _MOST))


@contextmanager
def _parquet(path: Path) -> Iterator[Any]:
    import pyarrow as pa
    from pyarrow.parquet import ParquetFile

    try:
        with ParquetFile(path) as file:
            yield file
    except (pa.ArrowException, OSError) as error:
        raise DatasetError(
            shown(path),
            found=f"cannot be read as Parquet: {error}",
            next_step="fetch it again; a file of some hundred bytes is a pointer of Git LFS",
        ) from error


def _require(path: Path, columns: Sequence[str], wanted: Sequence[str]) -> None:
    missing = [name for name in wanted if name not in columns]
    if missing:
        raise DatasetError(
            shown(path),
            found=f"columns {', '.join(columns)}",
            expected=f"also {', '.join(missing)}",
            next_step="only sets whose queries and documents are images are read",
        )


def _strings(column: Any, path: Path, name: str) -> Any:
    """Return ids as text, whole numbers by their digits."""
    import pyarrow as pa
    from pyarrow import types

    kind = column.type
    if not (types.is_integer(kind) or types.is_string(kind) or types.is_large_string(kind)):
        raise DatasetError(
            f"{shown(path)} column {name!r}",
            found=f"type {kind}",
            expected="text or integers",
            next_step="write the ids as text",
        )
    return column.cast(pa.string())


def _texts(column: Any, path: Path, name: str) -> list[str]:
    return ["" if value is None else value for value in _strings(column, path, name).to_pylist()]
