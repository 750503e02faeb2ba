"""Random data without ties, where two evaluators of one definition must give one number."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from ranking_oracle import ranking_from_scores

from pytest_prodbench.metrics import parse_metric
from pytest_prodbench.protocol import Ranking


@dataclass(frozen=True, eq=False)
class TieFree:
    """Scores (q, n) float32, all in (0, 1) and all of one row far apart; which pairs are positive."""

    scores: np.ndarray
    query_products: np.ndarray
    gallery_products: np.ndarray

    @property
    def relevant(self) -> np.ndarray:
        return self.query_products[:, None] == self.gallery_products[None, :]

    @property
    def ranking(self) -> Ranking:
        """The whole gallery as one result list."""
        return ranking_from_scores(
            self.scores, self.query_products, self.gallery_products, top=self.scores.shape[1]
        )

    @property
    def qrels(self) -> dict[str, dict[str, int]]:
        return {
            f"q{i:03}": {f"d{j:03}": 1 for j in np.flatnonzero(row)}
            for i, row in enumerate(self.relevant)
        }

    @property
    def run(self) -> dict[str, dict[str, float]]:
        return {
            f"q{i:03}": {f"d{j:03}": float(score) for j, score in enumerate(row)}
            for i, row in enumerate(self.scores)
        }


def tie_free(seed: int, *, queries: int = 30, gallery: int = 60, products: int = 18) -> TieFree:
    """1 to some 10 positives a query; positives score higher on average, not always."""
    rng = np.random.default_rng(seed)
    gallery_products = np.concatenate(
        [np.arange(products), np.minimum(rng.geometric(0.2, gallery - products), products) - 1]
    )
    rng.shuffle(gallery_products)
    query_products = rng.integers(0, products, queries)
    noisy = rng.normal(size=(queries, gallery))
    noisy += 1.2 * (query_products[:, None] == gallery_products[None, :])
    places = noisy.argsort(axis=1).argsort(axis=1)
    scores = ((places + 1) / (gallery + 1)).astype(np.float32)
    return TieFree(scores, query_products, gallery_products)


def ours(name: str, ranking: Ranking) -> np.ndarray:
    """Our value of each query, float64 (q,)."""
    metric, k = parse_metric(name, where="test")
    return metric.per_query(ranking, k)


def one_query(scores: list[float], relevant: list[int], *, top: int | None = None) -> Ranking:
    """The ranking of one query whose gallery has these scores and positives."""
    return ranking_from_scores(
        np.array([scores], np.float32),
        np.array([1]),
        np.array(relevant),
        top=len(scores) if top is None else top,
    )
