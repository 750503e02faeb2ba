"""JSON Lines → ``Rows``: one object a line, numbers taken by their literal text."""

from __future__ import annotations

import json
from array import array
from pathlib import Path
from typing import Any

from pytest_prodbench.datasets.manifest_rows import (
    FLOAT_ID,
    MAX_COLUMNS,
    Rows,
    SharedTexts,
    open_text,
    too_many_columns,
)
from pytest_prodbench.datasets.problems import unicode_problem

_BATCH = 5_000


class _Integer(str):
    """Literal text of a JSON integer."""

    __slots__ = ()


class _Fraction(str):
    """Literal text of a JSON number with point or exponent, or of NaN and Infinity."""

    __slots__ = ()


class _BadRowError(ValueError):
    """What is wrong with one line."""


# Objects as tuples of pairs: dicts would hide a key that stands twice. One decoder for all lines:
# json.loads() would make one for each.
_DECODER = json.JSONDecoder(
    parse_int=_Integer,
    parse_float=_Fraction,
    parse_constant=_Fraction,
    object_pairs_hook=tuple,
)


def read_json_lines(path: Path, *, product_column: str) -> Rows:
    """Read one JSON object a line; a key that a line lacks is ``""`` there.

    Raises:
        DatasetError: not UTF-8, or more keys than a manifest has columns. What is wrong with single
            lines goes into ``Rows.problems``.
    """
    table = _Table(path)
    problems: list[str] = []
    # newline="\n": other characters that end lines may stand inside a JSON string.
    with open_text(path, newline="\n") as file:
        for number, line in enumerate(file, start=1):
            text = line.strip(" \t\r\n")
            if not text:
                continue
            try:
                names, values = _row(text, product_column)
            except _BadRowError as error:
                problems.append(f"{path.name} line {number}: {error}")
            else:
                table.add(number, names, values)
    return Rows("line", table.finish(), table.numbers, problems)


class _Table:
    """Rows with the same keys in the same order, one after the other, go into the columns together."""

    def __init__(self, path: Path) -> None:
        self.numbers = array("q")
        self._path = path
        self._columns: dict[str, list[str]] = {}
        self._shared: dict[str, SharedTexts] = {}
        self._names: tuple[str, ...] = ()
        self._rows: list[tuple[str, ...]] = []

    def add(self, number: int, names: tuple[str, ...], values: tuple[str, ...]) -> None:
        """Take one row."""
        if names != self._names or len(self._rows) == _BATCH:
            self._flush()
            self._names = names
        self._rows.append(values)
        self.numbers.append(number)

    def finish(self) -> dict[str, list[str]]:
        """Return the columns, all of one length."""
        self._flush()
        self._fill(len(self.numbers))
        return self._columns

    def _flush(self) -> None:
        before = len(self.numbers) - len(self._rows)
        for name, values in zip(self._names, zip(*self._rows, strict=True), strict=False):
            if name not in self._columns:
                self._columns[name], self._shared[name] = [], SharedTexts()
                if len(self._columns) > MAX_COLUMNS:
                    raise too_many_columns(self._path, "", len(self._columns))
            column = self._columns[name]
            # Only what these rows state is touched: rows of ever other keys stay linear.
            column.extend([""] * (before - len(column)))
            column.extend(self._shared[name].of(values))
        self._rows = []

    def _fill(self, count: int) -> None:
        for column in self._columns.values():
            column.extend([""] * (count - len(column)))


def _row(line: str, product_column: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return keys and values of one line."""
    try:
        row, end = _DECODER.raw_decode(line)
    except json.JSONDecodeError as error:
        raise _BadRowError(f"not JSON: {error}") from error
    except RecursionError as error:
        raise _BadRowError(
            "not JSON of a manifest: brackets inside brackets without end"
        ) from error
    if end < len(line):
        raise _BadRowError(f"not JSON: more text behind the value, from character {end + 1} on")
    if not isinstance(row, tuple):
        raise _BadRowError(f"{_kind(row)}, expected an object {{...}}")
    if not row:
        return (), ()
    names, values = zip(*row, strict=True)
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise _BadRowError(f"key {twice!r} stands twice in one object")
    # A surrogate can only come from an escape: the file is valid UTF-8.
    if "" in names or "\\" in line or not set(map(type, values)) <= {str}:
        values = tuple(_text(name, value, name == product_column) for name, value in row)
    return names, values


def _text(name: str, value: Any, is_product: bool) -> str:
    if not name:
        raise _BadRowError("a key is empty")
    problem = unicode_problem("a key", name)
    if problem:
        raise _BadRowError(problem)
    if is_product and not isinstance(value, str):
        raise _BadRowError(f"{name} is {_kind(value)}; expected text in double quotes")
    if is_product and isinstance(value, _Fraction):
        raise _BadRowError(f"{name} is the number {value}; {FLOAT_ID}")
    if isinstance(value, str):
        problem = unicode_problem(name, value)
        if problem:
            raise _BadRowError(problem)
        # NaN is how data frames write "not stated".
        return "" if isinstance(value, _Fraction) and value == "NaN" else str(value)
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list) and all(isinstance(v, (_Integer, _Fraction)) for v in value):
        return " ".join(value)
    raise _BadRowError(f"{name} is {_kind(value)}; expected text, a number, true or false")


def _kind(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (_Integer, _Fraction)):
        return f"the number {value}"
    if isinstance(value, list):
        return "an array"
    return "an object" if isinstance(value, tuple) else "a string"
