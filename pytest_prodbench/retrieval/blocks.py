"""One block of approximate scores, and the few questions that ranking asks of it.

A block that has the maximum of each group of columns answers most of them without looking at its
columns: only groups whose maximum reaches a limit are opened.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from pytest_prodbench.retrieval.products import count_products

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]
    Room = NDArray[np.floating[Any]]
    Ints = NDArray[np.int64]
    Mask = NDArray[np.bool_]

GROUP = 64
"""Columns a group, at most."""

GROUPS_A_RESULT = 8
"""Groups there should be for each result asked for, so that the best ones seldom share a group."""

FEW = 8
"""Where fewer than one group in so many reaches the limit, opening groups is faster than comparing all."""


@dataclass(frozen=True, slots=True, eq=False)
class Hits:
    """Scores that reach the limit of their row.

    Attributes:
        counts: int64 (r,), how many of each row do.
        rows, columns, scores: they themselves, rows ascending, then columns; none of a row that has more
            of them than there was room for.
    """

    counts: Ints
    rows: Ints
    columns: Ints
    scores: Floats


@dataclass(frozen=True, slots=True, eq=False)
class Band:
    """What two limits of each row tell apart.

    Attributes:
        above: int64 (r,), scores above both.
        counts: int64 (r,), scores between them or at one of them.
        rows, columns: where those between are, in any order; none of a row that has more of them than
            there was room for.
    """

    above: Ints
    counts: Ints
    rows: Ints
    columns: Ints


class ScoreBlock(Protocol):
    """Scores of r queries against w gallery images, with an error that the backend states.

    Attributes:
        width: w.
    """

    width: int

    def exclude(self, rows: Ints, columns: Ints) -> None:
        """Take pairs out (−∞); before any question is asked."""

    def largest(self, m: int) -> Floats:
        """Some of the largest scores of each row, from distinct columns, float32 (r, <= m)."""

    def at_least(self, low: Floats, room: Room | None = None) -> Hits:
        """Find what is >= the limit of its row; ``room`` (r,): how many a row may have to be listed."""

    def above(self, limits: Floats) -> Ints:
        """Count what is > the limit of its row, int64 (r,)."""

    def count(self, low: Floats, high: Floats, room: Room | None = None) -> Band:
        """Count what is > high, find low <= score <= high; ``room`` (r,): how many of these to list."""

    def products(
        self, limits: Floats, above: Ints, codes: Ints, rows: Ints, columns: Ints
    ) -> tuple[Ints, Mask]:
        """Count the products that have a score > the limit of its row.

        Args:
            limits: float32 (r,).
            above: int64 (r,), as ``above(limits)`` has it; 0 for a row that need not be counted.
            codes: int64 (w,), ascending, product of each column.
            rows, columns: p pairs.

        Returns:
            counts: int64 (r,), distinct products.
            counted: bool (p,), whether the product of each pair is among those of its row.
        """


def group_size(width: int, results: int) -> int:
    """Return how many columns share a maximum where ``results`` are asked for: a power of two."""
    size = GROUP
    while size > 1 and width < size * GROUPS_A_RESULT * results:
        size //= 2
    return size


class ArrayBlock:
    """A block in a float32 numpy array (r, w).

    Columns are grouped with a stride: with s groups of g, group i holds the columns i, i + s, i + 2s …
    so that maxima are taken over whole vectors of neighbours. Columns beyond s · g are groups of one.
    """

    def __init__(self, values: NDArray[Any], group: int) -> None:
        self._values = values
        self.width = values.shape[1]
        self._group = group
        self._stride = values.shape[1] // group

    def exclude(self, rows: Ints, columns: Ints) -> None:
        self._values[rows, columns] = -np.inf

    @cached_property
    def maxima(self) -> Floats:
        """Largest score of each group, then the columns that are in none, float32 (r, s + rest)."""
        part = self._values[:, : self._stride * self._group]
        while part.shape[1] > self._stride:
            half = part.shape[1] // 2
            part = np.maximum(part[:, :half], part[:, half:])
        return self._with_rest(part)

    def _with_rest(self, maxima: Floats) -> Floats:
        rest = self._values[:, self._stride * self._group :]
        if not rest.shape[1]:
            return maxima
        every = np.arange(len(rest))
        return np.concatenate([maxima, self._floats(rest, every)], axis=1)

    def largest(self, m: int) -> Floats:
        found = self.maxima
        if found.shape[1] <= m:
            return found
        cut = found.shape[1] - m
        return np.partition(found, cut, axis=1)[:, cut:]

    def at_least(self, low: Floats, room: Room | None = None) -> Hits:
        reached = self.maxima >= low[:, None]
        flat = np.flatnonzero(reached)
        if len(flat) * FEW > reached.size:
            counts, rows, columns = _listed(self._reaching(np.arange(len(low)), low), room)
            return Hits(counts, rows, columns, self._floats(self._values[rows, columns], rows))
        rows, columns, values = self._open(flat, low)
        counts = np.bincount(rows, minlength=len(low)).astype(np.int64)
        if room is not None and (counts > room).any():
            kept = (counts <= room)[rows]
            rows, columns, values = rows[kept], columns[kept], values[kept]
        order = np.argsort(rows * self._values.shape[1] + columns)
        return Hits(counts, rows[order], columns[order], values[order])

    def above(self, limits: Floats) -> Ints:
        maxima = self.maxima
        counts = np.zeros(len(limits), np.int64)
        some = np.flatnonzero(maxima.max(axis=1) > limits)
        counts[some] = _per_row(self._exceeding(some, limits[some]))
        return counts

    def count(self, low: Floats, high: Floats, room: Room | None = None) -> Band:
        reached = self.maxima >= low[:, None]
        many = np.flatnonzero(
            np.count_nonzero(reached, axis=1) * FEW > max(reached.shape[1], 2 * FEW)
        )
        reached[many] = False
        rows, columns, values = self._open(np.flatnonzero(reached), low)
        over = values > high[rows]
        above = np.bincount(rows[over], minlength=len(low)).astype(np.int64)
        rows, columns = rows[~over], columns[~over]
        counts = np.bincount(rows, minlength=len(low)).astype(np.int64)
        if room is not None and (counts > room).any():
            kept = (counts <= room)[rows]
            rows, columns = rows[kept], columns[kept]
        if not len(many):
            return Band(above, counts, rows, columns)
        between = self._exceeding(many, high[many])
        above[many] = _per_row(between)
        between ^= self._reaching(many, low[many])
        counts[many], more_rows, more_columns = _listed(
            between, None if room is None else room[many]
        )
        return Band(
            above,
            counts,
            np.concatenate([rows, many[more_rows]]),
            np.concatenate([columns, more_columns]),
        )

    def _open(self, flat: Ints, low: Floats) -> tuple[Ints, Ints, Floats]:
        """What reaches the limit of its row in some groups; ``flat`` counts through ``maxima``."""
        rows, groups = _places(flat, self.maxima.shape[1])
        whole = groups < self._stride
        rest_rows, rest = rows[~whole], groups[~whole] + self._stride * (self._group - 1)
        rows, groups = rows[whole], groups[whole]
        shape = (len(self._values), self._group, self._stride)
        inner = self._values[:, : self._stride * self._group].reshape(shape)
        values = self._floats(inner[rows, :, groups], rows)
        at, step = _places(np.flatnonzero(values >= low[rows, None]), self._group)
        return (
            np.concatenate([rows[at], rest_rows]),
            np.concatenate([groups[at] + self._stride * step, rest]),
            np.concatenate(
                [values[at, step], self._floats(self._values[rest_rows, rest], rest_rows)]
            ),
        )

    def products(
        self, limits: Floats, above: Ints, codes: Ints, rows: Ints, columns: Ints
    ) -> tuple[Ints, Mask]:
        return count_products(self.at_least, self._exceeding, limits, above, codes, rows, columns)

    def _floats(self, values: NDArray[Any], rows: Ints) -> Floats:  # noqa: ARG002 - others ask it
        """Scores of numbers as they stand in the block, the first axis of which is that of ``rows``."""
        return values

    def _rows(self, rows: Ints) -> NDArray[Any]:
        return self._values if len(rows) == len(self._values) else self._values[rows]

    def _exceeding(self, rows: Ints, limits: Floats) -> NDArray[np.bool_]:
        mask: NDArray[np.bool_] = self._rows(rows) > limits[:, None]
        return mask

    def _reaching(self, rows: Ints, limits: Floats) -> NDArray[np.bool_]:
        mask: NDArray[np.bool_] = self._rows(rows) >= limits[:, None]
        return mask


def _places(flat: Ints, width: int) -> tuple[Ints, Ints]:
    rows, columns = np.divmod(flat, width)
    return rows.astype(np.int64, copy=False), columns.astype(np.int64, copy=False)


def _per_row(mask: NDArray[np.bool_]) -> Ints:
    # Row by row it is counted with vector instructions; along an axis it is not.
    return np.array([np.count_nonzero(row) for row in mask], np.int64)


def _listed(mask: NDArray[np.bool_], room: Room | None) -> tuple[Ints, Ints, Ints]:
    """Count what is set in each row, and list it where a row has room; empties the other rows."""
    counts = _per_row(mask)
    if room is not None:
        mask[counts > room] = False
    return counts, *_places(np.flatnonzero(mask), mask.shape[1])
