"""The certified first pass in 8-bit integers, on processors that multiply them twice as fast as bfloat16.

Its bound is several times as wide as bfloat16's. So it finds lists, of which only the head stays open, and
counts no ranks.
"""

from __future__ import annotations

import time
from functools import cached_property, lru_cache, partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from pytest_prodbench import threads
from pytest_prodbench.retrieval.backends import (
    SIMILARITY_ROUNDING,
    UNIT_ROUNDOFF,
    Backend,
    BlockMemory,
)
from pytest_prodbench.retrieval.blocks import ArrayBlock, ScoreBlock
from pytest_prodbench.retrieval.bounds import Bounds
from pytest_prodbench.retrieval.gallery import NORM_SLACK, Gallery

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from pytest_prodbench.retrieval.backends import OpenQueries

    Floats = NDArray[np.float32]
    Doubles = NDArray[np.float64]
    Ints = NDArray[np.int64]

LARGEST = 127
"""Of a component as an integer."""

LARGEST_DIMENSION = 2**14
"""Up to which ``NORM_SLACK`` covers how norms are computed, and 127 · 127 · d stays below 2³¹ by far."""

EXCLUDED = np.int32(-(2**31))
"""A score that no product reaches."""

SEGMENT = 4096
"""Places that share a step."""

SMALLEST_STEP = np.float32(2.0**-60)
"""What is below 127 of them changes no similarity; a subnormal step would be off by more than float32 is."""

VANISHING = 2.0**-56
"""Norm, at most, that squares below 2⁻¹²⁶ hide, which float32 does not hold: √d · 2⁻⁶³."""

AVERAGED = 4096
"""Vectors, at least, that the mean is taken of; any other vector would be as right, and save fewer bits."""

CONVERTED_AT_ONCE = 1024
"""Rows of a thread that are converted at a time: with fewer, steps are so short that threads take turns."""

CHECKS = 16
"""Random signs, of which each finds a wrong row of products with a chance of a half at least."""

TRIAL = (128, 512, 1024)
"""r, d, w of the products that are timed."""

FASTER = 1.4
"""How many times as fast as in bfloat16 products must be."""


