"""A whole run on disk: what was planned, selected and reported, as it comes."""

from __future__ import annotations

import base64
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pytest_prodbench import __version__
from pytest_prodbench.errors import EvidenceError
from pytest_prodbench.evaluation.assembling import (
    Results,
    Unreported,
    assemble,
    policy_fields,
    unmeasured,
)
from pytest_prodbench.evaluation.bench import PairPlan, failure_message
from pytest_prodbench.evaluation.host import host_facts
from pytest_prodbench.evaluation.opponent import Opponent
from pytest_prodbench.evaluation.planning import selection_words
from pytest_prodbench.evidence.store import RunFolder, new_run_name, read_journal
from pytest_prodbench.evidence.types import PairRecord, RunRecord
from pytest_prodbench.protocol import DEFINITIONS, PROTOCOL_VERSION
from pytest_prodbench.settings.files import policy_digest, shown_path
from pytest_prodbench.settings.types import RunSettings, Suite


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
        record = unmeasured(name, self._plans[name].sector.name, status, reason)
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
            results.pairs[name] = unmeasured(name, frame["planned"][name], "lost", reason)
    return assemble(frame, selected, selection, results, results.tables_in(run))
