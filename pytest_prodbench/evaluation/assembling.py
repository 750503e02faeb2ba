"""What was reported, made into one record with a verdict."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pytest_prodbench.errors import EvidenceError
from pytest_prodbench.evaluation.against import metric_versions
from pytest_prodbench.evaluation.contests import DOMAIN, contests_of
from pytest_prodbench.evidence.comparison import Contest
from pytest_prodbench.evidence.judgement import Verdict
from pytest_prodbench.evidence.queries import read_parquet
from pytest_prodbench.evidence.types import DatasetRecord, ModelRecord, PairRecord, RunRecord
from pytest_prodbench.gate import judge_pairs
from pytest_prodbench.settings.policy import GateMode, Rule, Scope, Waiver
from pytest_prodbench.settings.types import Suite

if TYPE_CHECKING:
    import pyarrow as pa

Tables = Callable[[], Mapping[str, "pa.Table"]]
"""Reads the queries of the measured pairs: ``model:dataset`` → table."""

Unreported = Literal["lost", "not run"]
"""Why a pair has no result: it went astray, or the run ended before it."""

WORST_FIRST: tuple[Verdict, ...] = ("reject", "incomplete", "accept")


class Results:
    """What was reported so far; the worst word on a pair counts."""

    def __init__(self) -> None:
        self.pairs: dict[str, PairRecord] = {}
        self.models: dict[str, ModelRecord] = {}
        self.datasets: dict[str, DatasetRecord] = {}

    def require_same(self, entry: Mapping[str, Any]) -> None:
        """Refuse a model or dataset that was edited between two workers' looks at it.

        Raises:
            EvidenceError: it is not the one of an earlier pair.
        """
        models, datasets = self.models, self.datasets
        for kind, found in (("model", entry["model"]), ("dataset", entry["dataset"])):
            if found is None:
                continue
            before = models.get(found["name"]) if kind == "model" else datasets.get(found["name"])
            if before is not None and before.model_dump(mode="json") != found:
                raise EvidenceError(
                    f"{kind} {found['name']!r}",
                    found="another one than an earlier pair of this run measured",
                    expected=f"a {kind} that stays as it is throughout a run",
                    next_step="run again",
                )

    def tables_in(self, folder: Path) -> Tables:
        """Return what reads the queries of these pairs from a run's folder; a damaged file is left out."""

        def read() -> dict[str, pa.Table]:
            found = {}
            for name, pair in self.pairs.items():
                if pair.queries_file is not None:
                    with contextlib.suppress(EvidenceError):
                        found[name] = read_parquet(folder / pair.queries_file)
            return found

        return read

    def take(self, entry: Mapping[str, Any]) -> None:
        """Take one journal entry of kind ``pair``; of two on one pair the worse one stays.

        Two tests may evaluate one pair: what one of them refused, the other cannot accept.
        """
        pair = PairRecord.model_validate(entry["pair"])
        before = self.pairs.get(pair.name)
        if before is None or WORST_FIRST.index(pair.verdict) <= WORST_FIRST.index(before.verdict):
            self.pairs[pair.name] = pair
        if entry["model"] is not None:
            self.models[pair.model] = ModelRecord.model_validate(entry["model"])
        if entry["dataset"] is not None:
            self.datasets[pair.dataset] = DatasetRecord.model_validate(entry["dataset"])


def assemble(
    frame: Mapping[str, Any],
    selected: Sequence[str],
    selection: Sequence[str],
    results: Results,
    tables: Tables,
) -> RunRecord:
    """Make a record of a frame (the journal's ``plan``) and what was reported, and judge it.

    Queries (``tables``) are read only where models of the run are compared: a rule asks, or one of them is
    of a domain.

    The frame of a run that is judged again holds the ``metric_versions`` of the release that measured.
    """
    planned: dict[str, str] = frame["planned"]
    pairs = dict(results.pairs)
    for name, sector in planned.items():
        pairs.setdefault(name, unmeasured(name, sector, "not run"))
    rules = [Rule.model_validate(rule) for rule in frame["rules"]]
    waivers = [Waiver.model_validate(waiver) for waiver in frame["waivers"]]
    versions = {"metric_versions": metric_versions(_measured_names(pairs.values())), **frame}
    families = {name: model.family for name, model in results.models.items()}
    contests: list[Contest] = []
    if DOMAIN in families.values() or any(rule.beats is not None for rule in rules):
        contests = contests_of(
            planned,
            pairs,
            results.models,
            results.datasets,
            (rules, waivers),
            (versions["protocol_version"], versions["metric_versions"]),
            tables(),
        )
    judged = judge_pairs(planned, pairs.values(), rules, waivers, contests, families)
    ordered = sorted(pairs.values(), key=lambda p: (p.sector, p.dataset, p.model))
    return RunRecord(
        **{**versions, "planned": sorted(planned)},
        contests=contests,
        selection=list(selection),
        selected=list(selected),
        evaluated=sorted(p.name for p in ordered if p.status == "evaluated"),
        partial=set(selected) != set(planned),
        verdict=judged.verdict,
        candidates=judged.candidates,
        sectors=judged.sectors,
        sector_checks=judged.checks,
        models=dict(sorted(results.models.items())),
        datasets=dict(sorted(results.datasets.items())),
        pairs=ordered,
    )


def _measured_names(pairs: Iterable[PairRecord]) -> set[str]:
    return {name for pair in pairs if pair.measurement for name in pair.measurement.metrics}


def policy_fields(suite: Suite, gate: GateMode) -> dict[str, Any]:
    """Return the fields of a record that say by which rules it is judged; with the gate off, by none."""
    sectors = () if gate == "off" else tuple(suite.sectors.values())
    return {
        "gate": gate,
        "rules": _dumped(rule for spec in sectors for rule in spec.rules),
        "waivers": _dumped(waiver for spec in sectors for waiver in spec.waivers),
        "owners": {name: spec.owner for name, spec in suite.sectors.items() if spec.owner},
    }


def _dumped(demands: Iterable[Scope]) -> list[dict[str, Any]]:
    return [demand.model_dump(mode="json") for demand in demands]


def unmeasured(name: str, sector: str, status: Unreported, error: str | None = None) -> PairRecord:
    """Return the record of a pair without a result."""
    model, _, dataset = name.partition(":")
    return PairRecord(
        model=model,
        dataset=dataset,
        sector=sector,
        status=status,
        verdict="incomplete",
        error=error,
    )
