"""A whole run: what was planned, selected and reported, made into one record with a verdict."""

from __future__ import annotations

import base64
import contextlib
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pytest_prodbench import __version__
from pytest_prodbench.errors import EvidenceError
from pytest_prodbench.evaluation.against import metric_versions
from pytest_prodbench.evaluation.bench import PairPlan, failure_message
from pytest_prodbench.evaluation.contests import contests_of
from pytest_prodbench.evaluation.host import host_facts
from pytest_prodbench.evaluation.opponent import Opponent
from pytest_prodbench.evaluation.planning import selection_words
from pytest_prodbench.evidence.comparison import Contest
from pytest_prodbench.evidence.judgement import Verdict
from pytest_prodbench.evidence.queries import read_parquet
from pytest_prodbench.evidence.store import RunFolder, new_run_name, read_journal
from pytest_prodbench.evidence.types import (
    DatasetRecord,
    ModelRecord,
    PairRecord,
    RunRecord,
)
from pytest_prodbench.gate import judge_pairs
from pytest_prodbench.protocol import DEFINITIONS, PROTOCOL_VERSION
from pytest_prodbench.settings.files import policy_digest, shown_path
from pytest_prodbench.settings.policy import GateMode, Rule, Scope, Waiver
from pytest_prodbench.settings.types import RunSettings, Suite

if TYPE_CHECKING:
    import pyarrow as pa

Tables = Callable[[], Mapping[str, "pa.Table"]]
"""Reads the queries of the measured pairs: ``model:dataset`` → table."""

Unreported = Literal["lost", "not run"]
"""Why a pair has no result: it went astray, or the run ended before it."""

WORST_FIRST: tuple[Verdict, ...] = ("reject", "incomplete", "accept")


