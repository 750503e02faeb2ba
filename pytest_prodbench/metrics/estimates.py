"""A number with its interval: of means (all together, on the same draws) and of other statistics."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, Literal

import numpy as np

from pytest_prodbench.metrics.comparison import detectable_drop_alone
from pytest_prodbench.metrics.intervals import cluster_bootstrap, percentile_intervals, resampled
from pytest_prodbench.metrics.metric import FEW, Metric, Sampled, Sampling, Statistic
from pytest_prodbench.metrics.proportions import wilson, wilson_clustered, wilson_resampled
from pytest_prodbench.metrics.witnesses import Witnesses, fewest_witnesses
from pytest_prodbench.threads import Again, in_threads

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pytest_prodbench.protocol import Ranking

DIGITS = 10
"""Decimals kept: far finer than any interval, coarser than the order in which floats were summed."""

ROUNDING = 0.6 * 10.0**-DIGITS
"""How far below a value its record may lie (half a decimal, and the float's own error): a limit written
as 0.333333333333 must not fail one third, while one query less in a billion still does."""

CELLS = 2**22
"""Sums by product held at once (8 bytes each, and as many counts)."""

STATISTIC_WORK, FEWEST_RESAMPLES = 32_000_000, 400
"""Weights of queries that a statistic other than a mean is given: each costs a pass over sorted scores."""

Z = 1.959963984540054
"""The 0.975 quantile of the normal distribution."""

Method = Literal["bca", "own", "percentile", "wilson"]


@dataclass(frozen=True, slots=True)
class Estimate:
    """A value over n queries of some products with its 95 % interval.

    Attributes:
        value, low, high: low <= value <= high, inside the metric's range.
        n: queries behind it: those that a mean is defined on, the smallest population that a statistic
            speaks of (``Statistic.populations``).
        products: distinct products of these queries.
        method: of the interval. Proportions: ``wilson`` (by product); other means: ``bca``; other
            statistics: ``percentile`` (of one that states its populations together with
            ``wilson_resampled``), or the metric's ``own`` way. ``wilson`` stands in wherever all
            resamples are alike. Measured on simulated data, see ``wilson_clustered`` for proportions;
            for reciprocal ranks of correlated photos BCa covered 93 to 95 % from 24 products on
            (percentiles 90 to 95 %, photos as witnesses 76 to 80 %), and 87 % with ten products and a
            mean of 0.9.
        standard_error: by resampling products; 0 where all resamples are alike.
        detectable: smallest drop against another model that so many queries could have shown, if the
            other model erred independently (pairing makes it smaller); None where all resamples are
            alike and the metric's range, being infinite, says nothing either.
    """

    value: float
    low: float
    high: float
    n: int
    products: int
    method: Method
    standard_error: float
    detectable: float | None


def estimate_means(
    metrics: Sequence[Metric],
    values: NDArray[np.float64],
    codes: NDArray[np.intp],
    masks: Sequence[NDArray[np.bool_]],
    *,
    resamples: int,
    seed: int,
) -> Iterator[list[Estimate | None]]:
    """Yield, for each mask, the estimate of each metric; None where it is defined on no query.

    Args:
        metrics: m of them.
        values: float64 (q, m), of each query; NaN where undefined.
        codes: intp (q,), product of each query.
        masks: bool (q,) each, queries of a slice. All slices share the draws of products.
        resamples, seed: of the bootstrap.
    """
    if not metrics:
        yield from ([] for _ in masks)
        return
    products = int(codes.max()) + 1 if len(codes) else 0
    # Rows in an order that depends on nothing but what they hold: sums are then the same to the last bit.
    orders = [np.lexsort((values[:, m], codes)) for m in range(len(metrics))]
    at_once = max(1, CELLS // max(1, products * len(metrics)))
    for start in range(0, len(masks), at_once):
        part = masks[start : start + at_once]
        used = [
            rows[(mask & ~np.isnan(values[:, m]))[rows]]
            for mask in part
            for m, rows in enumerate(orders)
        ]
        columns = [values[rows, i % len(metrics)] for i, rows in enumerate(used)]
        sums, counts = np.empty((2, products, len(columns)))
        for i, (rows, column) in enumerate(zip(used, columns, strict=True)):
            sums[:, i] = np.bincount(codes[rows], column, minlength=products)
            counts[:, i] = np.bincount(codes[rows], minlength=products)
        found = cluster_bootstrap(sums, counts, resamples=resamples, seed=seed)
        hits = np.tile([metric.binary for metric in metrics], len(part))
        proportions = np.full((2, len(columns)), np.nan)
        proportions[:, hits] = wilson_clustered(sums[:, hits], counts[:, hits])
        for first in range(0, len(columns), len(metrics)):
            row: list[Estimate | None] = []
            for i, metric in enumerate(metrics, start=first):
                n, present = len(columns[i]), int(np.count_nonzero(counts[:, i]))
                if n == 0:
                    row.append(None)
                    continue
                bounds: tuple[float, float, Method] = (found.bca_low[i], found.bca_high[i], "bca")
                if metric.binary:
                    bounds = (proportions[0, i], proportions[1, i], "wilson")
                row.append(
                    _estimate(
                        metric,
                        # fsum is exact, so the mean does not depend on the order of the queries.
                        math.fsum(columns[i].tolist()) / n,
                        bounds,
                        float(found.standard_error[i]),
                        Witnesses(n, present, float(present)),
                    )
                )
            yield row


def statistic_resamples(resamples: int, queries: int) -> int:
    """How many of the resamples asked for a statistic other than a mean gets, by the size of the dataset.

    All of them up to 16,000 queries at the usual 2,000; 400 from 80,000 queries on. An end of a
    percentile interval then moves by about an eighth of a standard error from seed to seed.
    """
    return min(resamples, max(FEWEST_RESAMPLES, STATISTIC_WORK // max(1, queries)))


def estimate_statistics(
    statistics: Sequence[tuple[Statistic, int | None]],
    ranking: Ranking,
    codes: NDArray[np.intp],
    *,
    resamples: int,
    seed: int,
) -> list[Estimate | None]:
    """Return the estimates over all queries of a ranking; None of a statistic that they do not define.

    None too where the queries are not ``enough`` for it: a value that promises more than so few can say is
    not stated.

    Args:
        statistics: what to estimate, each with its k or None; all on the same draws.
        ranking: of q queries.
        codes: intp (q,), product of each query.
        resamples, seed: of the bootstrap.
    """
    n = len(codes)
    found: list[Estimate | None] = [None] * len(statistics)
    if n == 0:
        return found
    present, units = np.unique(codes, return_inverse=True)
    units = units.astype(np.intp)
    units.flags.writeable = False
    lanes: dict[str, list[int]] = {}
    for i, (statistic, _) in enumerate(statistics):
        lanes.setdefault(statistic.scores, []).append(i)

    def prepared(lane: list[int]) -> list[tuple[int, Sampled, float]]:
        every = np.ones((1, len(present)))
        asked = [(i, *statistics[i]) for i in lane]
        made = [
            (i, statistic.of(ranking, k, units))
            for i, statistic, k in asked
            if statistic.enough is None or statistic.enough(ranking)
        ]
        return [(i, of, float(of(every)[0])) for i, of in made]

    ready = list(chain.from_iterable(in_threads(prepared, lanes.values())))
    sampled = {i: of for i, of, _ in ready}
    values = {i: value for i, _, value in ready}
    defined = [i for i in sorted(values) if not math.isnan(values[i])]
    own = [i for i in defined if statistics[i][0].interval is not None]

    def resample(of: Sampled, most: int) -> NDArray[np.float64]:
        return resampled(of, len(present), resamples=min(resamples, most), seed=seed)

    bounds: dict[int, tuple[float, float, float]] = {}
    plain = [[i for i in lane if i in set(defined) - set(own)] for lane in lanes.values()]
    plain = [lane for lane in plain if lane]
    if plain:

        def ask(lane: list[int], weights: NDArray[np.float64]) -> list[NDArray[np.float64]]:
            return [sampled[i](weights) for i in lane]

        asked = Again(ask, plain)

        def drawn(weights: NDArray[np.float64]) -> NDArray[np.float64]:
            return np.stack([*chain.from_iterable(asked(weights))], axis=1)

        every = percentile_intervals(resample(drawn, resamples).T)
        bounds.update(zip(chain.from_iterable(plain), map(tuple, every.tolist()), strict=True))
    for i in own:
        statistic, k = statistics[i]
        assert statistic.interval is not None  # noqa: S101 - that is what makes it one of them
        bounds[i] = statistic.interval(
            Sampling(
                ranking=ranking,
                k=k,
                codes=units,
                value=values[i],
                sampled=sampled[i],
                resample=partial(resample, most=FEW),
            )
        )
    for i in defined:
        low, high, error = bounds[i]
        method: Method = "own" if i in own else "percentile"
        statistic = statistics[i][0]
        behind = Witnesses(n, len(present), float(len(present)))
        if statistic.populations is not None:
            behind = fewest_witnesses(statistic.populations(ranking), units)
            if method == "percentile":
                low, high = _widened(statistic, values[i], (low, high), error, behind)
        found[i] = _estimate(statistic, values[i], (low, high, method), error, behind)
    return found


def _widened(
    statistic: Statistic,
    value: float,
    bounds: tuple[float, float],
    error: float,
    behind: Witnesses,
) -> tuple[float, float]:
    """The interval, at least as wide as the witnesses allow; as it is where the range is infinite."""
    span = statistic.high - statistic.low
    if not math.isfinite(span):
        return bounds
    share = min(max((value - statistic.low) / span, 0.0), 1.0)
    spread = 0.0 if math.isnan(error) else error / span
    low, high = wilson_resampled(share, spread, max(behind.effective, 1.0))
    return (
        min(bounds[0], statistic.low + span * low),
        max(bounds[1], statistic.low + span * high),
    )


def _estimate(
    metric: Metric | Statistic,
    value: float,
    bounds: tuple[float, float, Method],
    error: float,
    behind: Witnesses,
) -> Estimate:
    low, high, method = bounds
    error = 0.0 if math.isnan(error) else round(error, DIGITS)
    span = metric.high - metric.low
    if method in ("bca", "percentile") and error == 0.0:
        low, high = value, value
        if math.isfinite(span):
            # Of all variables in a range with this mean the 0/1 one has the largest variance, so the
            # proportion's interval, of as many trials as there are products, serves them all.
            share = min(max((value - metric.low) / span, 0.0), 1.0)
            trials = behind.effective
            low, high = (metric.low + span * float(b) for b in wilson(share * trials, trials))
            method = "wilson"
    low = min(max(float(low), metric.low), value)
    high = max(min(float(high), metric.high), value)
    # The arm on the side of the worse: at 100 % there is no other, and there the error says 0.
    arm = value - low if metric.higher_is_better else high - value
    step = max(error, arm / Z)
    if step < ROUNDING:  # nothing, or nothing but how floats were summed
        step = (high - low) / Z
    return Estimate(
        value=round(value, DIGITS),
        low=round(low, DIGITS),
        high=round(high, DIGITS),
        n=behind.n,
        products=behind.products,
        method=method,
        standard_error=error,
        detectable=round(detectable_drop_alone(step), DIGITS) if step >= ROUNDING else None,
    )
