"""Evaluate pairs of a suite one after the other: models stay loaded, datasets stay opened."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_prodbench.datasets.content import DatasetContent, open_with_content
from pytest_prodbench.embedding import ModelHandle
from pytest_prodbench.errors import ProdbenchError, printable
from pytest_prodbench.evaluation.against import Result, metric_versions
from pytest_prodbench.evaluation.images import evaluate_opened, query_requests
from pytest_prodbench.evaluation.paired import resampling_of
from pytest_prodbench.evidence.queries import to_parquet
from pytest_prodbench.evidence.store import queries_file
from pytest_prodbench.evidence.timing import Timing
from pytest_prodbench.evidence.types import PairRecord
from pytest_prodbench.gate import costs_of, judge_measurement, model_demands, pair_demands
from pytest_prodbench.protocol import PROTOCOL_VERSION
from pytest_prodbench.settings.policy import COSTS, TIMED

if TYPE_CHECKING:
    from pytest_prodbench.embedding import OnProgress
    from pytest_prodbench.evaluation.opponent import Opponent
    from pytest_prodbench.evaluation.result import Evaluation
    from pytest_prodbench.evidence.comparison import PairComparison
    from pytest_prodbench.protocol import Dataset
    from pytest_prodbench.settings.policy import GateMode, Rule
    from pytest_prodbench.settings.types import DatasetSpec, ModelSpec, RunSettings, SectorSpec


@dataclass(frozen=True, slots=True)
class PairPlan:
    """One pair that is to be evaluated.

    Attributes:
        model, dataset: what.
        sector: whose rules hold.
    """

    model: ModelSpec
    dataset: DatasetSpec
    sector: SectorSpec

    @property
    def name(self) -> str:
        """``model:dataset``, the test id."""
        return f"{self.model.name}:{self.dataset.name}"


@dataclass(frozen=True, slots=True, eq=False)
class PairOutcome:
    """A pair judged: its record, and the evaluation behind it if there was one."""

    record: PairRecord
    evaluation: Evaluation | None

    def payload(self) -> dict[str, Any]:
        """Return it all as JSON primitives, so that it can ride on a test report between processes."""
        done = self.evaluation
        return {
            "pair": self.record.model_dump(mode="json"),
            "model": done.model.model_dump(mode="json") if done and done.model else None,
            "dataset": done.dataset.model_dump(mode="json") if done and done.dataset else None,
            "queries": base64.b64encode(to_parquet(done.queries)).decode() if done else None,
        }


class Bench:
    """Evaluates pairs in this process."""

    def __init__(
        self,
        settings: RunSettings,
        project: Path,
        worker: str = "",
        opponent: Opponent | None = None,
    ) -> None:
        self._settings, self._project, self._worker = settings, project, worker
        self._opponent = opponent
        self._handle: ModelHandle | None = None
        self._datasets: dict[str, tuple[Dataset, DatasetContent]] = {}

    @property
    def gate(self) -> GateMode:
        """Whether verdicts are enforced."""
        return self._settings.gate

    def evaluate(self, plan: PairPlan, on_progress: OnProgress | None = None) -> PairOutcome:
        """Evaluate and judge one pair; an error that the user can mend becomes a failed record."""
        with blas_threads(self._settings.threads or 1):
            return self._evaluate(plan, on_progress)

    def _evaluate(self, plan: PairPlan, on_progress: OnProgress | None) -> PairOutcome:
        sector, names = plan.sector, (plan.model.name, plan.dataset.name)
        rules, waivers = sector.rules, sector.waivers
        if self._settings.gate == "off":
            rules, waivers = (), ()
        demands = pair_demands(rules, waivers, sector.name, *names)
        together = model_demands(rules, waivers, sector.name, plan.model.name)
        asked = dict.fromkeys(demand.rule.metric for demand in (*demands, *together))
        metrics = [name for name in asked if name not in COSTS]
        try:
            evaluation = self._measure(plan, metrics, on_progress)
            costs = dict(evaluation.timing.costs)
            if not costs and TIMED & set(asked):
                costs = self._costs(plan)
        except ProdbenchError as error:
            message = without_folders(str(error), self._project)
            return PairOutcome(failed(plan, message, self._worker), None)
        comparison = self._against(plan, evaluation, [d.rule for d in (*demands, *together)])
        timing = evaluation.timing.model_copy(update={"worker": self._worker, "costs": costs})
        checks, verdict = judge_measurement(
            *names,
            evaluation.measurement,
            demands,
            comparison,
            costs_of(evaluation.measurement, timing, plan.model.price_per_1000),
        )
        record = PairRecord(
            model=plan.model.name,
            dataset=plan.dataset.name,
            sector=plan.sector.name,
            status="evaluated",
            verdict=verdict,
            measurement=evaluation.measurement,
            checks=checks,
            comparison=comparison,
            queries_file=queries_file(plan.model.name, plan.dataset.name),
            queries_digest=hashlib.sha256(to_parquet(evaluation.queries)).hexdigest(),
            timing=timing,
        )
        return PairOutcome(record, evaluation)

    def _costs(self, plan: PairPlan) -> dict[str, float]:
        from pytest_prodbench.embedding.costs import measure_costs

        assert self._handle is not None  # noqa: S101 - it has just measured
        if self._handle.remote is not None:
            return {}  # recorded while it was asked: it is not paid for again to be timed
        queries = query_requests(*self._datasets[plan.dataset.name])
        return measure_costs(queries, self._handle, self._settings)

    def _against(
        self, plan: PairPlan, evaluation: Evaluation, rules: Sequence[Rule]
    ) -> PairComparison | None:
        if self._opponent is None:
            return None
        measurement = evaluation.measurement
        assert evaluation.model is not None  # noqa: S101 - images were embedded, by some model,
        assert evaluation.dataset is not None  # noqa: S101 - from some dataset
        after = Result(
            evaluation.model,
            evaluation.dataset,
            PROTOCOL_VERSION,
            metric_versions(measurement.metrics),
            evaluation.queries,
        )
        return self._opponent.compare(plan.dataset.name, after, rules, resampling_of(measurement))

    def _measure(
        self, plan: PairPlan, metrics: Sequence[str], on_progress: OnProgress | None
    ) -> Evaluation:
        # One model in memory at a time: the next one may need all of it.
        if self._handle is None or self._handle.spec != plan.model:
            self._handle = None
            self._handle = ModelHandle(plan.model, self._settings)
        name = plan.dataset.name
        if name not in self._datasets:
            self._datasets[name] = open_with_content(
                plan.dataset,
                max_pixels=self._settings.max_pixels,
                cache_dir=self._settings.cache_dir,
            )
        dataset, digests = self._datasets[name]
        return evaluate_opened(
            self._handle,
            dataset,
            digests,
            self._settings,
            metrics=metrics,
            project=self._project,
            on_progress=on_progress,
        )


@contextmanager
def blas_threads(threads: int) -> Iterator[None]:
    """Keep numpy's matrix products to so many threads.

    Left alone each worker starts one a core: they wait for each other by spinning, and two workers on two
    cores took twice the time (docs/benchmarks.md).
    """
    from threadpoolctl import threadpool_limits

    with threadpool_limits(threads, user_api="blas"):
        yield


def without_folders(text: str, project: Path) -> str:
    """Evidence must not carry where on a machine the project or somebody's home lies."""
    for folder, shown in ((project.resolve(), ""), (Path.home(), "~/")):
        if folder != Path(folder.anchor):
            text = text.replace(f"{folder}/", shown)
    return text


def failed(plan: PairPlan, error: str, worker: str = "") -> PairRecord:
    """Record of a pair that could not be measured."""
    return PairRecord(
        model=plan.model.name,
        dataset=plan.dataset.name,
        sector=plan.sector.name,
        status="failed",
        verdict="incomplete",
        error=printable(error),  # also of errors that nobody raised on purpose
        timing=Timing(worker=worker),
    )


def failure_message(record: PairRecord, gate: GateMode = "enforce") -> str | None:
    """Why a pair is not accepted, most important line first; None if it is.

    Where the gate only reports, or is off, what was measured is held against nobody.
    """
    if record.verdict == "accept":
        return None
    missed = [check.message for check in record.checks if check.blocks]
    if record.error is not None:
        return "\n".join([f"{record.name}: {record.error}", *missed])
    if gate != "enforce":
        return None
    if missed:
        return "\n".join(missed)
    return (
        f"{record.name}: measured, but no threshold says what is good enough; add [thresholds] to the "
        "sector's file"
    )
