"""Score quality: what the similarity of the first result says about whether it is right.

The first result is *right* if it is a positive (rank 1, ties pessimistic); of a query whose product is
absent it is always wrong. Queries that may match no image have no first result, and no score.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pytest_prodbench.metrics.calibration import BINS, Calibration
from pytest_prodbench.metrics.crossings import Last
from pytest_prodbench.metrics.intervals import standard_error
from pytest_prodbench.metrics.metric import Metric, Sampled, Sampling, Statistic, Units
from pytest_prodbench.metrics.once import once
from pytest_prodbench.metrics.proportions import wilson_clustered
from pytest_prodbench.metrics.thresholds import FallingThreshold, share
from pytest_prodbench.threads import in_threads, portions

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pytest_prodbench.protocol import Ranking

IN_CACHE = 2**17
"""Weights gathered at once (8 bytes each): Newton's method goes over them many times."""

Z = 1.959963984540054
"""The 0.975 quantile of the normal distribution."""

PRECISION = 0.99

THRESHOLDS = 500
"""Thresholds whose precision is given an interval."""


def margin(ranking: Ranking, k: int | None) -> NDArray[np.float64]:  # noqa: ARG001
    """Return (score of the best positive) − (score of the best negative), float64 (q,).

    Needs no threshold: above 0 exactly where rank is 1, and the further above, the less a change of
    light or another look-alike can do (the sample margin of Gilad-Bachrach, Navot & Tishby, ICML
    2004). NaN where the product is absent or no negative exists. Range −2 … 2, higher is better; models
    whose scores spread differently have margins of different size, so that it compares a model with
    itself rather than with others.
    """
    return ranking.positive_scores.astype(np.float64) - ranking.negative_scores.astype(np.float64)


def expected_calibration_error(
    ranking: Ranking,
    k: int | None,  # noqa: ARG001
    units: Units,
) -> Sampled:
    """Return Σ_bins (share of queries) · |mean probability − share right|, of weighted samples.

    "Accept the first hit with probability p", where p is made from its similarity by Platt's map,
    fitted on the half of the queries that the query is not in: see
    :class:`~pytest_prodbench.metrics.calibration.Calibration` for map, halves and bins. 15 bins
    (Guo et al., ICML 2017) of equal mass (Nixon et al., CVPR workshops 2019). NaN unless both halves
    hold a query. Range 0 … 1, lower is better; with few queries it is above 0 even for a perfect map.
    """
    gaps = _calibration_gaps(ranking, units)
    return lambda weights: np.asarray(np.abs(gaps(weights)).sum(axis=1))


def calibration_interval(sampling: Sampling) -> tuple[float, float, float]:
    """Interval of the error that endless queries would show, and its standard error.

    Sampling error only ever adds to a sum of absolute gaps, in each resample once more, so that
    percentiles of the bootstrap lie above the truth, all of them. But Σ |gap| differs from Σ |true gap|
    by at most Σ |gap − true gap| (triangle inequality), which the bootstrap imitates by the resample's
    gaps less the sample's: the low end is the value less the 0.975 quantile of that, the high end
    1.96 standard errors above the value, which lies too high itself on average. In simulations (24, 100
    and 400 products of four photos) it held the truth always; percentiles never did.
    """
    gaps = _calibration_gaps(sampling.ranking, sampling.codes)
    here = gaps(np.ones((1, int(sampling.codes.max()) + 1)))
    drawn = sampling.resample(gaps)
    drawn = drawn[~np.isnan(drawn).any(axis=1)]
    off = np.abs(drawn - here).sum(axis=1)
    spread = float(np.quantile(off, 0.975)) if len(off) else 1.0
    error = standard_error(np.abs(drawn).sum(axis=1))
    reach = Z * (1.0 if np.isnan(error) else error)
    return max(0.0, sampling.value - spread), min(1.0, sampling.value + reach), error


