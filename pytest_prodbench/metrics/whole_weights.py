"""Weights of samples in the narrow types in which whole numbers are counted fastest, and still exactly.

A statistic is handed float64, which is easy to use. Every count made of whole weights is a whole number,
and float32 holds those exactly up to 2^24: matrix products then take half the time, and single weights are
fetched from bytes.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from pytest_prodbench.threads import in_threads, portions

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from scipy.sparse import csr_array

    Doubles = NDArray[np.float64]
    Numbers = NDArray[np.uint8] | NDArray[np.int64]
    ByUnit = NDArray[np.int16] | Doubles

EXACT = 2.0**24
"""Up to here float32 holds every whole number."""


IN_CACHE = 64
"""Samples turned at once: a line of the cache, of bytes."""


AT_ONCE = 256
"""Samples whose products one thread makes at once."""

TURNED = 2**19
"""Weights that stand by unit in one array (2 bytes each): sums of rows go over them many times."""

SHORT = 2**15
"""Below this is every whole number that int16 holds."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What was asked of samples, and of those after them likely will be.

    Attributes:
        products: matrices, each once.
        turned: whether weights were to stand by unit.
    """

    products: Sequence[NDArray[np.float32]] = ()
    turned: bool = False


class WholeWeights:
    """Weights of b samples of u units.

    Attributes:
        weights: float64 (b, u), whole numbers >= 0.
        numbers: the same as bytes, or as int64 where one is above 255; contiguous.
    """

    def __init__(self, weights: Doubles, numbers: Numbers) -> None:
        """``weights`` and ``numbers``: as the attributes."""
        self.weights, self.numbers = weights, numbers
        self._asked: list[NDArray[np.float32]] = []
        self._turned: list[tuple[slice, NDArray[np.int16]]] | None = None
        self._turning = threading.Lock()
        self._ready: list[tuple[NDArray[np.float32], NDArray[np.float32]]] = []

    @cached_property
    def single(self) -> NDArray[np.float32]:
        """The weights as float32 (b, u)."""
        return self.numbers.astype(np.float32)

    def by_unit(self, samples: slice) -> Numbers:
        """Return some samples with a row for each unit, (u, b), contiguous."""
        numbers = self.numbers[samples]
        turned = np.empty(numbers.shape[::-1], numbers.dtype)
        for start in range(0, len(numbers), IN_CACHE):
            part = slice(start, start + IN_CACHE)
            turned[:, part] = numbers[part].T
        return turned

    def times(self, counts: NDArray[np.float32]) -> Doubles:
        """Return the matrix product with whole numbers >= 0, (v, m) of the first v units: (b, m), exact.

        In float32 if that is exact. It is wherever the product is below 2^24: a sum of numbers that are
        not negative never falls, and rounding keeps the order, so that one that reached 2^24 on its way
        would end there or above, whatever the order of summation.
        """
        self._asked.append(counts)
        product = next((found for of, found in self._ready if of is counts), None)
        if product is None:
            product = self.single[:, : len(counts)] @ counts
        if product.max(initial=0.0) < EXACT:
            return product.astype(np.float64)
        return np.asarray(self.weights[:, : len(counts)] @ counts.astype(np.float64))

    @cached_property
    def largest(self) -> int:
        """The largest weight."""
        return int(self.numbers.max(initial=0))

    def turned(self) -> list[tuple[slice, NDArray[np.int16]]]:
        """Return weights below 2^15 with a row for each unit, (u, …), some samples in each array."""
        with self._turning:
            if self._turned is None:
                parts = portions(len(self.numbers), TURNED // max(1, self.numbers.shape[1]))
                self._turned = in_threads(
                    lambda part: (part, self.by_unit(part).astype(np.int16)), parts
                )
            return self._turned

    def asked(self) -> Asked:
        """Return what was asked for, and forget it and the answers."""
        products = list({id(counts): counts for counts in self._asked}.values())
        turned = self._turned is not None
        self._asked, self._ready, self._turned = [], [], None
        return Asked(products, turned)

    def expect(self, asked: Asked) -> None:
        """Get ready for what will be asked for, as it was of the samples before, on all threads.

        All products in one: where there are few columns, most of the time goes into setting the weights in
        the order that the processor wants.
        """
        if asked.turned:
            self.turned()
        self._multiply(asked.products)

    def _multiply(self, asked: Sequence[NDArray[np.float32]]) -> None:
        if len(asked) < 2:
            return
        columns = np.zeros((self.numbers.shape[1], sum(c.shape[1] for c in asked)), np.float32)
        products = np.empty((len(self.numbers), columns.shape[1]), np.float32)
        ends = np.cumsum([counts.shape[1] for counts in asked])[:-1]
        for part, counts in zip(np.split(columns, ends, axis=1), asked, strict=True):
            part[: len(counts)] = counts
        in_threads(
            lambda part: np.matmul(self.single[part], columns, out=products[part]),
            portions(len(products), AT_ONCE),
        )
        self._ready = list(zip(asked, np.split(products, ends, axis=1), strict=True))


class FewOf:
    """Sums of few of the weights, each times a whole number >= 0: where a matrix product would be wasted.

    Attributes:
        most: the largest of these sums where every weight is 1.
    """

    def __init__(self, counts: csr_array) -> None:
        """``counts``: (m, v), sparse, of the first v units."""
        self.most = float(counts.sum(axis=1).max()) if counts.shape[0] else 0.0
        kinds = (np.int16, np.float64) if self.most < SHORT else (np.float64,)
        self._counts = {np.dtype(kind): counts.astype(kind) for kind in kinds}

    def by_unit(self, drawn: WholeWeights) -> list[tuple[slice, ByUnit]]:
        """Return the weights with a row for each unit, in a type that holds the sums."""
        if self.most * max(1, drawn.largest) < SHORT:
            return [*drawn.turned()]
        parts = portions(len(drawn.numbers), TURNED // max(1, drawn.numbers.shape[1]))
        return [(part, drawn.weights[part].T) for part in parts]

    def of(self, by_unit: ByUnit) -> ByUnit:
        """Return the sums of such samples, (m, b)."""
        counts = self._counts[by_unit.dtype]
        return np.asarray(counts @ by_unit[: counts.shape[1]])


_kept: weakref.WeakValueDictionary[int, WholeWeights] = weakref.WeakValueDictionary()


def remembered(
    numbers: NDArray[np.uint8], weights: Doubles, single: NDArray[np.float32]
) -> WholeWeights:
    """Return forms of draws (b, u), read only, that :func:`whole` finds again by their float64.

    While they are kept, and nobody but their keeper may do so.
    """
    for form in (numbers, weights, single):
        form.flags.writeable = False
    made = WholeWeights(weights, numbers)
    made.single = single
    _kept[id(weights)] = made
    return made


def whole(weights: Doubles) -> WholeWeights:
    """Return the narrow forms of weights (b, u): those remembered, if they are of this very array."""
    found = _kept.get(id(weights))
    if found is not None and found.weights is weights:
        return found
    if weights.max(initial=0.0) <= np.iinfo(np.uint8).max:
        return WholeWeights(weights, weights.astype(np.uint8, order="C"))
    return WholeWeights(weights, weights.astype(np.int64, order="C"))
