"""CSV, JSON Lines or Parquet → columns of text with the number of each row.

All three end in the same text, so that a manifest means the same in each: a missing value is ``""``, an
integer its literal digits, a list of numbers (a box) its numbers with a space between.

A product id is text. Pandas is not used, because it guesses types (``007`` becomes 7), and a product id
that a file holds as a floating-point number is refused: a 16-digit code has already lost its last digit.
"""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from pytest_prodbench.datasets.problems import shown
from pytest_prodbench.errors import DatasetError

FLOAT_ID = (
    "a product id is text: as a floating-point number, long codes lose digits and neighbouring "
    "products become one; write it as text"
)


@dataclass(slots=True)
class Rows:
    """Columns of text, all as long as ``numbers``.

    Attributes:
        columns: name → values, in the order of the file.
        numbers: 1-based line (CSV: where the record begins) or row of each row.
        unit: what ``numbers`` counts.
        problems: rows that could not be read and are left out, each named.
    """

    unit: Literal["line", "row"]
    columns: dict[str, list[str]] = field(default_factory=dict)
    numbers: list[int] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def read_rows(path: Path, *, product_column: str) -> Rows:
    """Read a manifest by its suffix: ``.csv``, ``.jsonl``/``.ndjson`` or ``.parquet``/``.pq``.

    Args:
        path: the manifest.
        product_column: the column that must not hold floating-point numbers.

    Raises:
        DatasetError: another suffix, not UTF-8, no header, not the format its suffix promises.
    """
    suffix = path.suffix.lower()
    if not path.is_file():
        raise DatasetError(
            shown(path), found="a folder", expected="a manifest file", next_step="name the file"
        )
    if suffix == ".csv":
        return _read_csv(path)
    if suffix in {".jsonl", ".ndjson"}:
        from pytest_prodbench.datasets.manifest_json import read_json_lines

        return read_json_lines(path, product_column=product_column)
    if suffix in {".parquet", ".pq"}:
        from pytest_prodbench.datasets.manifest_parquet import read_parquet

        return read_parquet(path, product_column=product_column)
    raise DatasetError(
        shown(path),
        found=f"a manifest with the suffix {path.suffix!r}",
        expected=".csv, .jsonl, .ndjson, .parquet or .pq",
        next_step="save it in one of these formats",
    )


def read_text(path: Path) -> str:
    """Return the text of a UTF-8 file, with or without byte order mark.

    Raises:
        DatasetError: not UTF-8 (names the line), or not readable.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DatasetError(shown(path), found=f"cannot be read: {error.strerror}") from error
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        bad = error.object[error.start : error.start + 4].hex(" ")
        raise DatasetError(
            f"{shown(path)} line {line}",
            found=f"bytes {bad} that are not UTF-8",
            expected="UTF-8 text",
            next_step="save the file as UTF-8",
        ) from None


def _read_csv(path: Path) -> Rows:
    # newline="" leaves line ends inside quoted fields as they are; strict refuses stray quotes.
    reader = csv.reader(io.StringIO(read_text(path), newline=""), strict=True)
    rows = Rows(unit="line")
    header: list[str] = []
    columns: list[list[str]] = []
    end = 0
    try:
        for record in reader:
            start, end = end + 1, reader.line_num
            if not record:
                continue  # an empty line
            if not header:
                header = record
                _check_header(path, header)
                rows.columns = {name: [] for name in header}
                columns = list(rows.columns.values())
            elif len(record) != len(header):
                rows.problems.append(
                    f"{path.name} line {start}: {len(record)} fields, the header has {len(header)}; "
                    "put fields that hold commas or line ends in double quotes"
                )
            else:
                rows.numbers.append(start)
                for column, value in zip(columns, record, strict=True):
                    column.append(value)
    except csv.Error as error:
        raise DatasetError(
            f"{shown(path)} line {end + 1}",
            found=f"not CSV: {error}",
            expected="fields with quotes in double quotes, quotes inside doubled",
        ) from error
    if not header:
        raise DatasetError(
            shown(path), found="an empty file", expected="a header line with column names"
        )
    return rows


def _check_header(path: Path, header: list[str]) -> None:
    for i, name in enumerate(header):
        if not name:
            found = f"column {i + 1} has no name"
        elif name in header[:i]:
            found = f"two columns are called {name!r}"
        else:
            continue
        raise DatasetError(
            f"{shown(path)} line 1", found=found, expected="every column with a name of its own"
        )
