"""What heterogeneous conditions cost: slices of the queries by one column and by two, and their spread."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pytest_prodbench.metrics.estimates import DIGITS, Estimate
from pytest_prodbench.metrics.metric import Metric, Statistic

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pytest_prodbench.protocol import PositiveRanks, Ranking, VerificationPairs


@dataclass(frozen=True, slots=True)
class Slice:
    """The queries that have these values in these columns.

    Attributes:
        columns: names of condition columns, sorted; none means all queries.
        values: a value of each.
        mask: bool (q,).
    """

    columns: tuple[str, ...]
    values: tuple[str, ...]
    mask: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Crossing:
    """The queries with two conditions at once: dim light and a cluttered background.

    Attributes:
        columns: two names, sorted.
        values: a value of each.
        n, products: queries, and distinct products of these.
        small: whether there are too few to be measured; then there are no estimates.
        estimates: metric → estimate; without those that count too few of these queries.
    """

    columns: tuple[str, str]
    values: tuple[str, str]
    n: int
    products: int
    small: bool
    estimates: Mapping[str, Estimate]


@dataclass(frozen=True, slots=True)
class Spread:
    """How far a metric differs between the values of one condition column.

    Attributes:
        column, metric: what is compared.
        worst, best: the values of the column where the metric is worst and best, in the metric's own
            direction (of equals the first by name); None where fewer than two values can be ranked.
        worst_value, best_value: the metric there; None likewise.
        spread: distance between the two, >= 0; None likewise.
        small: values of the column that the metric has too few queries for, or none: named, never ranked.
    """

    column: str
    metric: str
    worst: str | None
    best: str | None
    worst_value: float | None
    best_value: float | None
    spread: float | None
    small: tuple[str, ...]


def single_slices(conditions: Mapping[str, Sequence[str]]) -> list[Slice]:
    """Return a slice for each value of each column, in sorted order; ``""`` (not stated) has none."""
    found = []
    for column in sorted(conditions):
        cells = conditions[column]
        for value in sorted(set(cells) - {""}):
            mask = np.array([cell == value for cell in cells], np.bool_)
            found.append(Slice((column,), (value,), mask))
    return found


def crossed_slices(singles: Sequence[Slice]) -> list[Slice]:
    """Return a slice for each pair of values of two columns that some query has, in sorted order."""
    found = []
    for one, two in itertools.combinations(singles, 2):
        mask = one.mask & two.mask
        if one.columns != two.columns and mask.any():
            found.append(Slice(one.columns + two.columns, one.values + two.values, mask))
    return sorted(found, key=lambda part: (part.columns, part.values))


def spread(
    column: str,
    name: str,
    metric: Metric | Statistic,
    estimates: Mapping[str, Estimate | None],
    *,
    smallest: int,
) -> Spread:
    """Return worst and best value of a column for a metric; those with n < ``smallest`` are not ranked.

    Args:
        column: its name.
        name, metric: what is compared.
        estimates: value of the column → estimate; None where no query defines the metric.
        smallest: fewest queries of a value that is ranked.
    """
    enough = {
        value: found.value
        for value, found in estimates.items()
        if found is not None and found.n >= smallest
    }
    small = tuple(sorted(set(estimates) - set(enough)))
    ranked = sorted(enough)
    if len(ranked) < 2:
        return Spread(column, name, None, None, None, None, None, small)
    sign = 1.0 if metric.higher_is_better else -1.0
    worst = min(ranked, key=lambda value: sign * enough[value])
    best = max(ranked, key=lambda value: sign * enough[value])
    low, high = enough[worst], enough[best]
    return Spread(column, name, worst, best, low, high, round(abs(high - low), DIGITS), small)


def restrict(ranking: Ranking, rows: NDArray[np.intp]) -> Ranking:
    """Return the ranking of some of its queries, in the given order; the gallery stays whole."""
    fields: dict[str, object] = {
        field.name: value[rows]
        for field in dataclasses.fields(ranking)
        if isinstance(value := getattr(ranking, field.name), np.ndarray)
    }
    fields["every_positive"] = _restrict_positives(ranking.every_positive, rows)
    if ranking.verification is not None:
        fields["verification"] = _restrict_pairs(ranking.verification, rows, len(ranking.ranks))
    return dataclasses.replace(ranking, **fields)  # type: ignore[arg-type]


def _restrict_positives(every: PositiveRanks, rows: NDArray[np.intp]) -> PositiveRanks:
    counts = np.diff(every.starts)[rows]
    starts = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    taken = np.arange(starts[-1]) + np.repeat(every.starts[rows] - starts[:-1], counts)
    return dataclasses.replace(
        every,
        starts=starts,
        columns=every.columns[taken],
        ranks=every.ranks[taken],
        ranks_optimistic=every.ranks_optimistic[taken],
        scores=every.scores[taken],
    )


def _restrict_pairs(
    pairs: VerificationPairs, rows: NDArray[np.intp], queries: int
) -> VerificationPairs:
    place = np.full(queries, -1, np.int64)
    place[rows] = np.arange(len(rows))
    kept = place[pairs.rows] >= 0
    return dataclasses.replace(
        pairs,
        rows=place[pairs.rows[kept]],
        columns=pairs.columns[kept],
        scores=pairs.scores[kept],
        genuine=pairs.genuine[kept],
        alike=pairs.alike[kept],
    )
