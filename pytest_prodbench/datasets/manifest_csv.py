"""CSV → columns of text."""

from __future__ import annotations

import csv
import io
from pathlib import Path

from pytest_prodbench.datasets.manifest_rows import Rows, read_text
from pytest_prodbench.datasets.problems import shown
from pytest_prodbench.errors import DatasetError


def read_csv(path: Path) -> Rows:
    """Read a CSV file with a header line.

    Raises:
        DatasetError: no header, a column without a name of its own, not CSV; names the line.
    """
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
