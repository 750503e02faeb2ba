"""Hold one rule against what was measured. Nothing passes that is not proven to hold."""

from __future__ import annotations

import math
from collections.abc import Mapping

from pytest_prodbench.evidence.comparison import Compared, PairComparison
from pytest_prodbench.evidence.judgement import Check, Outcome, WaiverInForce
from pytest_prodbench.evidence.types import Measurement
from pytest_prodbench.evidence.values import MetricValue
from pytest_prodbench.gate.messages import message, why_no_drop
from pytest_prodbench.gate.policy import Demand
from pytest_prodbench.gate.values import (
    Held,
    drops_of,
    exactly,
    lead_of,
    mean_of,
    slices_of,
    usable,
)
from pytest_prodbench.metrics import ROUNDING, parse_metric
from pytest_prodbench.settings.policy import Rule

Z95 = 1.959963984540054
"""Arms of a 95 % interval in standard errors."""

WORST_FIRST: tuple[Outcome, ...] = (
    "fails",
    "undecided",
    "inconclusive",
    "no baseline",
    "holds",
)


def check_pair(
    model: str,
    dataset: str,
    measurement: Measurement,
    demand: Demand,
    comparison: PairComparison | None = None,
    costs: Mapping[str, float] | None = None,
) -> Check:
    """Hold a rule on one pair against its measurement, its comparison with production, or its costs.

    ``comparison``: None where there is no baseline yet; then a rule on drops demands nothing.
    """
    rule = demand.rule
    if rule.is_budget:
        cost = (costs or {}).get(rule.metric)
        if cost is None or not math.isfinite(cost):
            return _undecided(model, dataset, demand, "it is not known of this model")
        return _worst(model, dataset, demand, {"": Held(exactly(cost), demand.limit)})
    if rule.bound == "max_drop":
        if comparison is None:
            return _no_baseline(model, dataset, demand)
        drops = _drops(comparison, demand)
        return (
            _worst(model, dataset, demand, drops)
            if drops
            else _undecided(model, dataset, demand, why_no_drop(comparison, rule.metric))
        )
    found = slices_of(measurement, rule)
    if not found:
        why = "no query of this dataset defines it, or too few do"
        if rule.worst_condition is not None:
            why = (
                f"no value of condition {rule.worst_condition!r} has "
                f"{measurement.smallest_slice} queries that define it"
            )
        elif rule.condition:
            why = (
                f"it was not measured on such a slice, or fewer than {measurement.smallest_slice} of its "
                "queries define it"
            )
        return _undecided(model, dataset, demand, why)
    return _worst(model, dataset, demand, _held(found, demand))


def check_lead(
    model: str, dataset: str, demand: Demand, contests: Mapping[str, Compared | None]
) -> Check:
    """Hold a rule on the lead of a model against its contests, other model → contest.

    It must lead each of them: the smallest lead counts. Undecided where one was not held, or there is no
    other model.
    """
    found = {}
    metric = demand.rule.metric
    for other, compared in sorted(contests.items()):
        changes = {} if compared is None else drops_of(compared, demand.rule)
        if not changes:
            why = f"it was not compared with {other}"
            if compared is not None and metric in compared.not_compared:
                why += f": {compared.not_compared[metric]}"
            return _undecided(model, dataset, demand, why)
        for part, change in changes.items():
            found[", ".join(filter(None, (other, part)))] = Held(
                lead_of(change), demand.limit, change
            )
    if not found:
        return _undecided(model, dataset, demand, "there is no other model to lead")
    return _worst(model, dataset, demand, found)


