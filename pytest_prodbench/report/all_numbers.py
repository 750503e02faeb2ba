"""Every metric of a pair in the order of the definitions, each with the place where it is defined."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pytest_prodbench.evidence.values import MetricValue

METHODS = {
    "wilson": "Wilson",
    "bca": "bootstrap, BCa",
    "percentile": "bootstrap, percentile",
    "own": "the metric's own",
}
"""How an interval was made, in words; the unit is the product in all of them."""


@dataclass(frozen=True, slots=True)
class Number:
    """One metric; ``anchor`` is where the page defines it."""

    name: str
    value: MetricValue
    method: str
    anchor: str | None


def anchors(definitions: Sequence[tuple[str, str]]) -> dict[str, str]:
    """Return for each defined term the id of its definition; one definition may hold several terms."""
    found: dict[str, str] = {}
    for place, (terms, _) in enumerate(definitions, start=1):
        for term in terms.split(", "):
            found.setdefault(term, f"definition-{place}")
    return found


def all_numbers(metrics: Mapping[str, MetricValue], terms: Mapping[str, str]) -> tuple[Number, ...]:
    """Return all metrics; ``recall@5`` goes with the definition of ``recall@k``."""
    order = {term: place for place, term in enumerate(terms)}

    def key(name: str) -> tuple[int, str, int, str]:
        stem, _, k = name.partition("@")
        # k has four digits at most; whatever is longer is somebody's name, not a number.
        number = int(k) if k.isdecimal() and len(k) <= 4 else 0
        return order.get(_term(name, terms), len(order)), stem, number, name

    return tuple(
        Number(name, metrics[name], METHODS[metrics[name].method], anchor_of(name, terms))
        for name in sorted(metrics, key=key)
    )


def anchor_of(name: str, terms: Mapping[str, str]) -> str | None:
    """Return the id of what defines a metric; None where nothing does."""
    return terms.get(_term(name, terms))


def _term(name: str, terms: Mapping[str, str]) -> str:
    stem, at, _ = name.partition("@")
    return stem + "@k" if at and name not in terms else name
