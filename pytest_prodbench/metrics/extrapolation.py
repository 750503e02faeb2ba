"""Catalog growth beyond the catalog: recall@k with 10 or 100 times as many images, and its assumption.

Nobody has seen those images, so this is a model, not a measurement, and ``ASSUMPTION`` belongs beside
each number that it gives.

Query i has N_i negatives of which B_i beat its best positive. Let p_i be the chance that one more
image beats it. The model: Φ⁻¹(p_i) is normal over the queries, with a mean and a spread that are
fitted by maximum likelihood. That is what cosines do that are about normal among negatives and among
best positives. A Beta distribution of p_i, the usual choice, has too much mass at p = 0 and is too
kind to large galleries: tests/metrics/test_extrapolation.py shows both against known truths.
Only the lower tail of p decides who survives, so that a count of ``CENSORED`` or more is taken as "at
least that many" (a tobit likelihood): queries that are lost anyhow shall not bend the fit.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from pytest_prodbench.metrics.metric import Metric
from pytest_prodbench.protocol import NO_RANK

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pytest_prodbench.protocol import Ranking

ASSUMPTION = (
    "Extrapolated, not measured: assumes that the images to come are like those that are here (the "
    "same mix of products and of photography, no more look-alikes per product), and that the chance "
    "of an image to beat the right one is normal on the probit scale over the queries. The interval "
    "does not hold the uncertainty of these assumptions."
)
"""What has to stand beside every extrapolated number."""

CENSORED = 100
"""Better negatives from which on a query only counts as "at least that many"; also the largest k."""

_EDGES = np.concatenate([[-np.inf], np.linspace(-10.0, 4.0, 700), [np.inf]])
_NODES = np.concatenate([[-10.01], (_EDGES[1:-2] + _EDGES[2:-1]) / 2.0, [4.01]])
"""Φ⁻¹(p) in steps of 0.02; at −10 an image in 10²³ beats the right one, which is none."""


@dataclass(frozen=True, slots=True)
class Difficulty:
    """How Φ⁻¹ of the chance to be beaten by one more image is spread over the queries: normal."""

    mean: float
    spread: float

    def mass(self) -> NDArray[np.float64]:
        """Probability of each node, float64 (g,)."""
        from scipy.special import ndtr

        return np.asarray(np.diff(ndtr((_EDGES - self.mean) / self.spread)), np.float64)


def fit_difficulty(ranking: Ranking) -> Difficulty | None:
    """Fit mean and spread to the counts of better negatives by maximum likelihood.

    None where the counts do not say: no query whose product is present, or none with a better negative
    (a larger gallery could then do anything, and "recall stays 1" would be made up), or none with fewer
    than ``CENSORED``. The order of the queries changes nothing.
    """
    from scipy.optimize import minimize
    from scipy.special import ndtri

    known = ranking.ranks != NO_RANK
    negatives = (ranking.candidates - ranking.positives)[known]
    better = (ranking.ranks[known] - 1).clip(max=CENSORED)
    if not (better > 0).any() or not (better < CENSORED).any():
        return None
    pairs, times = np.unique(np.stack([negatives, better]), axis=1, return_counts=True)
    likelihood = _likelihood(*pairs)

    def misfit(at: NDArray[np.float64]) -> float:
        chance = likelihood @ Difficulty(float(at[0]), float(np.exp(at[1]))).mass()
        return -float(times @ np.log(np.maximum(chance, 1e-300)))

    scale = ndtri((pairs[1] + 0.5) / (pairs[0] + 1.0))
    start = np.average(scale, weights=times)
    spread = np.sqrt(np.average((scale - start) ** 2, weights=times))
    found = minimize(
        misfit,
        np.array([start, np.log(max(spread, 0.3))]),
        method="Nelder-Mead",
        bounds=[(-12.0, 6.0), (np.log(0.05), np.log(20.0))],
        options={"xatol": 1e-6, "fatol": 1e-9, "maxiter": 2000, "maxfev": 4000},
    )
    return Difficulty(float(found.x[0]), float(np.exp(found.x[1])))


def extrapolated_recall(
    ranking: Ranking, k: int, size: int, fit: Difficulty | None
) -> NDArray[np.float64]:
    """Return P(rank <= k) in a gallery grown to ``size`` images, float64 (q,); NaN if absent.

    With M = size − candidates new images, of which Binomial(M, p) beat the best positive, and p
    distributed as the fit and the query's own B of N say (empirical Bayes; Efron 2010, §1):

        E[ P(Binomial(M, p) <= k − 1 − B) | B, N ]

    0 where B >= k already. NaN everywhere if there is no fit, or k is above ``CENSORED``. At the full
    size it is recall@k. Range 0 … 1, higher is better; never rises with size.
    """
    from scipy.special import betaincc, ndtr

    known = ranking.ranks != NO_RANK
    values = np.where(known, 0.0, np.nan)
    if fit is None or k > CENSORED:
        return np.full(len(values), np.nan)
    alive = np.flatnonzero(ranking.ranks <= k)
    counts = np.stack(
        [
            (ranking.candidates - ranking.positives)[alive],
            ranking.ranks[alive] - 1,
            np.maximum(0, size - ranking.candidates[alive]),
        ]
    )
    triples, inverse = np.unique(counts, axis=1, return_inverse=True)
    negatives, better, new = triples
    posterior = _likelihood(negatives, better) * fit.mass()
    room = np.stack([k - 1 - better, new])
    kinds, which = np.unique(room, axis=1, return_inverse=True)
    spare, more = kinds[:, :, None]
    # P(Binomial(M, p) <= j) by the incomplete beta function; certain where j >= M.
    stays = np.where(
        spare >= more, 1.0, betaincc(spare + 1.0, np.maximum(more - spare, 1), ndtr(_NODES))
    )
    weight = posterior.sum(axis=1)
    kept = (posterior * stays[which.reshape(-1)]).sum(axis=1)
    chance = np.divide(kept, weight, out=np.full(len(weight), np.nan), where=weight > 0)
    values[alive] = np.minimum(chance, 1.0)[inverse.reshape(-1)]
    return values


def recall_in_larger_gallery(ranking: Ranking, k: int | None, *, times: int) -> NDArray[np.float64]:
    """Return the extrapolated recall@k with ``times`` as many gallery images, float64 (q,).

    See :func:`extrapolated_recall` and ``ASSUMPTION``. Range 0 … 1, higher is better.
    """
    assert k is not None  # noqa: S101 - parse_metric gives it
    size = times * int(ranking.candidates.max(initial=0))
    return extrapolated_recall(ranking, k, size, fit_difficulty(ranking))


def _likelihood(negatives: NDArray[np.int64], better: NDArray[np.int64]) -> NDArray[np.float64]:
    """P(B better ones of N | p) at each node, float64 (t, g), each row up to a factor of its own.

    Rows with B >= ``CENSORED`` have P(at least ``CENSORED`` of N | p).
    """
    from scipy.special import betainc, gammaln, log_ndtr, ndtr

    of, better = negatives[:, None], better[:, None]
    log_p = better * log_ndtr(_NODES) + (of - better) * log_ndtr(-_NODES)
    log_p += gammaln(of + 1.0) - gammaln(better + 1.0) - gammaln(of - better + 1.0)
    chance = np.exp(log_p)
    lost = np.flatnonzero(better[:, 0] >= CENSORED)
    if len(lost):
        rest = np.maximum(of[lost] - CENSORED + 1.0, 1.0)
        chance[lost] = betainc(float(CENSORED), rest, ndtr(_NODES))
    return np.asarray(chance, np.float64)


def _metric(name: str, times: int) -> Metric:
    return Metric(
        name=name,
        per_query=partial(recall_in_larger_gallery, times=times),
        takes_k=True,
        higher_is_better=True,
        low=0.0,
        high=1.0,
        source="docs/protocol.md, Growth of the catalog",
    )


RECALL_10X = _metric("recall_10x", 10)
RECALL_100X = _metric("recall_100x", 100)
