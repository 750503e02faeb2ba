"""Metrics of all positives: how much of what could be found stands at the top."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pytest_prodbench.metrics.metric import Metric

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pytest_prodbench.protocol import Ranking


def average_precision(ranking: Ranking, k: int | None) -> NDArray[np.float64]:
    """Return AP@k = (Σ_{i<=k} rel_i · precision@i) / min(k, R), float64 (q,); NaN where R = 0.

    precision@i is the share of positives in the first i. The normaliser min(k, R) is that of the
    instance-retrieval benchmarks ILIAS (Kordopatis-Zilos et al. 2025) and UnED (Ypsilantis et al. 2023);
    others divide by R or by the positives found, which gives other numbers. Ties are pessimistic: tied
    negatives stand first in the list. Range 0 … 1, higher is better.
    """
    assert k is not None  # noqa: S101 - parse_metric gives it
    relevant = ranking.top_relevant[:, :k].astype(np.float64)
    places = np.arange(1, relevant.shape[1] + 1)
    precision = np.cumsum(relevant, axis=1) / places
    total = (precision * relevant).sum(axis=1)
    reachable = np.minimum(k, ranking.positives)
    found = np.full(len(total), np.nan)
    np.divide(total, reachable, out=found, where=ranking.positives > 0)
    return found


MAP = Metric(
    "map",
    average_precision,
    True,
    True,
    True,
    0.0,
    1.0,
    "Kordopatis-Zilos et al. 2025; Ypsilantis et al. 2023",
)
