"""Days on which a row of a manifest is valid: a catalog changes, a benchmark states its day.

Both days count: a row is valid on d if valid_from <= d <= valid_until; an empty one sets no limit.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Sequence
from pathlib import Path

from pytest_prodbench.datasets.problems import shown
from pytest_prodbench.errors import DatasetError

# date.fromisoformat() also takes 20261101 and 2026-W44-7: one day, one way to write it.
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
# How a database or a data frame writes a day that it holds as a time.
_MIDNIGHT = re.compile(r"[T ]00:00(:00(\.0+)?)?", re.ASCII)


def check_as_of(path: Path, as_of: dt.date | None, columns: Sequence[str]) -> None:
    """Demand a day where rows have days, and days where one is asked for.

    Args:
        path: the manifest.
        as_of: the day that is asked for.
        columns: those of ``valid_from`` and ``valid_until`` that the manifest has.

    Raises:
        DatasetError: only one of the two is there.
    """
    if columns and as_of is None:
        raise DatasetError(
            shown(path),
            found=f"the column {' and '.join(columns)}, but no day that the dataset is of",
            expected="the option as_of, a day such as as_of = 2026-11-01",
            next_step="state it, or list the columns in the option notes to take rows of every day",
        )
    if as_of is not None and not columns:
        raise DatasetError(
            shown(path),
            found=f"as_of = {as_of}, but no column that says when a row is valid",
            expected="valid_from, valid_until or both",
            next_step="remove the option, or name the columns with columns.valid_from, columns.valid_until",
        )


def parse_day(text: str) -> dt.date | None:
    """Return the day of ``YYYY-MM-DD``, midnight behind it allowed; None for ``""``.

    Raises:
        ValueError: anything else.
    """
    if not text:
        return None
    day, rest = text[:10], text[10:]
    if not _DAY.fullmatch(day) or (rest and not _MIDNIGHT.fullmatch(rest)):
        raise ValueError("is no day written YYYY-MM-DD")
    try:
        return dt.date.fromisoformat(day)
    except ValueError as error:
        raise ValueError(f"is no day: {error}") from None


def is_valid(since: dt.date | None, until: dt.date | None, day: dt.date) -> bool:
    """Whether a row with these days is valid on one."""
    return (since is None or since <= day) and (until is None or day <= until)
