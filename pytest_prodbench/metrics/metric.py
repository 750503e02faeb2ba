"""What a metric is, and how it is found by name (``recall@5`` is ``recall`` with k = 5)."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from pytest_prodbench import registry
from pytest_prodbench.errors import SettingsError
from pytest_prodbench.metrics.declared import refuse_misdeclared

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from pytest_prodbench.protocol import Ranking

FEW = 400
"""Resamples behind an interval of a statistic's own."""

MAX_K = 1000
"""Largest k: a result list is never longer, and nobody looks at more results."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """A metric that is the mean over queries of a value a query.

    Attributes:
        name: without its k: ``recall``.
        per_query: (ranking, k) → float64 (q,); NaN for queries that the metric is not defined on (most
            are not where the product is absent), which its mean leaves out. k is None for a metric
            without one.
        higher_is_better: direction.
        low, high: range of its value; may be infinite.
        source: where the definition is published.
        takes_k: whether its name carries ``@k``.
        needs_list: whether it reads the first k of the result list (else ranks alone).
        binary: whether every value a query is 0 or 1, so that the mean is a proportion.
        version: of the definition; a new one makes older results incomparable.
    """

    name: str
    per_query: Callable[[Ranking, int | None], NDArray[np.float64]]
    higher_is_better: bool
    low: float
    high: float
    source: str
    takes_k: bool = False
    needs_list: bool = False
    binary: bool = False
    version: int = 1


Sampled = Callable[["NDArray[np.float64]"], "NDArray[np.float64]"]
"""Weights of b samples of u units → the statistic of each, float64 (b,).

Weights are float64 (b, u), whole numbers >= 0: with a weight of 2 the queries of a unit count twice, with
one of 0 they are left out. NaN for a sample that does not define the statistic. They are for reading: all
statistics of an estimate are given the same array.
"""

Units: TypeAlias = "NDArray[np.intp]"
"""Unit of each of q queries, intp (q,), 0 … u − 1: what is drawn together, as all queries of a product.

``weights[:, units]`` is the weight of each query.
"""

Populations = Callable[["Ranking"], "tuple[NDArray[np.bool_], ...]"]
"""Ranking of q queries → the queries that a statistic speaks of, bool (q,), one mask a population.

One that holds two kinds of queries against each other, such as known and unknown ones, has two: it knows no
more than the smaller of them can say.
"""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Sampling:
    """What an interval of a statistic's own may look at.

    Attributes:
        ranking: of q queries.
        k: of the statistic, or None.
        codes: intp (q,), product of each query, 0 … P − 1: the units of the weights.
        value: the statistic of all queries, not NaN.
        sampled: the statistic of weighted samples.
        resample: function of weights (b, P) → what it returns for the resamples of the bootstrap, one
            after the other along the first axis; at most ``FEW`` of them.
    """

    ranking: Ranking
    k: int | None
    codes: NDArray[np.intp]
    value: float
    sampled: Sampled
    resample: Callable[[Sampled], NDArray[np.float64]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Statistic:
    """A metric that is not a mean over queries: a median, an area under a curve, a threshold.

    Attributes:
        name: what it is called in a policy.
        of: (ranking of q queries, k, units) → the statistic of weighted samples of them, to be asked many
            times. So what needs no weights, such as sorting, is done once. k is None for one without a k.
        higher_is_better, low, high, source, takes_k, version: as in :class:`Metric`.
        interval: low and high end of a 95 % interval, and the standard error, where percentiles of the
            bootstrap would not hold what they promise, as where sampling error moves a statistic in one
            direction only.
        populations: the queries that it speaks of; None: all of them. The smallest population is what stands
            behind the number: its queries and products are counted, and the interval of a statistic with a
            finite range is never narrower than so few witnesses allow.
        enough: whether the queries of a ranking can answer what it asks, as an error rate of 1 % needs 100
            queries that could be errors. Where they cannot there is no estimate, so that no rule on it is
            met. None: they always can.
        scores: name of the scores that it looks at, where several statistics share what they count of
            them. Those of one name are asked one after the other, those of others perhaps by another thread.
    """

    name: str
    of: Callable[[Ranking, int | None, Units], Sampled]
    higher_is_better: bool
    low: float
    high: float
    source: str
    takes_k: bool = False
    interval: Callable[[Sampling], tuple[float, float, float]] | None = None
    populations: Populations | None = None
    enough: Callable[[Ranking], bool] | None = None
    scores: str = ""
    version: int = 1

    def by_query(self, ranking: Ranking, k: int | None) -> Sampled:
        """Return the statistic of samples that weigh each query by itself: weights (b, q)."""
        import numpy as np

        return self.of(ranking, k, np.arange(len(ranking.ranks)))


def _registered(name: str, where: str) -> Metric | Statistic:
    found = registry.load("prodbench.metrics", name, where=where)
    place = registry.place("prodbench.metrics", name)
    if not isinstance(found, Metric | Statistic):
        raise SettingsError(
            place,
            found=f"{type(found).__name__} {found!r}"[:200],
            expected="a Metric or a Statistic of pytest_prodbench.metrics",
            next_step="register the object, not its function or class",
        )
    refuse_misdeclared(found, name, place)
    return found


def parse_metric(text: str, *, where: str) -> tuple[Metric | Statistic, int | None]:
    """Return the metric and k that a name such as ``recall@5`` or ``mrr`` means.

    Raises:
        SettingsError: unknown metric, a k that is missing, not wanted, or outside 1 … 1000; ``where``
            says who asked. What is registered is no metric, or not as it is declared; names the place.
    """
    name, at, digits = text.partition("@")
    metric = _registered(name, where)
    if not metric.takes_k:
        if at:
            raise SettingsError(where, found=f"metric {text!r}", expected=f"{name!r}, without a k")
        return metric, None
    if not re.fullmatch(r"[1-9][0-9]*", digits) or int(digits) > MAX_K:
        raise SettingsError(
            where,
            found=f"metric {text!r}",
            expected=f"{name}@k with k from 1 to {MAX_K}, as {name}@5",
        )
    return metric, int(digits)
