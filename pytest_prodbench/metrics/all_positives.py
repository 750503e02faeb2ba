"""Metrics of all positives: how much of what could be found stands at the top.

Each reads the full-depth ranks of all positives, so that k has no limit. Ties are pessimistic: tied
negatives stand before the positive. Rows without any positive (R = 0) are NaN: the product is absent.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_prodbench.metrics.metric import Metric

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pytest_prodbench.protocol import Ranking


def coverage(ranking: Ranking, k: int | None) -> NDArray[np.float64]:
    """Return (positives among the first k) / R, float64 (q,); NaN where R = 0.

    The share of all positives that is found; set-based recall of the textbooks (Manning, Raghavan &
    Schütze 2008, §8.3), under a name that is not taken by recall@k. Range 0 … 1, higher is better.
    """
    return _share(np.diff(_within(ranking, _limit(k))[1]), ranking.positives)


def precision(ranking: Ranking, k: int | None) -> NDArray[np.float64]:
    """Return (positives among the first k) / k, float64 (q,); NaN where R = 0.

    P@k (Manning, Raghavan & Schütze 2008, §8.4). The divisor is k even where fewer than k positives,
    or images, exist, as in trec_eval. Range 0 … 1, higher is better.
    """
    limit = _limit(k)
    found = np.diff(_within(ranking, limit)[1])
    return _share(found, np.where(ranking.positives > 0, limit, 0))


def modified_precision(ranking: Ranking, k: int | None) -> NDArray[np.float64]:
    """Return (positives among the first min(k, R)) / min(k, R), float64 (q,); NaN where R = 0.

    mMP@5 of the Google Universal Image Embedding challenge (2022) and of UnED (Ypsilantis et al.,
    ICCV 2023): precision that a query with fewer than k positives can bring to 1. Range 0 … 1,
    higher is better.
    """
    reachable = np.minimum(_limit(k), ranking.positives)
    return _share(np.diff(_within(ranking, reachable)[1]), reachable)


def r_precision(ranking: Ranking, k: int | None) -> NDArray[np.float64]:  # noqa: ARG001
    """Return (positives among the first R) / R, float64 (q,); NaN where R = 0.

    Manning, Raghavan & Schütze 2008, §8.4. Range 0 … 1, higher is better.
    """
    return _share(np.diff(_within(ranking, ranking.positives)[1]), ranking.positives)


def average_precision(ranking: Ranking, k: int | None) -> NDArray[np.float64]:
    """Return AP@k = (Σ_{i<=k} rel_i · precision@i) / min(k, R), float64 (q,); NaN where R = 0.

    precision@i is the share of positives in the first i. The normaliser min(k, R) is that of the
    instance-retrieval benchmarks ILIAS (Kordopatis-Zilos et al. 2025) and UnED (Ypsilantis et al. 2023);
    others divide by R or by the positives found, which gives other numbers. Range 0 … 1, higher is
    better.
    """
    limit = _limit(k)
    return _share(_sum_of_precisions(ranking, limit), np.minimum(limit, ranking.positives))


def map_at_r(ranking: Ranking, k: int | None) -> NDArray[np.float64]:  # noqa: ARG001
    """Return (Σ_{i<=R} rel_i · precision@i) / R, float64 (q,); NaN where R = 0.

    MAP@R (Musgrave, Belongie & Lim, A metric learning reality check, ECCV 2020): each query's
    list is cut at its own R. Range 0 … 1, higher is better.
    """
    return _share(_sum_of_precisions(ranking, ranking.positives), ranking.positives)


def ndcg(ranking: Ranking, k: int | None) -> NDArray[np.float64]:
    """Return DCG@k / ideal DCG@k, float64 (q,); NaN where R = 0.

    DCG@k = Σ_{i<=k} rel_i / log2(1 + i) with gain 1 for a positive (Järvelin & Kekäläinen 2002, with
    the discount of Burges et al. 2005). The ideal list holds all R positives, not those found alone:
    ideal DCG@k = Σ_{i<=min(k,R)} 1 / log2(1 + i). Range 0 … 1, higher is better.
    """
    limit = _limit(k)
    places, bounds = _within(ranking, limit)
    gains = 1.0 / np.log2(1.0 + ranking.every_positive.ranks[places])
    reachable = np.minimum(limit, ranking.positives)
    discounts = 1.0 / np.log2(2.0 + np.arange(int(reachable.max(initial=0))))
    ideal = np.concatenate([[0.0], np.cumsum(discounts)])[reachable]
    # A perfect list sums the same terms in another way; the last bit must not lift it above 1.
    return np.minimum(_share(_sums(gains, bounds), ideal), 1.0)


def _limit(k: int | None) -> int:
    assert k is not None  # noqa: S101 - parse_metric gives every such metric its k
    return k


def _within(
    ranking: Ranking, limit: int | NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Find the positives with rank <= limit (one, or one a query).

    Returns:
        places: int64 (h,), where they stand in ``every_positive``.
        bounds: int64 (q + 1,), those of query i are ``places[bounds[i]:bounds[i + 1]]``.
    """
    every = ranking.every_positive
    most = limit if isinstance(limit, int) else np.repeat(limit, np.diff(every.starts))
    places = np.flatnonzero(every.ranks <= most)
    return places, np.searchsorted(places, every.starts)


