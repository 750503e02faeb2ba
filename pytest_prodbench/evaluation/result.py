"""What an evaluation gives back."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pytest_prodbench.evidence.timing import Timing
from pytest_prodbench.evidence.types import DatasetRecord, Measurement, ModelRecord
from pytest_prodbench.evidence.values import MetricValue
from pytest_prodbench.metrics import HEADLINE
from pytest_prodbench.registry import display

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

    from pytest_prodbench.protocol import Ranking


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Evaluation:
    """One model on one dataset, measured and not yet judged.

    Attributes:
        measurement: metrics overall and by condition, ties, precision, device.
        ranking: ranks and result lists of the q queries.
        queries: one row a query, as written to Parquet (columns: ``evidence/queries.py``).
        model: what the model was; None for vectors that came from elsewhere.
        dataset: what the dataset was; None for vectors that came from elsewhere.
        timing: where the time went.
    """

    measurement: Measurement
    ranking: Ranking
    queries: pa.Table
    model: ModelRecord | None = None
    dataset: DatasetRecord | None = None
    timing: Timing = field(default_factory=Timing)

    @property
    def metrics(self) -> dict[str, MetricValue]:
        """Metric name → value, low, high (95 % interval by product), n (queries), products."""
        return self.measurement.metrics

    @property
    def ranks(self) -> NDArray[np.int64]:
        """Pessimistic rank of each query's best positive, int64 (q,), full depth, 1 is best.

        ``NO_RANK`` (2**63 − 1) for a query whose product is absent (open set).
        """
        return self.ranking.ranks

    @property
    def ranks_optimistic(self) -> NDArray[np.int64]:
        """The same with every tied negative after the positive, int64 (q,)."""
        return self.ranking.ranks_optimistic

    def to_dict(self) -> dict[str, Any]:
        """Return the evidence of this pair as JSON-like primitives, without times."""
        parts = {"model": self.model, "dataset": self.dataset, "measurement": self.measurement}
        return {
            name: None if part is None else part.model_dump(mode="json")
            for name, part in parts.items()
        }

    def __repr__(self) -> str:
        names = [part.name for part in (self.model, self.dataset) if part is not None]
        found = self.metrics.get(HEADLINE)
        what = " on ".join(name if len(name) <= 80 else name[:79] + "…" for name in names)
        value = (
            f"no {HEADLINE}"
            if found is None
            else f"{HEADLINE} {found.value:.3f} [{found.low:.3f}, {found.high:.3f}]"
        )
        return f"<Evaluation {what or 'of vectors'!r}: {value}, {self.queries.num_rows:,} queries>"

    def _repr_html_(self) -> str:
        return display("evaluation", self)
