"""Shards of several jobs joined into one run: no model, image or GPU."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Literal

from pytest_prodbench.errors import EvidenceError
from pytest_prodbench.evaluation.assembling import Results, assemble
from pytest_prodbench.evaluation.judging import FRAME, plain_frame, planned_of
from pytest_prodbench.evidence.types import (
    BaselineFacts,
    DatasetRecord,
    Host,
    ModelRecord,
    RunRecord,
)

if TYPE_CHECKING:
    import pyarrow as pa


def merge(
    runs: Sequence[RunRecord], name: str, tables: Mapping[str, pa.Table] | None = None
) -> RunRecord:
    """Join the shards of several jobs and judge the whole.

    What one shard left out another may have; of two that report one pair the worse one counts. Planned is
    every model that some shard planned, on every dataset that some shard planned, as in one run of all.

    Args:
        runs: at least one.
        name: of the new run.
        tables: ``model:dataset`` → queries, for rules that compare models of different shards.

    Raises:
        EvidenceError: the shards were not made by one release, by one policy, against one baseline, or do not
            agree on a model or dataset; names both.
    """
    runs = sorted(
        runs, key=lambda run: (run.run, run.model_dump_json())
    )  # in whatever order they come
    first = runs[0]
    for other in runs[1:]:
        _require_one(first, other)
    datasets, models = dict[str, str](), set[str]()
    results, selected, words = Results(), set[str](), list[str]()
    owned, measured = dict[str, RunRecord](), dict[str, RunRecord]()
    for run in runs:
        _require_one_policy(owned, run)
        datasets |= {name.partition(":")[2]: sector for name, sector in planned_of(run).items()}
        models |= {name.partition(":")[0] for name in run.planned}
        selected |= set(run.selected)
        words += [word for word in run.selection if word not in words]
        for pair in run.pairs:
            if pair.status == "not run":
                continue
            model, dataset = run.models.get(pair.model), run.datasets.get(pair.dataset)
            _require_same(measured, run, "model", model)
            _require_same(measured, run, "dataset", dataset)
            entry = {
                "pair": pair.model_dump(mode="json"),
                "model": None if model is None else model.model_dump(mode="json"),
                "dataset": None if dataset is None else dataset.model_dump(mode="json"),
            }
            results.take(entry)
    planned = {f"{model}:{name}": datasets[name] for name in datasets for model in models}
    digests = sorted({run.policy_digest for run in runs})
    frame = {key: getattr(first, key) for key in FRAME} | {
        "run": name,
        "policy_digest": digests[0]
        if len(digests) == 1
        else hashlib.sha256("".join(digests).encode()).hexdigest(),
        "policy_files": sorted({file for run in runs for file in run.policy_files}),
        "rules": [rule for s in sorted(owned) for rule in owned[s].rules if rule.sector == s],
        "waivers": [one for s in sorted(owned) for one in owned[s].waivers if one.sector == s],
        "metric_versions": {k: v for run in runs for k, v in run.metric_versions.items()},
        "owners": {k: v for run in runs for k, v in run.owners.items()},
        "overridden": any(run.overridden for run in runs),
        "baseline": _joined_baseline([run.baseline for run in runs]),
        "host": _joined_host([run.host for run in runs]),
    }
    whole = selected >= set(planned)
    return assemble(
        plain_frame(frame, planned),
        sorted(selected),
        [] if whole else words,
        results,
        lambda: tables or {},
    )


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


def _require_one_policy(owned: dict[str, RunRecord], run: RunRecord) -> None:
    """Each sector has one set of rules; ``owned``: sector → the first shard that planned a pair of it."""
    for sector in sorted(set(planned_of(run).values())):
        earlier = owned.setdefault(sector, run)
        for kind in ("rules", "waivers"):
            theirs, mine = (
                [one for one in getattr(record, kind) if one.sector == sector]
                for record in (earlier, run)
            )
            if theirs != mine:
                raise EvidenceError(
                    f"run {run.run}",
                    found=f"other {kind} of sector {sector!r} than in run {earlier.run}",
                    expected="one policy",
                    next_step="run the shards again, from one commit",
                )


def _require_same(
    measured: dict[str, RunRecord],
    run: RunRecord,
    kind: Literal["model", "dataset"],
    mine: ModelRecord | DatasetRecord | None,
) -> None:
    """What two shards measured is one thing; ``measured``: kind and name → the first shard that did."""
    if mine is None:
        return
    earlier = measured.setdefault(f"{kind} {mine.name}", run)
    theirs = (earlier.models if kind == "model" else earlier.datasets)[mine.name]
    # Where the photos lie may differ between two machines; what they are may not.
    if theirs.model_dump(exclude={"root"}) != mine.model_dump(exclude={"root"}):
        raise EvidenceError(
            f"run {run.run}, {kind} {mine.name!r}",
            found=f"another one than run {earlier.run} measured",
            expected=f"a {kind} that is the same in all shards",
            next_step="run the shards again, from one commit, with the same weights and photos",
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
