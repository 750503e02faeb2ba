"""What retrieval hands to the metrics: ranks, not scores, are the currency."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

NO_RANK = 2**63 - 1
"""Rank of a query whose product is absent (open set): larger than any k, so that it is never a hit."""


@dataclass(frozen=True, slots=True, eq=False)
class Ranking:
    """Ranks of q queries against a gallery, over its full depth, and the head of each result list.

    Attributes:
        ranks: int64 (q,), pessimistic rank of the best positive image; 1 is best, NO_RANK if absent.
        ranks_optimistic: int64 (q,), the same with every tied negative after the positive.
        product_ranks: int64 (q,), pessimistic rank of the product among distinct products.
        family_ranks: int64 (q,), pessimistic rank of the best image of the query's family; None if the
            dataset has no families.
        positives: int64 (q,), R: positives that the query may match (after exclusion).
        candidates: int64 (q,), gallery images that the query may match (after exclusion).
        positive_scores: float32 (q,), similarity of the best positive; NaN if absent.
        negative_scores: float32 (q,), similarity of the best negative; NaN if there is none.
        near_ties: int64 (q,), negatives whose score float32 arithmetic alone could not tell from the
            best positive's (they were scored again in float64).
        top_indices: int64 (q, m), gallery rows of the first m results, best first, ties pessimistic;
            -1 where fewer than m images may be matched.
        top_scores: float32 (q, m), their similarity; NaN where there is none.
        top_relevant: bool (q, m), whether each is a positive.
    """

    ranks: NDArray[np.int64]
    ranks_optimistic: NDArray[np.int64]
    product_ranks: NDArray[np.int64]
    family_ranks: NDArray[np.int64] | None
    positives: NDArray[np.int64]
    candidates: NDArray[np.int64]
    positive_scores: NDArray[np.float32]
    negative_scores: NDArray[np.float32]
    near_ties: NDArray[np.int64]
    top_indices: NDArray[np.int64]
    top_scores: NDArray[np.float32]
    top_relevant: NDArray[np.bool_]
