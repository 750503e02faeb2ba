"""Exact nearest neighbours, without labels: the lists alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pytest_prodbench.retrieval.backends import backends_in_turn
from pytest_prodbench.retrieval.exclusion import Pairs, none
from pytest_prodbench.retrieval.gallery import Gallery
from pytest_prodbench.retrieval.similarities import Similarities
from pytest_prodbench.retrieval.sweep import Problem, sweep

if TYPE_CHECKING:
    from numpy.typing import NDArray


def search(
    queries: NDArray[np.float32],
    gallery: NDArray[np.float32] | Gallery,
    k: int,
    *,
    excluded: Pairs | None = None,
    backend: str = "torch",
    device: str = "cpu",
    threads: int = 1,
    query_block: int | None = None,
    gallery_block: int | None = None,
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Return the k gallery rows of highest similarity for each query, exactly.

    Equal similarities stand in the order of the gallery.

    Args:
        queries: float32 unit vectors (q, d).
        gallery: float32 unit vectors (n, d), or a :class:`Gallery` of them, which keeps its reduced
            copy from one search to the next.
        k: length of the lists, at least 1.
        excluded: pairs that must not meet.
        backend: ``torch`` or ``faiss``.
        device: torch device.
        threads: for faiss; products on a CPU, and what follows each, have as many as numpy's BLAS may use.
        query_block, gallery_block: size of a block; changes time and memory, never a result.

    Returns:
        rows: int64 (q, k), −1 where there are fewer than k.
        scores: float32 (q, k), their similarity, NaN where there are fewer than k.
    """
    queries = np.ascontiguousarray(queries, dtype=np.float32)
    if not isinstance(gallery, Gallery):
        gallery = Gallery(gallery)
    backends = backends_in_turn(
        backend, gallery, len(queries), device=device, threads=threads, listed=k
    )
    similarities = Similarities(queries, gallery, device=device)
    problem = Problem(queries, gallery, excluded or none(len(queries)), None, None, k, similarities)
    _, lists = sweep(problem, backends, query_block=query_block, gallery_block=gallery_block)
    return lists.indices, lists.scores
