"""How many gallery images exceed, and how many equal, given similarities; how many products do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pytest_prodbench.retrieval.bounded_counts import BoundedCounts
from pytest_prodbench.retrieval.exact_counts import ExactCounts

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pytest_prodbench.retrieval.counting import Counts
    from pytest_prodbench.retrieval.gallery import Gallery
    from pytest_prodbench.retrieval.similarities import Similarities

    Floats = NDArray[np.float32]
    Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Limits:
    """Similarities to count against; those of query i stand at ``starts[i]:starts[i + 1]``.

    Attributes:
        starts: int64 (q + 1,).
        scores: float32 (t,), similarities of images that the query may match.
        products: int64 (n,), product at each place, numbered 0, 1, 2 …, to count distinct products at
            each query's first limit; None if they need not be counted.
    """

    starts: Ints
    scores: Floats
    products: Ints | None


class Tally:
    """Counts over all images that a query may match, positives included.

    Attributes:
        above, level: int64 (t,), images whose similarity is greater than, equal to, each limit.
        near: int64 (q,), images within ``near_tie_distance`` of each query's first limit.
        products_above, products_reaching: int64 (q,), distinct products with an image whose similarity
            is greater than, at least, the first limit.
    """

    def __init__(self, limits: Limits, gallery: Gallery, similarities: Similarities) -> None:
        """``similarities``: of pairs, one by one."""
        self.limits, self.gallery, self.similarities = limits, gallery, similarities
        count = len(limits.starts) - 1
        self.above = np.zeros(len(limits.scores), np.int64)
        self.level = np.zeros(len(limits.scores), np.int64)
        self.near = np.zeros(count, np.int64)
        self.products_above = np.zeros(count, np.int64)
        self.products_reaching = np.zeros(count, np.int64)

    def open(self, some: Ints, allowed: float, *, exact: bool) -> Counts:
        """Begin to count for some queries, with scores that are similarities, or near them.

        ``allowed``: how many ``open_scores`` a query may have; one that has more is dropped.
        """
        return ExactCounts(self, some) if exact else BoundedCounts(self, some, allowed)
