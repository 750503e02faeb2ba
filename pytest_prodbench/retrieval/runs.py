"""Columns of a block in runs, one a product; which runs hold something that is set."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Ints = NDArray[np.int64]
    Mask = NDArray[np.bool_]


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
