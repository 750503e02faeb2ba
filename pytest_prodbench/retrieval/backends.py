"""Backends: in which arithmetic a block of scores is computed, and how far it may be off.

A backend may round as it likes within the error that it states; whatever that leaves open is settled by
exact scores, so that every backend gives the same ranks.
"""

from __future__ import annotations

import sys
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from pytest_prodbench.retrieval.blocks import ArrayBlock, ScoreBlock
from pytest_prodbench.retrieval.bounds import Bounds
from pytest_prodbench.retrieval.exact import RESOLUTION, exact_block

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pytest_prodbench.retrieval.gallery import Gallery

    Floats = NDArray[np.float32]

UNIT_ROUNDOFF = 2.0**-24
"""Half the distance from 1 to the next float32."""

BFLOAT16_ROUNDOFF = 2.0**-8
"""The same of bfloat16, which keeps 8 bits."""

SIMILARITY_ROUNDING = UNIT_ROUNDOFF + RESOLUTION / 2.0
"""By how much a similarity may differ from the exact inner product."""

WORTH_REDUCING = 2e9
"""q · n · d from which a first pass in bfloat16 wins back what its copy of the gallery costs …"""

REDUCED_FOR = 64
"""… if there are at least so many queries: the copy costs some readings of the gallery."""


WORTH_QUANTISING = 25e6
"""n · d from which what a first pass in 8-bit integers saves is more than what its wider bound costs …"""

QUANTISED_FOR = 256
"""… if there are at least so many queries …"""

QUANTISED_FOR_LISTS = 20
"""… and lists of at most so many, beyond which as many images again are open for each of them."""


def gamma(terms: int) -> float:
    """γ_n = n·u / (1 − n·u): relative error of a float32 sum of n terms, in any order (Higham §3.1)."""
    return terms * UNIT_ROUNDOFF / (1.0 - terms * UNIT_ROUNDOFF)


def score_error(dimension: int) -> float:
    """Bound on |float32 inner product − similarity| of two unit vectors of this dimension.

    γ_d holds for any order of summation, with or without fused multiply-add (Higham, Accuracy and
    Stability of Numerical Algorithms, 2nd ed., §3.1), times ‖x‖·‖y‖, which the rounding of the
    components may leave at 1 + 2u; one more u and 2⁻³¹ for rounding the exact score.
    """
    return gamma(dimension) * (1.0 + 8.0 * UNIT_ROUNDOFF) + SIMILARITY_ROUNDING


def near_tie_distance(dimension: int) -> float:
    """How far apart two similarities may be for correct float32 libraries to disagree on their order.

    Twice ``score_error``: one library may score the higher one too low and the lower one too high, each
    by as much, and another library neither.
    """
    return 2.0 * score_error(dimension)


class Backend(ABC):
    """One arithmetic over one gallery.

    Attributes:
        name: for the record.
        gallery: in the order of its blocks; in another one than that of the products, it finds lists alone.
        query_block, gallery_block: how many rows and columns of a block suit it.
        side_by_side: whether several threads may ask it at once, each with queries of its own; its products
            are numpy's or torch's then, which share one number of threads with them (``threads``).
    """

    name: str
    query_block: int
    gallery_block: int
    side_by_side: bool

    def __init__(self, gallery: Gallery) -> None:
        self.gallery = gallery

    @abstractmethod
    def open(self, queries: Floats) -> OpenQueries:
        """Take up to ``query_block`` unit vectors (r, d)."""

    def blocks(self, size: int) -> list[tuple[int, int]]:
        """Ranges of places that are asked for one after the other, of at most ``size`` where that can be."""
        return self.gallery.blocks(size)


class OpenQueries(Protocol):
    """Some queries against the gallery.

    Attributes:
        exact: whether the scores are the similarities themselves.
    """

    exact: bool

    def bounds(self, start: int) -> Bounds:
        """How far scores of the block that begins at this place may be off."""

    def block(self, start: int, stop: int, group: int) -> ScoreBlock:
        """Scores against the places start:stop, with maxima of ``group`` columns."""


Opener = Callable[[], Backend]
"""A backend with whatever copy of the gallery it needs: made when its turn comes, and not before."""


class BlockMemory:
    """Memory of each thread for all its blocks: fresh pages for each would take a tenth of the time."""

    def __init__(self, fresh: Callable[[int], Any]) -> None:
        """``fresh``: makes an array or a tensor of so many numbers."""
        self._fresh, self._of_threads = fresh, threading.local()

    def of(self, rows: int, columns: int) -> Any:
        """Return a block of memory (rows, columns), with whatever was left in it."""
        flat = self._of_threads.__dict__.get("flat")
        if flat is None or len(flat) < rows * columns:
            flat = self._of_threads.flat = self._fresh(rows * columns)
        return flat[: rows * columns].reshape(rows, columns)


class Float32Backend(Backend):
    """float32 products by numpy's BLAS: in OpenBLAS a fifth to a third faster than torch's on AMD (MKL)."""

    name = "torch"
    query_block = 1024
    # Not 8192: the rows of a block would lie 32 KiB apart, so that all fall on the same sets of a cache.
    gallery_block = 6144
    side_by_side = True

    def __init__(self, gallery: Gallery) -> None:
        super().__init__(gallery)
        self.memory = BlockMemory(partial(np.empty, dtype=np.float32))

    def open(self, queries: Floats) -> OpenQueries:
        return _Float32Queries(self, queries)


