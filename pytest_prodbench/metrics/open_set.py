"""Open set: does the top score tell queries whose product is in the gallery from the others.

A query is *known* if the gallery holds its product, *unknown* if it does not (``ranks`` is NO_RANK).
Its score is the similarity of its first result; one that may match no image at all is never accepted.
All statistics are NaN unless both kinds have weight.
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
from pytest_prodbench.metrics.whole_weights import EXACT, FewOf, whole
from pytest_prodbench.metrics.witnesses import known_and_unknown
from pytest_prodbench.protocol import NO_RANK
from pytest_prodbench.threads import in_threads

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pytest_prodbench.metrics.whole_weights import ByUnit
    from pytest_prodbench.protocol import Ranking


RUN = 32
"""Scores whose weights are added up by themselves first."""


def top_score(ranking: Ranking) -> NDArray[np.float64]:
    """Return the similarity of each query's first result, float64 (q,); -inf where it has none."""
    best = np.fmax(ranking.positive_scores, ranking.negative_scores).astype(np.float64)
    return np.where(np.isnan(best), -np.inf, best)


def auroc(ranking: Ranking, k: int | None, units: Units) -> Sampled:  # noqa: ARG001
    """Return P(top score of a known query > of an unknown one), ties half, of weighted samples.

    Area under the ROC curve of "is it in the catalog?" (Hanley & McNeil 1982; for open sets Hendrycks
    & Gimpel, ICLR 2017). Range 0 … 1, 0.5 is chance, higher is better.
    """
    scores, known = top_score(ranking), ranking.ranks != NO_RANK
    steps, step = np.unique(scores[~known], return_inverse=True)
    # A known query counts from the first of these scores on that is not below its own, and again from the
    # first one above it: so twice in all below that, once where they are equal, twice at the very end.
    rises = [np.searchsorted(steps, scores[known], side=side) for side in ("left", "right")]
    runs = len(steps) // RUN + 1  # one place at least behind the last score
    risen = _occurrences(np.concatenate(rises), np.tile(units[known], 2), runs * RUN)
    unknown = _occurrences(step, units[~known], runs * RUN)

    def area(
        below: NDArray[np.floating], strangers: NDArray[np.floating]
    ) -> NDArray[np.float64] | None:
        """Of as many known and unknown queries at each score, (runs · RUN, b); None if float32 rounds."""
        below, strangers = (a.reshape(runs, RUN, -1) for a in (below, strangers))
        # A cumulative sum down the columns: numpy's own takes ten times as long.
        for i in range(1, RUN):
            below[:, i] += below[:, i - 1]
        for i in range(1, runs):
            below[i] += below[i - 1, -1]
        total, in_run = below[-1, -1], strangers.sum(axis=1)
        largest = float(total.max(initial=0)) * in_run.max(initial=0)
        if below.dtype == np.float32 and largest >= EXACT:
            return None
        strangers *= below
        pairs = total * in_run.sum(axis=0, dtype=np.float64)
        beaten = strangers.sum(axis=1).sum(axis=0, dtype=np.float64)
        return share(pairs - beaten, pairs)

    def some(by_unit: ByUnit) -> NDArray[np.float64]:
        counts = risen.of(by_unit), unknown.of(by_unit)
        found = area(*(count.astype(np.float32) for count in counts))
        if found is None:
            found = area(*(count.astype(np.float64) for count in counts))
        return np.asarray(found)

    def of(weights: NDArray[np.float64]) -> NDArray[np.float64]:
        drawn = whole(weights)
        most = max((risen, unknown), key=lambda counts: counts.most)
        return np.concatenate(in_threads(lambda part: some(part[1]), most.by_unit(drawn)))

    return of


def _occurrences(place: NDArray[np.intp], units: NDArray[np.intp], places: int) -> FewOf:
    """Weights at each place."""
    from scipy.sparse import csr_array

    known = int(units.max(initial=-1)) + 1
    counts = csr_array((np.ones(len(place), np.int64), (place, units)), shape=(places, known))
    counts.sum_duplicates()
    return FewOf(counts)


def fpr95(ranking: Ranking, k: int | None, units: Units) -> Sampled:  # noqa: ARG001
    """Return the share of unknown queries accepted where 95 % of known ones are, of weighted samples.

    A query is accepted if its top score is at least the threshold: the highest one that accepts at
    least 95 % of the known queries, whatever they find (FPR at 95 % TPR; Liang, Li & Srikant, ICLR
    2018). Range 0 … 1, lower is better.
    """
    known = ranking.ranks != NO_RANK
    falling = FallingThreshold(top_score(ranking), units, known)
    most = First(falling, lambda c: 100 * c.hits >= 95 * c.all_hits)

    def of(weights: NDArray[np.float64]) -> NDArray[np.float64]:
        accepted = most(weights).counts
        both = (accepted.all_hits > 0) & (accepted.all_misses > 0)
        return share(accepted.misses, np.where(both, accepted.all_misses, 0.0))

    return of


