"""Policy + evidence → verdict; pure functions, no I/O."""

from pytest_prodbench.gate.judge import judge_measurement, judge_pairs
from pytest_prodbench.gate.policy import check_policy, effective_rules

__all__ = ["check_policy", "effective_rules", "judge_measurement", "judge_pairs"]
