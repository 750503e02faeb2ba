"""The first m results of each query, in the order of the protocol."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pytest_prodbench.retrieval.bounds import NEVER, Bounds

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from pytest_prodbench.retrieval.blocks import ScoreBlock
    from pytest_prodbench.retrieval.labels import Labels

    Floats = NDArray[np.float32]
    Ints = NDArray[np.int64]

LOWEST_SCORE = np.float32(-2.0)
"""Below every inner product of unit vectors, above the −∞ that stands for 'must not meet'."""

NEEDED = 32
"""Candidates a result that no bound could have spared."""


class Head:
    """Collects candidates of r queries block by block.

    The m-th largest score seen so far, less what the error allows, is a floor below which nothing can be
    among the first m.

    Attributes:
        bounds: of the scores.
        open_scores: int64 (r,), candidates of each query beyond what a list of this length needs.
    """

    def __init__(self, m: int, bounds: Bounds, allowed: float) -> None:
        """``allowed``: how many ``open_scores`` a query may have; of one that has more nothing is kept."""
        count = len(bounds.error)
        self._m, self.bounds, self._allowed = m, bounds, allowed
        self._best = np.full((count, m), -np.inf, np.float32)
        self._rows: list[Ints] = []
        self._places: list[Ints] = []
        self._scores: list[Floats] = []
        self.open_scores = np.full(count, -NEEDED * m, np.int64)
        self._dropped = np.zeros(count, np.bool_)

    def add(self, block: ScoreBlock, start: int) -> None:
        """Keep every score of a block that may be among the first m; ``start`` is its first place."""
        largest = block.largest(self._m)
        both = np.concatenate([self._best, largest], axis=1)
        cut = both.shape[1] - self._m
        self._best = np.partition(both, cut, axis=1)[:, cut:]
        hits = block.at_least(self._floor(), self._allowed - self.open_scores)
        self._rows.append(hits.rows)
        self._places.append(hits.columns + start)
        self._scores.append(hits.scores)
        self.open_scores += hits.counts

    def drop(self, rows: NDArray[np.bool_]) -> None:
        """Collect no more for these queries."""
        self._dropped |= rows

    def _floor(self) -> Floats:
        floor = np.maximum(self.bounds.floor(self._best.min(axis=1)), LOWEST_SCORE)
        return np.where(self._dropped, NEVER, floor)

    @property
    def size(self) -> int:
        """Candidates kept."""
        return sum(map(len, self._rows))

    def thin(self, first: Callable[[Ints, Ints, Floats], Ints]) -> None:
        """Of exact scores, keep those whose positions ``first`` returns for (rows, places, scores)."""
        rows, places, scores = self.candidates()
        chosen = first(rows, places, scores)
        self._rows, self._places = [rows[chosen]], [places[chosen]]
        self._scores = [scores[chosen]]

    def candidates(self) -> tuple[Ints, Ints, Floats]:
        """Rows, places and approximate scores of what may be among the first m, all blocks added."""
        rows, places = np.concatenate(self._rows), np.concatenate(self._places)
        scores = np.concatenate(self._scores)
        keep = scores >= self._floor()[rows]
        return rows[keep], places[keep], scores[keep]


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