def check_model(
    model: str,
    measurements: Mapping[str, Measurement | None],
    demand: Demand,
    comparisons: Mapping[str, PairComparison | None] | None = None,
) -> Check:
    """Hold a rule on a sector against one model's measurements, dataset → measurement.

    ``mean``: the mean of the datasets. ``worst``: the worst dataset. Undecided unless every dataset has the
    value: the worst may be the one that is missing. A rule on drops says that there is no baseline yet only
    where there is none on any dataset; then ``comparisons`` are all None.
    """
    rule = demand.rule
    against = comparisons or {}
    measured = [m for m in measurements.values() if m is not None]
    if (
        rule.bound == "max_drop"
        and len(measured) == len(measurements) > 0
        and not any(against.get(dataset) for dataset in measurements)
    ):
        return _no_baseline(model, None, demand)
    values: dict[str, Mapping[str, Held]] = {}
    for dataset, measurement in sorted(measurements.items()):
        found: Mapping[str, Held] = {}
        compared = against.get(dataset) if rule.bound == "max_drop" else None
        if measurement is not None and rule.bound == "max_drop":
            found = {} if compared is None else _drops(compared, demand)
        elif measurement is not None:
            found = _held(slices_of(measurement, rule) or {}, demand)
        if not found:
            why = f"{model}:{dataset} has no such value"
            if compared is not None and rule.metric in compared.not_compared:
                why += f": {compared.not_compared[rule.metric]}"
            return _undecided(model, None, demand, why)
        values[dataset] = found
    if not values:
        return _undecided(model, None, demand, "the sector has no dataset")
    if rule.aggregate == "mean":
        sign = 1.0 if rule.bound == "min" else -1.0
        worst = [min(v.values(), key=lambda one: sign * one.value.value) for v in values.values()]
        limit = math.fsum(one.limit for one in worst) / len(worst)
        held = Held(mean_of([one.value for one in worst]), limit)
        return _worst(model, None, demand, {"": held})
    every = {
        ", ".join(filter(None, (dataset, part))): value
        for dataset, found in values.items()
        for part, value in found.items()
    }
    return _worst(model, None, demand, every)


def _held(found: Mapping[str, MetricValue], demand: Demand) -> dict[str, Held]:
    return {part: Held(value, demand.limit) for part, value in found.items()}


def _drops(comparison: PairComparison, demand: Demand) -> dict[str, Held]:
    """Drops with the limit in units of the metric: a relative one is a share of what production reaches."""
    return {
        part: Held(
            change.drop,
            demand.limit * abs(change.before) if demand.relative else demand.limit,
            change,
        )
        for part, change in drops_of(comparison, demand.rule).items()
    }


def _worst(model: str, dataset: str | None, demand: Demand, found: Mapping[str, Held]) -> Check:
    """The check of the worst of some values: all must hold."""
    sign = 1.0 if demand.rule.bound == "min" else -1.0
    outcomes = {part: _outcome(held, demand.rule) for part, held in found.items()}
    part = min(
        found,
        key=lambda part: (
            WORST_FIRST.index(outcomes[part]),
            sign * (found[part].value.value - found[part].limit),
            part,
        ),
    )
    return _check(model, dataset, demand, outcomes[part], found[part], part)


def _outcome(held: Held, rule: Rule) -> Outcome:
    """A limit is compared with what is recorded: ten decimals."""
    value, limit = held.value, held.limit
    if usable(value) is None:
        return "undecided"
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


def _no_baseline(model: str, dataset: str | None, demand: Demand) -> Check:
    return _check(model, dataset, demand, "no baseline", None, "")


def _check(
    model: str,
    dataset: str | None,
    demand: Demand,
    outcome: Outcome,
    held: Held | None,
    part: str,
    why: str = "",
) -> Check:
    rule, waiver = demand.rule, demand.waiver
    value = None if held is None else held.value
    passed = outcome in {"holds", "no baseline"} or (
        outcome == "inconclusive" and rule.inconclusive != "block"
    )
    return Check(
        metric=rule.metric,
        what=f"{rule.what} ({part})" if part else rule.what,
        model=model,
        dataset=dataset,
        severity=rule.severity,
        bound=rule.bound,
        limit=demand.limit if held is None else held.limit,
        confidence=rule.confidence,
        value=None if value is None else value.value,
        low=None if value is None else value.low,
        high=None if value is None else value.high,
        n=None if value is None else value.n,
        outcome=outcome,
        inconclusive=rule.inconclusive,
        passed=passed,
        message=message(model, dataset, demand, outcome, held, part, why),
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
