"""A run judged again from its evidence alone: no model, image or GPU."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pytest_prodbench.errors import EvidenceError
from pytest_prodbench.evaluation.against import Result
from pytest_prodbench.evaluation.assembling import Results, assemble, policy_fields
from pytest_prodbench.evaluation.paired import resampling_of
from pytest_prodbench.evidence.types import PairRecord, RunRecord
from pytest_prodbench.gate import costs_of, judge_measurement, model_demands, pair_demands
from pytest_prodbench.settings.policy import Rule, Waiver

if TYPE_CHECKING:
    import pyarrow as pa

    from pytest_prodbench.evaluation.opponent import Opponent
    from pytest_prodbench.settings.types import Suite

FRAME = (
    "protocol_version",
    "prodbench_version",
    "run",
    "policy_digest",
    "policy_files",
    "gate",
    "overridden",
    "rules",
    "waivers",
    "baseline",
    "metric_versions",
    "owners",
    "definitions",
    "host",
)
"""Fields of a record that are given, and not made of its pairs."""


@dataclass(frozen=True, slots=True)
class Policy:
    """Other rules than those that a run was made with.

    Attributes:
        suite: whose rules hold, and whose datasets are planned for every model of the run.
        digest, files: recorded.
    """

    suite: Suite
    digest: str
    files: Sequence[str]


def judge_again(
    record: RunRecord,
    tables: Mapping[str, pa.Table],
    *,
    policy: Policy | None = None,
    opponent: Opponent | None = None,
) -> RunRecord:
    """Judge a run again, by its own rules or by others.

    Args:
        record: the run.
        tables: ``model:dataset`` → its queries.
        policy: the rules of today; None: those in the record.
        opponent: what is compared with; None: comparisons stand as they are recorded.

    Returns:
        The record with new checks and verdicts, enforced whatever the gate of the run was. A test that
        failed for a reason of its own stays rejected.
    """
    frame = {key: getattr(record, key) for key in FRAME} | {"gate": "enforce"}
    planned = planned_of(record)
    rules, waivers = list(record.rules), list(record.waivers)
    if policy is not None:
        fields = policy_fields(policy.suite, "enforce")
        planned = _planned_by(policy.suite, planned)
        rules = [Rule.model_validate(rule) for rule in fields["rules"]]
        waivers = [Waiver.model_validate(waiver) for waiver in fields["waivers"]]
        frame |= fields | {
            "rules": rules,
            "waivers": waivers,
            "overridden": record.overridden or policy.digest != record.policy_digest,
            "policy_digest": policy.digest,
            "policy_files": list(policy.files),
        }
    if opponent is not None:
        frame["baseline"] = opponent.facts
    results = Results()
    results.models, results.datasets = dict(record.models), dict(record.datasets)
    for pair in record.pairs:
        if pair.status != "not run":
            judged = _judged(pair, record, tables, (rules, waivers), opponent)
            sector = planned.get(pair.name, judged.sector)
            results.pairs[pair.name] = judged.model_copy(update={"sector": sector})
    selected = [name for name in record.selected if name in planned]
    return assemble(
        plain_frame(frame, planned), selected, record.selection, results, lambda: tables
    )


def _judged(
    pair: PairRecord,
    record: RunRecord,
    tables: Mapping[str, pa.Table],
    policy: tuple[Sequence[Rule], Sequence[Waiver]],
    opponent: Opponent | None,
) -> PairRecord:
    if pair.status != "evaluated" or pair.measurement is None:
        return pair
    demands = pair_demands(*policy, pair.sector, pair.model, pair.dataset)
    together = model_demands(*policy, pair.sector, pair.model)
    comparison = pair.comparison
    if opponent is not None:
        after = result_of(record, pair, tables)
        rules = [demand.rule for demand in (*demands, *together)]
        comparison = opponent.compare(pair.dataset, after, rules, resampling_of(pair.measurement))
    model = record.models.get(pair.model)
    price = None if model is None else model.price_per_1000
    costs = costs_of(pair.measurement, pair.timing, price)
    checks, verdict = judge_measurement(
        pair.model, pair.dataset, pair.measurement, demands, comparison, costs
    )
    if pair.error is not None:
        verdict = "reject"
    return pair.model_copy(update={"checks": checks, "verdict": verdict, "comparison": comparison})


def result_of(record: RunRecord, pair: PairRecord, tables: Mapping[str, pa.Table]) -> Result:
    """Return one evaluated pair of a run, to be compared.

    Raises:
        EvidenceError: its queries, its model or its dataset are not in the run.
    """
    missing = [
        what
        for what, there in (
            ("queries", pair.name in tables),
            ("model", pair.model in record.models),
            ("dataset", pair.dataset in record.datasets),
        )
        if not there
    ]
    if missing:
        raise EvidenceError(
            f"pair {pair.name} of run {record.run}",
            found=f"no record of its {', '.join(missing)}",
            expected="the whole folder of a run",
            next_step="run the pair again; its embeddings are in the cache",
        )
    measured = {} if pair.measurement is None else pair.measurement.metrics
    mine = {name.partition("@")[0] for name in measured}
    return Result(
        model=record.models[pair.model],
        dataset=record.datasets[pair.dataset],
        protocol_version=record.protocol_version,
        metric_versions={k: v for k, v in record.metric_versions.items() if k in mine},
        table=tables[pair.name],
    )


def planned_of(record: RunRecord) -> dict[str, str]:
    """Return ``model:dataset`` → sector of what a run planned."""
    sectors = {pair.name: pair.sector for pair in record.pairs}
    return {name: sectors.get(name, "") for name in record.planned}


def _planned_by(suite: Suite, before: Iterable[str]) -> dict[str, str]:
    """Every dataset of a suite for every model that the run planned."""
    models = sorted({name.partition(":")[0] for name in before})
    return {
        f"{model}:{dataset}": sector.name
        for sector in suite.sectors.values()
        for dataset in sector.datasets
        for model in models
    }


def plain_frame(frame: Mapping[str, Any], planned: Mapping[str, str]) -> dict[str, Any]:
    """Return the given fields as JSON primitives, as ``assemble`` takes them."""
    dumped = RunRecord.model_construct(**frame).model_dump(mode="json", include=set(FRAME))
    return {**dumped, "planned": dict(sorted(planned.items()))}
