"""Where a number is drawn: scales and their ticks, in whole drawings of one size."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

WIDTH, HEIGHT = 320, 196
"""Of a drawing, in its own units."""

LEFT, RIGHT, TOP, BOTTOM = 28.0, 302.0, 24.0, 158.0
"""Where the area of the lines lies in it."""

MOST_TICKS = 6

SMALLEST, LARGEST = 1e-9, 1e15
"""What a scale is stretched for; nothing that is measured is beyond, and powers of ten stay finite."""


@dataclass(frozen=True, slots=True)
class Tick:
    """A number written at an axis."""

    at: str
    label: str


@dataclass(frozen=True, slots=True)
class LogScale:
    """A stretch of positive numbers from left to right, by their logarithm."""

    low: float
    high: float

    @classmethod
    def around(cls, values: Iterable[float]) -> LogScale | None:
        """Return the scale that holds all counts and shares; None if there is none."""
        known = [value for value in values if SMALLEST <= value <= LARGEST]
        if not known:
            return None
        low, high = min(known), max(known)
        return cls(low, high) if low < high else cls(low / 3, high * 3)

    def at(self, value: float) -> float:
        """Return where a value is drawn; what is off the scale stands at its end."""
        if value <= self.low:
            return LEFT
        share = math.log(value / self.low) / math.log(self.high / self.low)
        return LEFT + (RIGHT - LEFT) * min(share, 1.0)

    def ticks(self, percent: bool = False) -> tuple[Tick, ...]:
        """Return few round numbers: 1, 2, 5 of each decade, or decades where those are too many."""
        first, last = math.floor(math.log10(self.low)), math.ceil(math.log10(self.high))
        decades = range(first, last + 1)
        found = self._inside(step * 10.0**n for n in decades for step in (1, 2, 5))
        every = 1
        while len(found) > MOST_TICKS:
            found = self._inside(10.0**n for n in decades if n % every == 0)
            every += 1
        return tuple(Tick(written(self.at(value)), _label(value, percent)) for value in found)

    def _inside(self, values: Iterable[float]) -> list[float]:
        # A billionth more: 10.0**-3 is not the 0.001 that somebody else wrote.
        return [v for v in values if self.low * (1 - 1e-9) <= v <= self.high * (1 + 1e-9)]


def height(share: float) -> float:
    """Return where a share from 0 (bottom) to 1 (top) is drawn."""
    return BOTTOM - (BOTTOM - TOP) * min(max(share, 0.0), 1.0)


SHARES = tuple(Tick(f"{height(share):.1f}", f"{share:.1f}") for share in (0.0, 0.5, 1.0))
"""Ticks of an axis of shares."""


def written(position: float) -> str:
    """Return a coordinate: a tenth of a unit is less than anybody sees."""
    return f"{position:.1f}"


def _label(value: float, percent: bool) -> str:
    if percent:
        return f"{100 * value:g} %"
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:g}{letter}"
    return f"{value:g}"
