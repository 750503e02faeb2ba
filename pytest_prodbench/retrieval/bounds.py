"""What an approximate score says about the exact one: which limits leave no doubt."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]
    Doubles = NDArray[np.float64]


NEVER = np.float32(4.0)
"""A limit that no inner product of unit vectors reaches."""


@dataclass(frozen=True, slots=True, eq=False)
class Bounds:
    """Error of the scores x of r queries: x = round(a), |a − s| <= error, relative rounding.

    Attributes:
        error: float64 (r,), bound on |a − s|, s the similarity.
        rounding: bound on |x − a| / |a|; rounding never changes an order.
    """

    error: Doubles
    rounding: float

    def around(self, exact: Floats, margin: float = 0.0) -> tuple[Floats, Floats]:
        """Limits (low, high) of each row: x > high proves s > exact + margin, x < low the opposite.

        If s <= t then a <= t + error, so x <= round(t + error) <= t + error + rounding·|t + error|.
        NaN and what no score reaches become ``NEVER`` twice: nothing is above or between.
        """
        wide = exact.astype(np.float64)
        room = self.error + margin
        low, high = wide - room, wide + room
        low, high = low - self.rounding * np.abs(low), high + self.rounding * np.abs(high)
        never = ~(wide < NEVER)
        # Outwards to the next float32, so that rounding the limits never narrows the band.
        down, up = np.float32(-np.inf), np.float32(np.inf)
        return (
            np.where(never, NEVER, np.nextafter(low.astype(np.float32), down)),
            np.where(never, NEVER, np.nextafter(high.astype(np.float32), up)),
        )

    def between(self, rows: NDArray[np.int64], scores: Floats) -> tuple[Floats, Floats]:
        """Least and greatest similarity that scores (p,) or (p, m) of some rows (p,) can stand for.

        |x − a| <= rounding · |a| leaves |x − a| <= rounding / (1 − rounding) · |x|.
        """
        wide = scores.astype(np.float64)
        room = self.error[rows].reshape((-1,) + (1,) * (scores.ndim - 1))
        # −∞ stands for no score at all.
        room = room + self.rounding / (1.0 - self.rounding) * np.abs(
            np.where(wide < -NEVER, 0.0, wide)
        )
        down, up = np.float32(-np.inf), np.float32(np.inf)
        return (
            np.nextafter((wide - room).astype(np.float32), down),
            np.nextafter((wide + room).astype(np.float32), up),
        )
