"""Where a falling threshold meets a condition, for many weighted samples at once.

Median rank, false accept rates, the equal error rate and precision at a threshold all ask this. A sample of
the bootstrap only changes the weights, so the scores are sorted once; and the samples of one bootstrap
find their thresholds close together, so that most scores need only be counted in bulk.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Doubles = NDArray[np.float64]
    Ints = NDArray[np.int64]

CELLS = 16
"""Coarse steps: all samples are placed in one of them by a matrix product, then within it."""

CHUNK = 4_000_000
"""Weights gathered at once (8 bytes each)."""

ENOUGH = 16
"""Samples whose places tell where the next ones will lie."""

FEW = 256
"""So many scores are counted one by one: cells would save nothing."""

ASTRAY = 0.1
"""Share of samples outside the cells made for them that makes other cells worth while."""


@dataclass(frozen=True, slots=True)
class Counts:
    """Weighted counts at or above a threshold, and in all; float64 of shapes that broadcast.

    Weights are whole numbers, so that every count is exact, whatever the order of summation.
    """

    hits: Doubles
    misses: Doubles
    all_hits: Doubles
    all_misses: Doubles


@dataclass(frozen=True, slots=True)
class Crossing:
    """The threshold of each of b samples that meets a condition.

    Attributes:
        place: int64 (b,), its place in ``thresholds``; their number where none meets it.
        before: counts at the threshold above it: 0 where it is the first.
        counts: counts at it.
    """

    place: Ints
    before: Counts
    counts: Counts


Condition = Callable[[Counts], "NDArray[np.bool_]"]


class FallingThreshold:
    """v scores, each a hit or a miss and each with the weight of one of u units.

    It remembers where the samples so far found their thresholds, and makes cells that are narrow there:
    the time of later calls depends on earlier ones, their results do not.

    Attributes:
        thresholds: float64 (u,), distinct scores, falling. Equal scores pass together or not at all.
    """

    def __init__(
        self,
        scores: NDArray[np.floating] | Ints,
        units: NDArray[np.intp],
        hits: NDArray[np.bool_],
    ) -> None:
        """``scores`` (v,), no NaN; ``units`` intp (v,), whose weight each has; ``hits`` bool (v,)."""
        order = np.argsort(-scores)  # equal scores pass together: their order says nothing
        scores = scores[order]
        self._units, self._hits = units[order], hits[order]
        self._known_units = int(units.max(initial=-1)) + 1
        new = np.ones(len(scores), np.bool_)
        new[1:] = scores[1:] != scores[:-1]
        self._bounds = np.append(np.flatnonzero(new), len(scores))
        self.thresholds: Doubles = scores[self._bounds[:-1]].astype(np.float64)
        self._narrow: tuple[int, int] | None = None
        self._many = len(scores) > FEW
        self._cut(np.linspace(0, len(scores), CELLS + 1 if self._many else 2))

    def cumulative(self) -> tuple[Doubles, Doubles]:
        """Return hits and misses at or above each threshold, each counted once; float64 (u,)."""
        ends = self._bounds[1:] - 1
        hits, misses = np.cumsum(self._hits), np.cumsum(~self._hits)
        return hits[ends].astype(np.float64), misses[ends].astype(np.float64)

    def first(self, weights: Doubles, met: Condition) -> Crossing:
        """Find the first threshold whose counts meet a condition.

        Args:
            weights: float64 (b, u), whole numbers >= 0.
            met: tells, for counts of shape (b, t), which meet it; once met, it stays met as the
                threshold falls.
        """
        if self._unlearned(weights):
            self.first(weights[:ENOUGH], met)  # to learn where to look
        coarse = self._coarse(weights)
        reached = met(coarse)
        cells = np.where(reached.any(axis=1), reached.argmax(axis=1), coarse.hits.shape[1])
        found = _Found(coarse, len(self.thresholds))

        def settle(samples: Ints, start: int, fine: Counts) -> Ints:
            inside = Counts(fine.hits[:, 1:], fine.misses[:, 1:], fine.all_hits, fine.all_misses)
            found.enter(samples, start, fine, met(inside).argmax(axis=1))
            return samples[:0]

        self._settle(weights, coarse, cells, settle)
        self._learn(found.place)
        return found.crossing()

    def last(self, weights: Doubles, met: Condition, possible: Callable[..., object]) -> Crossing:
        """Find the last threshold that some weight stands at and whose counts meet a condition.

        Args:
            weights: float64 (b, u), whole numbers >= 0.
            met: as in :meth:`first`, but it may come and go as the threshold falls.
            possible: (counts before, counts at the end of) cells → bool (b, t): False only where no
                threshold of a cell can meet it, however hits and misses are mixed in the cell.
        """
        if self._unlearned(weights):
            self.last(weights[:ENOUGH], met, possible)  # to learn where to look
        coarse = self._coarse(weights)
        before = Counts(
            _shifted(coarse.hits), _shifted(coarse.misses), coarse.all_hits, coarse.all_misses
        )
        some = coarse.hits + coarse.misses > before.hits + before.misses
        open_ = np.asarray(possible(before, coarse)) & some
        found = _Found(coarse, len(self.thresholds))

        def settle(samples: Ints, start: int, fine: Counts) -> Ints:
            inside = Counts(fine.hits[:, 1:], fine.misses[:, 1:], fine.all_hits, fine.all_misses)
            good = met(inside) & (np.diff(fine.hits + fine.misses, axis=1) > 0)
            last = good.shape[1] - 1 - good[:, ::-1].argmax(axis=1)
            have = good.any(axis=1)
            rows = np.flatnonzero(have)
            part = Counts(
                fine.hits[rows], fine.misses[rows], fine.all_hits[rows], fine.all_misses[rows]
            )
            found.enter(samples[rows], start, part, last[rows])
            return samples[~have]

        todo = np.arange(len(weights))
        while len(todo):
            todo = todo[open_[todo].any(axis=1)]
            cells = np.full(len(weights), open_.shape[1])
            cells[todo] = open_.shape[1] - 1 - open_[todo, ::-1].argmax(axis=1)
            open_[todo, cells[todo]] = False
            todo = self._settle(weights, coarse, cells, settle)
        self._learn(found.place)
        return found.crossing()

    def _cut(self, at: Doubles) -> None:
        """Make cells that end where these numbers of scores have passed; thresholds stay whole."""
        edges = np.unique([0, *np.searchsorted(self._bounds, at), len(self.thresholds)])
        self._edges = edges if len(edges) > 1 else np.zeros(2, np.int64)  # no score: one empty cell
        cells = len(self._edges) - 1
        sizes = np.diff(self._bounds[self._edges])
        place = self._units * cells + np.repeat(np.arange(cells), sizes)
        size = self._known_units * cells
        self._histograms = [
            np.bincount(place[which], minlength=size).reshape(-1, cells).astype(np.float64)
            for which in (self._hits, ~self._hits)
        ]

    def _learn(self, places: Ints) -> None:
        """Cut anew if these places (b,) say that other cells would save work."""
        places = places[places < len(self.thresholds)]
        if len(places) < ENOUGH or not self._many:
            return
        low, high = int(places.min()), int(places.max())
        if self._narrow is not None:
            astray = (places < self._narrow[0]) | (places > self._narrow[1])
            if np.count_nonzero(astray) <= ASTRAY * len(places):
                return
            low, high = min(low, self._narrow[0]), max(high, self._narrow[1])
        room = (high - low) // 2 + 1
        low, high = max(0, low - room), min(len(self.thresholds), high + room + 1)
        self._narrow = (low, high)
        self._cut(np.linspace(self._bounds[low], self._bounds[high], CELLS - 1))

    def _unlearned(self, weights: Doubles) -> bool:
        return self._many and self._narrow is None and len(weights) > 4 * ENOUGH

    def _coarse(self, weights: Doubles) -> Counts:
        """Counts at the last threshold of each cell, (b, cells)."""
        known = weights[:, : self._known_units]
        hits, misses = (np.cumsum(known @ histogram, axis=1) for histogram in self._histograms)
        return Counts(hits, misses, hits[:, -1:], misses[:, -1:])

    def _settle(
        self,
        weights: Doubles,
        coarse: Counts,
        cells: Ints,
        settle: Callable[[Ints, int, Counts], Ints],
    ) -> Ints:
        """Open the cell of each sample (their number: none), hand its counts on, return what is left."""
        left = [np.empty(0, np.int64)]
        for cell in np.unique(cells[cells < coarse.hits.shape[1]]).tolist():
            start, stop = self._edges[cell : cell + 2].tolist()
            if start == stop:  # no score at all, or nothing to count: met by 0 of 0
                continue
            samples = np.flatnonzero(cells == cell)
            step = max(1, CHUNK // int(self._bounds[stop] - self._bounds[start] + 1))
            left += [
                settle(part, start, self._fine(weights, part, cell, coarse))
                for part in np.split(samples, range(step, len(samples), step))
            ]
        return np.concatenate(left)

    def _fine(self, weights: Doubles, samples: Ints, cell: int, coarse: Counts) -> Counts:
        """Counts at every threshold of one cell, after those at the last one before it."""
        start, stop = self._edges[cell : cell + 2]
        first, last = self._bounds[start], self._bounds[stop]
        # Equal scores pass together: where a cell has but one threshold, its counts are known.
        known = stop - start == 1
        drawn = weights[np.ix_(samples, self._units[first : first if known else last])]
        columns = []
        for passed, which in (
            (coarse.hits, self._hits[first:last]),
            (coarse.misses, ~self._hits[first:last]),
        ):
            steps = np.empty((len(samples), stop - start + 1))
            steps[:, 0] = passed[samples, cell - 1] if cell else 0.0
            if known:
                steps[:, 1] = passed[samples, cell] - steps[:, 0]
            elif stop - start == last - first:  # all scores of the cell differ
                np.multiply(drawn, which, out=steps[:, 1:])
            else:
                at = self._bounds[start:stop] - first
                np.add.reduceat(drawn * which, at, axis=1, out=steps[:, 1:])
            columns.append(np.cumsum(steps, axis=1, out=steps))
        hits, misses = columns
        return Counts(hits, misses, coarse.all_hits[samples], coarse.all_misses[samples])


class _Found:
    """Collects the thresholds of b samples; at first none has one, and all scores have passed."""

    def __init__(self, coarse: Counts, thresholds: int) -> None:
        self.place = np.full(len(coarse.hits), thresholds, np.int64)
        self._totals = coarse.all_hits[:, 0], coarse.all_misses[:, 0]
        self._before = [total.copy() for total in self._totals]
        self._at = [total.copy() for total in self._totals]

    def enter(self, samples: Ints, start: int, fine: Counts, place: NDArray[np.intp]) -> None:
        """``place``: of the threshold within its cell, whose first one is ``start``."""
        every = np.arange(len(samples))
        self.place[samples] = start + place
        for i, counts in enumerate((fine.hits, fine.misses)):
            self._before[i][samples] = counts[every, place]
            self._at[i][samples] = counts[every, place + 1]

    def crossing(self) -> Crossing:
        all_hits, all_misses = self._totals
        (hits_before, misses_before), (hits, misses) = self._before, self._at
        return Crossing(
            self.place,
            Counts(hits_before, misses_before, all_hits, all_misses),
            Counts(hits, misses, all_hits, all_misses),
        )


def _shifted(counts: Doubles) -> Doubles:
    return np.concatenate([np.zeros((len(counts), 1)), counts[:, :-1]], axis=1)


def share(part: Doubles, whole: Doubles) -> Doubles:
    """Return part / whole, float64 (b,); NaN where whole is 0."""
    quotient = np.full(len(whole), np.nan)
    np.divide(part, whole, out=quotient, where=whole > 0)
    return quotient
