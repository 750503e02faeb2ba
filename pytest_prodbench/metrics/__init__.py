"""Ranks → numbers with intervals; pure functions, no I/O."""

from pytest_prodbench.metrics.conditions import Crossing, Spread
from pytest_prodbench.metrics.estimates import DIGITS, ROUNDING, Estimate
from pytest_prodbench.metrics.metric import Metric, Statistic, parse_metric
from pytest_prodbench.metrics.summary import (
    HEADLINE,
    HEADLINES,
    SMALLEST_SLICE,
    Summary,
    default_metrics,
    list_length,
    summarise,
)

__all__ = [
    "DIGITS",
    "HEADLINE",
    "HEADLINES",
    "ROUNDING",
    "SMALLEST_SLICE",
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
