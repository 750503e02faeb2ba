"""Metrics of the first hit: where the best positive stands."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pytest_prodbench.metrics.metric import Metric
from pytest_prodbench.protocol import NO_RANK

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pytest_prodbench.protocol import Ranking


def _within(ranks: NDArray[np.int64], k: int | None) -> NDArray[np.float64]:
    assert k is not None  # noqa: S101 - parse_metric gives every such metric its k
    return np.where(ranks == NO_RANK, np.nan, (ranks <= k).astype(np.float64))


def recall(ranking: Ranking, k: int | None) -> NDArray[np.float64]:
    """Return 1 if rank <= k, else 0 (float64, (q,)); NaN where the product is absent.

    What the field publishes as Recall@K (Jégou et al., Product quantization, 2011, §V), with the
    pessimistic rank. Range 0 … 1, higher is better.
    """
    return _within(ranking.ranks, k)


def product_recall(ranking: Ranking, k: int | None) -> NDArray[np.float64]:
    """Return 1 if the product is among the first k distinct products, else 0 (float64, (q,)).

    A product ranks by its best image. NaN where it is absent. Range 0 … 1, higher is better.
    """
    return _within(ranking.product_ranks, k)


def category_recall(ranking: Ranking, k: int | None) -> NDArray[np.float64]:
    """Return 1 if an image of the query's family is among the first k, else 0 (float64, (q,)).

    NaN where no gallery image is of that family, or the dataset has no families. Range 0 … 1, higher
    is better. ``category_recall@1 − recall@1`` is "knows what, not which".
    """
    if ranking.family_ranks is None:
        return np.full(len(ranking.ranks), np.nan)
    return _within(ranking.family_ranks, k)


def mrr(ranking: Ranking, k: int | None) -> NDArray[np.float64]:  # noqa: ARG001
    """Return 1 / rank over the full gallery (float64, (q,)); NaN where the product is absent.

    Mean reciprocal rank (Voorhees, TREC-8 question answering track, 1999). Range 0 … 1, higher is
    better.
    """
    return np.where(ranking.ranks == NO_RANK, np.nan, 1.0 / ranking.ranks)


RECALL = Metric("recall", recall, True, False, True, 0.0, 1.0, "Jégou et al. 2011, §V")
PRODUCT_RECALL = Metric(
    "product_recall",
    product_recall,
    True,
    False,
    True,
    0.0,
    1.0,
    "docs/protocol.md, product recall",
)
CATEGORY_RECALL = Metric(
    "category_recall",
    category_recall,
    True,
    False,
    True,
    0.0,
    1.0,
    "docs/protocol.md, category recall",
)
MRR = Metric("mrr", mrr, False, False, True, 0.0, 1.0, "Voorhees 1999")
