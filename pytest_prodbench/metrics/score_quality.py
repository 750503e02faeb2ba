"""Score quality: what the similarity of the first result says about whether it is right.

The first result is *right* if it is a positive (rank 1, ties pessimistic); of a query whose product is
absent it is always wrong. Queries that may match no image have no first result, and no score.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from pytest_prodbench.metrics.calibration import calibration_error
from pytest_prodbench.metrics.metric import Metric, Statistic
from pytest_prodbench.metrics.thresholds import share

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pytest_prodbench.protocol import Ranking

IN_CACHE = 250_000
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


def expected_calibration_error(
    ranking: Ranking, weights: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return Σ_bins (share of queries) · |mean probability − share right|, float64 (b,).

    "Accept the first hit with probability p", where p is made from its similarity by Platt's map,
    fitted on the half of the queries that the query is not in: see
    :func:`~pytest_prodbench.metrics.calibration.calibration_error` for map, halves and bins. 15 bins
    (Guo et al., ICML 2017) of equal mass (Nixon et al., CVPR workshops 2019). Of b weighted samples
    (b, q). NaN unless both halves hold a query. Range 0 … 1, lower is better; with few queries it is
    above 0 even for a perfect map.
    """
    found = np.full(len(weights), np.nan)
    for part, scores, right, every in _first_results(ranking, weights):
        found[part] = calibration_error(scores, right, every)
    return found


def threshold_p99(ranking: Ranking, weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the lowest threshold with 99 % precision, float64 (b,).

    The smallest top score t for which, of the first results with score >= t, at least 99 % are right:
    the operating point "recall at 99 % precision". Chosen and judged on the same queries, so that new
    ones will see a little less. Of b weighted samples (b, q). NaN where no threshold has it. Range
    −1 … 1; lower is better, though across models only ``answered_p99`` compares.
    """
    return _at_precision(ranking, weights)[0]


def answered_p99(ranking: Ranking, weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the share of all queries whose first result ``threshold_p99`` accepts, float64 (b,).

    Coverage at a guaranteed precision, the selective classification of Geifman & El-Yaniv, NeurIPS
    2017. 0 where no threshold has 99 % precision. Of b weighted samples (b, q); NaN for one of no
    query. Range 0 … 1, higher is better.
    """
    return _at_precision(ranking, weights)[1]


def _first_results(
    ranking: Ranking, weights: NDArray[np.float64]
) -> Iterator[tuple[slice, NDArray[np.float32], NDArray[np.float64], NDArray[np.float64]]]:
    """Yield samples, distinct scores (u,) falling, weight right and weight in all at each (s, u).

    In slices of bounded memory. What follows reads these alone, so that no order matters.
    """
    best = np.fmax(ranking.positive_scores, ranking.negative_scores)
    rows = np.flatnonzero(~np.isnan(best))
    rows = rows[np.argsort(-best[rows], kind="stable")]
    scores, right = best[rows], ranking.ranks[rows] == 1
    firsts = np.flatnonzero(np.append(len(rows) > 0, scores[1:] != scores[:-1]))
    step = max(1, IN_CACHE // max(1, len(best)))
    for start in range(0, len(weights) if len(rows) else 0, step):
        drawn = weights[start : start + step, rows]
        yield (
            slice(start, start + step),
            scores[firsts],
            np.add.reduceat(drawn * right, firsts, axis=1),
            np.add.reduceat(drawn, firsts, axis=1),
        )


def _at_precision(
    ranking: Ranking, weights: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    threshold = np.full(len(weights), np.nan)
    answered = np.zeros(len(weights))
    for part, scores, right, every in _first_results(ranking, weights):
        accepted = np.cumsum(every, axis=1)
        # Whole numbers, so that exactly 99 % is 99 %. A score that the sample has not is no threshold.
        good = (100 * np.cumsum(right, axis=1) >= 99 * accepted) & (every > 0)
        last = len(scores) - 1 - good[:, ::-1].argmax(axis=1)
        some = good.any(axis=1)
        threshold[part] = np.where(some, scores[last], np.nan)
        answered[part] = np.where(some, accepted[np.arange(len(last)), last], 0.0)
    return threshold, share(answered, weights.sum(axis=1))


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
