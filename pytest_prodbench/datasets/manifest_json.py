"""JSON Lines → ``Rows``: one object a line, numbers taken by their literal text."""

from __future__ import annotations

import json
import re
from array import array
from collections.abc import Mapping, Sequence
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

# A hundred lines or so, as in manifest_csv.
_BLOCK = 2**14


class _Integer(str):
    """Literal text of a JSON integer."""

    __slots__ = ()


class _Fraction(str):
    """Literal text of a JSON number with point or exponent, or of NaN and Infinity."""

    __slots__ = ()


class BadRowError(ValueError):
    """What is wrong with one line."""


# Decoders are made once: json.loads() would make one a line. Objects as tuples of pairs show a key that
# stands twice, dicts are faster.
_NUMBERS: dict[str, Any] = {
    "parse_int": _Integer,
    "parse_float": _Fraction,
    "parse_constant": _Fraction,
}
_TEXT = r'([^"\\\x00-\x1f]*)'
_PAIRS = json.JSONDecoder(**_NUMBERS, object_pairs_hook=tuple)
_DICTS = json.JSONDecoder(**_NUMBERS)


def read_json_lines(path: Path, *, product_column: str) -> Rows:
    """Read one JSON object a line; a key that a line lacks is ``""`` there.

    Raises:
        DatasetError: not UTF-8, or more keys than a manifest has columns. What is wrong with single
            lines goes into ``Rows.problems``.
    """
    table = _Table(path)
    problems: list[str] = []
    form = _Form()
    first = 1
    # newline="\n": other characters that end lines may stand inside a JSON string.
    with open_text(path, newline="\n") as file:
        while text := file.read(_BLOCK) + file.readline():
            if not text.endswith("\n"):
                text += "\n"
            count = text.count("\n")
            together = form.columns(text, count)
            if together is None:
                lines = [line.strip(" \t\r") for line in text.split("\n")[:-1]]
                together = _alike(lines, product_column)
            if together is not None:
                table.add(range(first, first + count), together)
            else:
                for number, line in enumerate(lines, start=first):
                    if not line:
                        continue
                    try:
                        table.add((number,), _row(line, product_column))
                    except BadRowError as error:
                        problems.append(f"{path.name} line {number}: {error}")
            first += count
    return Rows("line", table.finish(), table.numbers, problems)


class _Table:
    """Columns that grow as keys turn up."""

    def __init__(self, path: Path) -> None:
        self.numbers = array("q")
        self._path = path
        self._columns: dict[str, list[str]] = {}
        self._shared: dict[str, SharedTexts] = {}

    def add(self, numbers: Sequence[int], columns: Mapping[str, Sequence[str]]) -> None:
        """Take the values of some rows."""
        before = len(self.numbers)
        for name, values in columns.items():
            if name not in self._columns:
                self._columns[name], self._shared[name] = [], SharedTexts()
                if len(self._columns) > MAX_COLUMNS:
                    raise too_many_columns(self._path, "", len(self._columns))
            column = self._columns[name]
            # Only what these rows state is touched: rows of ever other keys stay linear.
            column.extend([""] * (before - len(column)))
            column.extend(self._shared[name].of(values))
        self.numbers.extend(numbers)

    def finish(self) -> dict[str, list[str]]:
        """Return the columns, all of one length."""
        for column in self._columns.values():
            column.extend([""] * (len(self.numbers) - len(column)))
        return self._columns


class _Form:
    """What lines of texts alone have in common; most manifests have one form from end to end.

    A line in which nothing is escaped, and that is like a JSON line outside of its texts, is one itself: it
    is cut by a pattern, in a third of the time that decoding takes.
    """

    def __init__(self) -> None:
        self._names: tuple[str, ...] = ()
        self._pattern: re.Pattern[str] | None = None

    def columns(self, text: str, count: int) -> dict[str, Sequence[str]] | None:
        """Return the columns of lines that have this form, or that of the first of them; else None.

        Args:
            text: whole lines, each with its end.
            count: of the lines.
        """
        rows = self._pattern.findall(text) if self._pattern else []
        if len(rows) != count:
            self._take(text[: text.index("\n")])
            rows = self._pattern.findall(text) if self._pattern else []
        # A match is a whole line: so many are all.
        if len(rows) != count:
            return None
        return dict(zip(self._names, zip(*rows, strict=True), strict=True))

    def _take(self, line: str) -> None:
        """Have the form of a line, or none."""
        line = line.strip(" \t\r")
        self._pattern = None
        try:
            row, end = _PAIRS.raw_decode(line)
        except (ValueError, RecursionError):
            return
        pieces = line.split('"')
        pairs = tuple(zip(pieces[1::4], pieces[3::4], strict=False))
        names = tuple(name for name, _ in pairs)
        # The same pairs: every value is a text, and no text holds a quote. (One group gives no tuples.)
        if (
            row != pairs
            or end < len(line)
            or len(set(names)) < max(2, len(names))
            or not all(names)
        ):
            return
        parts = [_TEXT if i % 4 == 3 else re.escape(piece) for i, piece in enumerate(pieces)]
        whole = '"'.join(parts)
        self._names = names
        self._pattern = re.compile(rf"^[ \t]*{whole}[ \t]*\r?\n", re.MULTILINE)