@once
def _calibration_gaps(ranking: Ranking, units: Units) -> Sampled:
    """Gaps of the bins of weighted samples, float64 (b, BINS)."""
    best, rows = _first_results(ranking)
    falling, score = np.unique(-best[rows], return_inverse=True)
    right = (ranking.ranks[rows] == 1).astype(np.float64)
    sizes = np.bincount(score)
    calibration = Calibration(-falling, np.bincount(score, right), sizes)
    # In the order of the columns; queries of one score stand side by side.
    column = np.argsort(calibration.columns)[score]
    order = np.argsort(column, kind="stable")
    drawn_from, right = units[rows[order]], right[order]
    sizes = sizes[calibration.columns]
    firsts = np.cumsum(sizes) - sizes
    # Few scores are those of several queries: only these are summed.
    shared = np.flatnonzero(sizes > 1)
    sharing = np.flatnonzero(np.repeat(sizes > 1, sizes))
    starts = np.cumsum(sizes[shared]) - sizes[shared]

    def gaps(weights: NDArray[np.float64]) -> NDArray[np.float64]:
        every = np.take(weights, drawn_from[firsts], axis=1)
        rights = every * right[firsts]
        if len(shared):
            drawn = np.take(weights, drawn_from[sharing], axis=1)
            every[:, shared] = np.add.reduceat(drawn, starts, axis=1)
            rights[:, shared] = np.add.reduceat(drawn * right[sharing], starts, axis=1)
        return calibration.gaps(rights, every)

    def of(weights: NDArray[np.float64]) -> NDArray[np.float64]:
        if not len(rows):
            return np.full((len(weights), BINS), np.nan)
        parts = portions(len(weights), IN_CACHE // len(rows))
        return np.concatenate(in_threads(lambda part: gaps(weights[part]), parts))

    return of


def threshold_p99(ranking: Ranking, k: int | None, units: Units) -> Sampled:  # noqa: ARG001
    """Return the lowest threshold with 99 % precision, of weighted samples.

    The smallest top score t for which, of the first results with score >= t, at least 99 % are right:
    the operating point "recall at 99 % precision". Chosen and judged on the same queries, so that new
    ones will see a little less. NaN where no threshold has it. Defined in docs/protocol.md, Score quality.
    Range −1 … 1; lower is better, though across models only ``answered_p99`` compares.
    """
    falling, search = _at_precision(ranking, units)

    def of(weights: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.append(falling.thresholds, np.nan)[search(weights).place]

    return of


def answered_p99(ranking: Ranking, k: int | None, units: Units) -> Sampled:  # noqa: ARG001
    """Return the share of all queries whose first result ``threshold_p99`` accepts, of weighted samples.

    Coverage at a guaranteed precision, the selective classification of Geifman & El-Yaniv, NeurIPS
    2017. 0 where no threshold has 99 % precision; NaN for a sample of no query. Range 0 … 1, higher is
    better.
    """
    falling, search = _at_precision(ranking, units)
    queries = np.bincount(units).astype(np.float64)

    def of(weights: NDArray[np.float64]) -> NDArray[np.float64]:
        found = search(weights)
        accepted = found.counts.hits + found.counts.misses
        some = found.place < len(falling.thresholds)
        return share(np.where(some, accepted, 0.0), weights @ queries)

    return of


def threshold_interval(sampling: Sampling) -> tuple[float, float, float]:
    """Interval and standard error of ``threshold_p99``: see :func:`_proven_and_possible`."""
    proven, possible = _proven_and_possible(sampling.ranking, sampling.codes)
    return (
        -1.0 if possible is None else possible[0],
        1.0 if proven is None else proven[0],
        standard_error(sampling.resample(sampling.sampled)),
    )


def answered_interval(sampling: Sampling) -> tuple[float, float, float]:
    """Interval and standard error of ``answered_p99``: see :func:`_proven_and_possible`."""
    proven, possible = _proven_and_possible(sampling.ranking, sampling.codes)
    return (
        0.0 if proven is None else proven[1],
        0.0 if possible is None else possible[1],
        standard_error(sampling.resample(sampling.sampled)),
    )


@once
def _proven_and_possible(
    ranking: Ranking, codes: NDArray[np.intp]
) -> tuple[tuple[float, float] | None, tuple[float, float] | None]:
    """Lowest thresholds at which 99 % precision is proven, and at which it is not refuted.

    Each with the share of queries it answers; None where there is none. Of the thresholds, at most
    ``THRESHOLDS`` are looked at, and one farther for "not refuted". Each has Wilson's interval by product
    around its precision: 99 % is proven where the low end reaches it, refuted where the high end does
    not. At the true threshold the interval holds 99 % in 95 % of samples; so the true threshold lies
    between the two (a confidence interval by inversion of a test: Neyman 1937). The bootstrap has no
    answer here: with few errors above the threshold, its percentiles held the truth in 5 to 90 % of
    simulated datasets of 24 to 400 products, these ends in 96 % and more.
    """
    best, rows = _first_results(ranking)
    rows = rows[np.argsort(-best[rows], kind="stable")]
    scores, right = best[rows], ranking.ranks[rows] == 1
    ends = np.flatnonzero(np.append(scores[1:] != scores[:-1], len(scores) > 0))
    if not len(ends):
        return None, None
    looked_at = np.arange(len(ends) - 1, -1, -max(1, -(-len(ends) // THRESHOLDS)))[::-1]
    products, width = int(codes.max()) + 1, len(looked_at)
    place = codes[rows] * width + np.searchsorted(ends[looked_at], np.arange(len(rows)))

    def accepted(which: NDArray[np.bool_]) -> NDArray[np.float64]:
        counts = np.bincount(place[which], minlength=products * width).reshape(products, width)
        return np.cumsum(counts, axis=1).astype(np.float64)

    low, high = wilson_clustered(accepted(right), accepted(np.ones(len(rows), np.bool_)))

    def at(threshold: int) -> tuple[float, float]:
        end = int(ends[threshold])
        return float(scores[end]), (end + 1) / len(best)

    proven, possible = np.flatnonzero(low >= PRECISION), np.flatnonzero(high >= PRECISION)
    # What lies between two thresholds that were looked at counts as not refuted.
    before_next = np.append(looked_at[1:] - 1, len(ends) - 1)
    return (
        at(looked_at[proven[-1]]) if len(proven) else None,
        at(before_next[possible[-1]]) if len(possible) else None,
    )


def _first_results(ranking: Ranking) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Top score of each query, float32 (q,), and the queries that have one."""
    best = np.fmax(ranking.positive_scores, ranking.negative_scores)
    return best, np.flatnonzero(~np.isnan(best)).astype(np.int64)


@once
def _at_precision(ranking: Ranking, units: Units) -> tuple[FallingThreshold, Last]:
    """Thresholds, and the search for the last one with 99 % precision."""
    best, rows = _first_results(ranking)
    falling = FallingThreshold(best[rows], units[rows], ranking.ranks[rows] == 1)
    return falling, Last(
        falling,
        # Whole numbers, so that exactly 99 % is 99 %.
        lambda c: c.hits >= 99 * c.misses,
        # Of a cell, at best all hits come first.
        lambda before, at: at.hits >= 99 * before.misses,
    )


MARGIN = Metric(
    name="margin",
    per_query=margin,
    higher_is_better=True,
    low=-2.0,
    high=2.0,
    source="Gilad-Bachrach, Navot & Tishby 2004",
)
ECE = Statistic(
    name="ece",
    of=expected_calibration_error,
    higher_is_better=False,
    low=0.0,
    high=1.0,
    source="Guo et al. 2017; Nixon et al. 2019; Platt 1999",
    scores="first results, calibrated",
    interval=calibration_interval,
)
THRESHOLD_P99 = Statistic(
    name="threshold_p99",
    of=threshold_p99,
    higher_is_better=False,
    low=-1.0,
    high=1.0,
    source="docs/protocol.md, Score quality",
    scores="first results",
    interval=threshold_interval,
)
ANSWERED_P99 = Statistic(
    name="answered_p99",
    of=answered_p99,
    higher_is_better=True,
    low=0.0,
    high=1.0,
    source="Geifman & El-Yaniv 2017",
    scores="first results",
    interval=answered_interval,
)
