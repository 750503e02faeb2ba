"""Which products have a score above a limit, in a block whose columns stand in runs, one a product."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_prodbench.retrieval.bounds import NEVER
from pytest_prodbench.retrieval.counting import distinct
from pytest_prodbench.retrieval.exclusion import among

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pytest_prodbench.retrieval.blocks import Hits

    Floats = NDArray[np.float32]
    Ints = NDArray[np.int64]
    Mask = NDArray[np.bool_]

LISTING = 32
"""Scores above a limit whose listing takes as long as a scan of so many times their number."""

SCANNED_AT_ONCE = 4_000_000
"""Scores of a scan: as many bytes, and as many again."""


class Runs:
    """Neighbouring columns of equal codes.

    Attributes:
        last: int64 (w,), last column of each column's run.
        is_last: bool (w,).
    """

    def __init__(self, codes: Ints) -> None:
        """``codes``: of each column (w,), w >= 1; equal ones are neighbours."""
        width = len(codes)
        new = np.ones(width, np.bool_)
        new[1:] = codes[1:] != codes[:-1]
        starts = np.flatnonzero(new)
        lengths = np.diff(np.append(starts, width))
        self._position = np.arange(width) - np.repeat(starts, lengths)
        self._longest = int(lengths.max())
        self.last: Ints = np.repeat(starts + lengths - 1, lengths)
        self.is_last: Mask = self.last == np.arange(width)

    def steps(self) -> Iterator[tuple[int, Mask]]:
        """Yield distances 1, 2, 4 …, and whether the column so far to the left is in the same run."""
        step = 1
        while step < self._longest:
            yield step, self._position[step:] >= step
            step *= 2


def gather_to_the_right(mask: Any, steps: Iterator[tuple[int, Any]]) -> None:
    """Set what has something set to its left in its run, in place: its last column tells of the whole run.

    A scan by doubling (Hillis and Steele, 1986, "Data parallel algorithms", CACM 29): some passes over
    bytes, while reductions of short runs look at every run by itself.

    Args:
        mask: bool (r, w), of numpy or torch.
        steps: as from ``Runs.steps``, of the same kind of arrays.
    """
    for step, inside in steps:
        mask[:, step:] |= mask[:, :-step] & inside


def count_products(
    at_least: Callable[[Floats], Hits],
    exceeding: Callable[[Ints, Floats], Mask],
    limits: Floats,
    above: Ints,
    codes: Ints,
    rows: Ints,
    columns: Ints,
) -> tuple[Ints, Mask]:
    """Count as ``ScoreBlock.products`` does: few scores above a limit are listed, many are scanned.

    Args:
        at_least: lists the scores that reach limits (r,).
        exceeding: compares some rows with their limits, bool (some, w).
        limits, above, codes, rows, columns: as there.
    """
    counts, counted = np.zeros(len(limits), np.int64), np.zeros(len(rows), np.bool_)
    many = above * LISTING > len(codes)
    few = (above > 0) & ~many
    if few.any():
        hits = at_least(np.where(few, np.nextafter(limits, np.float32(np.inf)), NEVER))
        # A process that flushes subnormal numbers takes the one above 0 for 0.
        over = hits.scores > limits[hits.rows]
        found, products = distinct(hits.rows[over], codes[hits.columns[over]])
        counts += np.bincount(found, minlength=len(limits))
        size = int(codes[-1]) + 1
        counted = among(rows * size + codes[columns], found * size + products)
    if many.any():
        runs, every = Runs(codes), np.flatnonzero(many)
        at_once = max(1, SCANNED_AT_ONCE // len(codes))
        for first in range(0, len(every), at_once):
            part = every[first : first + at_once]
            mask = exceeding(part, limits[part])
            gather_to_the_right(mask, runs.steps())
            here = np.flatnonzero(np.isin(rows, part))
            counted[here] = mask[np.searchsorted(part, rows[here]), runs.last[columns[here]]]
            mask &= runs.is_last
            counts[part] = [np.count_nonzero(row) for row in mask]
    return counts, counted
