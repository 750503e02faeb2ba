"""Average precision as the scripts of Oxford Buildings compute it: the area below the curve by trapezoids.

INSTRE and other instance-retrieval sets are published with it. It is not the average of the precision at
each positive (``map@k``), and has no k: all ranks count.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pytest_prodbench.metrics.metric import Metric

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pytest_prodbench.protocol import Ranking


def trapezoid_precision(ranking: Ranking, k: int | None) -> NDArray[np.float64]:  # noqa: ARG001
    """Return Σ_j (p(j − 1, r_j − 1) + p(j, r_j)) / 2R, float64 (q,); NaN where R = 0.

    r_j is the rank of the j-th positive and p(j, r) = j / r the precision there, p(0, 0) = 1: between two
    positives precision is drawn from just before the next one to it. Philbin et al. 2007 (``compute_ap``);
    ``compute_map.m`` of Iscen et al. 2017. Range 0 … 1, higher is better.
    """
    every = ranking.every_positive
    found = np.diff(every.starts)
    nth = np.arange(1, len(every.ranks) + 1) - np.repeat(every.starts[:-1], found)
    before = np.ones(len(nth))
    np.divide(nth - 1, every.ranks - 1, out=before, where=every.ranks > 1)
    rows = np.repeat(np.arange(len(found)), found)
    # In the order of the ranks and within the query alone, so that no other query changes a bit of it.
    sums = np.bincount(rows, (before + nth / every.ranks) / 2, minlength=len(found))
    area = np.full(len(found), np.nan)
    np.divide(sums, ranking.positives, out=area, where=ranking.positives > 0)
    return area


OXFORD_MAP = Metric(
    name="oxford_map",
    per_query=trapezoid_precision,
    higher_is_better=True,
    low=0.0,
    high=1.0,
    source="Philbin et al. 2007; Iscen et al. 2017",
)
