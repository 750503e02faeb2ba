"""How hard queries are, and what that says of a larger gallery: the model behind ``extrapolation``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pytest_prodbench.protocol import NO_RANK

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pytest_prodbench.protocol import Ranking

    Doubles = NDArray[np.float64]
    Ints = NDArray[np.int64]

CENSORED = 100
"""Better negatives from which on a query only counts as "at least that many"; also the largest k."""

EDGES = np.concatenate([[-np.inf], np.linspace(-10.0, 4.0, 700), [np.inf]])
NODES = np.concatenate([[-10.01], (EDGES[1:-2] + EDGES[2:-1]) / 2.0, [4.01]])
"""Φ⁻¹(p) in steps of 0.02; at −10 an image in 10²³ beats the right one, which is none."""


@dataclass(frozen=True, slots=True)
class Difficulty:
    """How Φ⁻¹ of the chance to be beaten by one more image is spread over the queries: normal."""

    mean: float
    spread: float

    def mass(self) -> NDArray[np.float64]:
        """Probability of each node, float64 (g,)."""
        return np.asarray(node_mass(np.array([[self.mean, np.log(self.spread)]]))[0])


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
    known = ranking.ranks != NO_RANK
    values = np.where(known, 0.0, np.nan)
    if fit is None or k > CENSORED:
        return np.full(len(values), np.nan)
    alive = np.flatnonzero(ranking.ranks <= k)
    negatives = (ranking.candidates - ranking.positives)[alive]
    new = np.maximum(0, size - ranking.candidates[alive])
    survival = surviving(k, negatives, ranking.ranks[alive] - 1, new)
    values[alive] = survival.chance(fit.mass()[None])[0][survival.kind]
    return values


@dataclass(frozen=True, slots=True, eq=False)
class Survival:
    """Chances to stay within k, for each kind of counts (t of them) and each node of p.

    Attributes:
        kind: int64 (a,), kind of each query that is within k now.
        likelihood: float64 (t, g), of the counts seen.
        stays: float64 (t, g), that times the chance to stay.
    """

    kind: Ints
    likelihood: Doubles
    stays: Doubles

    def chance(self, mass: Doubles) -> Doubles:
        """E[stays | counts] of each kind, float64 (b, t), for b distributions of p, (b, g)."""
        whole = mass @ self.likelihood.T
        chance = np.divide(
            mass @ self.stays.T, whole, out=np.full(whole.shape, np.nan), where=whole > 0
        )
        return np.asarray(np.minimum(chance, 1.0))


def surviving(k: int, negatives: Ints, better: Ints, new: Ints) -> Survival:
    """Return how a of the queries, with these counts, fare among ``new`` more images; int64 (a,) each."""
    from scipy.special import betaincc, ndtr

    triples, kind = np.unique(np.stack([negatives, better, new]), axis=1, return_inverse=True)
    likelihood = node_likelihood(triples[0], triples[1])
    room = np.stack([k - 1 - triples[1], triples[2]])
    kinds, which = np.unique(room, axis=1, return_inverse=True)
    spare, more = kinds[:, :, None]
    # P(Binomial(M, p) <= j) by the incomplete beta function; certain where j >= M.
    stays = np.where(
        spare >= more, 1.0, betaincc(spare + 1.0, np.maximum(more - spare, 1), ndtr(NODES))
    )
    return Survival(kind.reshape(-1), likelihood, likelihood * stays[which.reshape(-1)])


def node_mass(at: Doubles) -> Doubles:
    """Probability of each node, float64 (b, g), for means and logarithmic spreads (b, 2)."""
    from scipy.special import ndtr

    return np.asarray(np.diff(ndtr((EDGES - at[:, :1]) / np.exp(at[:, 1:])), axis=1))


def node_likelihood(negatives: NDArray[np.int64], better: NDArray[np.int64]) -> NDArray[np.float64]:
    """P(B better ones of N | p) at each node, float64 (t, g), each row up to a factor of its own.

    Rows with B >= ``CENSORED`` have P(at least ``CENSORED`` of N | p).
    """
    from scipy.special import betainc, gammaln, log_ndtr, ndtr

    of, better = negatives[:, None], better[:, None]
    log_p = better * log_ndtr(NODES) + (of - better) * log_ndtr(-NODES)
    log_p += gammaln(of + 1.0) - gammaln(better + 1.0) - gammaln(of - better + 1.0)
    chance = np.exp(log_p)
    lost = np.flatnonzero(better[:, 0] >= CENSORED)
    if len(lost):
        rest = np.maximum(of[lost] - CENSORED + 1.0, 1.0)
        chance[lost] = betainc(float(CENSORED), rest, ndtr(NODES))
    return np.asarray(chance, np.float64)
