"""``alike-ids``: product ids that a person would call the same."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING

from pytest_prodbench.doctor.finding import Edit, Finding, Row

if TYPE_CHECKING:
    from pytest_prodbench.doctor.facts import Facts

# Not behind a point or comma: 1.05 and 1.5 are two numbers.
_ZEROS = re.compile(r"(?<![\d.,])0+(?=\d)")


def find(facts: Facts) -> list[Finding]:
    """Return each group of ids that differ by case, white space, leading zeros or Unicode form alone."""
    count = Counter(row.product_id for row in facts.subject.rows)
    groups: dict[str, list[str]] = {}
    for product in sorted(count):
        groups.setdefault(_plain(product), []).append(product)
    found = []
    for ids in groups.values():
        if len(ids) < 2:
            continue
        usual = max(ids, key=lambda product: (count[product], product))
        rows = [row for row in facts.subject.rows if row.product_id in ids]
        found.append(
            Finding(
                kind="alike-ids",
                severity="finding",
                told=f"{len(ids)} product ids differ by {_difference(ids)} alone: "
                + ", ".join(f"{product!r} ({count[product]} rows)" for product in ids),
                fix="if they are one product, write one id; with --confirm all become "
                f"{usual!r}. If they are not, waive this",
                rows=tuple(_one_each(rows)),
                subject=tuple(ids),
                numbers={product: count[product] for product in ids},
                edits=tuple(
                    Edit(row.number, "product_id", usual)
                    for row in rows
                    if row.number and row.product_id != usual
                ),
            )
        )
    return found


def _plain(product: str) -> str:
    text = unicodedata.normalize("NFKC", product).casefold()
    return _ZEROS.sub("", "".join(text.split()))


_WAYS: dict[str, Callable[[str], str]] = {
    "case": str.casefold,
    "white space": lambda text: "".join(text.split()),
    "leading zeros": lambda text: _ZEROS.sub("", text),
    "Unicode form": lambda text: unicodedata.normalize("NFKC", text),
}


def _difference(ids: list[str]) -> str:
    """Name the ways without which the ids would still differ."""
    needed = []
    for name in _WAYS:
        left = set(ids)
        for other, way in _WAYS.items():
            if other != name:
                left = {way(product) for product in left}
        if len(left) > 1:
            needed.append(name)
    return " and ".join(needed) or "their form"


def _one_each(rows: list[Row]) -> list[Row]:
    return list({row.product_id: row for row in reversed(rows)}.values())[::-1]
