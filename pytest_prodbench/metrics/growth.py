"""Catalog growth: what recall@k would be if the gallery were smaller, in closed form.

A smaller gallery keeps a query's positives and draws the rest from the negatives that are there. How
many of the better ones are drawn is hypergeometric, so that no sample has to be ranked again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pytest_prodbench.protocol import NO_RANK

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pytest_prodbench.protocol import Ranking

SMALLEST = 100
"""Where the curve begins; galleries that are smaller have one point, their own size."""

POINTS_A_DECADE = 4


def growth_sizes(ranking: Ranking) -> NDArray[np.int64]:
    """Return the gallery sizes of the curve, int64 (s,), rising: ``SMALLEST`` to the full size."""
    full = int(ranking.candidates.max(initial=0))
    if full <= SMALLEST:
        return np.array([full] if full else [], np.int64)
    steps = int(np.log10(full / SMALLEST) * POINTS_A_DECADE) + 1
    sizes = np.rint(SMALLEST * 10.0 ** (np.arange(steps) / POINTS_A_DECADE)).astype(np.int64)
    return np.unique(np.append(np.minimum(sizes, full), full))


def expected_recall(ranking: Ranking, k: int, size: int) -> NDArray[np.float64]:
    """Return P(rank <= k) in a random gallery of ``size`` images, float64 (q,); NaN if absent.

    The gallery keeps the R positives of the query and draws size − R of its N negatives without
    replacement. B = rank − 1 of them beat the best positive (ties pessimistic), and the query is a hit
    if at most k − 1 of these are drawn:

        P(X <= k − 1),  X ~ Hypergeometric(N, B, size − R)

    the expectation over all such galleries, exactly (what brute-force subsampling estimates, as in
    Kemelmacher-Shlizerman et al., MegaFace, CVPR 2016, for growing numbers of distractors). At the
    full size, and beyond it, it is recall@k itself. Log-gamma functions cost up to some 1e-8 of it with
    10⁶ negatives. Range 0 … 1, higher is better; never rises with size.
    """
    known = ranking.ranks != NO_RANK
    negatives = ranking.candidates - ranking.positives
    better = np.where(known, ranking.ranks - 1, 0)
    drawn = np.clip(size - ranking.positives, 0, negatives)
    # Queries with the same three counts have the same value: there are few of them.
    triples, inverse = np.unique(np.stack([negatives, better, drawn]), axis=1, return_inverse=True)
    values = _hypergeometric_cdf(k - 1, *triples)
    return np.where(known, values[inverse.reshape(-1)], np.nan)


def growth_curve(ranking: Ranking, k: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return the sizes, int64 (s,), and the expected recall@k of each query at each, float64 (s, q).

    Values a query, so that an interval by product can be put around each point.
    """
    sizes = growth_sizes(ranking)
    rows = [expected_recall(ranking, k, int(size)) for size in sizes]
    return sizes, np.array(rows, np.float64).reshape(len(sizes), len(ranking.ranks))


def _hypergeometric_cdf(
    most: int,
    population: NDArray[np.int64],
    marked: NDArray[np.int64],
    drawn: NDArray[np.int64],
) -> NDArray[np.float64]:
    """P(at most ``most`` of the drawn are marked), float64 (t,): the sum over the possible counts.

    The first term by log-gamma, each next by its ratio to the one before, all in logarithms: the terms
    of a large k underflow long before their sum does.
    """
    from scipy.special import gammaln

    least = np.maximum(0, drawn - (population - marked))
    certain = np.minimum(marked, drawn) <= most
    total = np.where(certain, 0.0, -np.inf)
    open_ = np.flatnonzero(~certain & (least <= most))
    if len(open_):
        n, b, m, x = population[open_], marked[open_], drawn[open_], least[open_]

        def log_choose(of: NDArray[np.int64], take: NDArray[np.int64]) -> NDArray[np.float64]:
            return np.asarray(gammaln(of + 1) - gammaln(take + 1) - gammaln(of - take + 1))

        term = log_choose(b, x) + log_choose(n - b, m - x) - log_choose(n, m)
        log_sum = term.copy()
        for _ in range(most - int(x.min())):
            ratio = (b - x) * ((m - x) / ((x + 1) * (n - b - m + x + 1.0)))
            going = (x < most) & (ratio > 0)
            x = np.where(going, x + 1, x)
            term = np.where(going, term + np.log(np.where(going, ratio, 1.0)), -np.inf)
            log_sum = np.logaddexp(log_sum, term)
            if not going.any():
                break
        total[open_] = log_sum
    return np.minimum(np.exp(total), 1.0)
