"""What retrieval hands to the metrics: ranks, not scores, are the currency."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

NO_RANK = 2**63 - 1
"""Rank of a query whose product is absent (open set): larger than any k, so that it is never a hit."""


@dataclass(frozen=True, slots=True, eq=False)
class PositiveRanks:
    """Every positive of every query, best first: p positives of q queries.

    Positives of one query are ranked among themselves by score, then by ``Labels.gallery_order``, so
    that each has a place of its own; only negatives are tied with a positive.

    Attributes:
        starts: int64 (q + 1,), positives of query i stand at ``starts[i]:starts[i + 1]``.
        columns: int64 (p,), their gallery rows.
        ranks: int64 (p,), pessimistic rank over the whole gallery: the j-th best positive has
            j + number of negatives with s >= its own. Strictly increasing within a query.
        ranks_optimistic: int64 (p,), j + number of negatives with s > its own.
        scores: float32 (p,), similarity; never increasing within a query.
    """

    starts: NDArray[np.int64]
    columns: NDArray[np.int64]
    ranks: NDArray[np.int64]
    ranks_optimistic: NDArray[np.int64]
    scores: NDArray[np.float32]

    @property
    def rows(self) -> NDArray[np.int64]:
        """Query of each positive, int64 (p,)."""
        import numpy as np

        return np.repeat(np.arange(len(self.starts) - 1), np.diff(self.starts))


@dataclass(frozen=True, slots=True, eq=False)
class VerificationPairs:
    """Pairs of a query and a gallery image, drawn by a stated rule, for "is this the very item?".

    Attributes:
        rows: int64 (v,), query of each pair.
        columns: int64 (v,), gallery row of each pair.
        scores: float32 (v,), similarity.
        genuine: bool (v,), whether both show one product.
        alike: bool (v,), whether a pair of two products is one of the same family (False elsewhere).
    """

    rows: NDArray[np.int64]
    columns: NDArray[np.int64]
    scores: NDArray[np.float32]
    genuine: NDArray[np.bool_]
    alike: NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class Ranking:
    """Ranks of q queries against a gallery, over its full depth, and the head of each result list.

    Attributes:
        ranks: int64 (q,), pessimistic rank of the best positive image; 1 is best, NO_RANK if absent.
        ranks_optimistic: int64 (q,), the same with every tied negative after the positive.
        product_ranks: int64 (q,), pessimistic rank of the product among distinct products; a product
            ranks by its best image.
        product_ranks_optimistic: int64 (q,), with every product tied with it after it.
        family_ranks: int64 (q,), pessimistic rank of the best image of the query's family; None if the
            dataset has no families.
        family_ranks_optimistic: int64 (q,), with every tied image of another family after it; None
            likewise.
        positives: int64 (q,), R: positives that the query may match (after exclusion).
        candidates: int64 (q,), gallery images that the query may match (after exclusion).
        every_positive: the rank of each positive, not only of the best.
        positive_scores: float32 (q,), similarity of the best positive; NaN if absent.
        negative_scores: float32 (q,), similarity of the best negative; NaN if there is none.
        near_ties: int64 (q,), negatives whose score float32 arithmetic alone could not tell from the
            best positive's (they were scored again in float64).
        top_indices: int64 (q, m), gallery rows of the first m results, best first, ties pessimistic;
            -1 where fewer than m images may be matched.
        top_scores: float32 (q, m), their similarity; NaN where there is none.
        top_relevant: bool (q, m), whether each is a positive.
        verification: pairs for the verification metrics; None where none were drawn.
    """

    ranks: NDArray[np.int64]
    ranks_optimistic: NDArray[np.int64]
    product_ranks: NDArray[np.int64]
    product_ranks_optimistic: NDArray[np.int64]
    family_ranks: NDArray[np.int64] | None
    family_ranks_optimistic: NDArray[np.int64] | None
    positives: NDArray[np.int64]
    candidates: NDArray[np.int64]
    every_positive: PositiveRanks
    positive_scores: NDArray[np.float32]
    negative_scores: NDArray[np.float32]
    near_ties: NDArray[np.int64]
    top_indices: NDArray[np.int64]
    top_scores: NDArray[np.float32]
    top_relevant: NDArray[np.bool_]
    verification: VerificationPairs | None = None


def read_only(ranking: Ranking) -> Ranking:
    """Forbid to write into the arrays of a ranking, and return it: many metrics read the same ones."""
    import numpy as np

    for part in (ranking, ranking.every_positive, ranking.verification):
        if isinstance(part, Ranking | PositiveRanks | VerificationPairs):
            for field in fields(part):
                array = getattr(part, field.name)
                if isinstance(array, np.ndarray):
                    array.flags.writeable = False
    return ranking
