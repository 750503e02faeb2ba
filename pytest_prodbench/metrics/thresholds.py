"""Where a falling threshold first meets a condition, for many weighted samples at once.

Median rank, false accept rates and the equal error rate all ask this. A sample of the bootstrap only
changes the weights, so the scores are sorted once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

CELLS = 32
"""Coarse steps: all samples are placed in one of them by a matrix product, then within it."""

CHUNK = 4_000_000
"""Weights gathered at once (8 bytes each)."""


@dataclass(frozen=True, slots=True)
class Counts:
    """Weighted counts at or above a threshold, and in all; float64 of shapes that broadcast.

    Weights are whole numbers, so that every count is exact, whatever the order of summation.
    """

    hits: NDArray[np.float64]
    misses: NDArray[np.float64]
    all_hits: NDArray[np.float64]
    all_misses: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Crossing:
    """The first threshold of each of b samples that meets a condition.

    Attributes:
        place: int64 (b,), its place in ``thresholds``; their number where none meets it.
        before: counts at the threshold above it: 0 where it is the first.
        counts: counts at it.
    """

    place: NDArray[np.int64]
    before: Counts
    counts: Counts


class FallingThreshold:
    """v scores, each a hit or a miss and each with the weight of one of q queries.

    Attributes:
        thresholds: float64 (u,), distinct scores, falling. Equal scores pass together or not at all.
    """

    def __init__(
        self,
        scores: NDArray[np.floating] | NDArray[np.int64],
        rows: NDArray[np.int64],
        hits: NDArray[np.bool_],
        queries: int,
    ) -> None:
        """``scores`` (v,), no NaN; ``rows`` int64 (v,), their queries; ``hits`` bool (v,)."""
        order = np.argsort(-scores, kind="stable")
        scores = scores[order]
        self._rows, self._hits = rows[order], hits[order]
        new = np.ones(len(scores), np.bool_)
        new[1:] = scores[1:] != scores[:-1]
        self._bounds = np.append(np.flatnonzero(new), len(scores))
        self.thresholds: NDArray[np.float64] = scores[self._bounds[:-1]].astype(np.float64)
        cell_of_threshold = self._bounds[:-1] * CELLS // max(1, len(scores))
        self._cells = np.searchsorted(cell_of_threshold, np.arange(CELLS + 1))
        cells = np.repeat(cell_of_threshold, np.diff(self._bounds))
        place = self._rows * CELLS + cells
        size = queries * CELLS
        self._histograms = [
            np.bincount(place[which], minlength=size).reshape(queries, CELLS).astype(np.float64)
            for which in (self._hits, ~self._hits)
        ]

    def cumulative(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return hits and misses at or above each threshold, each counted once; float64 (u,)."""
        ends = self._bounds[1:] - 1
        hits, misses = np.cumsum(self._hits), np.cumsum(~self._hits)
        return hits[ends].astype(np.float64), misses[ends].astype(np.float64)

    def first(
        self,
        weights: NDArray[np.float64],
        met: Callable[[Counts], NDArray[np.bool_]],
    ) -> Crossing:
        """Find the first threshold whose counts meet a condition.

        Args:
            weights: float64 (b, q), whole numbers >= 0.
            met: tells, for counts of shape (b, t), which meet it; once met, it stays met as the
                threshold falls.
        """
        coarse = self._coarse(weights)
        reached = met(coarse)
        cells = np.where(reached.any(axis=1), reached.argmax(axis=1), CELLS)
        place = np.full(len(weights), len(self.thresholds), np.int64)
        before, at = (
            np.concatenate([coarse.all_hits, coarse.all_misses], axis=1) for _ in range(2)
        )
        for cell in np.unique(cells[cells < CELLS]).tolist():
            start, stop = self._cells[cell : cell + 2]
            if start == stop:  # no score at all, or nothing to count: met by 0 of 0
                continue
            samples = np.flatnonzero(cells == cell)
            step = max(1, CHUNK // int(self._bounds[stop] - self._bounds[start] + 1))
            for part in np.split(samples, range(step, len(samples), step)):
                fine = self._fine(weights, part, cell, coarse)
                inside = fine.hits[:, 1:], fine.misses[:, 1:]
                first = met(Counts(*inside, fine.all_hits, fine.all_misses)).argmax(axis=1)
                place[part] = start + first
                every = np.arange(len(part))
                before[part] = np.stack(
                    [fine.hits[every, first], fine.misses[every, first]], axis=1
                )
                first += 1
                at[part] = np.stack([fine.hits[every, first], fine.misses[every, first]], axis=1)
        totals = coarse.all_hits[:, 0], coarse.all_misses[:, 0]
        return Crossing(
            place, Counts(before[:, 0], before[:, 1], *totals), Counts(at[:, 0], at[:, 1], *totals)
        )

    def _coarse(self, weights: NDArray[np.float64]) -> Counts:
        """Counts at the last threshold of each cell, (b, CELLS)."""
        hits, misses = (np.cumsum(weights @ histogram, axis=1) for histogram in self._histograms)
        return Counts(hits, misses, hits[:, -1:], misses[:, -1:])

    def _fine(
        self, weights: NDArray[np.float64], samples: NDArray[np.intp], cell: int, coarse: Counts
    ) -> Counts:
        """Counts at every threshold of one cell, after those at the last one before it."""
        start, stop = self._cells[cell : cell + 2]
        first, last = self._bounds[start], self._bounds[stop]
        drawn = weights[np.ix_(samples, self._rows[first:last])]
        columns = []
        for passed, which in (
            (coarse.hits, self._hits[first:last]),
            (coarse.misses, ~self._hits[first:last]),
        ):
            base = passed[samples, cell - 1] if cell else np.zeros(len(samples))
            steps = np.add.reduceat(drawn * which, self._bounds[start:stop] - first, axis=1)
            columns.append(np.cumsum(np.concatenate([base[:, None], steps], axis=1), axis=1))
        hits, misses = columns
        return Counts(hits, misses, coarse.all_hits[samples], coarse.all_misses[samples])


def share(part: NDArray[np.float64], whole: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return part / whole, float64 (b,); NaN where whole is 0."""
    quotient = np.full(len(whole), np.nan)
    np.divide(part, whole, out=quotient, where=whole > 0)
    return quotient
