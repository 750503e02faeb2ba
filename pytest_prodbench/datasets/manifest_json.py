"""JSON Lines → ``Rows``: one object a line, numbers taken by their literal text."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pytest_prodbench.datasets.manifest_rows import FLOAT_ID, Rows, read_text
from pytest_prodbench.datasets.problems import unicode_problem


class _Integer(str):
    """Literal text of a JSON integer."""

    __slots__ = ()


class _Fraction(str):
    """Literal text of a JSON number with point or exponent, or of NaN and Infinity."""

    __slots__ = ()


class _BadRowError(ValueError):
    """What is wrong with one line."""


def read_json_lines(path: Path, *, product_column: str) -> Rows:
    """Read one JSON object a line; a key that a line lacks is ``""`` there.

    Raises:
        DatasetError: not UTF-8. What is wrong with single lines goes into ``Rows.problems``.
    """
    rows = Rows(unit="line")
    # Not splitlines(): it also splits at characters that may stand inside a JSON string.
    for number, line in enumerate(read_text(path).split("\n"), start=1):
        if not line.strip():
            continue
        try:
            row = _row(line, product_column)
        except _BadRowError as error:
            rows.problems.append(f"{path.name} line {number}: {error}")
            continue
        count = len(rows.numbers)
        rows.numbers.append(number)
        for name, value in row.items():
            column = rows.columns.get(name)
            if column is None:
                column = rows.columns[name] = [""] * count
            column.append(value)
        if len(row) < len(rows.columns):
            for column in rows.columns.values():
                if len(column) == count:
                    column.append("")
    return rows


def _row(line: str, product_column: str) -> dict[str, str]:
    try:
        row = json.loads(
            line,
            parse_int=_Integer,
            parse_float=_Fraction,
            parse_constant=_Fraction,
            object_pairs_hook=_distinct,
        )
    except (json.JSONDecodeError, RecursionError) as error:
        raise _BadRowError(f"not JSON: {error}") from error
    if not isinstance(row, dict):
        raise _BadRowError(f"{_kind(row)}, expected an object {{...}}")
    return {name: _text(name, value, name == product_column) for name, value in row.items()}


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    row = dict(pairs)
    if len(row) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise _BadRowError(f"key {twice!r} stands twice in one object")
    return row


def _text(name: str, value: Any, is_product: bool) -> str:
    if not name:
        raise _BadRowError("a key is empty")
    if is_product and not isinstance(value, str):
        raise _BadRowError(f"{name} is {_kind(value)}; expected text in double quotes")
    if is_product and isinstance(value, _Fraction):
        raise _BadRowError(f"{name} is the number {value}; {FLOAT_ID}")
    if isinstance(value, str):
        problem = unicode_problem(name, value)
        if problem:
            raise _BadRowError(problem)
        return str(value)
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
    return "an object" if isinstance(value, dict) else "a string"