class Quantised:
    """Copy of a gallery in 8-bit integers, g ≈ μ + c · k, and by how much it differs.

    Vectors are laid out by their largest component, and each segment of them has a step c of its own, so
    that nearly all of them use their bits.

    Attributes:
        gallery: the vectors in this order.
        tensor: torch.int8 (n, d), the k.
        mean: float32 (d,), μ: what all images of a model share takes no bits.
        steps: float64 (s,), c of each ``SEGMENT`` places.
        residuals: float64 (s,), largest ‖(g − μ) − c · k‖ of a vector there.
        norms: float64 (s,), largest ‖g − μ‖.
    """

    def __init__(self, gallery: Gallery) -> None:
        sample = gallery.vectors[:: max(1, len(gallery) // AVERAGED)]
        self.mean: Floats = sample.mean(axis=0, dtype=np.float64).astype(np.float32)
        parts = [
            range(*part.indices(len(gallery))) for part in threads.portions(len(gallery), SEGMENT)
        ]
        self._vectors = gallery.vectors
        largest = np.concatenate(threads.in_threads(self._largest, parts))
        order = np.argsort(largest, kind="stable")
        self.gallery = gallery.in_order(order)
        self._places = self.gallery.places()
        starts = np.arange(0, len(gallery), SEGMENT)
        most = np.maximum.reduceat(largest[order], starts) / np.float32(LARGEST)
        # Nothing is left of images that are all alike: any step is right.
        most[most < SMALLEST_STEP] = 1.0
        self.steps: Doubles = most.astype(np.float64)
        self._codes = np.empty((len(gallery), gallery.dimension), np.int8)
        self.tensor: Any = torch.from_numpy(self._codes)
        sizes = np.concatenate(threads.in_threads(self._convert, parts), axis=1)[:, order]
        self.norms, self.residuals = np.maximum.reduceat(sizes, starts, axis=1)

    def _centred(self, rows: range) -> Iterator[tuple[slice, Any]]:
        """Vectors less the mean, some rows at a time, in memory that is used again."""
        mean = torch.from_numpy(self.mean)
        # Where tensors are made else is the caller's to say (``torch.set_default_device``).
        shape = (CONVERTED_AT_ONCE, len(self.mean))
        room = torch.empty(shape, dtype=torch.float32, device="cpu")
        for start in range(rows.start, rows.stop, CONVERTED_AT_ONCE):
            some = slice(start, min(start + CONVERTED_AT_ONCE, rows.stop))
            part = torch.from_numpy(self._vectors[some])
            yield some, torch.sub(part, mean, out=room[: len(part)])

    def _largest(self, rows: range) -> Floats:
        """Largest component of each centred vector, without its sign."""
        ends = [
            torch.maximum(part.amax(dim=1), -part.amin(dim=1)) for _, part in self._centred(rows)
        ]
        found: Floats = torch.cat(ends).numpy()
        return found

    def _convert(self, rows: range) -> Doubles:
        """Fill ``tensor`` for some rows of the vectors; return their norms and residuals, (2, rows)."""
        found = []
        # Read in turn and written where they belong: an eighth of the memory that is read out of turn else.
        for some, part in self._centred(rows):
            at = self._places[some]
            steps = torch.from_numpy(self.steps[at // SEGMENT]).float()[:, None]
            codes, norms, residuals = quantise(part, steps)
            self._codes[at] = codes.to(torch.int8).numpy()
            found.append(np.stack([norms.numpy(), residuals.numpy()]))
        return np.concatenate(found, axis=1)


def quantise(vectors: Any, step: Any) -> tuple[Any, Any, Any]:
    """Round vectors to integers k of a step c.

    Args:
        vectors: torch.float32 (r, d), in whose place something else stands afterwards.
        step: torch.float32, of all, or (r, 1), of each; |x| <= 127 c.

    Returns:
        codes: torch.float32 (r, d), the k.
        norms, residuals: torch.float64 (r,), bounds on ‖x‖ and on ‖x − c · k‖.
    """
    # x / c in float32 is off by u |x| / c, and what was subtracted to get x by as much: 2⁻²² ‖x‖ in all.
    units = vectors.div_(step)
    size = step.double().reshape(-1) * NORM_SLACK
    norms = (torch.linalg.vector_norm(units, dim=1).double() + VANISHING) * size
    codes = units.round()
    residuals = (torch.linalg.vector_norm(units.sub_(codes), dim=1).double() + VANISHING) * size
    return codes, norms, residuals + 2.0**-22 * norms


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
        return dimension <= LARGEST_DIMENSION and are_exact() and _are_fast()

    def blocks(self, size: int) -> list[tuple[int, int]]:
        """Ranges of at most ``size`` places, each in one segment."""
        return [
            (start, min(start + size, stop))
            for first, stop in self.gallery.blocks(SEGMENT)
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
        known, segment = self._backend.quantised, start // SEGMENT
        residual, norm = known.residuals[segment], known.norms[segment]
        sizes = self._norms * (norm + residual) + np.abs(self._offset)
        error = self._norms * residual + self._residuals * norm
        return Bounds(error + 8.0 * UNIT_ROUNDOFF * sizes + SIMILARITY_ROUNDING, 0.0)

    def block(self, start: int, stop: int, group: int) -> ScoreBlock:
        known = self._backend.quantised
        out = self._backend.memory.of(len(self._codes), stop - start)
        _multiply(self._codes, known.tensor[start:stop], out)
        scale = (self._steps * known.steps[start // SEGMENT]).astype(np.float32)
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


def _multiply(queries: Any, gallery: Any, out: Any) -> None:
    """Integer products int32 (r, w) of int8 (r, d) and (w, d).

    Each combination of sizes proves itself once: torch leaves ``out`` as it was for some (d = 1).
    """
    sizes = (*queries.shape, len(gallery))
    if sizes not in _proven:
        _proven[sizes] = _is_right(*sizes)
    if _proven[sizes]:
        torch._int_mm(queries, gallery.T, out=out)
    else:
        # Exact too, as long as the sums are below 2⁵³.
        out.copy_(queries.double() @ gallery.double().T)


_proven: dict[tuple[int, ...], bool] = {}


def _is_right(r: int, d: int, w: int) -> bool:
    """Whether torch multiplies matrices (r, d) and (d, w) of the largest numbers, with random signs.

    Not those that are asked for: they may be so small that nothing overflows, and memory that is used again
    may hold their products already.
    """
    rng = np.random.default_rng(0)
    queries, gallery = (
        torch.from_numpy((rng.integers(0, 2, size, np.int8) * 2 - 1) * np.int8(LARGEST))
        for size in ((r, d), (w, d))
    )
    out = torch.full((r, w), int(EXCLUDED), dtype=torch.int32, device="cpu")
    torch._int_mm(queries, gallery.T, out=out)
    return _adds_up(queries, gallery, out)


def _adds_up(queries: Any, gallery: Any, out: Any) -> bool:
    """Whether a product times random signs is what its factors are (Freivalds, 1977), several times over."""
    signs = np.random.default_rng(1).choice([-1.0, 1.0], (len(gallery), CHECKS))
    some = torch.from_numpy(signs)
    # Sums of a segment's integers are below 2²⁴: exact in float32, in half the memory.
    added = (gallery.float().T @ some.float()).double()
    return torch.equal(out.double() @ some, queries.double() @ added)


@lru_cache(maxsize=1)
def are_exact() -> bool:
    """Whether torch has products of 8-bit integers, and the largest of them are right.

    Older instructions add pairs of products in 16 bits, which do not hold them.
    """
    try:
        return _is_right(*TRIAL)
    except (AttributeError, RuntimeError):
        return False


@lru_cache(maxsize=1)
def _are_fast() -> bool:
    """Whether integers are multiplied faster than numbers of bfloat16 and of float32.

    Where torch does not use the processor's instructions they are slower by far. Units for matrices (AMX)
    are so fast in bfloat16 already that its narrower bound is worth more.
    """
    ask: Any = getattr(torch.cpu, "get_capabilities", None)
    found = ask() if ask is not None else {}
    if found.get("amx_bf16") or not (found.get("avx512_vnni") or found.get("avx_vnni")):
        return False
    r, d, w = TRIAL
    queries = torch.ones((r, d), dtype=torch.int8, device="cpu")
    gallery = torch.ones((w, d), dtype=torch.int8, device="cpu")
    out = torch.empty((r, w), dtype=torch.int32, device="cpu")
    integers = _seconds(partial(_multiply, queries, gallery, out))
    for kind in (torch.bfloat16, torch.float32):
        scores = torch.empty((r, w), dtype=kind, device="cpu")
        product = partial(torch.mm, queries.to(kind), gallery.to(kind).T, out=scores)
        if _seconds(product) < FASTER * integers:
            return False
    return True


def _seconds(product: Callable[[], object]) -> float:
    """Least time of a few, after one that makes the kernel."""
    product()
    found = []
    for _ in range(5):
        start = time.perf_counter()
        product()
        found.append(time.perf_counter() - start)
    return min(found)
