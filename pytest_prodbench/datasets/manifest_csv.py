"""CSV → columns of text."""

from __future__ import annotations

import csv
from array import array
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Literal, get_args

from pytest_prodbench.datasets.manifest_rows import Rows, SharedTexts, check_columns, open_text
from pytest_prodbench.datasets.problems import shown
from pytest_prodbench.errors import DatasetError

Delimiter = Literal[",", ";", "\t", "|"]
DELIMITERS: tuple[Delimiter, ...] = get_args(Delimiter)

# Few enough to stay in the processor's cache and below the threshold of the garbage collector: with 5,000
# a million rows take more than twice as long (docs/benchmarks.md).
_BATCH = 100


def read_csv(path: Path, *, delimiter: Delimiter, required: Sequence[str]) -> Rows:
    """Read a CSV file with a header line.

    Args:
        path: the manifest.
        delimiter: what stands between fields.
        required: columns that tell a header from one that is cut at the wrong character.

    Raises:
        DatasetError: no header, a column without a name of its own, another delimiter, not CSV; names
            the line.
    """
    # newline="" leaves line ends inside quoted fields as they are; strict refuses stray quotes.
    with open_text(path, newline="") as file:
        reader = csv.reader(file, delimiter=delimiter, strict=True)
        end = 0
        try:
            header = next((record for record in reader if record), None)
            if header is None:
                raise DatasetError(
                    shown(path), found="an empty file", expected="a header line with column names"
                )
            _check_delimiter(path, header, delimiter, required)
            check_columns(path, header, " line 1")
            columns: list[list[str]] = [[] for _ in header]
            shared = [SharedTexts() for _ in header]
            numbers = array("q")
            problems: list[str] = []
            end = reader.line_num
            while True:
                # One by one, since an error is in the record behind the last whole one.
                records: list[list[str]] = []
                starts: list[int] = []
                for record in islice(reader, _BATCH):
                    records.append(record)
                    starts.append(end + 1)
                    end = reader.line_num
                if not records:
                    break
                if set(map(len, records)) != {len(header)}:
                    records, starts = _whole(path, records, starts, len(header), problems)
                numbers.extend(starts)
                # Of no record at all there are no columns to walk along.
                by_column = list(zip(*records, strict=True)) or [()] * len(header)
                for column, texts, values in zip(columns, shared, by_column, strict=True):
                    column.extend(texts.of(values))
        except csv.Error as error:
            raise _not_csv(path, end + 1, error) from error
    return Rows("line", dict(zip(header, columns, strict=True)), numbers, problems)


def _whole(
    path: Path, records: list[list[str]], starts: list[int], width: int, problems: list[str]
) -> tuple[list[list[str]], list[int]]:
    """Leave out empty lines, and records with fields too many or too few, which are problems."""
    whole = [i for i, record in enumerate(records) if len(record) == width]
    problems += [
        f"{path.name} line {start}: {len(record)} fields, the header has {width}; "
        "put fields that hold delimiters or line ends in double quotes"
        for record, start in zip(records, starts, strict=True)
        if record and len(record) != width
    ]
    return [records[i] for i in whole], [starts[i] for i in whole]


def _check_delimiter(
    path: Path, header: list[str], delimiter: Delimiter, required: Sequence[str]
) -> None:
    """Refuse a header that names the required columns once it is cut at another character."""
    if set(required) <= set(header):
        return
    for other in DELIMITERS:
        # Text that another delimiter cut in two has lost which one it was: try with each whole field.
        names = {name.strip('"') for field in header for name in field.split(other)}
        if other != delimiter and set(required) <= names:
            raise DatasetError(
                f"{shown(path)} line 1",
                found=f"columns with {other!r} between them",
                expected=f"{delimiter!r}",
                next_step=f"set the option delimiter = {_toml(other)}",
            )
    if len(header) <= 2 and header[0].lower().startswith("sep="):
        raise DatasetError(
            f"{shown(path)} line 1",
            found=f"{header[0]!r}, a hint for spreadsheets",
            expected="a header line with column names",
            next_step="remove the line, and name what it says with the option delimiter",
        )


def _toml(delimiter: str) -> str:
    return '"\\t"' if delimiter == "\t" else f'"{delimiter}"'


def _not_csv(path: Path, line: int, error: csv.Error) -> DatasetError:
    reason = str(error)
    if "field limit" in reason:
        # Seldom a long text: the quote that opens it was never closed.
        reason = f"a field of more than {csv.field_size_limit():,} characters"
    return DatasetError(
        f"{shown(path)} line {line}",
        found=f"not CSV: {reason}",
        expected="fields with quotes in double quotes, quotes inside doubled, each quote closed",
    )
