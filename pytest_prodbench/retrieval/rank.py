"""Exact ranks over the whole gallery, block by block, the same from every backend."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pytest_prodbench.protocol import NO_RANK, PositiveRanks, Ranking
from pytest_prodbench.retrieval.backends import backends_in_turn, near_tie_distance
from pytest_prodbench.retrieval.exclusion import Pairs, difference, distinct_pairs, select, union
from pytest_prodbench.retrieval.families import best_of_family
from pytest_prodbench.retrieval.gallery import Gallery
from pytest_prodbench.retrieval.similarities import Similarities
from pytest_prodbench.retrieval.sweep import Problem, sweep
from pytest_prodbench.retrieval.tally import Limits, Tally

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from pytest_prodbench.retrieval.backends import Opener
    from pytest_prodbench.retrieval.head import ResultLists
    from pytest_prodbench.retrieval.labels import Labels

    Floats = NDArray[np.float32]
    Ints = NDArray[np.int64]

SHORTEST = 2
"""Results looked at, however few are listed: the best negative of a query with one positive is among them."""


def rank(
    queries: NDArray[np.float32],
    gallery: NDArray[np.float32] | Gallery,
    labels: Labels,
    excluded: Pairs,
    *,
    top: int = 20,
    backend: str = "torch",
    device: str = "cpu",
    threads: int = 1,
    query_block: int | None = None,
    gallery_block: int | None = None,
) -> Ranking:
    """Rank a gallery of unit vectors (n, d) for each query (q, d).

    One pass over the scores: the positives are scored first, then the images that exceed or equal each
    of them are counted, block by block. Memory does not grow with q · n.

    Args:
        queries, gallery: float32 unit vectors; a :class:`Gallery`, made with the codes of its products,
            keeps its reduced copy.
        labels: what is a positive.
        excluded: pairs that must not meet.
        top: length of each result list; 0 for ranks alone.
        backend: ``torch`` or ``faiss``; the same ranks.
        device: torch device.
        threads: for faiss; products on a CPU, and what follows each, have as many as numpy's BLAS may use.
        query_block, gallery_block: size of a block; changes time and memory, never a rank.

    Raises:
        ValueError: a gallery that was laid out for other products than the labels have; ``top`` below 0.
    """
    if top < 0:
        raise ValueError(f"top is {top}; expected the length of a result list, 0 for ranks alone")
    queries = np.ascontiguousarray(queries, dtype=np.float32)
    if not isinstance(gallery, Gallery):
        gallery = Gallery(gallery, labels.gallery_products)
    elif not gallery.is_laid_out_by(labels.gallery_products):
        raise ValueError(
            "the gallery is not laid out by the products of the labels; expected "
            "Gallery(vectors, labels.gallery_products)"
        )
    backends = backends_in_turn(backend, gallery, len(queries), device=device, threads=threads)
    positives = difference(labels.positives(), excluded)
    similarities = Similarities(queries, gallery, device=device)
    columns, scores = _best_first(similarities, positives, labels)
    family = None
    if labels.query_families is not None and labels.gallery_families is not None:
        family = best_of_family(
            queries, gallery.vectors, labels.query_families, labels.gallery_families, excluded
        )
    limits, at_positives, at_family = _limits(
        positives, scores, None if family is None else family[0], _products(gallery)
    )
    problem = Problem(queries, gallery, excluded, labels, limits, max(top, SHORTEST), similarities)
    tally, lists = sweep(problem, backends, query_block=query_block, gallery_block=gallery_block)
    assert tally is not None  # noqa: S101 - limits were given
    some = positives.counts > 0
    every, ahead = _positive_ranks(positives, columns, scores, tally, at_positives)
    first = positives.starts[:-1][some]
    best = np.full(len(queries), np.nan, np.float32)
    best[some] = scores[first]
    ranks = _with_absent(some, every.ranks[first])
    ranks_optimistic = _with_absent(some, every.ranks_optimistic[first])
    if limits.products is None:
        # No product has two images: a list of images is one of products.
        product_ranks, product_optimistic = ranks, ranks_optimistic
    else:
        # The query's own product reaches the limit by its best image, and exceeds it by none; so does
        # every other product that answers it and is as near.
        own = _products_at_best(positives, columns, scores, labels)
        product_ranks = np.where(some, tally.products_reaching - own + 1, NO_RANK)
        product_optimistic = np.where(some, tally.products_above + 1, NO_RANK)
    family_ranks = family_optimistic = None
    if family is not None:
        of_family = ~np.isnan(family[0])
        above, level = tally.above[at_family], tally.level[at_family]
        family_ranks = _with_absent(of_family, above + level - family[1][of_family] + 1)
        family_optimistic = _with_absent(of_family, above + 1)
    return Ranking(
        ranks=ranks,
        ranks_optimistic=ranks_optimistic,
        product_ranks=product_ranks,
        product_ranks_optimistic=product_optimistic,
        family_ranks=family_ranks,
        family_ranks_optimistic=family_optimistic,
        positives=positives.counts,
        candidates=len(gallery) - excluded.counts,
        every_positive=every,
        positive_scores=best,
        negative_scores=_best_negatives(problem, backends, lists, positives),
        near_ties=np.where(some, tally.near - ahead, 0),
        top_indices=lists.indices[:, :top],
        top_scores=lists.scores[:, :top],
        top_relevant=lists.relevant[:, :top],
    )


def _best_first(
    similarities: Similarities, positives: Pairs, labels: Labels
) -> tuple[Ints, Floats]:
    """Gallery rows and similarities of all positives, best first within each query."""
    rows = positives.rows
    scores = similarities(rows, positives.columns)
    order = np.lexsort((labels.gallery_order[positives.columns], -scores, rows))
    return positives.columns[order], scores[order]


def _products(gallery: Gallery) -> Ints | None:
    """Product at each place; None where each product has one image."""
    products = gallery.products
    return products if products is not None and (np.diff(products) == 0).any() else None


def _limits(
    positives: Pairs, scores: Floats, family: Floats | None, products: Ints | None
) -> tuple[Limits, Ints, Ints]:
    """Limits of each query: its positives, best first, then its family's best.

    Returns:
        The limits, where the positives' stand among them (p,), and where the families' do.
    """
    of_family = np.zeros(len(positives.counts), np.bool_)
    if family is not None:
        of_family = ~np.isnan(family)
    starts = np.concatenate([[0], np.cumsum(positives.counts + of_family)]).astype(np.int64)
    at_family = starts[1:][of_family] - 1
    at_positives = np.delete(np.arange(starts[-1]), at_family)
    values = np.empty(starts[-1], np.float32)
    values[at_positives] = scores
    if family is not None:
        values[at_family] = family[of_family]
    return Limits(starts, values, products), at_positives, at_family


def _positive_ranks(
    positives: Pairs, columns: Ints, scores: Floats, tally: Tally, at: Ints
) -> tuple[PositiveRanks, Ints]:
    """Ranks of all positives, and how many positives of each query count as near its best one."""
    rows, starts = positives.rows, positives.starts
    place = np.arange(len(rows)) - starts[rows]
    # Runs of equal scores within a query: where each begins, and how long it is.
    new = np.ones(len(rows), np.bool_)
    new[1:] = (np.diff(rows) != 0) | (scores[1:] != scores[:-1])
    begins = np.flatnonzero(new)
    run = np.cumsum(new) - 1
    length = np.diff(np.append(begins, len(rows)))[run]
    better = begins[run] - starts[rows]
    above = tally.above[at] - better
    level = tally.level[at] - length
    every = PositiveRanks(
        starts,
        columns,
        ranks=place + 1 + above + level,
        ranks_optimistic=place + 1 + above,
        scores=scores,
    )
    best = scores[starts[rows]] if len(rows) else scores
    distance = near_tie_distance(tally.gallery.dimension)
    near = np.abs(scores.astype(np.float64) - best) <= distance
    return every, np.bincount(rows[near], minlength=len(starts) - 1)


def _products_at_best(positives: Pairs, columns: Ints, scores: Floats, labels: Labels) -> Ints:
    """Products of each query's positives that have an image as near as the best one, int64 (q,)."""
    if labels.answers is None:
        return np.ones(len(positives.counts), np.int64)
    rows = positives.rows
    best = scores == scores[positives.starts[rows]] if len(rows) else np.zeros(0, np.bool_)
    products = labels.gallery_products[columns[best]]
    return distinct_pairs(len(positives.counts), rows[best], products).counts


def _with_absent(some: NDArray[np.bool_], ranks: Ints) -> Ints:
    found = np.full(len(some), NO_RANK, np.int64)
    found[some] = ranks
    return found


def _best_negatives(
    problem: Problem, backends: Sequence[Opener], lists: ResultLists, positives: Pairs
) -> Floats:
    """Similarity of each query's best negative, float32 (q,), NaN where there is none."""
    negative = (lists.indices >= 0) & ~lists.relevant
    found = np.full(len(negative), np.nan, np.float32)
    some = negative.any(axis=1)
    found[some] = lists.scores[some, negative[some].argmax(axis=1)]
    # Lists of positives alone: the best negative, if there is one, stands below.
    left = np.flatnonzero(~some & (lists.indices[:, -1] >= 0))
    if len(left):
        hidden = union(select(problem.excluded, left), select(positives, left))
        rest = Problem(
            problem.queries[left],
            problem.gallery,
            hidden,
            None,
            None,
            1,
            problem.similarities.of(left),
        )
        found[left] = sweep(rest, backends)[1].scores[:, 0]
    return found
