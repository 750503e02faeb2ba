"""The naive oracle: a Ranking from a full score matrix, in loops, word for word from the definitions.

Slow on purpose. It shares no code with retrieval or metrics, so that agreement with it means something.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from pytest_prodbench.protocol import NO_RANK, PositiveRanks, Ranking, VerificationPairs


def ranking_from_scores(
    scores,
    query_products,
    gallery_products,
    *,
    query_families=None,
    gallery_families=None,
    excluded=None,
    gallery_order=None,
    top=20,
    near=0.0,
    verification=None,
    answers=None,
) -> Ranking:
    """Rank n gallery images for each of q queries by float32 ``scores`` (q, n).

    A code below 0 is nobody's: it matches nothing, as in retrieval. ``excluded`` (q, n) takes pairs
    out. Equal scores are listed negatives first, then by ``gallery_order`` (by row without one).
    ``near``: how far from the best positive's score a negative's is a near tie. ``answers``: product
    of a query to the products that are its positives; without it, of each its own.
    """
    scores = np.asarray(scores, np.float32)
    q, n = scores.shape
    order = list(range(n)) if gallery_order is None else [int(place) for place in gallery_order]
    families = query_families is not None and gallery_families is not None
    columns: dict[str, list[Any]] = {field.name: [] for field in dataclasses.fields(Ranking)}
    starts, every = [0], {"columns": [], "ranks": [], "ranks_optimistic": [], "scores": []}
    for i in range(q):
        row = scores[i]
        may = [j for j in range(n) if excluded is None or not excluded[i][j]]
        if answers is None:
            mine = [j for j in may if _same(query_products[i], gallery_products[j])]
        else:
            mine = [j for j in may if int(gallery_products[j]) in answers[int(query_products[i])]]
        others = [j for j in may if j not in mine]
        mine.sort(key=lambda j: (-row[j], order[j]))
        best = max((row[j] for j in mine), default=None)

        for place, j in enumerate(mine, start=1):
            level = sum(1 for other in others if row[other] >= row[j])
            above = sum(1 for other in others if row[other] > row[j])
            every["columns"].append(j)
            every["ranks"].append(place + level)
            every["ranks_optimistic"].append(place + above)
            every["scores"].append(row[j])
        starts.append(len(every["columns"]))

        columns["ranks"].append(_rank([row[j] for j in others], best, pessimistic=True))
        columns["ranks_optimistic"].append(_rank([row[j] for j in others], best, pessimistic=False))

        best_of = {}
        for j in others:
            product = int(gallery_products[j])
            best_of[product] = max(best_of.get(product, row[j]), row[j])
        rivals = list(best_of.values())
        columns["product_ranks"].append(_rank(rivals, best, pessimistic=True))
        columns["product_ranks_optimistic"].append(_rank(rivals, best, pessimistic=False))

        if families:
            kin = [j for j in may if _same(query_families[i], gallery_families[j])]
            strangers = [row[j] for j in may if j not in kin]
            best_kin = max((row[j] for j in kin), default=None)
            columns["family_ranks"].append(_rank(strangers, best_kin, pessimistic=True))
            columns["family_ranks_optimistic"].append(_rank(strangers, best_kin, pessimistic=False))

        columns["positives"].append(len(mine))
        columns["candidates"].append(len(may))
        columns["positive_scores"].append(np.nan if best is None else best)
        columns["negative_scores"].append(max((row[j] for j in others), default=np.nan))
        columns["near_ties"].append(
            0
            if best is None
            else sum(1 for j in others if abs(float(row[j]) - float(best)) <= near)
        )

        listed = sorted(may, key=lambda j: (-row[j], j in mine, order[j]))[:top]
        missing = top - len(listed)
        columns["top_indices"].append(listed + [-1] * missing)
        columns["top_scores"].append([row[j] for j in listed] + [np.nan] * missing)
        columns["top_relevant"].append([j in mine for j in listed] + [False] * missing)

    def whole(name):
        return np.array(columns[name], np.int64).reshape(q)

    return Ranking(
        ranks=whole("ranks"),
        ranks_optimistic=whole("ranks_optimistic"),
        product_ranks=whole("product_ranks"),
        product_ranks_optimistic=whole("product_ranks_optimistic"),
        family_ranks=whole("family_ranks") if families else None,
        family_ranks_optimistic=whole("family_ranks_optimistic") if families else None,
        positives=whole("positives"),
        candidates=whole("candidates"),
        every_positive=PositiveRanks(
            starts=np.array(starts, np.int64),
            columns=np.array(every["columns"], np.int64),
            ranks=np.array(every["ranks"], np.int64),
            ranks_optimistic=np.array(every["ranks_optimistic"], np.int64),
            scores=np.array(every["scores"], np.float32),
        ),
        positive_scores=np.array(columns["positive_scores"], np.float32).reshape(q),
        negative_scores=np.array(columns["negative_scores"], np.float32).reshape(q),
        near_ties=whole("near_ties"),
        top_indices=np.array(columns["top_indices"], np.int64).reshape(q, top),
        top_scores=np.array(columns["top_scores"], np.float32).reshape(q, top),
        top_relevant=np.array(columns["top_relevant"], np.bool_).reshape(q, top),
        verification=verification,
    )


def _same(left, right) -> bool:
    return left == right and left >= 0


def _rank(rivals, best, *, pessimistic) -> int:
    if best is None:
        return NO_RANK
    if pessimistic:
        return 1 + sum(1 for rival in rivals if rival >= best)
    return 1 + sum(1 for rival in rivals if rival > best)


@dataclasses.dataclass(frozen=True)
class Case:
    """Scores and labels before they are ranked, so that a test can change them and rank again."""

    scores: np.ndarray
    query_products: np.ndarray
    gallery_products: np.ndarray
    query_families: np.ndarray | None
    gallery_families: np.ndarray | None
    excluded: np.ndarray
    gallery_order: np.ndarray

    def ranking(self, *, top=20, verification=False) -> Ranking:
        return ranking_from_scores(
            self.scores,
            self.query_products,
            self.gallery_products,
            query_families=self.query_families,
            gallery_families=self.gallery_families,
            excluded=self.excluded,
            gallery_order=self.gallery_order,
            top=top,
            verification=self.pairs() if verification else None,
        )

    def pairs(self) -> VerificationPairs:
        """Every pair that may meet, as verification pairs."""
        rows, columns = np.nonzero(~self.excluded)
        genuine = np.array(
            [
                _same(self.query_products[i], self.gallery_products[j])
                for i, j in zip(rows, columns, strict=True)
            ],
            np.bool_,
        )
        kin = np.zeros(len(rows), np.bool_)
        if self.query_families is not None and self.gallery_families is not None:
            kin = np.array(
                [
                    _same(self.query_families[i], self.gallery_families[j])
                    for i, j in zip(rows, columns, strict=True)
                ],
                np.bool_,
            )
        return VerificationPairs(
            rows=rows.astype(np.int64),
            columns=columns.astype(np.int64),
            scores=self.scores[rows, columns],
            genuine=genuine,
            alike=kin & ~genuine,
        )

    def queries(self, rows) -> Case:
        """The same with these queries, in this order; a row may come twice or not at all."""
        rows = np.asarray(rows, np.intp)
        return dataclasses.replace(
            self,
            scores=self.scores[rows],
            query_products=self.query_products[rows],
            query_families=None if self.query_families is None else self.query_families[rows],
            excluded=self.excluded[rows],
        )

    def gallery(self, columns) -> Case:
        """The same with these gallery images, in this order; the order of ties goes with the image."""
        columns = np.asarray(columns, np.intp)
        return dataclasses.replace(
            self,
            scores=self.scores[:, columns],
            gallery_products=self.gallery_products[columns],
            gallery_families=None
            if self.gallery_families is None
            else self.gallery_families[columns],
            excluded=self.excluded[:, columns],
            gallery_order=self.gallery_order[columns],
        )

    def mapped(self, function) -> Case:
        return dataclasses.replace(self, scores=function(self.scores).astype(np.float32))


@st.composite
def cases(draw, *, queries=(1, 8), gallery=(1, 14), absent=True, families=True, exclusions=True):
    """Few levels of scores, so that exact ties abound; several images a product; some pairs excluded.

    ``absent``: some queries ask for a product that the gallery has not. Without it every query has at
    least one positive that is not excluded.
    """
    q, n = draw(st.integers(*queries)), draw(st.integers(*gallery))
    levels = draw(st.sampled_from([1, 2, 4, 60]))
    grid = draw(hnp.arrays(np.int8, (q, n), elements=st.integers(-levels, levels)))
    products = draw(st.integers(1, max(1, n)))
    code = st.integers(0, products - 1)
    gallery_products = draw(hnp.arrays(np.int64, n, elements=code))
    asked = draw(hnp.arrays(np.int64, q, elements=st.integers(0, products if absent else n - 1)))
    query_products = asked if absent else gallery_products[asked]
    excluded = np.zeros((q, n), np.bool_)
    if exclusions:
        excluded = draw(hnp.arrays(np.bool_, (q, n), fill=st.just(value=False)))
    if not absent:
        excluded = excluded.copy()
        excluded[np.arange(q), asked] = False
    # Three products a family; products 1, 10, 19 … have none, as where a manifest leaves it out.
    family = np.arange(products + 1) // 3
    family[1::9] = -1
    return Case(
        scores=(grid / np.float32(64)).astype(np.float32),
        query_products=query_products,
        gallery_products=gallery_products,
        query_families=family[query_products] if families else None,
        gallery_families=family[gallery_products] if families else None,
        excluded=excluded,
        gallery_order=np.array(draw(st.permutations(range(n))), np.int64),
    )


def random_case(seed, *, q=40, n=80, products=25, absent=0, ties=False) -> Case:
    """A larger one from a seed, for tests that need numbers and not corners; no exclusions.

    Scores of positives are higher on average. ``absent``: how many of the queries have no product.
    """
    rng = np.random.default_rng(seed)
    gallery_products = np.concatenate(
        [np.arange(products), rng.integers(0, products, n - products)]
    )
    query_products = rng.integers(0, products, q)
    query_products[:absent] = products
    scores = rng.normal(0.0, 0.12, (q, n))
    scores += 0.25 * (query_products[:, None] == gallery_products[None, :])
    scores = np.round(scores * 16) / 16 if ties else scores
    return Case(
        scores=np.clip(scores, -1, 1).astype(np.float32),
        query_products=query_products,
        gallery_products=gallery_products,
        query_families=query_products // 3,
        gallery_families=gallery_products // 3,
        excluded=np.zeros((q, n), np.bool_),
        gallery_order=rng.permutation(n),
    )
