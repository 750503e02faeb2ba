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

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from pytest_prodbench.metrics.difficulty import (
    CENSORED,
    EDGES,
    NODES,
    Difficulty,
    node_likelihood,
    node_mass,
    surviving,
)
from pytest_prodbench.metrics.metric import Sampled, Statistic, Units
from pytest_prodbench.metrics.witnesses import known_queries
from pytest_prodbench.protocol import NO_RANK

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pytest_prodbench.protocol import Ranking

    Doubles = NDArray[np.float64]
    Ints = NDArray[np.int64]

ASSUMPTION = (
    "Extrapolated, not measured: assumes that the images to come are like those that are here (the "
    "same mix of products and of photography, no more look-alikes per product), and that the chance "
    "of an image to beat the right one is normal on the probit scale over the queries. The interval "
    "does not hold the uncertainty of these assumptions."
)
"""What has to stand beside every extrapolated number."""

BOUNDS = np.array([[-12.0, np.log(0.05)], [6.0, np.log(20.0)]])
"""Least and greatest mean and logarithmic spread of a fit."""

STEPS, SETTLED = 20, 1e-4
"""Most steps of the fit to a sample, and the change of mean or logarithmic spread that ends them: the next
one would be about its square."""


def fit_difficulty(ranking: Ranking) -> Difficulty | None:
    """Fit mean and spread to the counts of better negatives by maximum likelihood.

    None where the counts do not say: no query whose product is present, or none with a better negative
    (a larger gallery could then do anything, and "recall stays 1" would be made up), or none with fewer
    than ``CENSORED``. The order of the queries changes nothing.
    """
    return Extrapolation(ranking, np.arange(len(ranking.ranks))).fit


