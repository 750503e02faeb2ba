"""A run judged again from its evidence alone, and several runs joined into one: no model, image or GPU."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pytest_prodbench.errors import EvidenceError
from pytest_prodbench.evaluation.against import Result, resampling_of
from pytest_prodbench.evaluation.run import Results, assemble, policy_fields
from pytest_prodbench.evidence.types import BaselineFacts, Host, PairRecord, RunRecord
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
    return assemble(_plain(frame, planned), selected, record.selection, results, lambda: tables)


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
        model=pair.model,
        weights_digest=record.models[pair.model].weights_digest,
        content_digest=record.datasets[pair.dataset].content_digest,
        protocol_version=record.protocol_version,
        metric_versions={k: v for k, v in record.metric_versions.items() if k in mine},
        table=tables[pair.name],
    )


def merge(
    runs: Sequence[RunRecord], name: str, tables: Mapping[str, pa.Table] | None = None
) -> RunRecord:
    """Join the shards of several jobs and judge the whole.

    What one shard left out another may have; of two that report one pair the worse one counts.

    Args:
        runs: at least one.
        name: of the new run.
        tables: ``model:dataset`` → queries, for rules that compare models of different shards.

    Raises:
        EvidenceError: the shards were not made by one release, by one policy, against one baseline, or do not
            agree on a model or dataset; names both.
    """
    first = runs[0]
    for other in runs[1:]:
        _require_one(first, other)
    planned: dict[str, str] = {}
    results, selected, words = Results(), set[str](), list[str]()
    rules: dict[str, list[Rule]] = {}
    waivers: dict[str, list[Waiver]] = {}
    for run in runs:
        _join_policy(rules, run, run.rules, "rules")
        _join_policy(waivers, run, run.waivers, "waivers")
        planned |= planned_of(run)
        selected |= set(run.selected)
        words += [word for word in run.selection if word not in words]
        for pair in run.pairs:
            if pair.status == "not run":
                continue
            model, dataset = run.models.get(pair.model), run.datasets.get(pair.dataset)
            entry = {
                "pair": pair.model_dump(mode="json"),
                "model": None if model is None else model.model_dump(mode="json"),
                "dataset": None if dataset is None else dataset.model_dump(mode="json"),
            }
            results.require_same(entry)
            results.take(entry)
    digests = sorted({run.policy_digest for run in runs})
    frame = {key: getattr(first, key) for key in FRAME} | {
        "run": name,
        "policy_digest": digests[0]
        if len(digests) == 1
        else hashlib.sha256("".join(digests).encode()).hexdigest(),
        "policy_files": sorted({file for run in runs for file in run.policy_files}),
        "rules": [rule for sector in sorted(rules) for rule in rules[sector]],
        "waivers": [waiver for sector in sorted(waivers) for waiver in waivers[sector]],
        "metric_versions": {k: v for run in runs for k, v in run.metric_versions.items()},
        "owners": {k: v for run in runs for k, v in run.owners.items()},
        "baseline": _joined_baseline([run.baseline for run in runs]),
        "host": _joined_host([run.host for run in runs]),
    }
    whole = selected >= set(planned)
    return assemble(
        _plain(frame, planned),
        sorted(selected),
        [] if whole else words,
        results,
        lambda: tables or {},
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


def _plain(frame: Mapping[str, Any], planned: Mapping[str, str]) -> dict[str, Any]:
    dumped = RunRecord.model_construct(**frame).model_dump(mode="json", include=set(FRAME))
    return {**dumped, "planned": dict(sorted(planned.items()))}


def _require_one(first: RunRecord, other: RunRecord) -> None:
    """Two shards must have been made in one way; pairs, models and datasets are looked at when they meet."""
    baselines = [None if run.baseline is None else run.baseline.digest for run in (first, other)]
    versions = [
        {k: run.metric_versions[k] for k in first.metric_versions.keys() & other.metric_versions}
        for run in (first, other)
    ]
    commits = [run.host.commit for run in (first, other)]
    for what, left, right in (
        ("protocol version", first.protocol_version, other.protocol_version),
        ("release", first.prodbench_version, other.prodbench_version),
        ("versions of metrics", *versions),
        ("gate", first.gate, other.gate),
        ("baseline", *baselines),
        ("commit", *commits),
    ):
        if left != right:
            raise EvidenceError(
                f"run {other.run}",
                found=f"{what} {right}, and run {first.run} has {left}",
                expected="shards of one run: one release, one commit, one baseline",
                next_step="run the shards again, from one commit",
            )


def _join_policy(
    joined: dict[str, list[Any]], run: RunRecord, demands: Sequence[Rule | Waiver], kind: str
) -> None:
    mine: dict[str, list[Any]] = {}
    for demand in demands:
        mine.setdefault(demand.sector, []).append(demand)
    for sector, found in mine.items():
        if joined.setdefault(sector, found) != found:
            raise EvidenceError(
                f"run {run.run}",
                found=f"other {kind} of sector {sector!r} than an earlier shard",
                expected="one policy",
                next_step="run the shards again, from one commit",
            )


def _joined_baseline(found: Sequence[BaselineFacts | None]) -> BaselineFacts | None:
    facts = [one for one in found if one is not None]
    if not facts:
        return None
    stale = sorted({entry for one in facts for entry in one.stale})
    return facts[0].model_copy(update={"stale": stale})


def _joined_host(hosts: Sequence[Host]) -> Host:
    dirty = {host.dirty for host in hosts}
    return hosts[0].model_copy(
        update={
            "started": min(host.started for host in hosts),
            "seconds": round(sum(host.seconds for host in hosts), 3),
            "workers": sum(host.workers for host in hosts),
            "gpus": [gpu for host in hosts for gpu in host.gpus],
            # Unknown is not clean.
            "dirty": True if True in dirty else None if None in dirty else False,
        }
    )
