"""Hold what was measured against the rules. Nothing passes that is not proven to hold."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

from pytest_prodbench.evidence.types import Check, Measurement, MetricValue, PairRecord, Verdict
from pytest_prodbench.metrics import DIGITS, ROUNDING
from pytest_prodbench.settings.types import Rule


def judge_measurement(
    pair: str, measurement: Measurement, rules: Sequence[Rule]
) -> tuple[list[Check], Verdict]:
    """Check one pair's measurement against its rules.

    Returns:
        One check a rule, and ``accept`` if there is at least one rule and all hold, ``reject`` if a
        measured value misses its limit, ``incomplete`` if nothing was demanded or a demanded value was
        not measured.
    """
    checks = [_check(pair, measurement, rule) for rule in rules]
    if any(not check.passed and check.value is not None for check in checks):
        return checks, "reject"
    if not checks or not all(check.passed for check in checks):
        return checks, "incomplete"
    return checks, "accept"


def _check(pair: str, measurement: Measurement, rule: Rule) -> Check:
    found = measurement.metrics.get(rule.metric)
    usable = found is not None and math.isfinite(found.value) and found.n > 0
    value = found.value if found is not None and usable else None
    limit = rule.min
    passed = value is not None and value >= limit - ROUNDING
    if found is None or value is None:
        said = f"has no value (no query of this dataset defines it), the rule demands {limit:.12g}"
    elif passed:
        said = f"{_apart(value, limit)} >= {limit:.12g} ({_seen(found)})"
    else:
        said = (
            f"{_apart(value, limit)} < {limit:.12g}, short by {_apart(limit - value, 0.0)} (95 % interval "
            f"{found.low:.4f} to {found.high:.4f}, {_seen(found)}, {found.n} queries)"
        )
    return Check(
        metric=rule.metric,
        limit=limit,
        value=value,
        passed=passed,
        message=f"{pair}: {rule.metric} {said} [{rule.where}]",
        where=rule.where,
        detectable=found.detectable if found is not None else None,
    )


def _apart(value: float, limit: float) -> str:
    """Four decimals, or as many as are recorded where four would hide a difference."""
    return f"{value:.4f}" if abs(value - limit) >= 5e-5 or value == limit else f"{value:.{DIGITS}f}"


def _seen(found: MetricValue) -> str:
    """Say how small a change this verdict could have noticed: it vouches for no less."""
    drop = found.detectable
    if drop is None:
        return "could have seen a drop of unknown size"
    size = f"{drop:.3f}" if drop >= 0.0005 else "less than 0.001"
    return f"could have seen a drop of {size}"


def judge_pairs(
    planned: Mapping[str, str], pairs: Iterable[PairRecord]
) -> tuple[Verdict, dict[str, Verdict]]:
    """Judge sectors and the whole run.

    Args:
        planned: every pair that the configuration asks for: ``model:dataset`` → sector.
        pairs: what was reported, in any order.

    Returns:
        The verdict of the run and of each sector: ``reject`` if a pair is rejected; else ``incomplete``
        unless every planned pair is there, measured and accepted, and there is at least one. A pair
        that nobody planned can only make it worse.
    """
    found: dict[str, list[Verdict]] = {}
    by_sector: dict[str, list[Verdict]] = {}
    for pair in pairs:
        if pair.name in planned:
            found.setdefault(pair.name, []).append(_proven(pair))
        else:
            verdict: Verdict = "reject" if pair.verdict == "reject" else "incomplete"
            by_sector.setdefault(pair.sector, []).append(verdict)
    for name, sector in planned.items():
        by_sector.setdefault(sector, []).append(_worst(found.get(name, [])))
    sectors = {sector: _worst(verdicts) for sector, verdicts in sorted(by_sector.items())}
    return _worst(list(sectors.values())), sectors


def _proven(pair: PairRecord) -> Verdict:
    """Verdict of a pair; a record that says accept without a measurement proves nothing."""
    measured = pair.status == "evaluated" and pair.measurement is not None
    return pair.verdict if measured or pair.verdict == "reject" else "incomplete"


def _worst(verdicts: Sequence[Verdict]) -> Verdict:
    if "reject" in verdicts:
        return "reject"
    if verdicts and all(verdict == "accept" for verdict in verdicts):
        return "accept"
    return "incomplete"