class AlikeQueries:
    """Queries whose scores are off by as much in every block."""

    exact = False

    def __init__(self, bounds: Bounds) -> None:
        self._bounds = bounds

    def bounds(self, start: int) -> Bounds:  # noqa: ARG002 - alike for all blocks
        """How far scores may be off."""
        return self._bounds


class Float32Queries(AlikeQueries):
    """Queries whose scores are float32 products, added up in whatever order."""

    def __init__(self, queries: Floats) -> None:
        super().__init__(Bounds(np.full(len(queries), score_error(queries.shape[1])), 0.0))
        self._queries = queries


class _Float32Queries(Float32Queries):
    def __init__(self, backend: Float32Backend, queries: Floats) -> None:
        super().__init__(queries)
        self._backend = backend

    def block(self, start: int, stop: int, group: int) -> ScoreBlock:
        out = self._backend.memory.of(len(self._queries), stop - start)
        np.matmul(self._queries, self._backend.gallery.part(start, stop).T, out=out)
        return ArrayBlock(out, group)


class FaissBackend(Backend):
    """faiss on the CPU; starts in a tenth of the time that torch needs to be imported."""

    name = "faiss"
    query_block = 256
    gallery_block = 16_384
    # Its own threads make each product.
    side_by_side = False

    def __init__(self, gallery: Gallery, threads: int) -> None:
        import faiss

        super().__init__(gallery)
        faiss.omp_set_num_threads(max(1, threads))

    def open(self, queries: Floats) -> OpenQueries:
        return _FaissQueries(self.gallery, queries)


class _FaissQueries(Float32Queries):
    def __init__(self, gallery: Gallery, queries: Floats) -> None:
        super().__init__(queries)
        self._gallery = gallery

    def block(self, start: int, stop: int, group: int) -> ScoreBlock:
        import faiss

        part = self._gallery.part(start, stop)
        scores = faiss.pairwise_distances(self._queries, part, faiss.METRIC_INNER_PRODUCT)
        return ArrayBlock(scores, group)


class ExactBackend(Backend):
    """float64 products, rounded once to similarities; for what float32 leaves open too often."""

    name = "exact"
    query_block = 128
    gallery_block = 4096
    side_by_side = True

    def open(self, queries: Floats) -> OpenQueries:
        return _ExactQueries(self.gallery, queries)


class _ExactQueries(AlikeQueries):
    exact = True

    def __init__(self, gallery: Gallery, queries: Floats) -> None:
        super().__init__(Bounds(np.zeros(len(queries)), 0.0))
        self._gallery, self._queries = gallery, queries

    def block(self, start: int, stop: int, group: int) -> ScoreBlock:
        return ArrayBlock(exact_block(self._queries, self._gallery.part(start, stop)), group)


def choose_backend(backend: str, device: str, work: float) -> str:
    """Resolve ``auto``: torch on a GPU, where it is loaded already, or for much work; else faiss.

    The ranks are the same; only the time differs. ``work`` is q · n · d: above 10¹¹ (seconds of
    arithmetic) the two seconds that importing torch costs are won back.
    """
    if backend != "auto":
        return backend
    return "torch" if device != "cpu" or "torch" in sys.modules or work > 1e11 else "faiss"


def backends_in_turn(
    backend: str, gallery: Gallery, queries: int, *, device: str, threads: int, listed: int = 0
) -> list[Opener]:
    """Return the backends to try in turn: the fastest first, the exact one last.

    Args:
        backend: ``torch`` or ``faiss``.
        gallery: what is searched.
        queries: how many will come; few are not worth a reduced copy of the gallery.
        device: torch device.
        threads: for faiss.
        listed: length of the lists, if lists are all that is asked for; else 0.
    """
    last: Opener = partial(ExactBackend, gallery)
    if backend == "faiss":
        return [partial(FaissBackend, gallery, threads), last]
    if backend == "torch":
        plain: Opener = partial(Float32Backend, gallery)
        work = float(queries) * len(gallery) * gallery.dimension
        large = work >= WORTH_REDUCING and queries >= REDUCED_FOR
        first: list[Opener] = []
        if large or device != "cpu":
            from pytest_prodbench.retrieval.torch_backends import DeviceBackend, ReducedBackend

            if device != "cpu":
                plain = partial(DeviceBackend, gallery, device)
            elif _worth_quantising(gallery, queries, listed):
                from pytest_prodbench.retrieval.int8 import Int8Backend

                if Int8Backend.suits(gallery.dimension):
                    first.append(partial(Int8Backend, gallery))
            if large and ReducedBackend.suits(device):
                first.append(partial(ReducedBackend, gallery, device))
        return [*first, plain, last]
    raise ValueError(f"unknown backend {backend!r}; expected 'torch' or 'faiss'")


def _worth_quantising(gallery: Gallery, queries: int, listed: int) -> bool:
    large = len(gallery) * gallery.dimension >= WORTH_QUANTISING
    return large and 0 < listed <= QUANTISED_FOR_LISTS and queries >= QUANTISED_FOR
