"""Score quality: what the similarity of the first result says about whether it is right.

The first result is *right* if it is a positive (rank 1, ties pessimistic); of a query whose product is
absent it is always wrong. Queries that may match no image have no first result, and no score.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pytest_prodbench.metrics.calibration import Calibration
from pytest_prodbench.metrics.metric import Metric, Sampled, Statistic
from pytest_prodbench.metrics.thresholds import Crossing, FallingThreshold, share

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pytest_prodbench.protocol import Ranking

IN_CACHE = 2**17
"""Weights gathered at once (8 bytes each): Newton's method goes over them many times."""


def margin(ranking: Ranking, k: int | None) -> NDArray[np.float64]:  # noqa: ARG001
    """Return (score of the best positive) − (score of the best negative), float64 (q,).

    Needs no threshold: above 0 exactly where rank is 1, and the further above, the less a change of
    light or another look-alike can do (the sample margin of Gilad-Bachrach, Navot & Tishby, ICML
    2004). NaN where the product is absent or no negative exists. Range −2 … 2, higher is better; models
    whose scores spread differently have margins of different size, so that it compares a model with
    itself rather than with others.
    """
    return ranking.positive_scores.astype(np.float64) - ranking.negative_scores.astype(np.float64)


def expected_calibration_error(ranking: Ranking, k: int | None) -> Sampled:  # noqa: ARG001
    """Return Σ_bins (share of queries) · |mean probability − share right|, of weighted samples.

    "Accept the first hit with probability p", where p is made from its similarity by Platt's map,
    fitted on the half of the queries that the query is not in: see
    :class:`~pytest_prodbench.metrics.calibration.Calibration` for map, halves and bins. 15 bins
    (Guo et al., ICML 2017) of equal mass (Nixon et al., CVPR workshops 2019). NaN unless both halves
    hold a query. Range 0 … 1, lower is better; with few queries it is above 0 even for a perfect map.
    """
    best, rows = _first_results(ranking)
    rows = rows[np.argsort(-best[rows], kind="stable")]
    scores, right = best[rows], (ranking.ranks[rows] == 1).astype(np.float64)
    firsts = np.flatnonzero(np.append(len(rows) > 0, scores[1:] != scores[:-1]))
    calibration = Calibration(scores[firsts])
    step = max(1, IN_CACHE // max(1, len(best)))

    def total(values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Sum over the queries with one score."""
        if len(firsts) == len(scores):
            return values
        return np.asarray(np.add.reduceat(values, firsts, axis=1))

    def of(weights: NDArray[np.float64]) -> NDArray[np.float64]:
        found = np.full(len(weights), np.nan)
        for start in range(0, len(weights) if len(rows) else 0, step):
            drawn = weights[start : start + step, rows]
            found[start : start + step] = calibration.error(total(drawn * right), total(drawn))
        return found

    return of


def threshold_p99(ranking: Ranking, k: int | None) -> Sampled:  # noqa: ARG001
    """Return the lowest threshold with 99 % precision, of weighted samples.

    The smallest top score t for which, of the first results with score >= t, at least 99 % are right:
    the operating point "recall at 99 % precision". Chosen and judged on the same queries, so that new
    ones will see a little less. NaN where no threshold has it. Range −1 … 1; lower is better, though
    across models only ``answered_p99`` compares.
    """
    falling = _falling(ranking)

    def of(weights: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.append(falling.thresholds, np.nan)[_at_precision(falling, weights).place]

    return of


def answered_p99(ranking: Ranking, k: int | None) -> Sampled:  # noqa: ARG001
    """Return the share of all queries whose first result ``threshold_p99`` accepts, of weighted samples.

    Coverage at a guaranteed precision, the selective classification of Geifman & El-Yaniv, NeurIPS
    2017. 0 where no threshold has 99 % precision; NaN for a sample of no query. Range 0 … 1, higher is
    better.
    """
    falling = _falling(ranking)

    def of(weights: NDArray[np.float64]) -> NDArray[np.float64]:
        found = _at_precision(falling, weights)
        accepted = found.counts.hits + found.counts.misses
        some = found.place < len(falling.thresholds)
        return share(np.where(some, accepted, 0.0), weights.sum(axis=1))

    return of


def _first_results(ranking: Ranking) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Top score of each query, float32 (q,), and the queries that have one."""
    best = np.fmax(ranking.positive_scores, ranking.negative_scores)
    return best, np.flatnonzero(~np.isnan(best)).astype(np.int64)


def _falling(ranking: Ranking) -> FallingThreshold:
    best, rows = _first_results(ranking)
    return FallingThreshold(best[rows], rows, ranking.ranks[rows] == 1, len(best))


def _at_precision(falling: FallingThreshold, weights: NDArray[np.float64]) -> Crossing:
    return falling.last(
        weights,
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
)
THRESHOLD_P99 = Statistic(
    name="threshold_p99",
    of=threshold_p99,
    higher_is_better=False,
    low=-1.0,
    high=1.0,
    source="docs/protocol.md, Score quality",
)
ANSWERED_P99 = Statistic(
    name="answered_p99",
    of=answered_p99,
    higher_is_better=True,
    low=0.0,
    high=1.0,
    source="Geifman & El-Yaniv 2017",
)
