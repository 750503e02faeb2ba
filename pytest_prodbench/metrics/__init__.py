"""Ranks → numbers with intervals; pure functions, no I/O."""

from pytest_prodbench.metrics.conditions import Crossing, Spread
from pytest_prodbench.metrics.estimates import DIGITS, ROUNDING, Estimate
from pytest_prodbench.metrics.metric import Metric, Statistic, parse_metric
from pytest_prodbench.metrics.summary import (
    Summary,
    default_metrics,
    list_length,
    summarise,
)

__all__ = [
    "DIGITS",
    "ROUNDING",
    "Crossing",
    "Estimate",
    "Metric",
    "Spread",
    "Statistic",
    "Summary",
    "default_metrics",
    "list_length",
    "parse_metric",
    "summarise",
]
