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

    def floor(self, reached: Floats) -> Floats:
        """Limit below which no x belongs to an s that is at least the least s behind ``reached``.

        x >= f leaves a >= f − rounding·|f| / (1 − rounding), so s >= that less the error; and whatever
        has at least this s has an x that is at least as much lower once more.
        """
        wide = reached.astype(np.float64)
        finite = np.isfinite(wide)
        wide[~finite] = 0.0
        least = wide - self.rounding / (1.0 - self.rounding) * np.abs(wide) - 2.0 * self.error
        least -= self.rounding * np.abs(least)
        lower = np.nextafter(least.astype(np.float32), np.float32(-np.inf))
        return np.where(finite, lower, np.float32(-np.inf)).astype(np.float32)

    def holds(self, rows: NDArray[np.int64], scores: Floats, exact: Floats) -> bool:
        """Whether scores that were computed again lie where the bound says that they must."""
        wide = exact.astype(np.float64)
        room = self.error[rows] + 2.0**-24
        room += self.rounding * (np.abs(wide) + room)
        return bool((np.abs(scores.astype(np.float64) - wide) <= room).all())
