"""The best image of each query's family: the limit of ``category_recall``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pytest_prodbench.retrieval.backends import score_error
from pytest_prodbench.retrieval.exact import exact_block, exact_scores

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pytest_prodbench.retrieval.exclusion import Pairs

    Floats = NDArray[np.float32]
    Ints = NDArray[np.int64]

SCORES_AT_ONCE = 4_000_000

MANY = 64
"""Pairs a query from which one float64 product of all is faster than one by one."""


def best_of_family(
    queries: Floats, gallery: Floats, query_codes: Ints, gallery_codes: Ints, excluded: Pairs
) -> tuple[Floats, Ints]:
    """Similarity of the best image of each query's family, and how many of the family have it.

    One float32 product a family finds what may be best, exact scores decide: a family of thousands would
    be too many pairs to score one by one.

    Returns:
        best: float32 (q,), NaN where the query may match no image of its family, or has none.
        level: int64 (q,), images of the family with exactly this similarity.
    """
    best = np.full(len(queries), np.nan, np.float32)
    level = np.zeros(len(queries), np.int64)
    members_by_code = np.argsort(gallery_codes, kind="stable")
    ordered = gallery_codes[members_by_code]
    queries_by_code = np.argsort(query_codes, kind="stable")
    codes, starts = np.unique(query_codes[queries_by_code], return_index=True)
    for code, rows in zip(codes, np.split(queries_by_code, starts[1:]), strict=True):
        left, right = np.searchsorted(ordered, [code, code + 1])
        if code < 0 or left == right:
            continue
        members = np.sort(members_by_code[left:right])
        vectors = gallery[members]
        step = max(1, SCORES_AT_ONCE // len(members))
        for first in range(0, len(rows), step):
            some = rows[first : first + step]
            scores = queries[some] @ vectors.T
            at, columns = excluded.of_rows(some)
            place = np.minimum(np.searchsorted(members, columns), len(members) - 1)
            inside = members[place] == columns
            scores[at[inside], place[inside]] = -np.inf
            most = scores.max(axis=1)
            limit = most - np.float32(4.0 * score_error(gallery.shape[1]))
            near_rows, near = ((scores >= limit[:, None]) & np.isfinite(scores)).nonzero()
            if len(near) > MANY * len(some):
                # A collapsed model: nearly everything is near the best.
                values = exact_block(queries[some], vectors)[near_rows, near]
            else:
                values = exact_scores(queries, gallery, some[near_rows], members[near])
            top = np.full(len(some), -np.inf, np.float32)
            np.maximum.at(top, near_rows, values)
            found = np.isfinite(most)
            best[some[found]] = top[found]
            level[some] = np.bincount(near_rows[values == top[near_rows]], minlength=len(some))
    return best, level
