"""What all ways to count have in common: limits as a matrix, totals, and how they enter the tally."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pytest_prodbench.retrieval.blocks import ScoreBlock
    from pytest_prodbench.retrieval.bounds import Bounds
    from pytest_prodbench.retrieval.tally import Tally

    Floats = NDArray[np.float32]
    Ints = NDArray[np.int64]
    Mask = NDArray[np.bool_]

OWN = 4
"""Scores that stay open for a limit whatever the bound: its own image's, and a few tied with it."""


class Counts(Protocol):
    """Counting for some queries, block by block.

    Attributes:
        open_scores: int64 (r,), scores so far that the bound does not settle, beyond those that none
            could.
    """

    open_scores: Ints

    def add(self, block: ScoreBlock, start: int, bounds: Bounds) -> None:
        """Count a block of scores within these bounds; ``start`` is its first place."""

    def drop(self, rows: Mask) -> None:
        """Count no more for these queries (r,)."""

    def settle(self, rows: Mask) -> bool:
        """Enter the counts of these queries into the tally; all blocks were added.

        Returns:
            False, and nothing is entered, if they cannot be right: every limit is the similarity of an
            image, so that one at least is level with it.
        """


class Limited:
    """Limits of some queries as a matrix (r, most limits), NaN where a query has fewer."""

    def __init__(self, tally: Tally, some: Ints) -> None:
        self._tally, self._some = tally, some
        starts = tally.limits.starts
        counts = starts[some + 1] - starts[some]
        width = int(counts.max()) if len(counts) else 0
        self._filled: Mask = np.arange(width) < counts[:, None]
        self._index = np.where(self._filled, starts[some][:, None] + np.arange(width), 0)
        self._exact: Floats = np.full(self._filled.shape, np.nan, np.float32)
        self._exact[self._filled] = tally.limits.scores[self._index[self._filled]]
        self._above = np.zeros(self._filled.shape, np.int64)
        self._level = np.zeros(self._filled.shape, np.int64)
        self._near = np.zeros(len(some), np.int64)
        self._products_above = np.zeros(len(some), np.int64)
        self._products_reaching = np.zeros(len(some), np.int64)
        # Each limit is some image's own score, which no bound can tell from it.
        self.open_scores = -OWN * counts

    def _enter(self, rows: Mask) -> bool:
        tally, some = self._tally, self._some[rows]
        filled = self._filled & rows[:, None]
        if (self._level[filled] < 1).any():
            return False
        tally.above[self._index[filled]] = self._above[filled]
        tally.level[self._index[filled]] = self._level[filled]
        tally.near[some] = self._near[rows]
        tally.products_above[some] = self._products_above[rows]
        tally.products_reaching[some] = self._products_reaching[rows]
        return True


def distinct(rows: Ints, codes: Ints) -> tuple[Ints, Ints]:
    """Drop repeated (row, code) pairs; they are sorted by row, then code."""
    new = np.ones(len(rows), np.bool_)
    new[1:] = (np.diff(rows) != 0) | (np.diff(codes) != 0)
    return rows[new], codes[new]
