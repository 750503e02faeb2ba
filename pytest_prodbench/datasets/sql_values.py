"""Values of a database → text, as in a manifest: NULL is ``""``, an integer its digits."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Sequence
from decimal import Decimal
from typing import Any
from uuid import UUID

from pytest_prodbench.datasets.manifest_rows import FLOAT_ID
from pytest_prodbench.datasets.problems import unicode_problem


class BadValueError(ValueError):
    """What is wrong with one value; ``whole_column`` where it is not the row's fault."""

    def __init__(self, message: str, *, whole_column: bool = False) -> None:
        super().__init__(message)
        self.whole_column = whole_column


def column_texts(name: str, values: Sequence[Any]) -> Sequence[str]:
    """Return the values of a column as texts, ``product_id`` by its own rule.

    Raises:
        BadValueError: of the first value without a text.
    """
    types = set(map(type, values))
    # What nearly all columns are, at the speed of the types.
    if types <= {str, type(None)} and (name != "product_id" or types == {str}):
        texts = values if types == {str} else ["" if value is None else value for value in values]
        if all(map(str.isascii, texts)):
            return texts
    if name == "product_id":
        return [product_text(value) for value in values]
    return [value_text(name, value) for value in values]


def product_text(value: Any) -> str:
    """Return a product id as text.

    Raises:
        BadValueError: NULL, a floating-point number, a number with decimals, neither text nor number.
    """
    if isinstance(value, float):
        raise BadValueError(
            f"product_id is the floating-point number {value!r}; {FLOAT_ID}", whole_column=True
        )
    if isinstance(value, Decimal):
        if not value.is_finite() or value.as_tuple().exponent != 0:
            raise BadValueError(
                f"product_id is the number {value} with decimals; {FLOAT_ID}", whole_column=True
            )
        return f"{value:f}"
    if value is None:
        raise BadValueError("product_id is NULL")
    if isinstance(value, bool) or not isinstance(value, (str, int, UUID)):
        raise BadValueError(f"product_id is of type {type(value).__name__}; expected text")
    return _checked("product_id", str(value))


def value_text(name: str, value: Any) -> str:
    """Return any other value as text.

    Raises:
        BadValueError: a type without a text of its own.
    """
    if value is None:
        return ""
    if isinstance(value, str):
        return _checked(name, value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        # NaN is how data frames write "not stated".
        return "" if math.isnan(value) else str(value)
    if isinstance(value, (int, Decimal, UUID)):
        return str(value)
    if isinstance(value, dt.datetime):
        return value.isoformat(sep=" ")
    if isinstance(value, (dt.date, dt.time)):
        return value.isoformat()
    if isinstance(value, (list, tuple)) and all(_is_number(part) for part in value):
        return " ".join(str(part) for part in value)
    raise BadValueError(
        f"{name} is of type {type(value).__name__}; expected text, a number, a date, true or false; "
        "CAST it to text"
    )


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float, Decimal)) and not isinstance(value, bool)


def _checked(name: str, text: str) -> str:
    problem = unicode_problem(name, text)
    if problem:
        raise BadValueError(problem)
    return text
