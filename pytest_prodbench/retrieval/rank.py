"""Exact ranks over the whole gallery, block by block, the same from every backend."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pytest_prodbench.protocol import Ranking
from pytest_prodbench.retrieval.backends import open_backend
from pytest_prodbench.retrieval.counting import Counter
from pytest_prodbench.retrieval.exclusion import Pairs, difference, matching_pairs
from pytest_prodbench.retrieval.head import Head
from pytest_prodbench.retrieval.labels import Labels

if TYPE_CHECKING:
    from numpy.typing import NDArray

QUERY_BLOCK = 256
GALLERY_BLOCK = 32_768
"""256 × 32,768 float32 scores are 32 MiB: memory does not grow with queries × gallery."""


def rank(
    queries: NDArray[np.float32],
    gallery: NDArray[np.float32],
    labels: Labels,
    excluded: Pairs,
    *,
    top: int = 20,
    backend: str = "torch",
    device: str = "cpu",
    threads: int = 1,
    query_block: int = QUERY_BLOCK,
    gallery_block: int = GALLERY_BLOCK,
) -> Ranking:
    """Rank a gallery of unit vectors (n, d) for each query (q, d).

    One pass over the scores: the best positive is scored first, then the images that exceed or equal it
    are counted. Scores within ``score_error`` of the best positive are computed again in float64.

    Args:
        queries, gallery: float32 unit vectors.
        labels: what is a positive.
        excluded: pairs that must not meet.
        top: length of each result list.
        backend: ``torch`` or ``faiss``; the same ranks.
        device: torch device.
        threads: for faiss.
        query_block, gallery_block: size of a block; changes memory, never a rank.
    """
    queries, gallery = np.ascontiguousarray(queries), np.ascontiguousarray(gallery)
    scores = open_backend(backend, queries, gallery, device=device, threads=threads)
    products = matching_pairs(labels.query_products, labels.gallery_products)
    by_product = Counter(
        queries, gallery, difference(products, excluded), products=labels.gallery_products
    )
    counters = [by_product]
    if labels.query_families is not None and labels.gallery_families is not None:
        families = matching_pairs(labels.query_families, labels.gallery_families)
        counters.append(Counter(queries, gallery, difference(families, excluded)))
    head = Head(queries, gallery, labels, top)
    negatives = Head(queries, gallery, labels, 1)
    for first in range(0, len(queries), query_block):
        last = min(first + query_block, len(queries))
        rows, columns = excluded.of(first, last)
        for start in range(0, len(gallery), gallery_block):
            stop = min(start + gallery_block, len(gallery))
            block = scores.block(first, last, start, stop)
            here = (columns >= start) & (columns < stop)
            scores.put(block, rows[here], columns[here] - start, -np.inf)
            head.add(scores, block, first, start)
            for counter in counters:
                with counter.negatives_only(scores, block, (first, last), (start, stop)):
                    counter.add(scores, block, (first, last), start)
                    if counter is by_product:
                        negatives.add(scores, block, first, start)
        for counter in counters:
            counter.close(first, last)
        head.close(first, last)
        negatives.close(first, last)
    return Ranking(
        ranks=by_product.ranks(pessimistic=True),
        ranks_optimistic=by_product.ranks(pessimistic=False),
        product_ranks=by_product.product_ranks(),
        family_ranks=counters[1].ranks(pessimistic=True) if len(counters) > 1 else None,
        positives=by_product.positives.counts,
        candidates=len(gallery) - excluded.counts,
        positive_scores=by_product.best,
        negative_scores=negatives.scores[:, 0],
        near_ties=by_product.near,
        top_indices=head.indices,
        top_scores=head.scores,
        top_relevant=head.relevant,
    )
