"""Conditions of the queries: a balanced design drawn from a seed.

Every level of a condition is equally frequent, and any two conditions are close to independent, so that
the cost of each can be read off one column.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

LEVELS: dict[str, tuple[str, ...]] = {
    "light": ("studio", "warm", "dim", "hard", "mixed"),
    "view": ("near", "mid", "far"),
    "ground": ("wood", "steel", "cloth", "concrete", "cluttered"),
    "occlusion": ("none", "quarter", "half"),
    "distance": ("full", "half", "far"),
    "camera": ("clean", "defocus", "motion", "noise", "jpeg"),
}
"""Conditions and their levels."""

VIEWS = {"near": (4.0, 15.0), "mid": (18.0, 32.0), "far": (36.0, 54.0)}
"""Bands of the angle between a query's view and the first catalog view, degrees."""

FILLS = {"full": (0.66, 0.84), "half": (0.42, 0.52), "far": (0.27, 0.34)}
"""Share of the frame's edge that the product spans."""

HIDDEN = {"quarter": (0.08, 0.25), "half": (0.25, 0.50)}
"""Share of the product's outline that another part hides."""

ROUNDS = 60
"""Swaps tried for each query and condition."""

Row = Mapping[str, str]


def draw(
    count: int,
    each: int,
    *,
    seed: str,
    levels: Mapping[str, Sequence[str]] = LEVELS,
) -> list[dict[str, str]]:
    """Conditions of ``count`` queries, of which ``each`` in a row show one product.

    Levels are dealt out equally, then two queries at a time swap one condition wherever that brings
    pairs of conditions closer to independence, or a product to more different levels.
    """
    rng = random.Random(f"design:{seed}")
    columns = {}
    for name, values in levels.items():
        dealt = [values[i % len(values)] for i in range(count)]
        rng.shuffle(dealt)
        columns[name] = dealt
    balance = _Balance(columns, each)
    for _ in range(ROUNDS):
        for name, column in columns.items():
            for i in range(count):
                j = rng.randrange(count)
                if column[i] != column[j]:
                    balance.swap_if_better(name, i, j)
    return [{name: column[i] for name, column in columns.items()} for i in range(count)]


class _Balance:
    """Distance from equal cells over all pairs of conditions, and levels repeated in a product."""

    def __init__(self, columns: dict[str, list[str]], each: int) -> None:
        self._columns, self._each = columns, each
        self._pairs = {
            (a, b): Counter(zip(columns[a], columns[b], strict=True))
            for a, b in combinations(columns, 2)
        }
        self._within = {
            name: Counter((i // each, level) for i, level in enumerate(column))
            for name, column in columns.items()
        }

    def swap_if_better(self, name: str, i: int, j: int) -> None:
        """Swap a condition of two queries unless that makes the sum of squares larger."""
        column = self._columns[name]
        change = 0
        for row, new in ((i, column[j]), (j, column[i])):
            change += self._move(name, row, new)
        if change > 0:
            for row, new in ((i, column[j]), (j, column[i])):
                self._move(name, row, new)

    def _move(self, name: str, row: int, new: str) -> int:
        """Give a query another level; how much the sum of squared cells grows."""
        old, change = self._columns[name][row], 0
        cells: list[tuple[Counter[Any], tuple[Any, str], tuple[Any, str]]] = []
        for (a, b), counter in self._pairs.items():
            if a == name:
                other = self._columns[b][row]
                cells.append((counter, (old, other), (new, other)))
            elif b == name:
                other = self._columns[a][row]
                cells.append((counter, (other, old), (other, new)))
        product = row // self._each
        cells.append((self._within[name], (product, old), (product, new)))
        for counter, before, after in cells:
            change += 2 * (counter[after] - counter[before] + 1)
            counter[before] -= 1
            counter[after] += 1
        self._columns[name][row] = new
        return change