class Extrapolation:
    """The fit to all queries, and what weighted samples of them say of larger galleries.

    Attributes:
        fit: mean and spread of all queries; None if they say nothing.
    """

    def __init__(self, ranking: Ranking, units: Units) -> None:
        """``units``: of the samples that will come."""
        self._known = np.flatnonzero(ranking.ranks != NO_RANK)
        self._candidates = ranking.candidates[self._known]
        self._negatives = self._candidates - ranking.positives[self._known]
        self._better = ranking.ranks[self._known] - 1
        self._units = units[self._known]
        counts = np.stack([self._negatives, self._better.clip(max=CENSORED)])
        pairs, kind, times = np.unique(counts, axis=1, return_inverse=True, return_counts=True)
        self._kind, self._pairs = kind.reshape(-1), pairs
        self._fitted: tuple[Doubles | None, Doubles] = None, np.empty((0, len(NODES)))
        self.fit: Difficulty | None = None
        if self._says(times[None].astype(np.float64)).all():
            self._likelihood = node_likelihood(*pairs)
            self.fit = self._first_fit(times)

    def recall(self, k: int, size: int) -> Sampled:
        """Mean of ``difficulty.extrapolated_recall`` over weighted samples, each with a fit of its own.

        The fit has no answer for a sample without a beaten query, and for one of which all are lost. They
        are the best and the worst: to leave them out would draw in the ends of an interval. They count as
        1, the limit of ever easier samples, and as 0, what recall@k is already. NaN for a sample of no
        known query, and everywhere if there is no fit, or k is above ``CENSORED``.
        """
        if self.fit is None or k > CENSORED:
            return lambda weights: np.full(len(weights), np.nan)
        alive = np.flatnonzero(self._better < k)
        new = np.maximum(0, size - self._candidates[alive])
        survival = surviving(k, self._negatives[alive], self._better[alive], new)
        by_kind = _by_kind(self._kind, self._pairs.shape[1])
        alive_by_kind = _by_kind(survival.kind, len(survival.likelihood))

        def of(weights: Doubles) -> Doubles:
            known = weights[:, self._units]
            times = by_kind(known)
            beaten = times[:, self._pairs[1] > 0].sum(axis=1) > 0
            found = np.where(times.sum(axis=1) > 0, np.where(beaten, 0.0, 1.0), np.nan)
            says = np.flatnonzero(self._says(times))
            if self._fitted[0] is not weights:  # the same samples, asked for another k or size
                self._fitted = weights, self._refit(times[says])
            chance = survival.chance(self._fitted[1])
            drawn = alive_by_kind(known[np.ix_(says, alive)])
            # A kind that the sample does not hold may have no chance under its fit.
            kept = (drawn * np.where(drawn > 0, chance, 0.0)).sum(axis=1)
            found[says] = np.minimum(kept / times[says].sum(axis=1), 1.0)
            return found

        return of

    def _says(self, times: Doubles) -> NDArray[np.bool_]:
        """Whether samples, (b, t) times of each kind of counts, hold a beaten query and one not lost."""
        better = self._pairs[1]
        beaten = times[:, better > 0].sum(axis=1) > 0
        return np.asarray(beaten & (times[:, better < CENSORED].sum(axis=1) > 0))

    def _first_fit(self, times: Ints) -> Difficulty:
        from scipy.optimize import minimize
        from scipy.special import ndtri

        def misfit(at: Doubles) -> float:
            chance = self._likelihood @ Difficulty(float(at[0]), float(np.exp(at[1]))).mass()
            return -float(times @ np.log(np.maximum(chance, 1e-300)))

        scale = ndtri((self._pairs[1] + 0.5) / (self._pairs[0] + 1.0))
        start = np.average(scale, weights=times)
        spread = np.sqrt(np.average((scale - start) ** 2, weights=times))
        found = minimize(
            misfit,
            np.array([start, np.log(max(spread, 0.3))]),
            method="Nelder-Mead",
            bounds=BOUNDS.T.tolist(),
            options={"xatol": 1e-6, "fatol": 1e-9, "maxiter": 2000, "maxfev": 4000},
        )
        return Difficulty(float(found.x[0]), float(np.exp(found.x[1])))

    def _refit(self, times: Doubles) -> Doubles:
        """Mass of the nodes after the fit to b samples, float64 (b, g).

        Newton's method from the fit to all; no step is longer than 1, and one that makes the sample less
        likely is halved.
        """
        assert self.fit is not None  # noqa: S101 - asked by the caller
        at = np.tile([self.fit.mean, np.log(self.fit.spread)], (len(times), 1))
        step = np.zeros_like(at)
        known = np.full(len(times), -np.inf)
        active = np.arange(len(times))
        for _ in range(STEPS):
            if not len(active):
                break
            value, gradient, bend = self._derivatives(times[active], at[active])
            better = value >= known[active] - 1e-12 * np.abs(value)
            known[active[better]] = value[better]
            back = active[~better]
            step[back] /= 2.0
            at[back] -= step[back]
            change = np.linalg.solve(bend[better], gradient[better, :, None])[:, :, 0]
            length = np.abs(change).max(axis=1, initial=0.0)[:, None]
            step[active[better]] = change / np.maximum(length, 1.0)
            ahead = np.clip(at[active[better]] + step[active[better]], *BOUNDS)
            step[active[better]] = ahead - at[active[better]]
            at[active[better]] = ahead
            active = active[np.abs(step[active]).max(axis=1) > SETTLED]
        return node_mass(at)

    def _derivatives(self, times: Doubles, at: Doubles) -> tuple[Doubles, Doubles, Doubles]:
        """Log likelihood (b,), its gradient (b, 2), and a positive matrix (b, 2, 2) for −its curvature."""
        spread = np.exp(at[:, 1:])
        z = (EDGES - at[:, :1]) / spread
        density = np.exp(-0.5 * np.square(z)) / np.sqrt(2.0 * np.pi)
        z = np.where(np.isfinite(z), z, 0.0)  # where the density is 0
        chance = np.maximum(node_mass(at) @ self._likelihood.T, 1e-300)

        def relative(edges: Doubles) -> Doubles:
            """Derivative of the chance over the chance, from that of Φ at the edges; (b, t)."""
            return np.asarray(np.diff(edges, axis=1) @ self._likelihood.T / chance)

        score = np.stack([relative(-density / spread), relative(-density * z)], axis=2)
        weighted = times[:, :, None] * score
        outer = np.swapaxes(weighted, 1, 2) @ score
        rest = 1.0 - np.square(z)
        second = [
            (times * relative(edges)).sum(axis=1)
            for edges in (
                -z * density / np.square(spread),
                density * rest / spread,
                z * density * rest,
            )
        ]
        bend = outer - np.stack(second, axis=1)[:, [[0, 1], [1, 2]]]
        # Where the likelihood is not concave the outer product of the scores stands in (Berndt et al. 1974).
        trace = np.trace(bend, axis1=1, axis2=2)
        concave = (trace > 0) & (np.linalg.det(bend) > 1e-6 * np.square(trace))
        bend[~concave] = outer[~concave]
        # Counts of one kind alone fit a line of means and spreads: the least step to it.
        ridge = 1e-9 * np.trace(bend, axis1=1, axis2=2) + 1e-12
        bend += ridge[:, None, None] * np.eye(2)
        return (times * np.log(chance)).sum(axis=1), weighted.sum(axis=1), bend


def _by_kind(kind: Ints, kinds: int) -> Callable[[Doubles], Doubles]:
    """Sum of weights, float64 (b, a), of each kind that some of a queries are of: float64 (b, t)."""
    order = np.argsort(kind, kind="stable")
    starts = np.searchsorted(kind[order], np.arange(kinds))

    def total(weights: Doubles) -> Doubles:
        return np.asarray(np.add.reduceat(weights[:, order], starts, axis=1))

    return total


def recall_in_larger_gallery(
    ranking: Ranking, k: int | None, units: Units, *, times: int
) -> Sampled:
    """Return the extrapolated recall@k with ``times`` as many gallery images, of weighted samples.

    See ``difficulty.extrapolated_recall`` and ``ASSUMPTION``. Defined in docs/protocol.md, Growth of the
    catalog. Range 0 … 1, higher is better.
    """
    assert k is not None  # noqa: S101 - parse_metric gives it
    size = times * int(ranking.candidates.max(initial=0))
    return Extrapolation(ranking, units).recall(k, size)


def _statistic(name: str, times: int) -> Statistic:
    return Statistic(
        name=name,
        of=partial(recall_in_larger_gallery, times=times),
        takes_k=True,
        higher_is_better=True,
        low=0.0,
        high=1.0,
        source="docs/protocol.md, Growth of the catalog",
        populations=known_queries,
    )


RECALL_10X = _statistic("recall_10x", 10)
RECALL_100X = _statistic("recall_100x", 100)
