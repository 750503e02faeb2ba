"""A metric is held to what it declares: when it is found by its name, and when it is computed."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from pytest_prodbench.errors import MetricError, SettingsError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from pytest_prodbench.metrics.metric import Metric, Statistic
    from pytest_prodbench.protocol import Ranking

SLACK = 1e-9
"""How far beyond its range rounding may carry a value, in units of the larger of 1 and the bound."""


def refuse_misdeclared(metric: Metric | Statistic, name: str, place: str) -> None:
    """Check a metric that was found under a name: versions in evidence are kept by the metric's own name.

    Args:
        metric: a ``Metric`` or ``Statistic``.
        name: what it is registered as.
        place: where, for messages.

    Raises:
        SettingsError: its name is another, its range is none, its version is no whole number from 1 on, or
            its function cannot be called.
    """
    if metric.name != name:
        raise SettingsError(
            place,
            found=f"a metric whose name is {metric.name!r}",
            expected=f"the name it is registered under, {name!r}",
            next_step="give both one name",
        )
    bounds = (metric.low, metric.high)
    if not all(isinstance(bound, int | float) for bound in bounds) or not bounds[0] < bounds[1]:
        raise SettingsError(
            place,
            found=f"metric {name!r} with a range from {metric.low!r} to {metric.high!r}",
            expected="two numbers, low < high",
            next_step="state the range of its value",
        )
    if type(metric.version) is not int or metric.version < 1:
        raise SettingsError(
            place,
            found=f"metric {name!r} with version {metric.version!r}",
            expected="a whole number from 1 on",
            next_step="start with 1, and raise it with the definition",
        )
    field = "per_query" if hasattr(metric, "per_query") else "of"
    if not callable(getattr(metric, field)):
        raise SettingsError(
            place,
            found=f"metric {name!r} whose {field} is {getattr(metric, field)!r}",
            expected="a function",
            next_step="see 'A metric of your own' in docs/protocol.md",
        )


def values_of(metric: Metric, ranking: Ranking, k: int | None) -> NDArray[np.float64]:
    """Return the value of a metric for each query, float64 (q,), as it was declared.

    Raises:
        MetricError: values of another shape or kind, outside the range, infinite, or, of a ``binary``
            metric, other than 0 and 1.
    """
    import numpy as np

    found = metric.per_query(ranking, k)
    count = len(ranking.ranks)
    try:
        values = np.asarray(found, np.float64)
    except (TypeError, ValueError) as error:
        raise _unlike(metric, f"{type(found).__name__}, which is no array of numbers") from error
    if values.shape != (count,):
        raise MetricError(
            f"metric {metric.name!r}",
            found=f"values of shape {values.shape}",
            expected=f"({count},), one a query",
            next_step="let per_query return one float a query, NaN where it is not defined",
        )
    some = values[~np.isnan(values)]
    low, high = _reach(metric)
    outside = some[(some < low) | (some > high) | np.isinf(some)]
    if len(outside):
        raise _unlike(metric, f"the value {float(outside[0]):.12g} ({len(outside)} such queries)")
    if metric.binary and (other := some[(some != 0.0) & (some != 1.0)]).size:
        raise MetricError(
            f"metric {metric.name!r}",
            found=f"the value {float(other[0]):.12g} ({len(other)} such queries)",
            expected="0 or 1, as binary = True declares",
            next_step="declare binary = False; its interval is then that of a mean",
        )
    return values


def refuse_outside(metric: Metric | Statistic, value: float) -> None:
    """Check a statistic's value of all queries.

    Raises:
        MetricError: it is infinite or outside the range.
    """
    low, high = _reach(metric)
    if not math.isfinite(value) or not low <= value <= high:
        raise _unlike(metric, f"the value {value:.12g}")


def _reach(metric: Metric | Statistic) -> tuple[float, float]:
    return (
        metric.low - SLACK * max(1.0, abs(metric.low)),
        metric.high + SLACK * max(1.0, abs(metric.high)),
    )


def _unlike(metric: Metric | Statistic, found: str) -> MetricError:
    return MetricError(
        f"metric {metric.name!r}",
        found=found,
        expected=f"finite numbers from {metric.low:.12g} to {metric.high:.12g}, its range",
        next_step="mend the metric, or the range that it states",
    )
