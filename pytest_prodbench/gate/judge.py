"""From checks to verdicts: of pairs, of sectors, of the run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from pytest_prodbench.evidence.comparison import Contest, PairComparison
from pytest_prodbench.evidence.judgement import Check, Verdict
from pytest_prodbench.evidence.types import Measurement, PairRecord
from pytest_prodbench.gate.checking import check_lead, check_model, check_pair
from pytest_prodbench.gate.policy import Demand, lead_demands, model_demands, rivals
from pytest_prodbench.settings.policy import COSTS, Rule, Waiver


@dataclass(frozen=True, slots=True)
class Judgement:
    """Verdicts of a run.

    Attributes:
        verdict: of the run.
        sectors: of each sector.
        candidates: of each model, over all sectors.
        checks: sector → its rules on all its datasets together, held against each model; only sectors that
            have some.
    """

    verdict: Verdict
    sectors: dict[str, Verdict]
    candidates: dict[str, Verdict]
    checks: dict[str, list[Check]]


def judge_measurement(
    model: str,
    dataset: str,
    measurement: Measurement,
    demands: Sequence[Demand],
    comparison: PairComparison | None = None,
    costs: Mapping[str, float] | None = None,
) -> tuple[list[Check], Verdict]:
    """Check one pair's measurement, and its comparison with production, against what is demanded.

    Args:
        model, dataset: names of the pair.
        measurement: what was measured.
        demands: what is demanded.
        comparison: with production; None where there is no baseline yet.
        costs: of the model on this dataset, by name; one that is not there makes a rule on it undecided.

    Returns:
        One check a demand, and the verdict of those that block: ``accept`` if there is one and all pass,
        ``reject`` if one fails, ``incomplete`` if nothing is demanded but drops from a baseline that is
        not there yet, a value is not there, or the interval of one straddles its limit and that blocks.
    """
    checks = [
        check_pair(model, dataset, measurement, demand, comparison, costs) for demand in demands
    ]
    return checks, verdict_of(checks)


def verdict_of(checks: Sequence[Check]) -> Verdict:
    """Return the verdict of some checks; warnings and information decide nothing."""
    blocking = [check for check in checks if check.severity == "block"]
    if any(check.outcome == "fails" for check in blocking):
        return "reject"
    # A cheap model is not yet one that finds anything, and nothing that was not there yet is proof.
    proven = any(c.outcome != "no baseline" and c.metric not in COSTS for c in blocking)
    return "accept" if proven and all(check.passed for check in blocking) else "incomplete"


def judge_pairs(
    planned: Mapping[str, str],
    pairs: Iterable[PairRecord],
    rules: Sequence[Rule] = (),
    waivers: Sequence[Waiver] = (),
    contests: Sequence[Contest] = (),
    families: Mapping[str, str] | None = None,
) -> Judgement:
    """Judge sectors and the whole run.

    Args:
        planned: every pair that the configuration asks for: ``model:dataset`` → sector.
        pairs: what was reported, in any order.
        rules, waivers: of all sectors; those on a sector's datasets together are held against each model,
            those on leads against each pair.
        contests: models of the run against each other.
        families: model → its family, of those that were measured.

    Returns:
        The verdicts. A sector, or a model, is ``reject`` if a pair or such a check is; else ``incomplete``
        unless every planned pair is there, measured and accepted, every such check passes, and there is at
        least one pair. A pair that nobody planned can only make it worse.
    """
    reported = list(pairs)
    found: dict[str, list[Verdict]] = {}
    by_sector: dict[str, list[Verdict]] = {}
    by_model: dict[str, list[Verdict]] = {}
    for pair in reported:
        if pair.name in planned:
            found.setdefault(pair.name, []).append(_proven(pair))
        else:
            verdict: Verdict = "reject" if pair.verdict == "reject" else "incomplete"
            by_sector.setdefault(pair.sector, []).append(verdict)
            by_model.setdefault(pair.model, []).append(verdict)
    for name, sector in planned.items():
        worst = _worst(found.get(name, []))
        by_sector.setdefault(sector, []).append(worst)
        by_model.setdefault(name.partition(":")[0], []).append(worst)
    checks = _sector_checks(planned, reported, rules, waivers)
    for sector, leads in _lead_checks(planned, (rules, waivers), contests, families or {}).items():
        checks.setdefault(sector, []).extend(leads)
    for sector, made in checks.items():
        # What there is no baseline for yet decides nothing here: the pairs must be proven as it is.
        deciding = [c for c in made if c.severity == "block" and c.outcome != "no baseline"]
        if deciding:
            by_sector.setdefault(sector, []).append(verdict_of(deciding))
        for model in {check.model for check in deciding}:
            mine = [check for check in deciding if check.model == model]
            by_model.setdefault(model, []).append(verdict_of(mine))
    sectors = {sector: _worst(verdicts) for sector, verdicts in sorted(by_sector.items())}
    candidates = {model: _worst(verdicts) for model, verdicts in sorted(by_model.items())}
    return Judgement(_worst(list(sectors.values())), sectors, candidates, checks)


def _sector_checks(
    planned: Mapping[str, str],
    pairs: Sequence[PairRecord],
    rules: Sequence[Rule],
    waivers: Sequence[Waiver],
) -> dict[str, list[Check]]:
    # Of two reports on one pair neither is believed to be the better one: see _believed.
    believed = _believed(pairs)
    checks: dict[str, list[Check]] = {}
    for sector in sorted({rule.sector for rule in rules if rule.aggregate is not None}):
        mine = sorted(name for name, owner in planned.items() if owner == sector)
        split = [name.partition(":") for name in mine]
        for model in sorted({model for model, _, _ in split}):
            of_model = {
                dataset: believed.get(f"{model}:{dataset}")
                for name, _, dataset in split
                if name == model
            }
            measured = {n: None if p is None else p.measurement for n, p in of_model.items()}
            compared = {n: None if p is None else p.comparison for n, p in of_model.items()}
            checks.setdefault(sector, []).extend(
                check_model(model, measured, demand, compared)
                for demand in model_demands(rules, waivers, sector, model)
            )
    return {sector: made for sector, made in checks.items() if made}


def _lead_checks(
    planned: Mapping[str, str],
    policy: tuple[Sequence[Rule], Sequence[Waiver]],
    contests: Sequence[Contest],
    families: Mapping[str, str],
) -> dict[str, list[Check]]:
    held: dict[tuple[str, str, str], Contest] = {
        (contest.model, contest.other, contest.dataset): contest for contest in contests
    }
    checks: dict[str, list[Check]] = {}
    for name, sector in sorted(planned.items()):
        model, _, dataset = name.partition(":")
        for demand in lead_demands(*policy, sector, model, dataset):
            against = {
                other: held.get((model, other, dataset))
                for other in rivals(demand.rule, planned, model, dataset, families)
            }
            checks.setdefault(sector, []).append(check_lead(model, dataset, demand, against))
    return checks


def _believed(pairs: Sequence[PairRecord]) -> dict[str, PairRecord | None]:
    found: dict[str, PairRecord | None] = {}
    for pair in pairs:
        twice = pair.name in found
        found[pair.name] = None if twice or pair.status != "evaluated" else pair
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
