"""What every manifest becomes: columns of text with the number of each row.

CSV, JSON Lines and Parquet end in the same text, so that a manifest means the same in each: a missing value
is ``""``, an integer its literal digits, a list of numbers (a box) its numbers with a space between.

A product id is text. Pandas is not used, because it guesses types (``007`` becomes 7), and a product id
that a file holds as a floating-point number is refused: a 16-digit code has already lost its last digit.
"""

from __future__ import annotations

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
