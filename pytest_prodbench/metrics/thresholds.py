"""Hits and misses at or above a falling threshold, for many weighted samples at once.

Median rank, false accept rates, the equal error rate and precision at a threshold all ask for the threshold
where these counts meet a condition: :mod:`~pytest_prodbench.metrics.crossings` finds it. A sample of the
bootstrap only changes the weights, so the scores are sorted once, and cut into cells: one matrix product
counts all cells of all samples, and only within one cell a sample are scores counted one by one.
"""

from __future__ import annotations

import weakref
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pytest_prodbench.metrics.whole_weights import FewOf

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pytest_prodbench.metrics.whole_weights import WholeWeights

    Doubles = NDArray[np.float64]
    Ints = NDArray[np.int64]

FEW = 6
"""A cell with scores of at most one in FEW units is counted sooner by adding up their weights than by a
matrix product, which goes over all units."""

MOST_CELLS = 64
OVERHEAD, PRODUCT = 3.0, 60.0
"""Measured: to count a cell more takes a sample as long as to fetch OVERHEAD + units / PRODUCT weights."""


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
class Grid:
    """Counts of b samples at the edges of c cells.

    Attributes:
        edges: int64 (c + 1,), cell i holds the thresholds from ``edges[i]`` on, before ``edges[i + 1]``.
        passed: float64 (2, b, c + 1), hits and misses above the first threshold of each cell, and in all.
    """

    edges: Ints
    passed: Doubles

    def counts(self, *, ends: bool) -> Counts:
        """Counts at the last threshold of each cell, or above its first; (b, c), totals (b, 1)."""
        hits, misses = self.passed[..., 1:] if ends else self.passed[..., :-1]
        return Counts(hits, misses, *self.passed[..., -1:])


