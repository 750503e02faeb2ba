"""What one pytest process knows: suite, settings, plan; on the controller also the run it writes."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_prodbench.errors import EvidenceError, ProdbenchError, SettingsError
from pytest_prodbench.plugin.in_use import WORKER_INPUT, places
from pytest_prodbench.settings.options import OPTIONS, resolve

if TYPE_CHECKING:
    from pytest_prodbench.evaluation.assembling import Unreported
    from pytest_prodbench.evaluation.bench import Bench, PairPlan
    from pytest_prodbench.evaluation.run import Run
    from pytest_prodbench.evidence.types import RunRecord
    from pytest_prodbench.settings.types import RunSettings, SectorSpec, Suite

TAKE_UP = "what was embedded is in the cache, run again to take it up"


class ProdbenchSession:
    """State of one process; made when the first thing of prodbench is needed.

    Attributes:
        project: the root directory of pytest; paths in the evidence are relative to it.
        settings: how to run.
        suite: models, sectors, datasets, rules.
        plans: ``model:dataset`` → plan, every pair that the configuration asks for.
        worker: id of this xdist worker; empty in the controller and without xdist.
        run: the run being written; None in a worker and before a pair is collected.
        record: the finished run.
        nodeids: ``model:dataset`` → node id of its test, once collected.
        deselected: pairs that a plugin or an option took out of the collection.
        skipped: ``model:dataset`` → why its test did not run.
        problems: what went wrong on the way to the report: it must not pass unseen.
    """

    def __init__(self, config: pytest.Config) -> None:
        from pytest_prodbench.evaluation.opponent import opponent_of
        from pytest_prodbench.evaluation.planning import check_hardware, plan_pairs
        from pytest_prodbench.report.writing import check_reports
        from pytest_prodbench.settings.catalog import Catalog
        from pytest_prodbench.settings.files import load_suite, policy_digest

        given: dict[str, Any] = getattr(config, "workerinput", {})
        self.config = config
        self.worker = str(given.get("workerid", ""))
        self.project = config.rootpath
        try:
            self.settings = self._settings(given.get(WORKER_INPUT))
            suite = load_suite(places(config), self.project, models_files=self.settings.models_file)
            catalog = Catalog(suite, self.project)
            config.hook.pytest_prodbench_register(catalog=catalog)
            self.suite: Suite = catalog.suite
            self.plans: dict[str, PairPlan] = {
                plan.name: plan for plan in plan_pairs(self.suite, self.settings)
            }
            self.policy_digest = policy_digest(self.suite)
            self.opponent = opponent_of(self.suite, self.settings, self.project)
            if not self.worker:
                check_hardware(self.settings)
                check_reports(self.settings.reports, where="--prodbench-report")
        except (SettingsError, EvidenceError) as error:
            raise pytest.UsageError(f"prodbench: {error}") from error
        expected = given.get(WORKER_INPUT, {}).get("judged_by", self.judged_by)
        if expected != self.judged_by:
            raise pytest.UsageError(
                "prodbench: a models.toml, sector.toml, pyproject.toml or the baseline was edited while the "
                "run was starting, so this worker would judge by other rules than the others; start again"
            )
        self.nodeids: dict[str, str] = {}
        self.deselected: set[str] = set()
        self.skipped: dict[str, str] = {}
        self._narrowed = False
        self.run: Run | None = None
        self.record: RunRecord | None = None
        self.report_files: list[Path] = []
        self.problems: list[str] = []
        self._bench: Bench | None = None

    def _settings(self, given: dict[str, Any] | None) -> RunSettings:
        from pytest_prodbench.settings.files import project_table
        from pytest_prodbench.settings.types import RunSettings

        if given is not None:
            self._use_gpu(given["gpu"])
            return RunSettings.model_validate_json(given["settings"])
        table = project_table(self.project)
        options = self.config.option
        merged = resolve(
            {option.key: getattr(options, f"prodbench_{option.key}", None) for option in OPTIONS},
            os.environ,
            {} if table is None else table.run.model_dump(),
            project=self.project,
            working_dir=self.config.invocation_params.dir,
        )
        return RunSettings.checked(merged)

    def _use_gpu(self, gpu: str | None) -> None:
        # Before torch is imported; the index is one into what the outer process may see.
        if gpu is not None:
            os.environ["CUDA_VISIBLE_DEVICES"] = gpu

    @property
    def judged_by(self) -> list[str]:
        """Digests of what verdicts are made by: policy, and baseline if there is one."""
        baseline = [] if self.opponent is None else [self.opponent.baseline.digest]
        return [self.policy_digest, *baseline]

    @property
    def is_worker(self) -> bool:
        """Whether this process is a worker of xdist, which reports to a controller."""
        return bool(self.worker)

    @property
    def bench(self) -> Bench:
        """What evaluates pairs in this process."""
        from pytest_prodbench.evaluation.bench import Bench

        if self._bench is None:
            self._bench = Bench(self.settings, self.project, self.worker, self.opponent)
        return self._bench

    def sector_of(self, test_file: Path) -> SectorSpec:
        """Return the sector of a test file.

        Raises:
            pytest.UsageError: no file says which it is.
        """
        from pytest_prodbench.settings.files import sector_of

        try:
            sector = sector_of(self.suite, test_file)
        except SettingsError as error:
            raise pytest.UsageError(f"prodbench: {error}") from error
        if sector is None:
            raise pytest.UsageError(
                f"prodbench: {test_file} uses the prodbench fixture, but there is no sector.toml in its "
                "folder or above it, and [tool.prodbench.sectors] has no sector of its folder's name; "
                "run 'prodbench init' to see how a suite is laid out"
            )
        return sector

    def pair_of(self, nodeid: str) -> str | None:
        """Return ``model:dataset`` if a node id is that of a planned pair."""
        name, bracket, rest = nodeid.rpartition("[")[2].partition("]")
        # Some releases of xdist append "@group" to an id under --dist loadgroup.
        ours = bracket and (not rest or rest.startswith("@")) and name in self.plans
        return name if ours else None

    def unproven(self) -> bool:
        """Whether the finished run leaves a pair that it set out to evaluate without an accept."""
        if self.record is None:
            return self.run is not None
        selected = set(self.record.selected)
        if self.settings.gate != "enforce":
            return not selected <= set(self.record.evaluated)
        accepted = {pair.name for pair in self.record.pairs if pair.verdict == "accept"}
        return self.record.verdict == "reject" or not selected <= accepted

    def undecided(self) -> bool:
        """Whether more was asked for than this run decided (``--prodbench-require-full``)."""
        if not self.settings.require_full or self.run is None:
            return False
        return self.record is None or self.record.partial or self.record.verdict == "incomplete"

    def start_run(self, nodeids: Sequence[str], words: Sequence[str]) -> None:
        """Begin writing, once it is known which pairs are selected.

        Does nothing where a narrowed run selects none. Where nobody narrowed it, planned pairs that no
        test collects are missing, not left out: the run begins all the same, and they fail by name.
        """
        from pytest_prodbench.evaluation.planning import selection_words
        from pytest_prodbench.evaluation.run import Run

        found = ((self.pair_of(nodeid), nodeid) for nodeid in nodeids)
        self.nodeids = {name: nodeid for name, nodeid in found if name is not None}
        self._narrowed = bool(words or selection_words(self.settings))
        wanted = self.nodeids if self._narrowed else self.plans
        if self.is_worker or self.run is not None or not wanted:
            return
        try:
            plans = list(self.plans.values())
            self.run = Run(self.suite, self.settings, self.project, plans, self.opponent)
        except (ProdbenchError, OSError) as error:
            raise pytest.UsageError(f"prodbench: {error}") from error
        self.run.select(list(wanted), words)

    def missing(self, stopped: str | None = None) -> dict[str, tuple[Unreported, str]]:
        """Return the selected pairs that nobody has reported, and why.

        Args:
            stopped: what ended the run before its last test; None if nothing did.
        """
        if self.run is None:
            return {}
        if self.deselected and not self._narrowed:
            left = [name for name in self.plans if name not in self.deselected]
            self.run.select(left, ["deselected by a plugin"])
        unreported = [name for name in self.run.selected if not self.run.reported(name)]
        return {name: self._why_missing(name, stopped) for name in unreported}

    def _why_missing(self, name: str, stopped: str | None) -> tuple[Unreported, str]:
        if name in self.skipped:
            return "lost", (
                f"its test was {self.skipped[name]}; a planned pair without a result is not a pass: narrow "
                "the run with -k or --prodbench-model instead, or take the pair out of the suite"
            )
        if name not in self.nodeids:
            folder = self.plans[name].sector.source.parent
            return "lost", (
                f"no test collects it; {folder.name}/ needs a test that uses the prodbench fixture and has "
                "no other parameters"
            )
        if stopped is not None:
            return "not run", f"the run was stopped before it was done ({stopped})"
        return "lost", (
            "it was selected and no worker reported it: the worker died or was stopped before; "
            + TAKE_UP
        )

    def conclude(self) -> RunRecord | None:
        """Judge the run, once nothing more will be reported; None where none was begun."""
        if self.run is not None and self.record is None:
            self.record = self.run.finish()
        return self.record

    def write(self) -> None:
        """Write evidence and reports; one that fails is a problem, not a crash."""
        from pytest_prodbench.evidence.queries import read_parquet
        from pytest_prodbench.report.reporter import ReportInput
        from pytest_prodbench.report.writing import write_reports

        record = self.conclude()
        if self.run is None or record is None:
            return
        folder = self.run.folder
        try:
            self.report_files = [folder.write_evidence(record)]
            queries = {
                pair.name: read_parquet(folder.path / pair.queries_file)
                for pair in record.pairs
                if pair.queries_file is not None
            }
            self.report_files += write_reports(
                ReportInput(record, queries, folder.path, self.project, self.settings.cache_dir),
                self.settings.reports,
            )
        except (ProdbenchError, OSError, ExceptionGroup) as error:
            self.problems.append(f"the reports could not all be written: {error}")
