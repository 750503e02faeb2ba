"""Verification: "is this the very item?", asked of pairs of a query and a gallery image.

The pairs are drawn by the rule that retrieval states; here each counts with the weight of its query.
A pair is accepted if its similarity is at least a threshold. *Genuine* pairs show one product; the
others are impostors, of which those of the query's own family are *look-alikes*. The statistics with
``_alike`` in their name hold genuine pairs against look-alikes alone: the harder and more honest
question where a catalog is wide. NaN where no pairs were drawn, or one of the two kinds is missing.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from pytest_prodbench.metrics.crossings import First
from pytest_prodbench.metrics.metric import Sampled, Statistic, Units
from pytest_prodbench.metrics.once import once
from pytest_prodbench.metrics.thresholds import FallingThreshold, share

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pytest_prodbench.protocol import Ranking


def equal_error_rate(
    ranking: Ranking,
    k: int | None,  # noqa: ARG001
    units: Units,
    *,
    alike: bool = False,
) -> Sampled:
    """Return the rate at which false accepts and false rejects are equal, of weighted samples.

    FAR(t) is the share of impostors accepted, FRR(t) the share of genuine pairs rejected. Both change
    only at observed scores, so that they need not be equal anywhere: the operating points
    (FAR, FRR) of falling thresholds, from (0, 1) to (1, 0), are joined by straight lines, and the
    value is where that line meets FAR = FRR. Equal scores are one point: no order among them is made
    up. (ISO/IEC 19795-1; the linear joint is that of Provost & Fawcett 2001 for the ROC.) Range
    0 … 1, lower is better.
    """
    falling = (_alike if alike else _all)(ranking, units)
    if falling is None:
        return _undefined
    # FAR >= FRR, multiplied out so that it is exact.
    equal = First(
        falling,
        lambda c: c.misses * c.all_hits + c.hits * c.all_misses >= c.all_hits * c.all_misses,
    )

    def of(weights: NDArray[np.float64]) -> NDArray[np.float64]:
        found = equal(weights)
        before, at = found.before, found.counts
        both = (at.all_hits > 0) & (at.all_misses > 0)
        genuine, impostors = (np.where(both, total, 1.0) for total in (at.all_hits, at.all_misses))
        far, far_before = at.misses / impostors, before.misses / impostors
        gap, gap_before = far - 1.0 + at.hits / genuine, far_before - 1.0 + before.hits / genuine
        step = np.where(both, gap - gap_before, 1.0)
        return np.where(both, far_before - gap_before / step * (far - far_before), np.nan)

    return of


def true_accept_rate(
    ranking: Ranking,
    k: int | None,  # noqa: ARG001
    units: Units,
    *,
    one_in: int,
    alike: bool = False,
) -> Sampled:
    """Return TAR at a false accept rate of 1 / ``one_in`` (100: 1 %), of weighted samples.

    The share of genuine pairs accepted at the lowest threshold that at most one in ``one_in``
    impostors reaches (Phillips et al., FRVT; Grother & Ngan 2014), counted and never interpolated:
    genuine pairs tied with the first impostor that would be one too many are rejected. Range 0 … 1,
    higher is better. Of n impostors it errs on the high side, as ``detection_and_identification`` does, and
    with fewer than ``one_in`` it is not estimated.
    """
    falling = (_alike if alike else _all)(ranking, units)
    if falling is None:
        return _undefined
    too_many = First(falling, lambda c: one_in * c.misses > c.all_misses)

    def of(weights: NDArray[np.float64]) -> NDArray[np.float64]:
        found = too_many(weights)
        both = (found.counts.all_hits > 0) & (found.counts.all_misses > 0)
        return share(found.before.hits, np.where(both, found.counts.all_hits, 0.0))

    return of


def _undefined(weights: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.full(len(weights), np.nan)


@dataclass(frozen=True, slots=True)
class VerificationCurve:
    """What each threshold does, from accepting no pair (+inf) to accepting all; float64 (u,) each.

    The ROC is ``true_accepts`` over ``false_accepts``, the DET curve 1 − ``true_accepts`` over
    ``false_accepts``, both on logarithmic or normal-deviate axes (Martin et al., Eurospeech 1997).
    """

    thresholds: NDArray[np.float64]
    false_accepts: NDArray[np.float64]
    true_accepts: NDArray[np.float64]


def verification_curve(ranking: Ranking, *, alike: bool = False) -> VerificationCurve | None:
    """Return the curve, each pair counted once; None unless there are both kinds of pairs."""
    falling = (_alike if alike else _all)(ranking, np.arange(len(ranking.ranks)))
    if falling is None:
        return None
    genuine, impostors = falling.cumulative()
    if not len(genuine) or not genuine[-1] or not impostors[-1]:
        return None
    return VerificationCurve(
        np.append(np.inf, falling.thresholds),
        np.append(0.0, impostors / impostors[-1]),
        np.append(0.0, genuine / genuine[-1]),
    )


@once
def _all(ranking: Ranking, units: Units) -> FallingThreshold | None:
    pairs = ranking.verification
    if pairs is None:
        return None
    return FallingThreshold(pairs.scores, units[pairs.rows], pairs.genuine)


@once
def _alike(ranking: Ranking, units: Units) -> FallingThreshold | None:
    pairs = ranking.verification
    if pairs is None:
        return None
    used = np.flatnonzero(pairs.genuine | pairs.alike)
    return FallingThreshold(pairs.scores[used], units[pairs.rows[used]], pairs.genuine[used])


def _compared(ranking: Ranking, *, alike: bool) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Populations: queries that have genuine pairs, and those that have impostors (or look-alikes)."""
    genuine, others = (np.zeros(len(ranking.ranks), np.bool_) for _ in range(2))
    pairs = ranking.verification
    if pairs is not None:
        genuine[pairs.rows[pairs.genuine]] = True
        others[pairs.rows[pairs.alike if alike else ~pairs.genuine]] = True
    return genuine, others


