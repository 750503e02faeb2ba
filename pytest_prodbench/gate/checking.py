"""Hold one rule against what was measured. Nothing passes that is not proven to hold."""

from __future__ import annotations

import math
from collections.abc import Mapping

from pytest_prodbench.evidence.judgement import Check, Outcome, WaiverInForce
from pytest_prodbench.evidence.types import Measurement, MetricValue
from pytest_prodbench.gate.policy import Demand
from pytest_prodbench.gate.values import mean_of, slices_of, usable
from pytest_prodbench.metrics import DIGITS, ROUNDING, parse_metric
from pytest_prodbench.settings.policy import Rule

Z95 = 1.959963984540054
"""Arms of a 95 % interval in standard errors."""

WORST_FIRST: tuple[Outcome, ...] = ("fails", "undecided", "inconclusive", "holds")


def check_pair(model: str, dataset: str, measurement: Measurement, demand: Demand) -> Check:
    """Hold a rule on one pair against its measurement."""
    found = slices_of(measurement, demand.rule)
    if not found:
        why = "no query of this dataset defines it"
        if demand.rule.worst_condition is not None:
            why = (
                f"no value of condition {demand.rule.worst_condition!r} has "
                f"{measurement.smallest_slice} queries that define it"
            )
        elif demand.rule.condition:
            why = (
                f"no such slice was measured, or fewer than {measurement.smallest_slice} of its queries "
                "define it"
            )
        return _undecided(model, dataset, demand, why)
    return _worst(model, dataset, demand, found)


def check_model(
    model: str, measurements: Mapping[str, Measurement | None], demand: Demand
) -> Check:
    """Hold a rule on a sector against one model's measurements, dataset → measurement.

    ``mean``: the mean of the datasets. ``worst``: the worst dataset. Undecided unless every dataset has the
    value: the worst may be the one that is missing.
    """
    values: dict[str, Mapping[str, MetricValue]] = {}
    for dataset, measurement in sorted(measurements.items()):
        found = None if measurement is None else slices_of(measurement, demand.rule)
        if not found:
            return _undecided(model, None, demand, f"{model}:{dataset} has no such value")
        values[dataset] = found
    if not values:
        return _undecided(model, None, demand, "the sector has no dataset")
    if demand.rule.aggregate == "mean":
        sign = 1.0 if demand.rule.bound == "min" else -1.0
        worst = [min(v.values(), key=lambda one: sign * one.value) for v in values.values()]
        return _worst(model, None, demand, {"": mean_of(worst)})
    every = {
        ", ".join(filter(None, (dataset, part))): value
        for dataset, found in values.items()
        for part, value in found.items()
    }
    return _worst(model, None, demand, every)


def _worst(
    model: str, dataset: str | None, demand: Demand, found: Mapping[str, MetricValue]
) -> Check:
    """The check of the worst of some values: all must hold."""
    sign = 1.0 if demand.rule.bound == "min" else -1.0
    outcomes = {part: _outcome(value, demand) for part, value in found.items()}
    part = min(
        found,
        key=lambda part: (WORST_FIRST.index(outcomes[part]), sign * found[part].value, part),
    )
    return _check(model, dataset, demand, outcomes[part], found[part], part)


def _outcome(value: MetricValue, demand: Demand) -> Outcome:
    """A limit is compared with what is recorded: ten decimals."""
    if usable(value) is None:
        return "undecided"
    rule, limit = demand.rule, demand.limit
    sign = 1.0 if rule.bound == "min" else -1.0
    if rule.confidence is None:
        return "holds" if sign * value.value >= sign * limit - ROUNDING else "fails"
    worse, better = one_sided(value, rule)
    if sign * worse >= sign * limit - ROUNDING:
        return "holds"
    return "fails" if sign * better < sign * limit - ROUNDING else "inconclusive"


def one_sided(value: MetricValue, rule: Rule) -> tuple[float, float]:
    """Ends of the one-sided intervals of the rule's confidence: on the worse side, on the better side.

    Evidence holds 95 % intervals, which are one-sided ones of 97.5 %. For less confidence Wilson's are
    made again, with the number of trials that their ends imply; where it was t and not the normal
    quantile that made them, the result is a little wide. The arms of others are shortened in proportion
    to the normal quantile.
    """
    from scipy.special import ndtri

    assert rule.confidence is not None  # noqa: S101 - asked by the caller
    share = min(float(ndtri(rule.confidence)) / Z95, 1.0)
    metric, _ = parse_metric(rule.metric, where=rule.where)
    if value.method == "wilson" and (metric.low, metric.high) == (0.0, 1.0):
        low, high = (_wilson_end(value.value, end, share) for end in (value.low, value.high))
    else:
        low = value.value - (value.value - value.low) * share
        high = value.value + (value.high - value.value) * share
    return (low, high) if rule.bound == "min" else (high, low)


