"""All metrics of one pair, overall and by condition, each with its interval and its counts."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pytest_prodbench.metrics.intervals import cluster_bootstrap
from pytest_prodbench.metrics.metric import parse_metric

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pytest_prodbench.protocol import Ranking

DIGITS = 10
"""Decimals kept: far finer than any interval, coarser than the order in which floats were summed."""

ROUNDING = 0.6 * 10.0**-DIGITS
"""How far below a value its record may lie (half a decimal, and the float's own error): a limit written
as 0.333333333333 must not fail one third, while one query less in a billion still does."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean over n queries of some products with its 95 % interval."""

    value: float
    low: float
    high: float
    n: int
    products: int


def default_metrics(ks: Sequence[int] = (1, 5, 10)) -> tuple[str, ...]:
    """Names of the metrics that every run measures."""
    return (*(f"recall@{k}" for k in ks), "product_recall@1", "category_recall@1", "map@20", "mrr")


def list_length(names: Sequence[str]) -> int:
    """How long a result list these metrics read; 0 if none reads it."""
    parsed = [parse_metric(name, where=f"metric {name!r}") for name in names]
    return max((k or 0 for metric, k in parsed if metric.needs_list), default=0)


def summarise(
    ranking: Ranking,
    products: Sequence[str],
    conditions: Mapping[str, Sequence[str]],
    names: Sequence[str],
    *,
    resamples: int,
    seed: int,
) -> tuple[dict[str, Estimate], dict[str, dict[str, dict[str, Estimate]]]]:
    """Return metric → estimate, and column → value → metric → estimate.

    Args:
        ranking: of q queries.
        products: product id of each query; the unit of resampling.
        conditions: column → q values; ``""`` (not stated) is left out.
        names: metrics such as ``recall@1``. One that is defined on no query of a slice is left out of
            it: a rule on it then finds no value, which is never a pass.
        resamples, seed: of the bootstrap.
    """
    values = np.stack(
        [
            metric.per_query(ranking, k)
            for metric, k in (parse_metric(name, where=f"metric {name!r}") for name in names)
        ],
        axis=1,
    )
    # Products in the order of their ids, so that the draws do not depend on the order of the queries.
    # A dictionary, not a numpy string array: that would drop trailing NULs, and ids are sacred.
    place = {product: code for code, product in enumerate(sorted(set(products)))}
    codes = np.array([place[product] for product in products], np.intp)
    slices: list[tuple[str, str, NDArray[np.bool_]]] = [("", "", np.ones(len(values), np.bool_))]
    for column in sorted(conditions):
        cells = conditions[column]
        slices += [
            (column, value, np.array([cell == value for cell in cells], np.bool_))
            for value in sorted(set(cells) - {""})
        ]
    estimates = _estimate(values, codes, [mask for _, _, mask in slices], resamples, seed)
    overall: dict[str, Estimate] = {}
    by_condition: dict[str, dict[str, dict[str, Estimate]]] = {}
    for (column, value, _), row in zip(slices, estimates, strict=True):
        found = {name: e for name, e in zip(names, row, strict=True) if e is not None}
        if column:
            by_condition.setdefault(column, {})[value] = found
        else:
            overall = found
    return overall, by_condition


def _estimate(
    values: NDArray[np.float64],
    codes: NDArray[np.intp],
    masks: Sequence[NDArray[np.bool_]],
    resamples: int,
    seed: int,
) -> list[list[Estimate | None]]:
    size = int(codes.max()) + 1 if len(codes) else 0
    defined = ~np.isnan(values)
    sums, counts = [], []
    for mask in masks:
        for m in range(values.shape[1]):
            rows = mask & defined[:, m]
            sums.append(np.bincount(codes[rows], values[rows, m], minlength=size))
            counts.append(np.bincount(codes[rows], minlength=size).astype(np.float64))
    low, high = cluster_bootstrap(
        np.stack(sums, axis=1), np.stack(counts, axis=1), resamples=resamples, seed=seed
    )
    out: list[list[Estimate | None]] = []
    column = 0
    for mask in masks:
        row: list[Estimate | None] = []
        for m in range(values.shape[1]):
            used = values[mask & defined[:, m], m]
            behind = int(np.count_nonzero(counts[column]))
            row.append(
                Estimate(
                    # fsum is exact, so the mean does not depend on the order of the queries.
                    round(math.fsum(used.tolist()) / len(used), DIGITS),
                    round(float(low[column]), DIGITS),
                    round(float(high[column]), DIGITS),
                    len(used),
                    behind,
                )
                if len(used)
                else None
            )
            column += 1
        out.append(row)
    return out
