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

MEMBERS_AT_ONCE = 4096
"""Images of a family that are copied at a time: a family may be the whole gallery."""

SCORES_AT_ONCE = 1_000_000

MANY = 64
"""Pairs a query from which one float64 product of all is faster than one by one."""


def best_of_family(
    queries: Floats, gallery: Floats, query_codes: Ints, gallery_codes: Ints, excluded: Pairs
) -> tuple[Floats, Ints]:
    """Similarity of the best image of each query's family, and how many of the family have it.

    Float32 products find what may be best, exact scores decide: a family of thousands would be too many
    pairs to score one by one.

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
        for start in range(0, len(members), MEMBERS_AT_ONCE):
            part = members[start : start + MEMBERS_AT_ONCE]
            vectors = gallery[part]
            step = max(1, SCORES_AT_ONCE // len(part))
            for first in range(0, len(rows), step):
                some = rows[first : first + step]
                top, count = _best_of(queries, some, gallery, part, vectors, excluded, best[some])
                # A NaN compares false: what is found first is always better.
                level[some] = np.where(top == best[some], level[some] + count, level[some])
                better = np.isfinite(top) & ~(top <= best[some])
                best[some[better]], level[some[better]] = top[better], count[better]
    return best, level


def _best_of(
    queries: Floats,
    some: Ints,
    gallery: Floats,
    members: Ints,
    vectors: Floats,
    excluded: Pairs,
    known: Floats,
) -> tuple[Floats, Ints]:
    """Find the best of some members of a family, where it may be as good as what is known.

    Returns:
        top: float32, their best similarity for each query; −∞ where none comes near ``known``.
        count: int64, how many have it.
    """
    scores = queries[some] @ vectors.T
    at, columns = excluded.of_rows(some)
    place = np.minimum(np.searchsorted(members, columns), len(members) - 1)
    inside = members[place] == columns
    scores[at[inside], place[inside]] = -np.inf
    limit = np.fmax(scores.max(axis=1), known) - np.float32(4.0 * score_error(gallery.shape[1]))
    near_rows, near = ((scores >= limit[:, None]) & np.isfinite(scores)).nonzero()
    if len(near) > MANY * len(some):
        # A collapsed model: nearly everything is near the best.
        values = exact_block(queries[some], vectors)[near_rows, near]
    else:
        values = exact_scores(queries, gallery, some[near_rows], members[near])
    top = np.full(len(some), -np.inf, np.float32)
    np.maximum.at(top, near_rows, values)
    return top, np.bincount(near_rows[values == top[near_rows]], minlength=len(some))
