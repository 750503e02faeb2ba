"""How many gallery images exceed, and how many equal, given similarities; how many products do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from pytest_prodbench.retrieval.backends import near_tie_distance
from pytest_prodbench.retrieval.bounds import NEVER, Bounds
from pytest_prodbench.retrieval.exact import RESOLUTION, exact_scores

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pytest_prodbench.retrieval.blocks import ScoreBlock
    from pytest_prodbench.retrieval.gallery import Gallery

    Floats = NDArray[np.float32]
    Ints = NDArray[np.int64]
    Mask = NDArray[np.bool_]


OWN = 4
"""Scores that stay open for a limit whatever the bound: its own image's, and a few tied with it."""


@dataclass(frozen=True, slots=True, eq=False)
class Limits:
    """Similarities to count against; those of query i stand at ``starts[i]:starts[i + 1]``.

    Attributes:
        starts: int64 (q + 1,).
        scores: float32 (t,), similarities of images that the query may match.
        products: int64 (n,), product at each place, numbered 0, 1, 2 …, to count distinct products at
            each query's first limit; None if they need not be counted.
    """

    starts: Ints
    scores: Floats
    products: Ints | None


class Tally:
    """Counts over all images that a query may match, positives included.

    Attributes:
        above, level: int64 (t,), images whose similarity is greater than, equal to, each limit.
        near: int64 (q,), images within ``near_tie_distance`` of each query's first limit.
        products_above, products_reaching: int64 (q,), distinct products with an image whose similarity
            is greater than, at least, the first limit.
    """

    def __init__(self, limits: Limits, queries: Floats, gallery: Gallery) -> None:
        self.limits = limits
        self.queries, self.gallery = queries, gallery
        count = len(queries)
        self.above = np.zeros(len(limits.scores), np.int64)
        self.level = np.zeros(len(limits.scores), np.int64)
        self.near = np.zeros(count, np.int64)
        self.products_above = np.zeros(count, np.int64)
        self.products_reaching = np.zeros(count, np.int64)

    def open(self, some: Ints, bounds: Bounds, *, exact: bool) -> Counts:
        """Begin to count for some queries, with scores of this error."""
        return ExactCounts(self, some) if exact else BoundedCounts(self, some, bounds)


class Counts(Protocol):
    """Counting for some queries, block by block.

    Attributes:
        open_scores: int64 (r,), scores so far that the bound does not settle, beyond those that none
            could.
    """

    open_scores: Ints

    def add(self, block: ScoreBlock, start: int) -> None:
        """Count a block; ``start`` is its first place."""

    def drop(self, rows: Mask) -> None:
        """Count no more for these queries (r,)."""

    def settle(self, rows: Mask) -> bool:
        """Enter the counts of these queries into the tally; all blocks were added.

        Returns:
            False, and nothing is entered, if they cannot be right: every limit is the similarity of an
            image, so that one at least is level with it.
        """


class _Limited:
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


