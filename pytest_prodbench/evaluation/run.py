"""A whole run: what was planned, selected and reported, made into one record with a verdict."""

from __future__ import annotations

import base64
import os
import platform
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from pytest_prodbench import __version__
from pytest_prodbench.evaluation.bench import PairPlan
from pytest_prodbench.evidence.store import RunFolder, new_run_name
from pytest_prodbench.evidence.types import (
    DatasetRecord,
    Host,
    ModelRecord,
    PairRecord,
    RunRecord,
)
from pytest_prodbench.gate import check_policy, judge_pairs
from pytest_prodbench.protocol import DEFINITIONS, PROTOCOL_VERSION
from pytest_prodbench.settings.files import policy_digest, shown_path, unknown_name
from pytest_prodbench.settings.types import RunSettings, Suite


def plan_pairs(suite: Suite, settings: RunSettings) -> list[PairPlan]:
    """Return every pair of a suite, models varying fastest within a dataset.

    Raises:
        SettingsError: the policy makes no sense, or a name on the command line is not defined.
    """
    check_policy(suite.sectors.values())
    datasets = [name for sector in suite.sectors.values() for name in sector.datasets]
    for kind, asked, known in (
        ("model", settings.models, list(suite.models)),
        ("dataset", settings.datasets, datasets),
        ("sector", settings.sectors, list(suite.sectors)),
    ):
        for name in asked:
            if name not in known:
                raise unknown_name(kind, name, known, f"--prodbench-{kind} {name}")
    return [
        PairPlan(model, dataset, sector)
        for sector in suite.sectors.values()
        for dataset in sector.datasets.values()
        for model in suite.models.values()
        if model.by_default or model.name in settings.models
    ]


def is_selected(plan: PairPlan, settings: RunSettings) -> bool:
    """Whether the settings (``--prodbench-model`` and so on) let a pair run."""
    return (
        (not settings.models or plan.model.name in settings.models)
        and (not settings.datasets or plan.dataset.name in settings.datasets)
        and (not settings.sectors or plan.sector.name in settings.sectors)
    )


def selection_words(settings: RunSettings) -> list[str]:
    """How settings narrow a run, in words."""
    return [
        f"{kind} {name}"
        for kind, names in (
            ("model", settings.models),
            ("dataset", settings.datasets),
            ("sector", settings.sectors),
        )
        for name in names
    ]


