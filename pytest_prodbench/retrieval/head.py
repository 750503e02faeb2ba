"""The first m results of each query, in the order of the protocol."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from pytest_prodbench.retrieval.bounds import NEVER

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from pytest_prodbench.retrieval.blocks import ScoreBlock
    from pytest_prodbench.retrieval.bounds import Bounds
    from pytest_prodbench.retrieval.labels import Labels

    Floats = NDArray[np.float32]
    Ints = NDArray[np.int64]

LOWEST_SCORE = np.float32(-2.0)
"""Below every inner product of unit vectors, above the −∞ that stands for 'must not meet'."""

OPEN_AT_ONCE = 8
"""Candidates a result, on average, from which it pays to score the foremost exactly at once."""

GROWTH = 4
"""… and how many times as many as it left there must be before it is done again."""

NEEDED = 32
"""Candidates a result that no bound could have spared."""


class Candidates(NamedTuple):
    """What may be among the first m of some queries.

    Attributes:
        rows, places: int64 (p,).
        low, high: float32 (p,), least and greatest similarity; equal where it is known.
    """

    rows: Ints
    places: Ints
    low: Floats
    high: Floats

    def some(self, at: Ints) -> Candidates:
        """Those at some positions."""
        return Candidates(self.rows[at], self.places[at], self.low[at], self.high[at])


class Head:
    """Collects candidates of r queries block by block.

    Each score stands for an interval of similarities. What is below the m-th highest lower end cannot be
    among the first m. Where that leaves many, the exact similarities of the foremost raise it.

    Attributes:
        open_scores: int64 (r,), candidates of each query beyond what a list of this length needs.
    """

    def __init__(
        self,
        count: int,
        m: int,
        allowed: float,
        similarities: Callable[[Ints, Ints], Floats] | None,
    ) -> None:
        """Begin with no candidate.

        Args:
            count: r.
            m: length of the lists.
            allowed: how many ``open_scores`` a query may have; of one that has more nothing is kept.
            similarities: of p pairs of rows and places, float32 (p,); None if scores are similarities.
        """
        self._m, self._allowed, self._similarities = m, allowed, similarities
        self._best = np.full((count, m), -np.inf, np.float32)
        self._reached = np.full(count, LOWEST_SCORE)
        none = np.empty(0, np.int64)
        # A gallery may have no blocks.
        self._kept = [Candidates(none, none, np.empty(0, np.float32), np.empty(0, np.float32))]
        self._sound = True
        self._many = OPEN_AT_ONCE * m * count
        self.open_scores = np.full(count, -NEEDED * m, np.int64)
        self._dropped = np.zeros(count, np.bool_)

    def add(self, block: ScoreBlock, start: int, bounds: Bounds) -> None:
        """Keep all of a block that may be among the first m.

        Args:
            block: scores of the r queries.
            start: its first place.
            bounds: of its scores.
        """
        every = np.arange(len(self._best))
        lower = self._interval(bounds, every, block.largest(self._m))[0]
        both = np.concatenate([self._best, lower], axis=1)
        cut = both.shape[1] - self._m
        self._best = np.partition(both, cut, axis=1)[:, cut:]
        self._reached = np.maximum(self._reached, self._best.min(axis=1))
        floor = self._reached if self._similarities is None else bounds.around(self._reached)[0]
        limits = np.where(self._dropped, NEVER, floor)
        hits = block.at_least(limits, self._allowed - self.open_scores)
        ends = self._interval(bounds, hits.rows, hits.scores)
        self._kept.append(Candidates(hits.rows, hits.columns + start, *ends))
        self.open_scores += hits.counts
        if self._similarities is not None and self.size > self._many:
            self._score_foremost()
            self._many = max(self._many, GROWTH * len(self._candidates().rows))

    def drop(self, rows: NDArray[np.bool_]) -> None:
        """Collect no more for these queries."""
        self._dropped |= rows

    @property
    def size(self) -> int:
        """Candidates kept."""
        return sum(len(kept.rows) for kept in self._kept)

    def thin(self, first: Callable[[Ints, Ints, Floats], Ints]) -> None:
        """Of exact scores, keep those whose positions ``first`` returns for (rows, places, scores)."""
        found = self._candidates()
        self._kept = [found.some(first(found.rows, found.places, found.low))]

    def settled(self) -> tuple[Ints, Ints, Floats] | None:
        """Rows, places and similarities of what may be among the first m, all blocks added.

        None if a score does not lie where its bounds say.
        """
        if self._similarities is not None:
            self._score_foremost()
            found = self._candidates()
            self._score(found, np.flatnonzero(found.low != found.high))
        else:
            found = self._candidates()
        return (found.rows, found.places, found.low) if self._sound else None

    def _interval(self, bounds: Bounds, rows: Ints, scores: Floats) -> tuple[Floats, Floats]:
        return (scores, scores) if self._similarities is None else bounds.between(rows, scores)

    def _score_foremost(self) -> None:
        """Score the foremost candidates exactly: below the m-th of them nothing is wanted."""
        found = self._candidates()
        ahead = found.low >= self._best.min(axis=1)[found.rows]
        self._score(found, np.flatnonzero(ahead & (found.low != found.high)))
        known = found.some(np.flatnonzero(found.low == found.high))
        by = _by_score(known.rows, known.low)
        ends = np.cumsum(np.bincount(known.rows, minlength=len(self._best)))
        starts = np.append(0, ends[:-1])
        full = np.flatnonzero(ends - starts >= self._m)
        exact = known.low[by[starts[full] + self._m - 1]]
        self._reached[full] = np.maximum(self._reached[full], exact)

    def _score(self, found: Candidates, at: Ints) -> None:
        """Put exact similarities in the place of intervals."""
        assert self._similarities is not None  # noqa: S101 - of exact scores none is left
        exact = self._similarities(found.rows[at], found.places[at])
        self._sound &= bool(((found.low[at] <= exact) & (exact <= found.high[at])).all())
        found.low[at] = found.high[at] = exact

    def _candidates(self) -> Candidates:
        """Let go what cannot be among the first m; return the rest in one piece."""
        every = Candidates(*(np.concatenate(each) for each in zip(*self._kept, strict=True)))
        keep = (every.high >= self._reached[every.rows]) & ~self._dropped[every.rows]
        self._kept = [every.some(np.flatnonzero(keep))]
        return self._kept[0]


class ResultLists:
    """Settled lists of q queries.

    Order: higher score first; among equal scores negatives before positives (pessimistic), then
    ``Labels.gallery_order``.

    Attributes:
        indices: int64 (q, m), gallery rows, −1 where there are fewer than m.
        scores: float32 (q, m), NaN where there are fewer than m.
        relevant: bool (q, m).
    """

    def __init__(self, count: int, labels: Labels | None, m: int) -> None:
        """``labels``: None means no positives, and ties in the order of the rows."""
        self._labels = labels
        self.indices = np.full((count, m), -1, np.int64)
        self.scores = np.full((count, m), np.nan, np.float32)
        self.relevant = np.zeros((count, m), np.bool_)

    def settle(self, rows: Ints, columns: Ints, values: Floats) -> None:
        """Enter the lists of some queries.

        Args:
            rows, columns: pairs of queries and gallery rows, all that may be among the first m.
            values: their similarities, float32 (pairs,).
        """
        chosen, place = self.first(rows, columns, values)
        target = (rows[chosen], place)
        self.indices[target] = columns[chosen]
        self.scores[target] = values[chosen]
        self.relevant[target] = self._relevant(rows[chosen], columns[chosen])

    def first(self, rows: Ints, columns: Ints, values: Floats) -> tuple[Ints, Ints]:
        """Positions of the pairs that are among the first m of their query, and their places there."""
        by = _by_score(rows, values)
        # Only equal scores need the other criteria, and they are rare.
        alike = (np.diff(rows[by]) == 0) & (np.diff(values[by]) == 0)
        if alike.any():
            places = np.flatnonzero(np.append(alike, False) | np.insert(alike, 0, False))
            tied = by[places]
            order = columns[tied]
            if self._labels is not None:
                order = self._labels.gallery_order[order]
            order = order - order.min()
            relevant = self._relevant(rows[tied], columns[tied])
            # One integer again: a collapsed model ties millions.
            run = np.cumsum(np.insert(~alike, 0, False))[places]
            by[places] = tied[np.argsort((2 * run + relevant) * (order.max() + 1) + order)]
        ordered = rows[by]
        counts = np.bincount(ordered, minlength=len(self.indices))
        place = np.arange(len(by)) - np.repeat(np.cumsum(counts) - counts, counts)
        keep = place < self.indices.shape[1]
        return by[keep], place[keep]

    def _relevant(self, rows: Ints, columns: Ints) -> NDArray[np.bool_]:
        if self._labels is None:
            return np.zeros(len(rows), np.bool_)
        return self._labels.relevant(rows, columns)


def _by_score(rows: Ints, values: Floats) -> Ints:
    """Order of rows, then of falling values; one integer key sorts faster than two columns."""
    bits = np.ascontiguousarray(values).view(np.int32).astype(np.int64)
    # The bits of a negative float fall where its value rises.
    rising = np.where(bits < 0, -(bits & 0x7FFFFFFF), bits)
    return np.argsort((rows << 32) - rising)
