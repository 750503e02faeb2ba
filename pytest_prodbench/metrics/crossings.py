"""Where a falling threshold meets a condition, for many weighted samples at once.

First the cell of each sample is found, then its threshold within the cell. The samples of one bootstrap
find their thresholds close together: a search remembers where, and has narrow cells made there.
"""

from __future__ import annotations

import weakref
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pytest_prodbench.metrics.thresholds import Counts, FallingThreshold, Grid
from pytest_prodbench.metrics.whole_weights import WholeWeights, whole

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Doubles = NDArray[np.float64]
    Ints = NDArray[np.int64]

CHUNK = 2_000_000
"""Weights fetched at once (17 bytes each)."""

ENOUGH = 16
"""Samples whose places tell where the next ones will lie."""

WORTH = 200_000
"""Weights to fetch that make it worth while to ask a few samples first."""

ASTRAY = 0.1
"""Share of samples outside the cells made for them that makes other cells worth while."""

Condition = Callable[[Counts], "NDArray[np.bool_]"]


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


class _Search(ABC):
    """Weights of samples → their crossings. One search asks one question, again and again."""

    def __init__(self, falling: FallingThreshold) -> None:
        self._falling = falling
        self._cost = falling.look(self)
        self._seen: tuple[int, int] | None = None
        self._answered: tuple[weakref.ref[WholeWeights], Crossing] | None = None

    def __call__(self, weights: Doubles) -> Crossing:
        """Find the threshold of each sample.

        Args:
            weights: float64 (b, u), whole numbers >= 0.
        """
        drawn = whole(weights)
        if self._answered is not None and self._answered[0]() is drawn:
            return self._answered[1]
        if self._seen is None and len(weights) > 4 * ENOUGH and len(weights) * self._cost > WORTH:
            # All who share the scores, so that the cells are made anew but once.
            few = whole(weights[:ENOUGH])
            searches = [who for who in self._falling.lookers() if isinstance(who, _Search)]
            places = [search._find(few).place for search in searches]
            for search, place in zip(searches, places, strict=True):
                search._learn(place)
        found = self._find(drawn)
        if self._seen is not None:
            self._learn(found.place)
        self._answered = weakref.ref(drawn), found
        return found

    def _learn(self, places: Ints) -> None:
        """Ask for other cells if these places (b,) say that they would save work."""
        places = places[places < len(self._falling.thresholds)]
        if len(places) < ENOUGH:
            return
        low, high = int(places.min()), int(places.max()) + 1
        if self._seen is not None:
            astray = (places < self._seen[0]) | (places >= self._seen[1])
            if np.count_nonzero(astray) <= ASTRAY * len(places):
                return
            low, high = min(low, self._seen[0]), max(high, self._seen[1])
        room = (high - low) // 4 + 1
        self._seen = max(0, low - room), min(len(self._falling.thresholds), high + room)
        self._falling.look(self, *self._seen)

    def _find(self, weights: WholeWeights) -> Crossing:
        if not len(self._falling.thresholds):
            nothing = np.zeros(len(weights.numbers))
            none = Counts(nothing, nothing, nothing, nothing)
            return Crossing(nothing.astype(np.int64), none, none)
        grid = self._falling.grid(weights)
        found = _Found(grid)
        self._fill(weights, grid, found)
        return found.crossing()

    @abstractmethod
    def _fill(self, weights: WholeWeights, grid: Grid, found: _Found) -> None:
        """Enter the samples that have a threshold."""


class First(_Search):
    """The first threshold whose counts meet a condition.

    The condition tells, for counts of any shape, which meet it; once met, it stays met as the threshold
    falls.
    """

    def __init__(self, falling: FallingThreshold, met: Condition) -> None:
        super().__init__(falling)
        self._met = met

    def _fill(self, weights: WholeWeights, grid: Grid, found: _Found) -> None:
        reached = self._met(grid.counts(ends=True))
        samples = np.flatnonzero(reached[:, -1])
        cells = reached.shape[1] - reached.sum(axis=1)[samples]
        single = grid.edges[cells + 1] - grid.edges[cells] == 1
        found.enter_cells(samples[single], cells[single])
        for part in _parts(self._falling, weights, grid, samples[~single], cells[~single]):
            low, high = part.start.copy(), part.stop - 1
            while (low < high).any():
                middle = (low + high) // 2
                reached = self._met(part.counts(middle))
                high = np.where(reached, middle, high)
                low = np.where(reached, low, middle + 1)
            found.enter(part.samples, low, part.passed(low), part.passed(low + 1))


