"""Who stands behind a statistic: the smallest of the populations that it speaks of."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pytest_prodbench.metrics.proportions import effective_products
from pytest_prodbench.protocol import NO_RANK

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pytest_prodbench.protocol import Ranking


@dataclass(frozen=True, slots=True)
class Witnesses:
    """A population of queries.

    Attributes:
        n: queries.
        products: distinct products of these.
        effective: ``effective_products``, at most ``products``.
    """

    n: int
    products: int
    effective: float


def fewest_witnesses(
    populations: Iterable[NDArray[np.bool_]], codes: NDArray[np.intp]
) -> Witnesses:
    """Return the population with the fewest effective witnesses.

    Args:
        populations: bool (q,) each, one at least.
        codes: intp (q,), product of each query.
    """
    return min(
        (_witnesses(codes[mask]) for mask in populations),
        key=lambda found: (found.effective, found.products, found.n),
    )


def _witnesses(codes: NDArray[np.intp]) -> Witnesses:
    counts = np.bincount(codes, minlength=1).astype(np.float64)
    return Witnesses(
        n=len(codes),
        products=int(np.count_nonzero(counts)),
        effective=float(effective_products(counts[:, None])[0]),
    )


def known_queries(ranking: Ranking) -> tuple[NDArray[np.bool_]]:
    """Population of a statistic of ranks: queries whose product is in the gallery."""
    return (ranking.ranks != NO_RANK,)


def known_and_unknown(ranking: Ranking) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Populations of an open-set statistic."""
    (those,) = known_queries(ranking)
    return those, ~those
