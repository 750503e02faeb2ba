"""Metrics of the first hit: where the best positive stands."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pytest_prodbench.metrics.crossings import First
from pytest_prodbench.metrics.intervals import standard_error
from pytest_prodbench.metrics.metric import Metric, Sampled, Sampling, Statistic, Units
from pytest_prodbench.metrics.proportions import wilson_clustered
from pytest_prodbench.metrics.thresholds import FallingThreshold
from pytest_prodbench.metrics.witnesses import known_queries
from pytest_prodbench.protocol import NO_RANK

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pytest_prodbench.protocol import Ranking

EVERY_RANK_UP_TO = 20
"""The cumulative match curve has every k up to here, then ``POINTS_A_DECADE``."""

POINTS_A_DECADE = 10

RANKS = 100
"""Ranks, at most, between which an end of the median's interval is looked for."""

HALF = 0.5


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

    A product ranks by its best image. NaN where it is absent. Defined in docs/protocol.md, product recall.
    Range 0 … 1, higher is better.
    """
    return _within(ranking.product_ranks, k)


def category_recall(ranking: Ranking, k: int | None) -> NDArray[np.float64]:
    """Return 1 if an image of the query's family is among the first k, else 0 (float64, (q,)).

    NaN where no gallery image is of that family, or the dataset has no families. A query whose product is
    absent counts if its family is there. Defined in docs/protocol.md, category recall. Range 0 … 1, higher
    is better. A query's ``category_recall@1 − recall@1`` is "knows what, not which".
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


def median_rank(ranking: Ranking, k: int | None, units: Units) -> Sampled:  # noqa: ARG001
    """Return the median of the ranks, of weighted samples of the queries.

    The lower median: the smallest rank that at least half of the queries do not exceed, so that it is
    a rank some query has ("MedR" of cross-modal retrieval, as in Karpathy & Fei-Fei, CVPR 2015).
    Queries whose product is absent are left out; NaN where none is left. Range 1 … ∞, lower is better.
    """
    rows = np.flatnonzero(ranking.ranks != NO_RANK)
    ranks = ranking.ranks[rows]
    falling = FallingThreshold(-ranks, units[rows], np.ones(len(rows), np.bool_))
    half = First(falling, lambda c: 2 * c.hits >= c.all_hits)

    def of(weights: NDArray[np.float64]) -> NDArray[np.float64]:
        found = half(weights)
        values = -np.append(falling.thresholds, np.nan)[found.place]
        return np.where(found.counts.all_hits > 0, values, np.nan)

    return of


def median_interval(sampling: Sampling) -> tuple[float, float, float]:
    """Interval and standard error of ``median_rank``.

    From the least rank within which half of the photos may lie, to the least within which half of them lie
    for certain, by Wilson's interval by product of the share within each rank (inversion of a test: Neyman
    1937; of a median, David & Nagaraja, Order Statistics, 3rd ed., §7.1). Where even the last rank seen is
    not certain to hold half of them, the high end is the size of the gallery. Of the ranks that occur, at
    most ``RANKS`` are looked at, and the next ones outwards are taken.
    """
    rows = np.flatnonzero(sampling.ranking.ranks != NO_RANK)
    ranks, codes = sampling.ranking.ranks[rows], sampling.codes[rows]
    products = int(sampling.codes.max()) + 1
    some = seen = np.unique(ranks)
    if len(seen) > RANKS:
        # Those between which equally many photos lie, the last one included.
        some = np.unique(np.sort(ranks)[np.linspace(0, len(ranks) - 1, RANKS).astype(np.int64)])
    # Rank 0 holds none of them, and the last rank all.
    some = np.append(0, some)
    sums = np.stack([np.bincount(codes[ranks <= rank], minlength=products) for rank in some], 1)
    counts = np.bincount(codes, minlength=products).astype(np.float64)[:, None]
    low, high = wilson_clustered(sums.astype(np.float64), np.broadcast_to(counts, sums.shape))
    first, last = int((high >= HALF).argmax()), int(np.flatnonzero(low < HALF)[-1]) + 1
    return (
        # A rank between those that were looked at might hold half of them already.
        float(seen[np.searchsorted(seen, some[first - 1], side="right")]) if first else 1.0,
        float(some[last] if last < len(some) else sampling.ranking.candidates.max()),
        standard_error(sampling.resample(sampling.sampled)),
    )


def cumulative_match(ranking: Ranking) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return k, int64 (m,), and the share of queries with rank <= k, float64 (m,).

    The cumulative match characteristic (Phillips et al., The FERET evaluation methodology, 2000):
    recall@k as a function of k. Every k up to ``EVERY_RANK_UP_TO``, then ``POINTS_A_DECADE``, and the
    size of the gallery last, where the curve is 1. Queries whose product is absent are left out; NaN
    where none is left. Range 0 … 1, higher is better.
    """
    size = int(ranking.candidates.max(initial=1))
    decades = np.log10(max(size, EVERY_RANK_UP_TO) / EVERY_RANK_UP_TO)
    spaced = EVERY_RANK_UP_TO * 10.0 ** (
        np.arange(int(decades * POINTS_A_DECADE) + 1) / POINTS_A_DECADE
    )
    ks = np.concatenate([np.arange(1, EVERY_RANK_UP_TO + 1), np.rint(spaced), [size]]).astype(
        np.int64
    )
    ks = np.unique(ks[ks <= size])
    ranks = np.sort(ranking.ranks[ranking.ranks != NO_RANK])
    if not len(ranks):
        return ks, np.full(len(ks), np.nan)
    return ks, np.searchsorted(ranks, ks, side="right") / len(ranks)


RECALL = Metric(
    name="recall",
    per_query=recall,
    takes_k=True,
    binary=True,
    higher_is_better=True,
    low=0.0,
    high=1.0,
    source="Jégou et al. 2011, §V",
)
PRODUCT_RECALL = Metric(
    name="product_recall",
    per_query=product_recall,
    takes_k=True,
    binary=True,
    higher_is_better=True,
    low=0.0,
    high=1.0,
    source="docs/protocol.md, product recall",
)
CATEGORY_RECALL = Metric(
    name="category_recall",
    per_query=category_recall,
    takes_k=True,
    binary=True,
    higher_is_better=True,
    low=0.0,
    high=1.0,
    source="docs/protocol.md, category recall",
)
MRR = Metric(
    name="mrr",
    per_query=mrr,
    higher_is_better=True,
    low=0.0,
    high=1.0,
    source="Voorhees 1999",
)
MEDIAN_RANK = Statistic(
    name="median_rank",
    of=median_rank,
    higher_is_better=False,
    low=1.0,
    high=float("inf"),
    source="Karpathy & Fei-Fei 2015",
    interval=median_interval,
    scores="ranks",
    populations=known_queries,
)
