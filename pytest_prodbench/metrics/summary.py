"""All metrics of one pair, overall and by condition, each with its interval and its counts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pytest_prodbench.metrics.conditions import (
    Crossing,
    Slice,
    Spread,
    crossed_slices,
    restrict,
    single_slices,
    spread,
)
from pytest_prodbench.metrics.declared import refuse_outside, values_of
from pytest_prodbench.metrics.estimates import (
    DIGITS,
    FEWEST_RESAMPLES,
    ROUNDING,
    Estimate,
    estimate_means,
    estimate_statistics,
    statistic_resamples,
)
from pytest_prodbench.metrics.metric import Metric, Statistic, parse_metric
from pytest_prodbench.protocol import read_only

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pytest_prodbench.protocol import Ranking

__all__ = [
    "DIGITS",
    "HEADLINE",
    "HEADLINES",
    "ROUNDING",
    "SMALLEST_SLICE",
    "Estimate",
    "Summary",
    "default_metrics",
    "list_length",
    "summarise",
]

HEADLINE = "recall@1"
"""The metric that stands for a pair where there is room for one."""

HEADLINES = (
    HEADLINE,
    "recall@5",
    "recall@10",
    "map@20",
    "mrr",
    "product_recall@1",
    "category_recall@1",
)
"""Metrics that stand in a table of pairs, and that two models are compared by."""

SMALLEST_SLICE = 20
"""Queries that a slice needs to be ranked among others, or compared."""

Estimates = dict[str, Estimate]


@dataclass(frozen=True, slots=True)
class Summary:
    """Everything that the metrics say of one model on one dataset.

    Attributes:
        overall: metric → estimate.
        conditions: column → value → metric → estimate. A metric that a slice does not define is left out.
        crossings: pairs of conditions, sorted by columns and values; only those that some query has. A
            metric that counts too few of their queries is left out.
        spreads: of each column and metric that has an estimate in it, sorted by column, then as asked.
    """

    overall: Estimates
    conditions: dict[str, dict[str, Estimates]]
    crossings: tuple[Crossing, ...]
    spreads: tuple[Spread, ...]


def default_metrics(ks: Sequence[int] = (1, 5, 10)) -> tuple[str, ...]:
    """Names of the metrics that every run measures; a dataset that does not define one lacks it."""
    return (
        *(f"recall@{k}" for k in ks),
        "product_recall@1",
        "product_recall@5",
        "category_recall@1",
        "instance_gap",
        "mrr",
        "median_rank",
        "coverage@10",
        "precision@5",
        "map@20",
        "map_at_r",
        "r_precision",
        "ndcg@10",
        "mmp@5",
        "margin",
        "auroc",
        "fpr95",
        "dir_far_1pct",
        "dir_far_01pct",
        "eer",
        "eer_alike",
        "tar_far_1pct",
        "tar_far_01pct",
        "tar_far_1pct_alike",
        "ece",
        "answered_p99",
        "threshold_p99",
    )


def list_length(names: Sequence[str]) -> int:
    """How long a result list these metrics read; 0 if none reads it."""
    parsed = [parse_metric(name, where=f"metric {name!r}") for name in names]
    return max(
        (k or 0 for metric, k in parsed if isinstance(metric, Metric) and metric.needs_list),
        default=0,
    )


def summarise(
    ranking: Ranking,
    products: Sequence[str],
    conditions: Mapping[str, Sequence[str]],
    names: Sequence[str],
    *,
    resamples: int,
    seed: int,
    smallest_slice: int = SMALLEST_SLICE,
    asked: Sequence[str] = (),
) -> Summary:
    """Measure everything that is asked for, on all queries, by condition, and by pairs of conditions.

    Args:
        ranking: of q queries.
        products: product id of each query; the unit of resampling.
        conditions: column → q values; ``""`` (not stated) is left out.
        names: metrics such as ``recall@1``. One that is defined on no query of a slice is left out of
            it: a rule on it then finds no value, which is never a pass.
        resamples, seed: of the bootstrap; see ``statistic_resamples`` for large datasets.
        smallest_slice: a value of a condition of which a metric counts fewer queries is measured but not
            ranked; a pair of conditions has no value of a metric that counts fewer there.
        asked: statistics that somebody wants: measured for pairs of conditions too, as means always are
            (a statistic of a few dozen queries says little), and with all resamples in every slice.
    """
    parsed = {name: parse_metric(name, where=f"metric {name!r}") for name in names}
    # Products in the order of their ids, so that the draws do not depend on the order of the queries.
    # A dictionary, not a numpy string array: that would drop trailing NULs, and ids are sacred.
    place = {product: code for code, product in enumerate(sorted(set(products)))}
    codes = np.array([place[product] for product in products], np.intp)
    whole = Slice((), (), np.ones(len(codes), np.bool_))
    singles = single_slices(conditions)
    crossed = crossed_slices(singles)
    large = [part for part in crossed if np.count_nonzero(part.mask) >= smallest_slice]
    measured = [whole, *singles, *large]

    means = {name: (m, k) for name, (m, k) in parsed.items() if isinstance(m, Metric)}
    rows = estimate_means(
        [metric for metric, _ in means.values()],
        _columns([values_of(metric, ranking, k) for metric, k in means.values()], len(codes)),
        codes,
        [part.mask for part in measured],
        resamples=resamples,
        seed=seed,
    )
    found = {
        (part.columns, part.values): dict(zip(means, row, strict=True))
        for part, row in zip(measured, rows, strict=True)
    }
    statistics = {name: (m, k) for name, (m, k) in parsed.items() if isinstance(m, Statistic)}
    fewer = statistic_resamples(resamples, len(codes))
    for part in measured:
        inside = np.flatnonzero(part.mask)
        some = read_only(restrict(ranking, inside)) if part.columns else ranking
        for wanted, draws in _shares(statistics, asked, len(part.columns), fewer):
            estimates = estimate_statistics(
                list(wanted.values()), some, codes[inside], resamples=draws, seed=seed
            )
            for (statistic, _), estimate in zip(wanted.values(), estimates, strict=True):
                if estimate is not None:
                    refuse_outside(statistic, estimate.value)
            found[part.columns, part.values] |= dict(zip(wanted, estimates, strict=True))

    def of(part: Slice, fewest: int = 0) -> Estimates:
        row = found.get((part.columns, part.values), {})
        estimates = {name: e for name in names if (e := row.get(name)) is not None}
        return {name: e for name, e in estimates.items() if e.n >= fewest}

    by_condition: dict[str, dict[str, Estimates]] = {}
    for part in singles:
        by_condition.setdefault(part.columns[0], {})[part.values[0]] = of(part)
    return Summary(
        overall=of(whole),
        conditions=by_condition,
        crossings=tuple(
            Crossing(
                columns=(part.columns[0], part.columns[1]),
                values=(part.values[0], part.values[1]),
                n=(n := int(np.count_nonzero(part.mask))),
                products=len(np.unique(codes[part.mask])),
                small=n < smallest_slice,
                # Of a large slice a metric may count few: those whose product is in the catalog.
                estimates=of(part, smallest_slice),
            )
            for part in crossed
        ),
        spreads=tuple(
            spread(column, name, parsed[name][0], here, smallest=smallest_slice)
            for column, values in by_condition.items()
            for name in names
            if any((here := {value: row.get(name) for value, row in values.items()}).values())
        ),
    )


Statistics = dict[str, tuple[Statistic, int | None]]


def _shares(
    statistics: Statistics, asked: Sequence[str], columns: int, fewer: int
) -> list[tuple[Statistics, int]]:
    """Which statistics a slice by so many columns is measured by, and with how many resamples.

    Slices are many. Only what is asked for gets all resamples in those by one column; the rest gets as few
    as the largest datasets do. By two columns nothing else is measured, and with few.
    """
    fewest = min(fewer, FEWEST_RESAMPLES)
    if columns == 0:
        return [(statistics, fewer)]
    named = {name: of for name, of in statistics.items() if name in asked}
    if columns > 1:
        return [(named, fewest)] if named else []
    rest = {name: of for name, of in statistics.items() if name not in asked}
    return [(part, draws) for part, draws in ((named, fewer), (rest, fewest)) if part]


def _columns(values: Sequence[NDArray[np.float64]], queries: int) -> NDArray[np.float64]:
    return np.stack(values, axis=1) if values else np.empty((queries, 0))
