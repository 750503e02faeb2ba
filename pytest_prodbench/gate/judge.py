"""From checks to verdicts: of pairs, of sectors, of the run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from pytest_prodbench.evidence.judgement import Check, Verdict
from pytest_prodbench.evidence.types import Measurement, PairRecord
from pytest_prodbench.gate.checking import check_model, check_pair
from pytest_prodbench.gate.policy import Demand, model_demands
from pytest_prodbench.settings.policy import Rule, Waiver


@dataclass(frozen=True, slots=True)
class Judgement:
    """Verdicts of a run.

    Attributes:
        verdict: of the run.
        sectors: of each sector.
        checks: sector → its rules on all its datasets together, held against each model; only sectors that
            have some.
    """

    verdict: Verdict
    sectors: dict[str, Verdict]
    checks: dict[str, list[Check]]


def judge_measurement(
    model: str, dataset: str, measurement: Measurement, demands: Sequence[Demand]
) -> tuple[list[Check], Verdict]:
    """Check one pair's measurement against what is demanded of it.

    Returns:
        One check a demand, and the verdict of those that block: ``accept`` if there is one and all pass,
        ``reject`` if one fails, ``incomplete`` if nothing is demanded, a value is not there, or the
        interval of one straddles its limit and that blocks.
    """
    checks = [check_pair(model, dataset, measurement, demand) for demand in demands]
    return checks, verdict_of(checks)


def verdict_of(checks: Sequence[Check]) -> Verdict:
    """Return the verdict of some checks; warnings and information decide nothing."""
    blocking = [check for check in checks if check.severity == "block"]
    if any(check.outcome == "fails" for check in blocking):
        return "reject"
    return "accept" if blocking and all(check.passed for check in blocking) else "incomplete"


def judge_pairs(
    planned: Mapping[str, str],
    pairs: Iterable[PairRecord],
    rules: Sequence[Rule] = (),
    waivers: Sequence[Waiver] = (),
) -> Judgement:
    """Judge sectors and the whole run.

    Args:
        planned: every pair that the configuration asks for: ``model:dataset`` → sector.
        pairs: what was reported, in any order.
        rules, waivers: of all sectors; those on a sector's datasets together are held against each model.

    Returns:
        The verdicts. A sector is ``reject`` if a pair or such a check is; else ``incomplete`` unless every
        planned pair is there, measured and accepted, every such check passes, and there is at least one
        pair. A pair that nobody planned can only make it worse.
    """
    reported = list(pairs)
    found: dict[str, list[Verdict]] = {}
    by_sector: dict[str, list[Verdict]] = {}
    for pair in reported:
        if pair.name in planned:
            found.setdefault(pair.name, []).append(_proven(pair))
        else:
            verdict: Verdict = "reject" if pair.verdict == "reject" else "incomplete"
            by_sector.setdefault(pair.sector, []).append(verdict)
    for name, sector in planned.items():
        by_sector.setdefault(sector, []).append(_worst(found.get(name, [])))
    checks = _sector_checks(planned, reported, rules, waivers)
    for sector, made in checks.items():
        if any(check.severity == "block" for check in made):
            by_sector.setdefault(sector, []).append(verdict_of(made))
    sectors = {sector: _worst(verdicts) for sector, verdicts in sorted(by_sector.items())}
    return Judgement(_worst(list(sectors.values())), sectors, checks)


def _sector_checks(
    planned: Mapping[str, str],
    pairs: Sequence[PairRecord],
    rules: Sequence[Rule],
    waivers: Sequence[Waiver],
) -> dict[str, list[Check]]:
    # Of two reports on one pair neither is believed to be the better one: see _measured.
    measured = _measured(pairs)
    checks: dict[str, list[Check]] = {}
    for sector in sorted({rule.sector for rule in rules if rule.aggregate is not None}):
        mine = sorted(name for name, owner in planned.items() if owner == sector)
        split = [name.partition(":") for name in mine]
        for model in sorted({model for model, _, _ in split}):
            of_model = {
                dataset: measured.get(f"{model}:{dataset}")
                for name, _, dataset in split
                if name == model
            }
            checks.setdefault(sector, []).extend(
                check_model(model, of_model, demand)
                for demand in model_demands(rules, waivers, sector, model)
            )
    return {sector: made for sector, made in checks.items() if made}


def _measured(pairs: Sequence[PairRecord]) -> dict[str, Measurement | None]:
    found: dict[str, Measurement | None] = {}
    for pair in pairs:
        twice = pair.name in found
        found[pair.name] = None if twice or pair.status != "evaluated" else pair.measurement
    return found


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
