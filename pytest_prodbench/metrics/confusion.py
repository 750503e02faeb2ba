"""Which product is taken for which: the pairs that a person should look at first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pytest_prodbench.protocol import NO_RANK

if TYPE_CHECKING:
    from pytest_prodbench.protocol import Ranking


@dataclass(frozen=True, slots=True)
class ConfusedPair:
    """Queries of one product whose first result shows another.

    Attributes:
        product: what was asked for.
        taken_for: what came first.
        same_family: whether both are of one family; None where either has none.
        count: how many queries.
        tied: how many of those are ties: the right product has exactly the same score, and only the
            pessimistic rule puts the other first.
        rows: these queries, the widest gap between wrong and right score first, then by row.
    """

    product: str
    taken_for: str
    same_family: bool | None
    count: int
    tied: int
    rows: tuple[int, ...]


def confused_products(
    ranking: Ranking,
    query_products: Sequence[str],
    gallery_products: Sequence[str],
    query_families: Sequence[str] | None = None,
    gallery_families: Sequence[str] | None = None,
) -> list[ConfusedPair]:
    """Return every pair of products confused at rank 1, the most frequent first, then by ids.

    Counted over queries whose product is in the gallery and not first (rank > 1, ties pessimistic): a
    query whose product is absent has no right answer to be confused with. Of several images with one
    score the first in the gallery's own order names the pair. Reads the first column of the result
    lists.

    Args:
        ranking: of q queries and n gallery images; lists of at least one result.
        query_products, gallery_products: q and n product ids.
        query_families, gallery_families: their families; ``""`` is none.
    """
    found: dict[tuple[str, str], list[int]] = {}
    first = ranking.top_indices[:, 0] if ranking.top_indices.shape[1] else np.full(0, -1)
    missed = (ranking.ranks > 1) & (ranking.ranks != NO_RANK)
    if missed.any() and not len(first):
        raise ValueError("the ranking has no result lists; expected at least one result a query")
    for row in np.flatnonzero(missed).tolist():
        pair = query_products[row], gallery_products[int(first[row])]
        found.setdefault(pair, []).append(row)
    gap = ranking.negative_scores.astype(np.float64) - ranking.positive_scores
    pairs = []
    for (product, taken_for), rows in found.items():
        rows.sort(key=lambda row: (-gap[row], row))
        same: bool | None = None
        if query_families is not None and gallery_families is not None:
            asked, got = query_families[rows[0]], gallery_families[int(first[rows[0]])]
            same = asked == got if asked and got else None
        tied = int(np.count_nonzero(ranking.ranks_optimistic[rows] == 1))
        pairs.append(ConfusedPair(product, taken_for, same, len(rows), tied, tuple(rows)))
    return sorted(pairs, key=lambda pair: (-pair.count, pair.product, pair.taken_for))
