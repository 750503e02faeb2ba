"""Counting by exact scores, for which a limit is a limit."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pytest_prodbench.retrieval.backends import near_tie_distance
from pytest_prodbench.retrieval.bounds import NEVER
from pytest_prodbench.retrieval.counting import Limited
from pytest_prodbench.retrieval.exact import RESOLUTION

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pytest_prodbench.retrieval.blocks import ScoreBlock
    from pytest_prodbench.retrieval.bounds import Bounds

    Floats = NDArray[np.float32]
    Ints = NDArray[np.int64]
    Mask = NDArray[np.bool_]


class ExactCounts(Limited):
    """Counts exact scores; nothing stays open, however many are alike."""

    def add(self, block: ScoreBlock, start: int, bounds: Bounds) -> None:  # noqa: ARG002 - no doubt
        """Count a block; ``start`` is its first place."""
        down, up = np.float32(-np.inf), np.float32(np.inf)
        for slot, limits in enumerate(self._exact.T):
            exact = np.where(np.isnan(limits), NEVER, limits)
            below = _next(exact, down)
            above, reaching = block.above(exact), block.above(below)
            self._above[:, slot] += above
            self._level[:, slot] += reaching - above
            if slot:
                continue
            distance = near_tie_distance(self._tally.gallery.dimension)
            wide = limits.astype(np.float64)
            low, high = (wide - distance).astype(np.float32), (wide + distance).astype(np.float32)
            # The least float32 >= the one end, the greatest <= the other.
            low = np.where(low < wide - distance, np.nextafter(low, up), low)
            high = np.where(high > wide + distance, np.nextafter(high, down), high)
            low, high = (np.where(np.isnan(limits), NEVER, end) for end in (low, high))
            self._near += block.above(np.nextafter(low, down)) - block.above(high)
            products = self._tally.limits.products
            if products is None:
                continue
            codes = products[start : start + block.width]
            none = np.empty(0, np.int64)
            self._products_above += block.products(exact, above, codes, none, none)[0]
            self._products_reaching += block.products(below, reaching, codes, none, none)[0]

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