def _resolves(ranking: Ranking, *, one_in: int, alike: bool) -> bool:
    """Whether there are as many impostors as it takes to accept one of them at 1 / ``one_in``."""
    pairs = ranking.verification
    if pairs is None:
        return False
    return int(np.count_nonzero(pairs.alike if alike else ~pairs.genuine)) >= one_in


def _false_accept_statistic(name: str, *, one_in: int, alike: bool) -> Statistic:
    return Statistic(
        name=name,
        of=partial(true_accept_rate, one_in=one_in, alike=alike),
        enough=partial(_resolves, one_in=one_in, alike=alike),
        higher_is_better=True,
        low=0.0,
        high=1.0,
        source="Grother & Ngan 2014 (FRVT)",
        scores="alike pairs" if alike else "pairs",
        populations=partial(_compared, alike=alike),
    )


def _equal_error_statistic(name: str, *, alike: bool) -> Statistic:
    return Statistic(
        name=name,
        of=partial(equal_error_rate, alike=alike),
        higher_is_better=False,
        low=0.0,
        high=1.0,
        source="ISO/IEC 19795-1",
        scores="alike pairs" if alike else "pairs",
        populations=partial(_compared, alike=alike),
    )


EER = _equal_error_statistic("eer", alike=False)
EER_ALIKE = _equal_error_statistic("eer_alike", alike=True)
TAR_FAR_1PCT = _false_accept_statistic("tar_far_1pct", one_in=100, alike=False)
TAR_FAR_1PCT_ALIKE = _false_accept_statistic("tar_far_1pct_alike", one_in=100, alike=True)
TAR_FAR_01PCT = _false_accept_statistic("tar_far_01pct", one_in=1000, alike=False)
TAR_FAR_01PCT_ALIKE = _false_accept_statistic("tar_far_01pct_alike", one_in=1000, alike=True)
