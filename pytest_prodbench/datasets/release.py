"""How the files of a released set are read: where they may lie, their lines, what a table leaves blank."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from pytest_prodbench.datasets.manifest_csv import read_csv
from pytest_prodbench.datasets.manifest_rows import Rows
from pytest_prodbench.datasets.problems import shown
from pytest_prodbench.errors import DatasetError

StatedCounts = Annotated[dict[str, Annotated[int, Field(ge=0)]], Field(min_length=1)]
"""Option ``expected_counts``: what is counted, in words → how often; see ``verify_counts``."""


def release_file(root: Path, *names: str, expected: str, next_step: str) -> Path:
    """Return the first of these files below a folder that is there.

    Args:
        root: the dataset's folder.
        names: where copies of the set have the file, relative to ``root``.
        expected: what ``root`` should be, for the message.
        next_step: what to do where it is not.

    Raises:
        DatasetError: none of them is there.
    """
    for name in names:
        path = root / name
        if path.is_file():
            return path
    raise DatasetError(
        shown(root),
        found=f"no file {' or '.join(names)}",
        expected=expected,
        next_step=next_step,
    )


def numbered_lines(path: Path, problems: list[str] | None = None) -> Iterator[tuple[int, str]]:
    """Yield number and text of each line that is not blank, without white space around it.

    The file is never held as a whole, and may be packed with gzip (``.gz``). Lines end with a line feed,
    before which a carriage return may stand, and with nothing else: unlike ``str.splitlines``, which also
    ends them at characters that a file name may hold.

    Args:
        path: a list of a million lines, perhaps.
        problems: takes the lines that are not UTF-8; None: the first of them is an error.

    Raises:
        DatasetError: not readable, damaged, or not UTF-8 (names the line).
    """
    number = 0
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                try:
                    text = line.decode("utf-8-sig" if number == 1 else "utf-8").strip()
                except UnicodeDecodeError:
                    if problems is None:
                        raise
                    problems.append(f"{path.name} line {number}: not UTF-8")
                    continue
                if text:
                    yield number, text
    except UnicodeDecodeError:
        raise DatasetError(
            f"{shown(path)} line {number}", found="bytes that are not UTF-8", expected="UTF-8 text"
        ) from None
    except (OSError, EOFError, zlib.error) as error:
        raise DatasetError(
            shown(path),
            found=f"cannot be read after line {number}: {error}",
            next_step="fetch the file again, whole",
        ) from error


def json_object(line: str | bytes) -> dict[str, Any]:
    """Return the object that a line of JSON Lines is.

    Raises:
        ValueError: it is none; says why.
    """
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"not JSON ({error})") from None
    if not isinstance(row, dict):
        raise ValueError("not a JSON object")  # noqa: TRY004 - the line is wrong, not the call
    return row


def csv_columns(path: Path, *names: str) -> Rows:
    """Read a CSV file that has at least these columns.

    Raises:
        DatasetError: as ``read_csv``, or a column is missing.
    """
    rows = read_csv(path, delimiter=",", required=())
    missing = [name for name in names if name not in rows.columns]
    if missing:
        raise DatasetError(
            f"{shown(path)} line 1",
            found=f"columns {', '.join(rows.columns)}",
            expected=f"also {', '.join(missing)}",
            next_step="fetch the file again as it was released",
        )
    return rows
