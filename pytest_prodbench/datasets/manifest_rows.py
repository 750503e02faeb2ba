"""What every manifest becomes: columns of text with the number of each row.

CSV, JSON Lines and Parquet end in the same text, so that a manifest means the same in each: a missing value
is ``""``, an integer its literal digits, a list of numbers (a box) its numbers with a space between.

A product id is text. Pandas is not used, because it guesses types (``007`` becomes 7), and a product id
that a file holds as a floating-point number is refused: a 16-digit code has already lost its last digit.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Literal

from pytest_prodbench.datasets.problems import shown
from pytest_prodbench.errors import DatasetError

FLOAT_ID = (
    "a product id is text: as a floating-point number, long codes lose digits and neighbouring "
    "products become one; write it as text"
)

MAX_COLUMNS = 1_000
"""Columns of one manifest. Each one more is a condition, each of its values a slice of every metric."""

_SAVE = "save the file as UTF-8 (spreadsheets call it 'CSV UTF-8')"

_MOST_DISTINCT = 0.5
"""Share of distinct texts in a column above which looking for equal ones saves nothing."""


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
    numbers: Sequence[int] = field(default_factory=lambda: array("q"))
    problems: list[str] = field(default_factory=list)


class SharedTexts:
    """Makes equal texts of a column one object: a million times ``gallery`` is a million pointers."""

    def __init__(self) -> None:
        self._known: dict[str, str] | None = {}
        self._seen = 0

    def of(self, values: Sequence[str]) -> Iterable[str]:
        """Return the values; where most differ (paths of images) as they are."""
        known = self._known
        if known is None:
            return values
        shared = list(map(known.setdefault, values, values))
        self._seen += len(shared)
        if len(known) > _MOST_DISTINCT * self._seen:
            self._known = None
        return shared


def check_columns(path: Path, names: Sequence[str], line: str = "") -> None:
    """Hold the names of columns against what a manifest can have.

    Args:
        path: the manifest.
        names: in the order of the file.
        line: where they stand: `` line 1``.

    Raises:
        DatasetError: too many, one without a name, two of one name.
    """
    if len(names) > MAX_COLUMNS:
        raise too_many_columns(path, line, len(names))
    seen: set[str] = set()
    for i, name in enumerate(names):
        if not name:
            found = f"column {i + 1} has no name"
        elif name in seen:
            found = f"two columns are called {name!r}"
        else:
            seen.add(name)
            continue
        raise DatasetError(
            f"{shown(path)}{line}", found=found, expected="every column with a name of its own"
        )


def too_many_columns(path: Path, line: str, count: int) -> DatasetError:
    """Return the error on a manifest that nobody can have meant."""
    return DatasetError(
        f"{shown(path)}{line}",
        found=f"{count:,} columns",
        expected=f"at most {MAX_COLUMNS:,}: each column more is a condition that metrics are given for",
        next_step="keep the columns that say how a photo was taken; is the table turned on its side?",
    )


def read_text(path: Path) -> str:
    """Return the text of a UTF-8 file, with or without byte order mark.

    Raises:
        DatasetError: not UTF-8 (names the line), or not readable.
    """
    with open_text(path, newline="") as file:
        return file.read()


@contextmanager
def open_text(path: Path, *, newline: str) -> Iterator[IO[str]]:
    """Open a UTF-8 file, with or without byte order mark, to be read line by line.

    Raises:
        DatasetError: not UTF-8 (names the line), or not readable; also while it is read.
    """
    try:
        with path.open("rb") as head:
            wide = b"\0" in head.read(4)
        if wide:
            raise DatasetError(
                f"{shown(path)} line 1",
                found="NUL bytes between the first characters, as in UTF-16 and UTF-32",
                expected="UTF-8 text",
                next_step=_SAVE,
            )
        with path.open(encoding="utf-8-sig", newline=newline) as file:
            yield file
    except UnicodeDecodeError:
        raise _not_utf8(path) from None
    except OSError as error:
        raise DatasetError(
            shown(path), found=f"cannot be read: {error.strerror or error}"
        ) from error


def _not_utf8(path: Path) -> DatasetError:
    try:
        path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = error.object[: error.start]
        line = before.count(b"\n") + before.replace(b"\r\n", b"").count(b"\r") + 1
        bad = error.object[error.start : error.start + 4].hex(" ")
        marked = error.object[:2] in {b"\xff\xfe", b"\xfe\xff"}
        return DatasetError(
            f"{shown(path)} line {line}",
            found=f"bytes {bad} that are not UTF-8" + (", a mark of UTF-16" if marked else ""),
            expected="UTF-8 text",
            next_step=_SAVE,
        )
    return DatasetError(
        shown(path), found="a file that changed while it was read", next_step="open it again"
    )
