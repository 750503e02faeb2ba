"""Policy + evidence → verdict; pure functions, no I/O."""

from pytest_prodbench.gate.judge import judge_measurement, judge_pairs
from pytest_prodbench.gate.policy import (
    Demand,
    lead_demands,
    model_demands,
    pair_demands,
    rivals,
)
from pytest_prodbench.gate.sense import check_policy
from pytest_prodbench.gate.values import costs_of

__all__ = [
    "Demand",
    "check_policy",
    "costs_of",
    "judge_measurement",
    "judge_pairs",
    "lead_demands",
    "model_demands",
    "pair_demands",
    "rivals",
]