def _alike(lines: Sequence[str], product_column: str) -> dict[str, Sequence[str]] | None:
    """Return the columns of lines that are sound and have the same keys in the same order, else None.

    Most lines are. What is wrong, and with which line, is found by looking at each alone.
    """
    text = "".join(lines)
    # Without escapes no text is half a surrogate, as the file is valid UTF-8, and none holds a quote.
    if "\\" in text:
        return None
    try:
        rows, ends = zip(*map(_DICTS.raw_decode, lines), strict=True)
        if list(ends) != list(map(len, lines)) or set(map(type, rows)) != {dict}:
            return None
        names = tuple(rows[0])
        if set(map(tuple, rows)) != {names} or not all(names):
            return None
        columns: dict[str, Sequence[str]] = {}
        quotes = 2 * len(names) * len(rows)
        for name, values in zip(names, zip(*map(dict.values, rows), strict=True), strict=True):
            kinds = list(map(type, values))
            plain = kinds.count(str)
            quotes += 2 * plain
            if plain < len(kinds):
                is_product = name == product_column
                values = tuple(literal_text(name, value, is_product) for value in values)  # noqa: PLW2901
            columns[name] = values
    except (ValueError, RecursionError):
        return None
    # A key that stands twice is one in a dict, but its quotes are there.
    return columns if text.count('"') == quotes else None


def _row(line: str, product_column: str) -> dict[str, tuple[str]]:
    """Return the one row of one line."""
    row = literal_object(line)
    return {
        name: (literal_text(name, value, name == product_column),) for name, value in row.items()
    }


def literal_object(text: str) -> dict[str, Any]:
    """Return a JSON object whose numbers keep their literal text, for ``literal_text``.

    Raises:
        BadRowError: not JSON, no object, a key that stands twice.
    """
    text = text.strip(" \t\r\n")
    try:
        row, end = _PAIRS.raw_decode(text)
    except json.JSONDecodeError as error:
        raise BadRowError(f"not JSON: {error}") from error
    except RecursionError as error:
        raise BadRowError("not JSON of a manifest: brackets inside brackets without end") from error
    if end < len(text):
        raise BadRowError(f"not JSON: more text behind the value, from character {end + 1} on")
    if not isinstance(row, tuple):
        raise BadRowError(f"{_kind(row)}, expected an object {{...}}")
    names = [name for name, _ in row]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise BadRowError(f"key {twice!r} stands twice in one object")
    return dict(row)


def literal_text(name: str, value: Any, is_product: bool) -> str:
    """Return a value of ``literal_object`` as text; null and NaN are ``""``.

    Raises:
        BadRowError: a value without a text, or a product id that is a floating-point number.
    """
    if not name:
        raise BadRowError("a key is empty")
    problem = unicode_problem("a key", name)
    if problem:
        raise BadRowError(problem)
    if is_product and not isinstance(value, str):
        raise BadRowError(f"{name} is {_kind(value)}; expected text in double quotes")
    if is_product and isinstance(value, _Fraction):
        raise BadRowError(f"{name} is the number {value}; {FLOAT_ID}")
    if isinstance(value, str):
        problem = unicode_problem(name, value)
        if problem:
            raise BadRowError(problem)
        # NaN is how data frames write "not stated".
        return "" if isinstance(value, _Fraction) and value == "NaN" else str(value)
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list) and all(isinstance(v, (_Integer, _Fraction)) for v in value):
        return " ".join(value)
    raise BadRowError(f"{name} is {_kind(value)}; expected text, a number, true or false")


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
