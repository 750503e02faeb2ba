"""What conditions cost, as a page shows it: the values of each column, how far apart, and where two meet."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_prodbench.metrics import HEADLINE

if TYPE_CHECKING:
    from pytest_prodbench.evidence.measured import Crossing
    from pytest_prodbench.evidence.types import Measurement
    from pytest_prodbench.evidence.values import MetricValue

CROSSINGS_SHOWN = 10
"""At most so many pairs of conditions, the worst."""


@dataclass(frozen=True, slots=True)
class Slice:
    """The queries that share one value of a condition; ``small`` ones are shown, not ranked."""

    name: str
    recall: MetricValue | None
    map: MetricValue | None
    n: int
    products: int
    small: bool


@dataclass(frozen=True, slots=True)
class Apart:
    """The value of a condition with the lowest headline, the one with the highest, and their distance."""

    worst: str
    worst_value: float
    best: str
    best_value: float
    spread: float


@dataclass(frozen=True, slots=True)
class Column:
    """One condition column; ``apart`` is None where fewer than two values are ranked."""

    name: str
    slices: tuple[Slice, ...]
    apart: Apart | None
    stated: bool


@dataclass(frozen=True, slots=True)
class Meeting:
    """Queries with two conditions at once: which, and their headline."""

    columns: tuple[str, str]
    values: tuple[str, str]
    recall: MetricValue


@dataclass(frozen=True, slots=True)
class Crossings:
    """Pairs of conditions: all that occur, the small among them, and the worst of those measured.

    Small is a pair of which the headline counts too few queries, however many it has.
    """

    total: int
    small: int
    measured: int
    worst: tuple[Meeting, ...]


def columns(measurement: Measurement) -> tuple[Column, ...]:
    """Return the condition columns by name, the values of each by name."""
    spreads = {spread.column: spread for spread in measurement.spreads if spread.metric == HEADLINE}
    found = []
    for column, values in sorted(measurement.conditions.items()):
        spread, apart = spreads.get(column), None
        if (
            spread is not None
            and spread.worst is not None
            and spread.best is not None
            and spread.worst_value is not None
            and spread.best_value is not None
            and spread.spread is not None
        ):
            apart = Apart(
                spread.worst, spread.worst_value, spread.best, spread.best_value, spread.spread
            )
        slices = tuple(
            _slice(name, metrics, measurement.smallest_slice)
            for name, metrics in sorted(values.items())
        )
        found.append(Column(column, slices, apart, stated=spread is not None))
    return tuple(found)


def crossings(measurement: Measurement) -> Crossings | None:
    """Return the pairs of conditions with the lowest headline first; None where no two meet."""
    if not measurement.crossings:
        return None
    measured = [
        Meeting(crossing.columns, crossing.values, recall)
        for crossing in measurement.crossings
        if (recall := _headline(crossing, measurement.smallest_slice)) is not None
    ]
    measured.sort(key=lambda meeting: (meeting.recall.value, meeting.columns, meeting.values))
    return Crossings(
        total=len(measurement.crossings),
        # A headline that the dataset has and the pair has not: too few queries define it there.
        small=len(measurement.crossings) - len(measured) if HEADLINE in measurement.metrics else 0,
        measured=len(measured),
        worst=tuple(measured[:CROSSINGS_SHOWN]),
    )


def _headline(crossing: Crossing, smallest: int) -> MetricValue | None:
    found = crossing.metrics.get(HEADLINE)
    return None if crossing.small or found is None or found.n < smallest else found


def _slice(name: str, metrics: dict[str, MetricValue], smallest: int) -> Slice:
    recall = metrics.get(HEADLINE)
    n = max((metric.n for metric in metrics.values()), default=0)
    return Slice(
        name=name,
        recall=recall,
        map=metrics.get("map@20"),
        n=n,
        products=max((metric.products for metric in metrics.values()), default=0),
        # Of an open set some queries have no right answer: what is ranked is what the headline counts.
        small=(n if recall is None else recall.n) < smallest,
    )