class BoundedCounts(_Limited):
    """Counts what the bound settles at once, keeps the rest, and scores it again at the end."""

    def __init__(self, tally: Tally, some: Ints, bounds: Bounds) -> None:
        super().__init__(tally, some)
        # The first limit has room for its near ties.
        self._near_distance = near_tie_distance(tally.queries.shape[1])
        around = [
            bounds.around(column, margin=0.0 if slot else self._near_distance)
            for slot, column in enumerate(self._exact.T)
        ]
        shape = self._exact.shape
        # One row a limit: a column of the matrix at a time is held against the block.
        self._low = np.empty((shape[1], shape[0]), np.float32)
        self._high = np.empty_like(self._low)
        for slot, (low, high) in enumerate(around):
            self._low[slot], self._high[slot] = low, high
        self._rows: list[Ints] = []
        self._slots: list[Ints] = []
        self._places: list[Ints] = []
        self._fresh: list[Mask] = []

    def add(self, block: ScoreBlock, start: int) -> None:
        """Count a block; ``start`` is its first place."""
        for slot, (low, high) in enumerate(zip(self._low, self._high, strict=True)):
            above, rows, columns = block.count(low, high)
            self._above[:, slot] += above
            self.open_scores += np.bincount(rows, minlength=len(above))
            fresh = np.zeros(len(rows), np.bool_)
            products = self._tally.limits.products
            if not slot and products is not None:
                codes = products[start:]
                hit_rows, hits, _ = block.at_least(np.nextafter(high, np.float32(np.inf)))
                seen_rows, seen = _distinct(hit_rows, codes[hits])
                self._products_above += np.bincount(seen_rows, minlength=len(above))
                # No product is in two blocks: what this block has not counted, none has.
                width = int(products[-1]) + 1
                keys = seen_rows * width + seen
                fresh = ~_among(rows * width + codes[columns], keys)
            if len(rows):
                self._rows.append(rows)
                self._slots.append(np.full(len(rows), slot))
                self._places.append(columns + start)
                self._fresh.append(fresh)

    def drop(self, rows: Mask) -> None:
        """Count no more for these queries."""
        self._low[:, rows] = self._high[:, rows] = NEVER

    def settle(self, rows: Mask) -> bool:
        """Score again what is open for these queries, and enter their counts."""
        if self._rows:
            self._settle(rows)
        return self._enter(rows)

    def _settle(self, rows: Mask) -> None:
        every = np.concatenate(self._rows)
        kept = rows[every]
        every = every[kept]
        slots = np.concatenate(self._slots)[kept]
        places = np.concatenate(self._places)[kept]
        fresh = np.concatenate(self._fresh)[kept]
        # One pair may be open against several limits; it is scored once.
        gallery = self._tally.gallery
        pairs, back = np.unique(every * len(gallery) + places, return_inverse=True)
        pair_rows, pair_places = np.divmod(pairs, len(gallery))
        values = exact_scores(
            self._tally.queries,
            gallery.vectors,
            self._some[pair_rows],
            gallery.rows(pair_places),
        )[back]
        limits = self._exact[every, slots]
        flat = every * self._exact.shape[1] + slots
        shape, cells = self._exact.shape, self._exact.size
        self._above += np.bincount(flat[values > limits], minlength=cells).reshape(shape)
        self._level += np.bincount(flat[values == limits], minlength=cells).reshape(shape)
        first = slots == 0
        near = first & (np.abs(values.astype(np.float64) - limits) <= self._near_distance)
        size = len(self._some)
        self._near += np.bincount(every[near], minlength=size)
        products = self._tally.limits.products
        if products is None:
            return
        width = int(products[-1]) + 1
        keys = every * width + products[places]
        self._products_reaching += self._products_above
        for total, reached in (
            (self._products_above, values > limits),
            (self._products_reaching, values >= limits),
        ):
            distinct = np.unique(keys[first & fresh & reached])
            np.add(total, np.bincount(distinct // width, minlength=size), out=total)


class ExactCounts(_Limited):
    """Counts exact scores; nothing stays open, however many are alike."""

    def add(self, block: ScoreBlock, start: int) -> None:
        """Count a block; ``start`` is its first place."""
        down, up = np.float32(-np.inf), np.float32(np.inf)
        for slot, limits in enumerate(self._exact.T):
            exact = np.where(np.isnan(limits), NEVER, limits)
            above = _above(block, exact)
            self._above[:, slot] += above
            self._level[:, slot] += _above(block, _next(exact, down)) - above
            if slot:
                continue
            distance = near_tie_distance(self._tally.queries.shape[1])
            wide = limits.astype(np.float64)
            low, high = (wide - distance).astype(np.float32), (wide + distance).astype(np.float32)
            # The least float32 >= the one end, the greatest <= the other.
            low = np.where(low < wide - distance, np.nextafter(low, up), low)
            high = np.where(high > wide + distance, np.nextafter(high, down), high)
            low, high = (np.where(np.isnan(limits), NEVER, end) for end in (low, high))
            self._near += _above(block, np.nextafter(low, down)) - _above(block, high)
            products = self._tally.limits.products
            if products is None:
                continue
            for total, least in (
                (self._products_above, _next(exact, up)),
                (self._products_reaching, exact),
            ):
                rows, columns, _ = block.at_least(least)
                rows, _ = _distinct(rows, products[start:][columns])
                np.add(total, np.bincount(rows, minlength=len(exact)), out=total)

    def drop(self, rows: Mask) -> None:
        """Nothing is dropped: every score is settled at once."""

    def settle(self, rows: Mask) -> bool:
        """Enter the counts of these queries."""
        return self._enter(rows)


def _next(similarities: Floats, towards: np.float32) -> Floats:
    """Numbers beside some similarities, with no similarity in between.

    The float32 beside 0 is subnormal, and a process that flushes those (``torch.set_flush_denormal``)
    takes it for 0; similarities are multiples of ``RESOLUTION``, which leaves room.
    """
    step = np.copysign(np.float32(RESOLUTION / 2.0), towards)
    farther = np.minimum if towards < 0 else np.maximum
    beside: Floats = farther(np.nextafter(similarities, towards), similarities + step)
    return beside


def _above(block: ScoreBlock, limits: Floats) -> Ints:
    """How many scores of each row are > its limit."""
    counts, _, _ = block.count(np.nextafter(limits, np.float32(np.inf)), limits)
    return counts


def _distinct(rows: Ints, codes: Ints) -> tuple[Ints, Ints]:
    """Drop repeated (row, code) pairs; they are sorted by row, then code."""
    new = np.ones(len(rows), np.bool_)
    new[1:] = (np.diff(rows) != 0) | (np.diff(codes) != 0)
    return rows[new], codes[new]


def _among(keys: Ints, known: Ints) -> Mask:
    """Which keys are among some sorted ones."""
    if not len(known):
        return np.zeros(len(keys), np.bool_)
    at = np.minimum(np.searchsorted(known, keys), len(known) - 1)
    found: Mask = known[at] == keys
    return found
