"""The certified first pass in 8-bit integers, on processors that multiply them twice as fast as bfloat16.

Its bound is several times as wide as bfloat16's. So it finds lists, of which only the head stays open, and
counts no ranks.
"""

from __future__ import annotations

from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from pytest_prodbench.retrieval.backends import (
    SIMILARITY_ROUNDING,
    UNIT_ROUNDOFF,
    Backend,
    BlockMemory,
)
from pytest_prodbench.retrieval.blocks import ArrayBlock, ScoreBlock
from pytest_prodbench.retrieval.bounds import Bounds
from pytest_prodbench.retrieval.integer_products import (
    LARGEST,
    NOTHING,
    are_exact,
    are_fast,
    multiply,
)
from pytest_prodbench.retrieval.quantised import SEGMENT, quantise

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from pytest_prodbench.retrieval.backends import OpenQueries
    from pytest_prodbench.retrieval.gallery import Gallery

    Floats = NDArray[np.float32]
    Doubles = NDArray[np.float64]
    Ints = NDArray[np.int64]

LARGEST_DIMENSION = 2**14
"""Up to which ``NORM_SLACK`` covers how norms are computed, and 127 · 127 · d stays below 2³¹ by far."""

EXCLUDED = np.int32(NOTHING)


class Int8Backend(Backend):
    """Products of vectors rounded to 8-bit integers, with a certified bound on their error.

    With g = μ + c k + e and q = a p + f: ⟨q, g⟩ = ⟨q, μ⟩ + a c ⟨p, k⟩ + ⟨a p, e⟩ + ⟨f, g − μ⟩, whose last
    two are at most ‖a p‖ ‖e‖ + ‖f‖ ‖g − μ‖ (Cauchy and Schwarz). Residuals e and f are measured, not
    estimated; ⟨p, k⟩ is an integer without error; 8 u (‖a p‖ ‖c k‖ + |⟨q, μ⟩|) are for the five roundings
    on the way to a float32 number, and u + 2⁻³¹ for that of the similarity.
    """

    name = "torch, int8 first"
    query_block = 256
    gallery_block = SEGMENT
    side_by_side = True

    def __init__(self, gallery: Gallery) -> None:
        self.quantised = gallery.quantised()
        super().__init__(self.quantised.gallery)
        self.memory = BlockMemory(partial(torch.empty, dtype=torch.int32, device="cpu"))

    @staticmethod
    def suits(dimension: int) -> bool:
        """Whether this processor multiplies such vectors faster as integers than as bfloat16 numbers."""
        return dimension <= LARGEST_DIMENSION and are_exact() and are_fast()

    def blocks(self, size: int) -> list[tuple[int, int]]:
        """Ranges of at most ``size`` places, each in one segment."""
        return [
            (start, min(start + size, stop))
            for first, stop in self.gallery.blocks(self.quantised.segment)
            for start in range(first, stop, size)
        ]

    def open(self, queries: Floats) -> OpenQueries:
        return _Int8Queries(self, queries)


class _Int8Queries:
    exact = False

    def __init__(self, backend: Int8Backend, queries: Floats) -> None:
        self._backend = backend
        vectors = torch.from_numpy(queries.copy())
        steps = vectors.abs().amax(dim=1, keepdim=True) / LARGEST
        # Only unit vectors are asked for, but a row of zeros must not become NaN.
        steps[steps == 0.0] = 1.0
        codes, norms, residuals = quantise(vectors, steps)
        self._codes = codes.to(torch.int8)
        self._steps: Doubles = steps.double().reshape(-1).numpy()
        self._norms, self._residuals = (norms + residuals).numpy(), residuals.numpy()
        mean = backend.quantised.mean.astype(np.float64)
        self._offset: Doubles = queries.astype(np.float64) @ mean

    def bounds(self, start: int) -> Bounds:
        known = self._backend.quantised
        segment = start // known.segment
        residual, norm = known.residuals[segment], known.norms[segment]
        sizes = self._norms * (norm + residual) + np.abs(self._offset)
        error = self._norms * residual + self._residuals * norm
        return Bounds(error + 8.0 * UNIT_ROUNDOFF * sizes + SIMILARITY_ROUNDING, 0.0)

    def block(self, start: int, stop: int, group: int) -> ScoreBlock:
        known = self._backend.quantised
        out = self._backend.memory.of(len(self._codes), stop - start)
        multiply(self._codes, known.tensor[start:stop], out)
        scale = (self._steps * known.steps[start // known.segment]).astype(np.float32)
        return Int8Block(out, group, scale, self._offset.astype(np.float32))


class Int8Block(ArrayBlock):
    """An int32 block (r, w) whose scores are scale · number + offset of their row."""

    def __init__(self, tensor: Any, group: int, scale: Floats, offset: Floats) -> None:
        super().__init__(tensor.numpy(), group)
        self._tensor, self._scale, self._offset = tensor, scale, offset

    def exclude(self, rows: Ints, columns: Ints) -> None:
        self._values[rows, columns] = EXCLUDED

    @cached_property
    def maxima(self) -> Floats:
        rows, whole = len(self._values), self._stride * self._group
        groups = self._tensor[:, :whole].reshape(rows, self._group, self._stride)
        every = np.arange(rows)
        return self._with_rest(self._floats(groups.amax(1).numpy(), every))

    def _floats(self, values: NDArray[Any], rows: Ints) -> Floats:
        shape = (-1,) + (1,) * (values.ndim - 1)
        scores = values.astype(np.float32)
        scores *= self._scale[rows].reshape(shape)
        scores += self._offset[rows].reshape(shape)
        scores[values == EXCLUDED] = -np.inf
        return scores

    def _exceeding(self, rows: Ints, limits: Floats) -> NDArray[np.bool_]:
        return self._beyond(rows, limits, np.greater)

    def _reaching(self, rows: Ints, limits: Floats) -> NDArray[np.bool_]:
        return self._beyond(rows, limits, np.greater_equal)

    def _beyond(
        self, rows: Ints, limits: Floats, compare: Callable[..., NDArray[np.bool_]]
    ) -> NDArray[np.bool_]:
        """Score beyond limit, by integers: the least of each row whose score is.

        Scores rise with their integers, so that it is where the limit would be, or a few numbers beside
        it, as far as rounding goes.
        """
        wide = (limits.astype(np.float64) - self._offset[rows]) / self._scale[rows]
        lowest, highest = int(EXCLUDED) + 1, 2**31 - 1

        def beyond(integers: Ints) -> NDArray[np.bool_]:
            return compare(self._floats(integers, rows), limits)

        # Scores of vectors that are nearly alike are the same for millions of integers: the step is doubled
        # until the limit lies between two of them, and halved again.
        least = np.ceil(wide).clip(lowest, highest).astype(np.int64)
        below, step = least - 1, 1
        while (far := (below >= lowest) & beyond(below)).any():
            least = np.where(far, below, least)
            below = np.where(far, np.maximum(below - step, lowest - 1), below)
            step *= 2
        step = 1
        while (short := (least < highest) & ~beyond(least)).any():
            below = np.where(short, least, below)
            least = np.where(short, np.minimum(least + step, highest), least)
            step *= 2
        while (least - below > 1).any():
            middle = (below + least + 1) // 2
            enough = beyond(middle)
            least, below = np.where(enough, middle, least), np.where(enough, below, middle)
        mask: NDArray[np.bool_] = self._rows(rows) >= least.astype(np.int32)[:, None]
        # What not even the largest integer reaches.
        mask[~beyond(least)] = False
        return mask