def _sums(values: NDArray[np.float64], bounds: NDArray[np.int64]) -> NDArray[np.float64]:
    """Sum the values of each query, float64 (q,); 0 where it has none.

    In the order of the ranks and within the query alone, so that no other query changes a bit of it.
    """
    rows = np.repeat(np.arange(len(bounds) - 1), np.diff(bounds))
    sums: NDArray[Any] = np.bincount(rows, values, minlength=len(bounds) - 1)
    return sums.astype(np.float64, copy=False)  # bincount makes whole numbers of no value at all


def _sum_of_precisions(ranking: Ranking, limit: int | NDArray[np.int64]) -> NDArray[np.float64]:
    """Return Σ_{i<=limit} rel_i · precision@i, float64 (q,): at its j-th positive precision is j / rank."""
    every = ranking.every_positive
    places, bounds = _within(ranking, limit)
    found = np.diff(bounds)
    # Positives are ranked best first, so those within the limit are the first ones of each query.
    nth = np.arange(1, len(places) + 1) - np.repeat(bounds[:-1], found)
    return _sums(nth / every.ranks[places], bounds)


def _share(part: NDArray[Any], whole: NDArray[Any]) -> NDArray[np.float64]:
    """Return part / whole, float64 (q,); NaN where whole is 0."""
    share = np.full(len(whole), np.nan)
    np.divide(part, whole, out=share, where=whole > 0)
    return share


COVERAGE = Metric(
    name="coverage",
    per_query=coverage,
    takes_k=True,
    higher_is_better=True,
    low=0.0,
    high=1.0,
    source="Manning, Raghavan & Schütze 2008, §8.3 (recall)",
)
PRECISION = Metric(
    name="precision",
    per_query=precision,
    takes_k=True,
    higher_is_better=True,
    low=0.0,
    high=1.0,
    source="Manning, Raghavan & Schütze 2008, §8.4",
)
MMP = Metric(
    name="mmp",
    per_query=modified_precision,
    takes_k=True,
    higher_is_better=True,
    low=0.0,
    high=1.0,
    source="Google Universal Image Embedding challenge 2022; Ypsilantis et al. 2023",
)
R_PRECISION = Metric(
    name="r_precision",
    per_query=r_precision,
    higher_is_better=True,
    low=0.0,
    high=1.0,
    source="Manning, Raghavan & Schütze 2008, §8.4",
)
MAP = Metric(
    name="map",
    per_query=average_precision,
    takes_k=True,
    higher_is_better=True,
    low=0.0,
    high=1.0,
    source="Kordopatis-Zilos et al. 2025; Ypsilantis et al. 2023",
)
MAP_AT_R = Metric(
    name="map_at_r",
    per_query=map_at_r,
    higher_is_better=True,
    low=0.0,
    high=1.0,
    source="Musgrave, Belongie & Lim 2020",
)
NDCG = Metric(
    name="ndcg",
    per_query=ndcg,
    takes_k=True,
    higher_is_better=True,
    low=0.0,
    high=1.0,
    source="Järvelin & Kekäläinen 2002; Burges et al. 2005",
)