class Run:
    """Collects pairs as they are reported, journals them, and finishes the record."""

    def __init__(
        self, suite: Suite, settings: RunSettings, project: Path, plans: Sequence[PairPlan]
    ) -> None:
        self._suite, self._project = suite, project
        self._plans = {plan.name: plan for plan in plans}
        self._started = datetime.now(UTC)
        self._clock = time.monotonic()
        self._pairs: dict[str, PairRecord] = {}
        self._models: dict[str, ModelRecord] = {}
        self._datasets: dict[str, DatasetRecord] = {}
        self._policy_digest = policy_digest(suite)
        self._selection = selection_words(settings)
        self.selected: list[str] = []
        self.workers = 0
        self.folder = RunFolder(settings.report_dir, settings.run or new_run_name())
        self.folder.note(
            "plan",
            {
                "run": self.folder.path.name,
                "started": self._started.isoformat(timespec="seconds"),
                "planned": {name: plan.sector.name for name, plan in self._plans.items()},
                "policy_digest": self._policy_digest,
            },
        )

    @property
    def policy_digest(self) -> str:
        """Digest of the files that the verdict depends on."""
        return self._policy_digest

    def select(self, names: Sequence[str], words: Sequence[str] = ()) -> None:
        """Say which pairs this run sets out to evaluate, and how else it was narrowed (``-k`` …)."""
        self.selected = sorted(set(names))
        self._selection += [word for word in words if word not in self._selection]
        self.folder.note("selected", {"pairs": self.selected})

    def add(self, payload: Mapping[str, Any]) -> PairRecord:
        """Take one pair's payload; keeps it on disk before anything else.

        Raises:
            EvidenceError: the queries are not those that were measured.
        """
        pair = PairRecord.model_validate(payload["pair"])
        if payload["queries"] is not None:
            self.folder.write_queries(pair, base64.b64decode(payload["queries"]))
        self.folder.note("pair", {k: payload[k] for k in ("pair", "model", "dataset")})
        self._pairs[pair.name] = pair
        if payload["model"] is not None:
            self._models[pair.model] = ModelRecord.model_validate(payload["model"])
        if payload["dataset"] is not None:
            self._datasets[pair.dataset] = DatasetRecord.model_validate(payload["dataset"])
        return pair

    def refuse(self, name: str, reason: str) -> None:
        """A test that failed for another reason than the rules must not leave an accepted pair."""
        pair = self._pairs.get(name)
        if pair is not None and pair.verdict == "accept":
            self._pairs[name] = pair.model_copy(update={"verdict": "reject", "error": reason})

    def reported(self, name: str) -> bool:
        """Whether a pair has been reported, as measured, failed or lost."""
        return name in self._pairs

    def lose(self, name: str, reason: str) -> None:
        """Record a pair that was started or promised and never reported."""
        plan = self._plans[name]
        record = PairRecord(
            model=plan.model.name,
            dataset=plan.dataset.name,
            sector=plan.sector.name,
            status="lost",
            verdict="incomplete",
            error=reason,
        )
        self._pairs[name] = record
        self.folder.note(
            "pair", {"pair": record.model_dump(mode="json"), "model": None, "dataset": None}
        )

    def finish(self) -> RunRecord:
        """Make the record; pairs that nobody reported stand in it as not run."""
        for name, plan in self._plans.items():
            if name not in self._pairs:
                self._pairs[name] = PairRecord(
                    model=plan.model.name,
                    dataset=plan.dataset.name,
                    sector=plan.sector.name,
                    status="not run",
                    verdict="incomplete",
                )
        verdict, sectors = judge_pairs(
            {name: plan.sector.name for name, plan in self._plans.items()}, self._pairs.values()
        )
        pairs = sorted(self._pairs.values(), key=lambda p: (p.sector, p.dataset, p.model))
        return RunRecord(
            protocol_version=PROTOCOL_VERSION,
            prodbench_version=__version__,
            run=self.folder.path.name,
            policy_digest=self._policy_digest,
            policy_files=[shown_path(path, self._project) for path in self._suite.files],
            selection=self._selection,
            planned=sorted(self._plans),
            selected=self.selected,
            evaluated=sorted(p.name for p in pairs if p.status == "evaluated"),
            partial=set(self.selected) != set(self._plans),
            verdict=verdict,
            sectors=sectors,
            owners={name: spec.owner for name, spec in self._suite.sectors.items() if spec.owner},
            models=dict(sorted(self._models.items())),
            datasets=dict(sorted(self._datasets.items())),
            pairs=pairs,
            definitions=list(DEFINITIONS),
            host=self._host(),
        )

    def _host(self) -> Host:
        return Host(
            started=self._started.isoformat(timespec="seconds"),
            seconds=round(time.monotonic() - self._clock, 3),
            platform=platform.platform(),
            python=platform.python_version(),
            cpu_count=os.cpu_count() or 1,
            gpus=_gpus(),
            workers=self.workers,
            versions=_versions(),
        )


def _versions() -> dict[str, str]:
    found = {}
    for name in (
        "pytest-prodbench",
        "pytest",
        "pytest-xdist",
        "torch",
        "faiss-cpu",
        "numpy",
        "pillow",
    ):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def _gpus() -> list[str]:
    """Names of the GPUs; asks the driver's own tool, so that torch need not be imported for it."""
    import shutil
    import subprocess

    tool = shutil.which("nvidia-smi")
    if tool is None:
        return []
    try:
        answer = subprocess.run(  # noqa: S603 - the tool's own path, fixed arguments
            [tool, "--query-gpu=name", "--format=csv,noheader"],
            capture_output=True,
            text=True,
            timeout=10,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return []
    return [line.strip() for line in answer.stdout.splitlines() if line.strip()]
