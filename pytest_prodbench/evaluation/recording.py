"""What the metrics say, as records of the evidence."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pytest_prodbench.evidence.measured import Crossing, Spread
from pytest_prodbench.evidence.values import MetricValue

if TYPE_CHECKING:
    from pytest_prodbench.metrics import Estimate, Summary


def recorded(summary: Summary) -> dict[str, Any]:
    """Return the fields of a ``Measurement`` that a summary fills."""
    return {
        "metrics": _values(summary.overall),
        "conditions": {
            column: {value: _values(found) for value, found in values.items()}
            for column, values in summary.conditions.items()
        },
        "crossings": [
            Crossing(
                columns=found.columns,
                values=found.values,
                n=found.n,
                products=found.products,
                small=found.small,
                metrics=_values(found.estimates),
            )
            for found in summary.crossings
        ],
        "spreads": [
            Spread(
                column=found.column,
                metric=found.metric,
                worst=found.worst,
                best=found.best,
                worst_value=found.worst_value,
                best_value=found.best_value,
                spread=found.spread,
                small=list(found.small),
            )
            for found in summary.spreads
        ],
    }


def _values(estimates: Mapping[str, Estimate]) -> dict[str, MetricValue]:
    return {
        name: MetricValue(
            value=found.value,
            low=found.low,
            high=found.high,
            n=found.n,
            products=found.products,
            method=found.method,
            detectable=found.detectable,
        )
        for name, found in estimates.items()
    }
