"""Counting by scores of a known error: most are settled at once, the rest is scored again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pytest_prodbench.retrieval.backends import near_tie_distance
from pytest_prodbench.retrieval.bounds import NEVER
from pytest_prodbench.retrieval.counting import Limited
from pytest_prodbench.retrieval.exclusion import distinct_keys

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pytest_prodbench.retrieval.blocks import ScoreBlock
    from pytest_prodbench.retrieval.bounds import Bounds
    from pytest_prodbench.retrieval.tally import Tally

    Floats = NDArray[np.float32]
    Ints = NDArray[np.int64]
    Mask = NDArray[np.bool_]


class BoundedCounts(Limited):
    """Counts what the bound settles at once, keeps the rest, and scores it again at the end."""

    def __init__(self, tally: Tally, some: Ints, allowed: float) -> None:
        super().__init__(tally, some)
        self._allowed = allowed
        self._dropped = np.zeros(len(some), np.bool_)
        # The first limit has room for its near ties.
        self._near_distance = near_tie_distance(tally.gallery.dimension)
        self._bounds: Bounds | None = None
        # One row a limit: a column of the matrix at a time is held against the block.
        self._low = np.empty(self._exact.shape[::-1], np.float32)
        self._high = np.empty_like(self._low)
        self._rows: list[Ints] = []
        self._slots: list[Ints] = []
        self._places: list[Ints] = []
        self._fresh: list[Mask] = []

    def add(self, block: ScoreBlock, start: int, bounds: Bounds) -> None:
        """Count a block; ``start`` is its first place."""
        self._draw_limits(bounds)
        for slot, (low, high) in enumerate(zip(self._low, self._high, strict=True)):
            band = block.count(low, high, self._allowed - self.open_scores)
            self._above[:, slot] += band.above
            self.open_scores += band.counts
            rows, columns = band.rows, band.columns
            # Before the next limit: what one block leaves open of many nearly equal limits would fill
            # the memory before the block is through.
            self.drop(self.open_scores > self._allowed)
            fresh = np.zeros(len(rows), np.bool_)
            products = self._tally.limits.products
            if not slot and products is not None:
                above = np.where(self._dropped, 0, band.above)
                codes = products[start : start + block.width]
                counts, counted = block.products(high, above, codes, rows, columns)
                # No product is in two blocks: what this block has not counted, none has.
                self._products_above += counts
                fresh = ~counted
            if len(rows):
                self._rows.append(rows)
                self._slots.append(np.full(len(rows), slot))
                self._places.append(columns + start)
                self._fresh.append(fresh)

    def _draw_limits(self, bounds: Bounds) -> None:
        """Limits between which scores of these bounds leave doubt; the same for block after block, mostly."""
        if bounds is self._bounds:
            return
        self._bounds = bounds
        for slot, column in enumerate(self._exact.T):
            margin = 0.0 if slot else self._near_distance
            self._low[slot], self._high[slot] = bounds.around(column, margin)
        self._low[:, self._dropped] = self._high[:, self._dropped] = NEVER

    def drop(self, rows: Mask) -> None:
        """Count no more for these queries."""
        more = np.flatnonzero(rows & ~self._dropped)
        self._dropped[more] = True
        self._low[:, more] = self._high[:, more] = NEVER

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
        values = self._tally.similarities(self._some[pair_rows], gallery.rows(pair_places))[back]
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
            more = distinct_keys(keys[first & fresh & reached])
            np.add(total, np.bincount(more // width, minlength=size), out=total)