def detection_and_identification(
    ranking: Ranking,
    k: int | None,  # noqa: ARG001
    units: Units,
    *,
    one_in: int,
) -> Sampled:
    """Return DIR at a false accept rate of 1 / ``one_in`` (100: 1 %), of weighted samples.

    The share of known queries whose first result is right (rank 1, ties pessimistic) and whose top
    score reaches the threshold (Phillips, Grother & Micheals, Evaluation methods in face recognition,
    Handbook of Face Recognition, 2nd ed. 2011). The threshold is the lowest that at most one in
    ``one_in`` of the unknown queries reaches, counted and never interpolated: it lies just above the
    score of the first unknown query that would be one too many, and known queries tied with that one
    are rejected. Range 0 … 1, higher is better.

    A new unknown query reaches that threshold with a chance of (m + 1) / (n + 1), m = ⌊n / ``one_in``⌋, for n
    independent unknown queries: up to 1 / n more than was asked for. So the value errs on the high side,
    twofold in the rate at n = ``one_in``, and where n is less it is a rate of its own, 1 / (n + 1), whatever
    was asked: it is not estimated then (:func:`resolves`).
    """
    too_many = First(_identified(ranking, units), lambda c: one_in * c.misses > c.all_misses)
    known = np.bincount(units, ranking.ranks != NO_RANK).astype(np.float32)[:, None]

    def of(weights: NDArray[np.float64]) -> NDArray[np.float64]:
        found = too_many(weights)
        all_known = whole(weights).times(known)[:, 0]
        both = (all_known > 0) & (found.counts.all_misses > 0)
        return share(found.before.hits, np.where(both, all_known, 0.0))

    return of


def resolves(ranking: Ranking, *, one_in: int) -> bool:
    """Whether there are as many unknown queries as it takes to accept one of them at 1 / ``one_in``."""
    return int(np.count_nonzero(ranking.ranks == NO_RANK)) >= one_in


@once
def _identified(ranking: Ranking, units: Units) -> FallingThreshold:
    """Unknown queries, and as hits the known ones whose first result is right."""
    scores, known = top_score(ranking), ranking.ranks != NO_RANK
    rows = np.flatnonzero(~known | (ranking.ranks == 1))
    return FallingThreshold(scores[rows], units[rows], known[rows])


@dataclass(frozen=True, slots=True)
class OpenSetCurve:
    """What each threshold does, from accepting no query (+inf) to accepting all; float64 (u,) each.

    Attributes:
        thresholds: falling; a query is accepted if its top score is at least that.
        false_accepts: share of unknown queries accepted (FAR, the ROC's false positive rate).
        accepts: share of known queries accepted (the ROC's true positive rate).
        identified: share of known queries accepted and right at rank 1 (DIR).
    """

    thresholds: NDArray[np.float64]
    false_accepts: NDArray[np.float64]
    accepts: NDArray[np.float64]
    identified: NDArray[np.float64]


def open_set_curve(ranking: Ranking) -> OpenSetCurve | None:
    """Return the curve of FAR against DIR, and the ROC; None unless there are both kinds of queries."""
    scores, known = top_score(ranking), ranking.ranks != NO_RANK
    if not len(scores) or known.all() or not known.any():
        return None
    thresholds = np.append(np.inf, np.unique(scores[scores > -np.inf])[::-1])

    def reached(which: NDArray[np.bool_], of: NDArray[np.bool_]) -> NDArray[np.float64]:
        above = np.searchsorted(np.sort(-scores[which]), -thresholds, side="right")
        return above / np.count_nonzero(of)

    return OpenSetCurve(
        thresholds,
        reached(~known, ~known),
        reached(known, known),
        reached(ranking.ranks == 1, known),
    )


AUROC = Statistic(
    name="auroc",
    of=auroc,
    higher_is_better=True,
    low=0.0,
    high=1.0,
    source="Hanley & McNeil 1982; Hendrycks & Gimpel 2017",
    scores="top score",
    populations=known_and_unknown,
)
FPR95 = Statistic(
    name="fpr95",
    of=fpr95,
    higher_is_better=False,
    low=0.0,
    high=1.0,
    source="Liang, Li & Srikant 2018",
    scores="top score of known queries",
    populations=known_and_unknown,
)
DIR_FAR_1PCT = Statistic(
    name="dir_far_1pct",
    of=partial(detection_and_identification, one_in=100),
    enough=partial(resolves, one_in=100),
    higher_is_better=True,
    low=0.0,
    high=1.0,
    source="Phillips, Grother & Micheals 2011",
    scores="top score of identified queries",
    populations=known_and_unknown,
)
DIR_FAR_01PCT = Statistic(
    name="dir_far_01pct",
    of=partial(detection_and_identification, one_in=1000),
    enough=partial(resolves, one_in=1000),
    higher_is_better=True,
    low=0.0,
    high=1.0,
    source="Phillips, Grother & Micheals 2011",
    scores="top score of identified queries",
    populations=known_and_unknown,
)
