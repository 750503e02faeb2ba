"""What a rule is about, found in what was measured."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pytest_prodbench.evidence.comparison import Change, Compared
from pytest_prodbench.evidence.timing import Timing
from pytest_prodbench.evidence.types import Measurement
from pytest_prodbench.evidence.values import MetricValue
from pytest_prodbench.settings.policy import Rule


@dataclass(frozen=True, slots=True)
class Held:
    """One value and what it is held against.

    Attributes:
        value: measured; of a rule on drops the drop.
        limit: inclusive.
        change: where the drop comes from; None for other rules.
    """

    value: MetricValue
    limit: float
    change: Change | None = None


def drops_of(comparison: Compared, rule: Rule) -> dict[str, Change]:
    """Return the changes that a rule on drops is held against, each with what it is of, in words.

    None at all where nothing was compared, or no slice has enough queries: the rule is undecided.
    """
    if rule.worst_condition is not None:
        column = comparison.conditions.get(rule.worst_condition, {})
        found = {value: changes.get(rule.metric) for value, changes in column.items()}
    else:
        found = {"": _changes(comparison, rule.condition).get(rule.metric)}
    return {
        part: change
        for part, change in sorted(found.items())
        if change is not None and usable(change.drop) is not None
    }


def _changes(comparison: Compared, condition: Sequence[tuple[str, str]]) -> Mapping[str, Change]:
    if not condition:
        return comparison.changes
    if len(condition) == 1:
        ((column, value),) = condition
        return comparison.conditions.get(column, {}).get(value, {})
    columns, values = (tuple(parts) for parts in zip(*condition, strict=True))
    for crossed in comparison.crossings:
        if crossed.columns == columns and crossed.values == values:
            return crossed.changes
    return {}


def lead_of(change: Change) -> MetricValue:
    """Return by how much the later model is better: the drop with its sign turned."""
    drop = change.drop
    return drop.model_copy(
        update={"value": 0.0 - drop.value, "low": 0.0 - drop.high, "high": 0.0 - drop.low}
    )


def exactly(value: float) -> MetricValue:
    """Return a number that is no estimate over queries, in the form of one that is."""
    return MetricValue(value=value, low=value, high=value, n=1, products=1, method="own")


def costs_of(measurement: Measurement, timing: Timing, price: float | None) -> dict[str, float]:
    """Return every cost that is known of a pair, by name; ``price``: of 1,000 images, as configured."""
    costs = dict(timing.costs)
    if measurement.embedding is not None:
        costs["bytes_per_vector"] = float(measurement.embedding.bytes_per_vector)
    if price is not None:
        costs["price_per_1000"] = price
    return costs


def slices_of(measurement: Measurement, rule: Rule) -> dict[str, MetricValue] | None:
    """Return the values that a rule on one pair is held against, each with what it is of, in words.

    One value, ``""``, unless the rule is about the worst value of a condition column: then one for each
    value of that column with enough queries. None, or none at all, where nothing was measured, or a slice
    has too few queries to be ranked: the rule is undecided.
    """
    if rule.worst_condition is not None:
        column = measurement.conditions.get(rule.worst_condition, {})
        found = {value: usable(metrics.get(rule.metric)) for value, metrics in column.items()}
        return {
            value: metric
            for value, metric in sorted(found.items())
            if metric is not None and metric.n >= measurement.smallest_slice
        }
    metric = usable(_metrics(measurement, rule.condition).get(rule.metric))
    if metric is None or (rule.condition and metric.n < measurement.smallest_slice):
        return None
    return {"": metric}


def usable(value: MetricValue | None) -> MetricValue | None:
    """Return a value if something stands behind it: it is finite and some query counts."""
    return value if value is not None and math.isfinite(value.value) and value.n > 0 else None


def _metrics(
    measurement: Measurement, condition: Sequence[tuple[str, str]]
) -> Mapping[str, MetricValue]:
    if not condition:
        return measurement.metrics
    if len(condition) == 1:
        ((column, value),) = condition
        return measurement.conditions.get(column, {}).get(value, {})
    columns, values = (tuple(parts) for parts in zip(*condition, strict=True))
    for crossing in measurement.crossings:
        if crossing.columns == columns and crossing.values == values:
            return crossing.metrics
    return {}


def mean_of(values: Sequence[MetricValue]) -> MetricValue:
    """Mean of a metric over k datasets, with the interval of the mean of independent estimates.

    low = mean − √(Σ (value − low)²) / k, high likewise: variances are recovered from the arms of the
    intervals (Zou & Donner, Construction of confidence limits about effect measures, 2008).
    """
    count = len(values)
    mean = math.fsum(value.value for value in values) / count
    below = math.sqrt(math.fsum((value.value - value.low) ** 2 for value in values)) / count
    above = math.sqrt(math.fsum((value.high - value.value) ** 2 for value in values)) / count
    seen = [value.detectable for value in values]
    known = [drop for drop in seen if drop is not None]
    return MetricValue(
        value=mean,
        low=mean - below,
        high=mean + above,
        n=sum(value.n for value in values),
        products=sum(value.products for value in values),
        method="own",
        detectable=math.sqrt(math.fsum(drop**2 for drop in known)) / count
        if len(known) == count
        else None,
    )
