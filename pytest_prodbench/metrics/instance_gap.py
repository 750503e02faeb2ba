"""Instance against category: a model that knows what, and not which."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_prodbench.metrics.first_hit import category_recall, recall
from pytest_prodbench.metrics.metric import Metric

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from pytest_prodbench.protocol import Ranking


def instance_gap(ranking: Ranking, k: int | None) -> NDArray[np.float64]:  # noqa: ARG001
    """Return category_recall@1 − recall@1, float64 (q,); NaN where either is not defined.

    Its mean is that of the queries that define both: it is the difference of the two metrics' means only
    where both are defined on the same queries, so not where a product is absent and its family is not, nor
    where a query has no family. Defined in docs/protocol.md, category recall.

    1 for a query whose first result is of the right family and the wrong product: what is left to win
    by telling look-alikes apart. −1 needs a product whose photos are of another family than the
    query's: a label to look at. Range −1 … 1, lower is better; a model that finds neither has no gap,
    so that it is read beside recall@1 and never instead of it.
    """
    return category_recall(ranking, 1) - recall(ranking, 1)


INSTANCE_GAP = Metric(
    name="instance_gap",
    per_query=instance_gap,
    higher_is_better=False,
    low=-1.0,
    high=1.0,
    source="docs/protocol.md, category recall",
)