class Run:
    """Collects pairs as they are reported, journals them, and finishes the record."""

    def __init__(
        self,
        suite: Suite,
        settings: RunSettings,
        project: Path,
        plans: Sequence[PairPlan],
        opponent: Opponent | None = None,
    ) -> None:
        self._plans = {plan.name: plan for plan in plans}
        self._clock = time.monotonic()
        self._results = Results()
        self.selection = selection_words(settings)
        self.selected: list[str] = []
        self.workers = 0
        self.folder = RunFolder(settings.report_dir, settings.run or new_run_name())
        self._frame: dict[str, Any] = {
            "protocol_version": PROTOCOL_VERSION,
            "prodbench_version": __version__,
            "run": self.folder.path.name,
            "policy_digest": policy_digest(suite),
            "policy_files": [shown_path(path, project) for path in suite.files],
            **policy_fields(suite, settings.gate),
            "baseline": None if opponent is None else opponent.facts.model_dump(mode="json"),
            "definitions": list(DEFINITIONS),
            "planned": {name: plan.sector.name for name, plan in sorted(self._plans.items())},
            "host": host_facts(project, settings).model_dump(mode="json"),
        }
        self.folder.note("plan", self._frame)

    def select(self, names: Sequence[str], words: Sequence[str] = ()) -> None:
        """Say which pairs this run sets out to evaluate, and how else it was narrowed (``-k`` …)."""
        self.selected = sorted(set(names))
        self.selection += [word for word in words if word not in self.selection]
        self.folder.note("selected", {"pairs": self.selected, "selection": self.selection})

    def add(self, payload: Mapping[str, Any]) -> PairRecord:
        """Take one pair's payload; keeps it on disk before anything else.

        Raises:
            EvidenceError: the queries are not those that were measured, or the model or the dataset is not
                what another pair of this run measured.
        """
        pair = PairRecord.model_validate(payload["pair"])
        self._results.require_same(payload)
        if payload["queries"] is not None:
            self.folder.write_queries(pair, base64.b64decode(payload["queries"]))
        self._take({key: payload[key] for key in ("pair", "model", "dataset")})
        return pair

    def refuse(self, name: str, reason: str) -> None:
        """A test that failed for another reason than the rules leaves a rejected pair, whatever they say.

        Also where they reject it as well, or where nobody judged it: it may be judged again by others.
        """
        pair = self._results.pairs.get(name)
        if pair is None or pair.status != "evaluated" or pair.error is not None:
            return
        by_the_rules = failure_message(pair, self._frame["gate"])
        if by_the_rules is None or by_the_rules not in reason:
            refused = pair.model_copy(update={"verdict": "reject", "error": reason})
            self._take({"pair": refused.model_dump(mode="json"), "model": None, "dataset": None})

    def reported(self, name: str) -> bool:
        """Whether a pair has been reported, as measured, failed or lost."""
        return name in self._results.pairs

    def lose(self, name: str, reason: str, status: Unreported = "lost") -> None:
        """Record a pair that was started or promised and never reported."""
        record = _bare(name, self._plans[name].sector.name, status, reason)
        self._take({"pair": record.model_dump(mode="json"), "model": None, "dataset": None})

    def finish(self) -> RunRecord:
        """Make the record; pairs that nobody reported stand in it as not run."""
        host = {
            **self._frame["host"],
            "seconds": round(time.monotonic() - self._clock, 3),
            "workers": self.workers,
        }
        frame = {**self._frame, "host": host}
        return assemble(
            frame,
            self.selected,
            self.selection,
            self._results,
            self._results.tables_in(self.folder.path),
        )

    def _take(self, entry: Mapping[str, Any]) -> None:
        self.folder.note("pair", entry)
        self._results.take(entry)


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

    Queries (``tables``) are read only where a rule compares models of the run.

    The frame of a run that is judged again holds the ``metric_versions`` of the release that measured.
    """
    planned: dict[str, str] = frame["planned"]
    pairs = dict(results.pairs)
    for name, sector in planned.items():
        pairs.setdefault(name, _bare(name, sector, "not run"))
    rules = [Rule.model_validate(rule) for rule in frame["rules"]]
    waivers = [Waiver.model_validate(waiver) for waiver in frame["waivers"]]
    versions = {"metric_versions": metric_versions(_measured_names(pairs.values())), **frame}
    contests: list[Contest] = []
    if any(rule.beats is not None for rule in rules):
        contests = contests_of(
            planned,
            pairs,
            results.models,
            results.datasets,
            (rules, waivers),
            (versions["protocol_version"], versions["metric_versions"]),
            tables(),
        )
    families = {name: model.family for name, model in results.models.items()}
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


def recover(run: Path) -> RunRecord:
    """Make the record of a run that was killed, from its journal; unreported pairs count as lost.

    Raises:
        EvidenceError: there is no journal, or its first line is damaged.
    """
    entries = read_journal(run)
    if not entries or entries[0].get("kind") != "plan":
        raise EvidenceError(
            str(run),
            found="a journal without its plan",
            expected="the folder of a run",
            next_step="run again; embeddings are in the cache",
        )
    try:
        return _recovered(entries, run)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise EvidenceError(
            str(run),
            found=f"a journal that no run of this release wrote ({type(error).__name__}: {error})",
            expected="the folder of a run",
            next_step="read it with the release that wrote it, or run again",
        ) from error


def _recovered(entries: Sequence[Mapping[str, Any]], run: Path) -> RunRecord:
    frame = {key: value for key, value in entries[0].items() if key != "kind"}
    results, selected, selection = Results(), list[str](), list[str]()
    for entry in entries[1:]:
        if entry["kind"] == "selected":
            selected, selection = entry["pairs"], entry["selection"]
        elif entry["kind"] == "pair":
            results.take(entry)
    for name in selected:
        if name not in results.pairs:
            reason = "the run was killed before this pair was reported"
            results.pairs[name] = _bare(name, frame["planned"][name], "lost", reason)
    return assemble(frame, selected, selection, results, results.tables_in(run))


def _bare(name: str, sector: str, status: Unreported, error: str | None = None) -> PairRecord:
    model, _, dataset = name.partition(":")
    return PairRecord(
        model=model,
        dataset=dataset,
        sector=sector,
        status=status,
        verdict="incomplete",
        error=error,
    )
