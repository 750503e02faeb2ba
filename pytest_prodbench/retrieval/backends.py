"""Blocks of float32 inner products, and the few questions that ranking asks of a block.

A backend may round as it likes within ``score_error``: whatever that leaves open is settled in float64
by the caller, so that every backend gives the same ranks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]
    Ints = NDArray[np.int64]

UNIT_ROUNDOFF = 2.0**-24
"""Half the distance from 1 to the next float32."""


def score_error(dimension: int) -> float:
    """Bound on |float32 inner product − exact one| of two unit vectors of this dimension.

    γ_d = d·u / (1 − d·u) holds for any order of summation, with or without fused multiply-add (Higham,
    Accuracy and Stability of Numerical Algorithms, 2nd ed., §3.1), times ‖x‖·‖y‖, which the rounding of
    the components may leave at 1 + 2u; one more u for rounding the exact score to float32.
    """
    gamma = dimension * UNIT_ROUNDOFF / (1.0 - dimension * UNIT_ROUNDOFF)
    return gamma * (1.0 + 8.0 * UNIT_ROUNDOFF) + UNIT_ROUNDOFF


class ScoreBlocks(Protocol):
    """Approximate scores by blocks; ``block`` is whatever array type the backend computes in."""

    def block(self, first: int, last: int, start: int, stop: int) -> Any:
        """Scores of queries first:last against gallery start:stop, (last − first, stop − start)."""
        ...

    def put(self, block: Any, rows: Ints, columns: Ints, values: Any) -> Any:
        """Set ``block[rows, columns] = values`` in place and return what stood there."""
        ...

    def count_above(self, block: Any, limits: Floats) -> Ints:
        """How many scores of each row are > its limit."""
        ...

    def between(self, block: Any, low: Floats, high: Floats) -> tuple[Ints, Ints]:
        """Rows and columns of the scores with low <= score <= high of their row."""
        ...

    def largest(self, block: Any, m: int) -> Floats:
        """The m-th largest score of each row (−inf if the row is shorter), (rows,)."""
        ...


class NumpyBlocks:
    """The questions, answered by numpy; shared by backends whose blocks are numpy arrays."""

    def put(self, block: Any, rows: Ints, columns: Ints, values: Any) -> Any:
        old = block[rows, columns]
        block[rows, columns] = values
        return old

    def count_above(self, block: Any, limits: Floats) -> Ints:
        import numpy as np

        counts: Ints = np.count_nonzero(block > limits[:, None], axis=1).astype(np.int64)
        return counts

    def between(self, block: Any, low: Floats, high: Floats) -> tuple[Ints, Ints]:
        rows, columns = ((block >= low[:, None]) & (block <= high[:, None])).nonzero()
        return rows, columns

    def largest(self, block: Any, m: int) -> Floats:
        import numpy as np

        if block.shape[1] < m:
            return np.full(len(block), -np.inf, np.float32)
        values: Floats = np.partition(block, block.shape[1] - m, axis=1)[:, block.shape[1] - m]
        return values


class FaissBlocks(NumpyBlocks):
    """faiss on the CPU; starts in a tenth of the time that torch needs to be imported."""

    def __init__(self, queries: Floats, gallery: Floats, threads: int) -> None:
        import faiss

        faiss.omp_set_num_threads(max(1, threads))
        self._faiss = faiss
        self._queries, self._gallery = queries, gallery

    def block(self, first: int, last: int, start: int, stop: int) -> Any:
        return self._faiss.pairwise_distances(
            self._queries[first:last],
            self._gallery[start:stop],
            self._faiss.METRIC_INNER_PRODUCT,
        )


class TorchBlocks:
    """torch on the model's device; the gallery is moved there once."""

    def __init__(self, queries: Floats, gallery: Floats, device: str) -> None:
        import torch

        self._torch = torch
        self._device = torch.device(device)
        self._queries = torch.from_numpy(queries).to(self._device)
        self._gallery = torch.from_numpy(gallery).to(self._device)

    def block(self, first: int, last: int, start: int, stop: int) -> Any:
        torch = self._torch
        # TF32 keeps 10 bits of the mantissa: outside the bound of score_error.
        before = torch.get_float32_matmul_precision()
        torch.set_float32_matmul_precision("highest")
        try:
            return self._queries[first:last] @ self._gallery[start:stop].T
        finally:
            torch.set_float32_matmul_precision(before)

    def put(self, block: Any, rows: Ints, columns: Ints, values: Any) -> Any:
        index = (self._index(rows), self._index(columns))
        old = block[index].clone()
        block[index] = values
        return old

    def count_above(self, block: Any, limits: Floats) -> Ints:
        counts: Ints = (block > self._column(limits)).sum(dim=1).cpu().numpy()
        return counts

    def between(self, block: Any, low: Floats, high: Floats) -> tuple[Ints, Ints]:
        found = (block >= self._column(low)) & (block <= self._column(high))
        rows, columns = found.nonzero(as_tuple=True)
        return rows.cpu().numpy(), columns.cpu().numpy()

    def largest(self, block: Any, m: int) -> Floats:
        import numpy as np

        if block.shape[1] < m:
            return np.full(len(block), -np.inf, np.float32)
        values: Floats = block.topk(m, dim=1, sorted=True).values[:, -1].cpu().numpy()
        return values

    def _index(self, values: Ints) -> Any:
        return self._torch.from_numpy(values).to(self._device)

    def _column(self, values: Floats) -> Any:
        return self._torch.from_numpy(values).to(self._device)[:, None]


def choose_backend(backend: str, device: str, work: float) -> str:
    """Resolve ``auto``: torch on a GPU, where it is loaded already, or for much work; else faiss.

    The ranks are the same; only the time differs. ``work`` is q · n · d: above 10¹¹ (seconds of
    arithmetic) the two seconds that importing torch costs are won back.
    """
    import sys

    if backend != "auto":
        return backend
    return "torch" if device != "cpu" or "torch" in sys.modules or work > 1e11 else "faiss"


def open_backend(
    backend: str, queries: Floats, gallery: Floats, *, device: str, threads: int
) -> ScoreBlocks:
    """Open ``torch`` (on ``device``) or ``faiss`` over unit vectors (q, d) and (n, d), contiguous."""
    if backend == "faiss":
        return FaissBlocks(queries, gallery, threads)
    if backend == "torch":
        return TorchBlocks(queries, gallery, device)
    raise ValueError(f"unknown backend {backend!r}; expected 'torch' or 'faiss'")
