"""Ranks → numbers with intervals; pure functions, no I/O."""

from pytest_prodbench.metrics.metric import Metric, parse_metric
from pytest_prodbench.metrics.summary import (
    DIGITS,
    ROUNDING,
    Estimate,
    default_metrics,
    list_length,
    summarise,
)

__all__ = [
    "DIGITS",
    "ROUNDING",
    "Estimate",
    "Metric",
    "default_metrics",
    "list_length",
    "parse_metric",
    "summarise",
]