def _wilson_end(value: float, end: float, share: float) -> float:
    """End of Wilson's interval whose quantile is ``share`` of that of a known end.

    An end p solves (p̂ − p)² = c p (1 − p), c = z² / n (Wilson 1927); so c can be read off it.
    """
    if end <= 0.0 or end >= 1.0 or end == value:
        return end
    c = (value - end) ** 2 / (end * (1.0 - end)) * share**2
    half = math.sqrt(c * value * (1.0 - value) + c * c / 4.0)
    return (value + c / 2.0 + math.copysign(half, end - value)) / (1.0 + c)


def _undecided(model: str, dataset: str | None, demand: Demand, why: str) -> Check:
    return _check(model, dataset, demand, "undecided", None, "", why)


def _check(
    model: str,
    dataset: str | None,
    demand: Demand,
    outcome: Outcome,
    value: MetricValue | None,
    part: str,
    why: str = "",
) -> Check:
    rule, waiver = demand.rule, demand.waiver
    passed = outcome == "holds" or (outcome == "inconclusive" and rule.inconclusive != "block")
    return Check(
        metric=rule.metric,
        what=f"{rule.what} ({part})" if part else rule.what,
        model=model,
        dataset=dataset,
        severity=rule.severity,
        bound=rule.bound,
        limit=demand.limit,
        confidence=rule.confidence,
        value=None if value is None else value.value,
        low=None if value is None else value.low,
        high=None if value is None else value.high,
        n=None if value is None else value.n,
        outcome=outcome,
        inconclusive=rule.inconclusive,
        passed=passed,
        message=_message(model, dataset, demand, outcome, value, part, why),
        detectable=None if value is None else value.detectable,
        where=rule.where,
        waiver=None
        if waiver is None
        else WaiverInForce(
            limit=rule.limit,
            reason=waiver.reason,
            owner=waiver.owner,
            expires=waiver.expires.isoformat(),
            where=waiver.where,
        ),
    )


def _message(
    model: str,
    dataset: str | None,
    demand: Demand,
    outcome: Outcome,
    value: MetricValue | None,
    part: str,
    why: str,
) -> str:
    rule, limit = demand.rule, demand.limit
    who = model if dataset is None else f"{model}:{dataset}"
    what = f"{rule.what} ({part})" if part else rule.what
    sign = ">=" if rule.bound == "min" else "<="
    if value is None:
        said = f"has no value ({why}), the rule demands {sign} {limit:.12g}"
    else:
        shown = _apart(value.value, limit)
        drop = _seen(value, rule)
        seen = f"95 % interval {value.low:.4f} to {value.high:.4f}, {drop}, {value.n} queries"
        if outcome == "holds":
            said = f"{shown} {sign} {limit:.12g} ({drop})"
        elif outcome == "inconclusive":
            said = (
                f"{shown} is inconclusive: {rule.confidence:.4g} confidence that it is {sign} "
                f"{limit:.12g} is demanded ({seen})"
            )
        else:
            against = "<" if rule.bound == "min" else ">"
            off = _apart(abs(limit - value.value), 0.0)
            word = "short by" if rule.bound == "min" else "over by"
            if rule.confidence is not None:
                said = f"{shown}: not {sign} {limit:.12g} at any confidence of {rule.confidence:.4g} ({seen})"
            else:
                said = f"{shown} {against} {limit:.12g}, {word} {off} ({seen})"
    if demand.waiver is not None:
        waiver = demand.waiver
        said += f"; waived from {rule.limit:.12g} until {waiver.expires} by {waiver.owner} ({waiver.reason})"
    return f"{who}: {what} {said} [{rule.where}]"


def _seen(value: MetricValue, rule: Rule) -> str:
    """Say how small a change this verdict could have noticed: it vouches for no less."""
    word = "drop" if rule.bound == "min" else "rise"
    if value.detectable is None:
        return f"could have seen a {word} of unknown size"
    size = f"{value.detectable:.3f}" if value.detectable >= 0.0005 else "less than 0.001"
    return f"could have seen a {word} of {size}"


def _apart(value: float, limit: float) -> str:
    """Four decimals, or as many as are recorded where four would hide a difference."""
    return f"{value:.4f}" if abs(value - limit) >= 5e-5 or value == limit else f"{value:.{DIGITS}f}"
