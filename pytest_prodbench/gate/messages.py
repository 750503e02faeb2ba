"""What a check says: what, by how much, against which rule."""

from __future__ import annotations

from pytest_prodbench.evidence.comparison import PairComparison
from pytest_prodbench.evidence.judgement import Outcome
from pytest_prodbench.evidence.values import MetricValue
from pytest_prodbench.gate.policy import Demand
from pytest_prodbench.gate.values import Held
from pytest_prodbench.metrics import DIGITS
from pytest_prodbench.settings.policy import COSTS, Rule


def message(
    model: str,
    dataset: str | None,
    demand: Demand,
    outcome: Outcome,
    held: Held | None,
    part: str,
    why: str,
) -> str:
    """Say what was held against what, by how much it holds or not, and which rule asks."""
    rule = demand.rule
    who = model if dataset is None else f"{model}:{dataset}"
    what = f"{rule.what} ({part})" if part else rule.what
    sign = ">=" if rule.bound == "min" else "<="
    if outcome == "no baseline":
        said = (
            f"no baseline yet, nothing to compare with; the rule tolerates {_limit_words(demand)}"
        )
    elif held is None:
        said = f"has no value ({why}), the rule demands {sign} {_limit_words(demand)}"
    else:
        said = _held_words(demand, outcome, held, sign)
    if demand.waiver is not None:
        waiver = demand.waiver
        said += f"; waived from {rule.limit:.12g} until {waiver.expires} by {waiver.owner} ({waiver.reason})"
    return f"{who}: {what} {said} [{rule.where}]"


def _limit_words(demand: Demand) -> str:
    share = " of production's value" if demand.relative else ""
    return f"{demand.limit:.12g}{share}"


def _held_words(demand: Demand, outcome: Outcome, held: Held, sign: str) -> str:
    rule, value, limit = demand.rule, held.value, held.limit
    if rule.is_budget:
        unit = COSTS[rule.metric][1]
        against = sign if outcome == "holds" else {">=": "<", "<=": ">"}[sign]
        return f"{value.value:.6g} {unit} {against} {limit:.6g}"
    shown = _apart(value.value, limit)
    if held.change is not None:
        before = "production" if rule.beats is None else "other model"
        shown += f" ({before} {held.change.before:.4f}, candidate {held.change.after:.4f})"
    shown_limit = f"{limit:.12g}"
    if demand.relative:
        shown_limit = f"{limit:.4f} ({demand.limit:.12g} of production's value)"
    drop = _seen(value, rule)
    seen = f"95 % interval {value.low:.4f} to {value.high:.4f}, {drop}, {value.n} queries"
    if outcome == "holds":
        return f"{shown} {sign} {shown_limit} ({drop})"
    if outcome == "inconclusive":
        return (
            f"{shown} is inconclusive: {rule.confidence:.4g} confidence that it is {sign} "
            f"{shown_limit} is demanded ({seen})"
        )
    against = "<" if rule.bound == "min" else ">"
    off = _apart(abs(limit - value.value), 0.0)
    word = "short by" if rule.bound == "min" else "over by"
    if rule.confidence is not None:
        return (
            f"{shown}: not {sign} {shown_limit} at any confidence of {rule.confidence:.4g} ({seen})"
        )
    return f"{shown} {against} {shown_limit}, {word} {off} ({seen})"


def _seen(value: MetricValue, rule: Rule) -> str:
    """Say how small a change this verdict could have noticed: it vouches for no less."""
    word = "rise" if rule.bound == "max" else "drop"
    if value.detectable is None:
        return f"could have seen a {word} of unknown size"
    size = f"{value.detectable:.3f}" if value.detectable >= 0.0005 else "less than 0.001"
    return f"could have seen a {word} of {size}"


def _apart(value: float, limit: float) -> str:
    """Four decimals, or as many as are recorded where four would hide a difference."""
    return f"{value:.4f}" if abs(value - limit) >= 5e-5 or value == limit else f"{value:.{DIGITS}f}"


def why_no_drop(comparison: PairComparison, metric: str) -> str:
    """Say why a rule on drops has nothing to be held against."""
    if comparison.refused:
        return "not comparable with production: " + "; ".join(comparison.refused)
    if metric in comparison.not_compared:
        return "not comparable with production: " + comparison.not_compared[metric]
    return "the comparison with production has no such value, or too few queries for it"