class Last(_Search):
    """The last threshold that some weight stands at and whose counts meet a condition.

    The condition may come and go as the threshold falls. ``possible`` tells, of counts above and at the
    end of a cell, whether some threshold of the cell may meet it, however hits and misses are mixed in
    the cell.
    """

    def __init__(
        self,
        falling: FallingThreshold,
        met: Condition,
        possible: Callable[[Counts, Counts], NDArray[np.bool_]],
    ) -> None:
        super().__init__(falling)
        self._met, self._possible = met, possible

    def _fill(self, weights: WholeWeights, grid: Grid, found: _Found) -> None:
        above, at = grid.counts(ends=False), grid.counts(ends=True)
        some = at.hits + at.misses > above.hits + above.misses
        open_ = self._possible(above, at) & some
        samples = np.flatnonzero(open_.any(axis=1))
        while len(samples):
            cells = open_.shape[1] - 1 - open_[samples, ::-1].argmax(axis=1)
            open_[samples, cells] = False
            left = []
            for part in _parts(self._falling, weights, grid, samples, cells):
                last = self._last(part)
                have = last >= 0
                place = last[have]
                passed = part.passed(place, have), part.passed(place + 1, have)
                found.enter(part.samples[have], place, *passed)
                left.append(part.samples[~have])
            samples = np.concatenate(left)
            samples = samples[open_[samples].any(axis=1)]

    def _last(self, part: _Part) -> Ints:
        """The last threshold of each cell, (n,), that some weight stands at and that meets it; or -1."""
        widths = part.stop - part.start
        firsts = np.cumsum(widths) - widths
        owner = np.repeat(np.arange(len(widths)), widths)
        place = np.arange(len(owner)) + np.repeat(part.start - firsts, widths)
        above, at = part.passed(place, owner), part.passed(place + 1, owner)
        totals = part.totals[:, owner]
        good = self._met(Counts(*at, *totals)) & (at.sum(axis=0) > above.sum(axis=0))
        return np.asarray(np.maximum.reduceat(np.where(good, place, -1), firsts))


class _Found:
    """Collects the thresholds of b samples; at first none has one, and all scores have passed."""

    def __init__(self, grid: Grid) -> None:
        self._grid = grid
        totals = grid.passed[..., -1]
        self._place = np.full(totals.shape[1], grid.edges[-1], np.int64)
        self._totals, self._before, self._at = totals, totals.copy(), totals.copy()

    def enter(self, samples: Ints, place: Ints, before: Doubles, at: Doubles) -> None:
        """``before`` and ``at``: float64 (2, n), hits and misses above the thresholds and at them."""
        self._place[samples] = place
        self._before[:, samples], self._at[:, samples] = before, at

    def enter_cells(self, samples: Ints, cells: Ints) -> None:
        """Samples whose cell has but one threshold."""
        passed = self._grid.passed
        place = self._grid.edges[cells]
        self.enter(samples, place, passed[:, samples, cells], passed[:, samples, cells + 1])

    def crossing(self) -> Crossing:
        before, at = (Counts(*counts, *self._totals) for counts in (self._before, self._at))
        return Crossing(self._place, before, at)


class _Part:
    """Some samples, and the weights of all scores in the cell of each, added up.

    Attributes:
        samples: int64 (n,), those of one cell side by side.
        start, stop: int64 (n,), first threshold of the cell of each, and the first one after it.
        totals: float64 (2, n), hits and misses in all.
    """

    def __init__(
        self,
        falling: FallingThreshold,
        weights: WholeWeights,
        grid: Grid,
        samples: Ints,
        cells: Ints,
    ) -> None:
        """``cells`` (n,), not falling: the cell of each sample."""
        self.samples = samples
        self.start, self.stop = grid.edges[cells], grid.edges[cells + 1]
        self.totals = grid.passed[:, samples, -1]
        self._passed = falling.passed
        firsts, ends = falling.passed[:, self.start], falling.passed[:, self.stop]
        offsets = np.cumsum(ends - firsts).reshape(2, -1) - (ends - firsts)
        fetched = np.empty(np.sum(ends - firsts), np.int64)
        numbers = weights.numbers
        rows = samples * numbers.shape[1]
        groups = [*np.flatnonzero(cells[1:] > cells[:-1]) + 1, len(cells)]
        for first, end, offset in zip(firsts, ends, offsets, strict=True):
            begin = 0
            for group in groups:
                members = falling.units[first[begin] : end[begin]]
                table = fetched[offset[begin] :][: (group - begin) * len(members)]
                np.add(
                    rows[begin:group, None], members, out=table.reshape(group - begin, len(members))
                )
                begin = group
        self._running = np.zeros(len(fetched) + 1, np.int64)
        np.cumsum(numbers.ravel().take(fetched), out=self._running[1:])
        self._shift = offsets - firsts
        self._base = grid.passed[:, samples, cells] - self._running[offsets]

    def passed(self, place: Ints, of: Ints | NDArray[np.bool_] | slice = slice(None)) -> Doubles:
        """Hits and misses above thresholds in the cells of these samples (all, in order); (2, …)."""
        here = self._passed.take(place, axis=1)
        here += self._shift[:, of]
        return np.asarray(self._base[:, of] + self._running.take(here))

    def counts(self, place: Ints) -> Counts:
        """At the threshold of each sample that is in this place."""
        return Counts(*self.passed(place + 1), *self.totals)


def _parts(
    falling: FallingThreshold, weights: WholeWeights, grid: Grid, samples: Ints, cells: Ints
) -> Iterator[_Part]:
    """Samples with the cell of each, so many at once as may be fetched."""
    order = np.argsort(cells, kind="stable")
    samples, cells = samples[order], cells[order]
    passed = falling.passed[:, grid.edges].sum(axis=0)
    fetched = np.cumsum(passed[cells + 1] - passed[cells])
    start = before = 0
    while start < len(samples):
        stop = max(start + 1, int(np.searchsorted(fetched, before + CHUNK, side="right")))
        yield _Part(falling, weights, grid, samples[start:stop], cells[start:stop])
        start, before = stop, int(fetched[stop - 1])