class FallingThreshold:
    """v scores, each a hit or a miss and each with the weight of one of u units.

    Cells are narrow where those who ask found their thresholds so far: the time of later calls depends on
    earlier ones, their results do not.

    Attributes:
        thresholds: float64 (t,), distinct scores, falling. Equal scores pass together or not at all.
        units: intp (v,), the unit of each hit, by falling score, then that of each miss.
        passed: int64 (2, t + 1), where in ``units`` the hits and the misses stand that are not above a
            threshold; last, where they end.
    """

    def __init__(
        self,
        scores: NDArray[np.floating] | Ints,
        units: NDArray[np.intp],
        hits: NDArray[np.bool_],
    ) -> None:
        """``scores`` (v,), no NaN; ``units`` intp (v,), whose weight each has; ``hits`` bool (v,)."""
        order = np.argsort(-scores)  # equal scores pass together: their order says nothing
        scores, units, hits = scores[order], units[order], hits[order]
        new = np.ones(len(scores), np.bool_)
        new[1:] = scores[1:] != scores[:-1]
        self._bounds = np.append(np.flatnonzero(new), len(scores))
        self.thresholds: Doubles = scores[self._bounds[:-1]].astype(np.float64)
        self.units = np.concatenate([units[hits], units[~hits]])
        above = np.concatenate([[0], np.cumsum(hits)])[self._bounds]
        self.passed: Ints = np.stack([above, above[-1] + self._bounds - above])
        self._known_units = int(units.max(initial=-1)) + 1
        self._cuts: weakref.WeakKeyDictionary[object, Ints] = weakref.WeakKeyDictionary()
        self._cells: _Cells | None = None
        self._counted: tuple[weakref.ref[WholeWeights], Grid] | None = None

    def cumulative(self) -> tuple[Doubles, Doubles]:
        """Return hits and misses at or above each threshold, each counted once; float64 (t,)."""
        hits, misses = (self.passed[:, 1:] - self.passed[:, :1]).astype(np.float64)
        return hits, misses

    def lookers(self) -> list[object]:
        """Who looks for thresholds, as they said."""
        return list(self._cuts)

    def look(self, who: object, low: int = 0, high: int | None = None) -> float:
        """Make cells for one who will find thresholds from ``low`` on and before ``high`` (the end).

        Returns:
            Scores in each of these cells: what a sample will cost, in weights that are fetched.
        """
        high = len(self.thresholds) if high is None else high
        self._cells = self._counted = None
        start, stop = int(self._bounds[low]), int(self._bounds[high])
        size = stop - start
        worth = (size / OVERHEAD) ** 0.5
        if size * FEW > worth * self._known_units:
            worth = (size / (OVERHEAD + self._known_units / PRODUCT)) ** 0.5
        cells = max(1, min(MOST_CELLS, round(worth)))
        inside = np.linspace(start, stop, cells + 1)
        # A sample that falls outside shall not cost all that is there.
        around = [0, start - size, stop + size, self._bounds[-1]]
        edges = np.searchsorted(self._bounds, [*inside, *around])
        # Many equal scores are a cell of their own, whose count is known.
        scores = self._bounds[low + 1 : high + 1] - self._bounds[low:high]
        crowd = low + np.flatnonzero(scores > size / cells)
        edges = np.concatenate([edges, crowd, crowd + 1])
        self._cuts[who] = np.minimum(edges, len(self.thresholds))
        return float(size / cells)

    def grid(self, weights: WholeWeights) -> Grid:
        """Count the cells of all who look; what was counted of the same weights is given out again."""
        if self._counted is not None and self._counted[0]() is weights:
            return self._counted[1]
        if self._cells is None:
            self._cells = self._cut()
        edges, cells = self._cells.edges, len(self._cells.edges) - 1
        passed = np.zeros((2, cells + 1, len(weights.numbers)))
        counts = self._cells.count(weights).reshape(2, cells, -1)
        for i in range(cells):  # numpy's cumulative sum takes longer down a column
            np.add(passed[:, i], counts[:, i], out=passed[:, i + 1])
        grid = Grid(edges, passed.transpose(0, 2, 1))
        self._counted = weakref.ref(weights), grid
        return grid

    def _cut(self) -> _Cells:
        edges = np.unique(np.concatenate(list(self._cuts.values())))
        cells = len(edges) - 1
        sizes = self.passed[:, edges[1:]] - self.passed[:, edges[:-1]]
        cell = np.repeat(np.arange(2 * cells), sizes.ravel())
        size = self._known_units * 2 * cells
        histogram = np.bincount(self.units * (2 * cells) + cell, minlength=size)
        return _Cells(edges, histogram.reshape(-1, 2 * cells).astype(np.float32))


class _Cells:
    """How many hits, then misses, of each unit are in each of c cells.

    Attributes:
        edges: int64 (c + 1,), see :class:`Grid`.
    """

    def __init__(self, edges: Ints, histogram: NDArray[np.float32]) -> None:
        """``histogram``: float32 (u, 2 c)."""
        from scipy.sparse import csr_array

        self.edges = edges
        self._size = histogram.shape[1]
        narrow = np.count_nonzero(histogram, axis=0) * FEW <= len(histogram)
        self._wide, self._narrow = np.flatnonzero(~narrow), np.flatnonzero(narrow)
        self._products = np.ascontiguousarray(histogram[:, self._wide])
        self._sums = FewOf(csr_array(histogram[:, self._narrow].T)) if narrow.any() else None

    def count(self, weights: WholeWeights) -> Doubles:
        """Weighted counts of b samples, (2 c, b)."""
        if self._sums is None:
            return weights.times(self._products).T
        counts = np.empty((self._size, len(weights.numbers)))
        for part, by_unit in self._sums.by_unit(weights):
            counts[self._narrow, part] = self._sums.of(by_unit)
        if len(self._wide):
            counts[self._wide] = weights.times(self._products).T
        return counts


def share(part: Doubles, whole: Doubles) -> Doubles:
    """Return part / whole, float64 (b,); NaN where whole is 0."""
    quotient = np.full(len(whole), np.nan)
    np.divide(part, whole, out=quotient, where=whole > 0)
    return quotient
