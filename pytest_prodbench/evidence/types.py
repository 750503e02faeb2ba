"""The run record. Everything measured is here; every report is made from it.

What differs between two runs of the same inputs (times, host, paths of this machine) lives under the keys
``host``, ``run`` and ``timing`` and nowhere else; ``stable`` drops them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field

from pytest_prodbench.evidence.comparison import Contest, PairComparison
from pytest_prodbench.evidence.judgement import Check, Record, Verdict
from pytest_prodbench.evidence.measured import (
    Confusion,
    Crossing,
    Curve,
    EmbeddingFacts,
    Spread,
)
from pytest_prodbench.evidence.timing import Timing
from pytest_prodbench.evidence.values import MetricValue
from pytest_prodbench.metrics import SMALLEST_SLICE
from pytest_prodbench.registry import display
from pytest_prodbench.settings.policy import GateMode, Rule, Waiver

SCHEMA_VERSION: Literal[4] = 4


class EngineRecord(Record):
    """What ran a model's network, and how it was shown to give the vectors of torch."""

    name: str = Field(description="torch, onnxruntime, openvino")
    version: str
    precision: str = Field(description="of the forward pass; of an ONNX file that of its input")
    worst_cosine: float | None = Field(
        default=None,
        description="smallest cosine of a sample image's vector to torch in float32, to seven decimals; "
        "null: nothing was compared",
    )
    changed_ranks: int | None = Field(
        default=None,
        description="sample images whose first hit, or rank of best positive, is not torch's",
    )
    reason: str = Field(default="", description="why it is torch where another one was to be had")


class ModelRecord(Record):
    """What a model was."""

    name: str
    source: str = Field(description="library:identifier")
    family: str
    weights_digest: str
    preprocessing: str
    preprocessing_digest: str
    pooling: str
    dimension: int
    versions: dict[str, str]
    overrides: list[str] = Field(
        default_factory=list,
        description="what the configuration, or an adapter, replaced of the model's own, a line a key",
    )
    remote_code: bool = Field(
        default=False, description="whether it ran code that came with its weights"
    )
    price_per_1000: float | None = Field(
        default=None, description="of 1,000 images, as configured, in the currency of the policy"
    )
    price_date: str | None = Field(
        default=None, description="day on which the price was looked up, ISO 8601"
    )
    engine: EngineRecord | None = Field(
        default=None, description="null: of a release that had torch only"
    )


class DatasetRecord(Record):
    """What a dataset was."""

    name: str
    sector: str
    layout: str
    content_digest: str = Field(description="sha256 over rows and image bytes, free of row order")
    root: str = Field(
        description="folder of the images, posix, relative to the project or to the home folder (~/…); "
        "address of a store"
    )
    files: str = Field(
        default="",
        description="what the images are in: shards, tars, parquet or store; empty: files below root",
    )
    queries: int
    gallery: int
    products: int = Field(description="distinct products in the gallery")
    absent: int = Field(default=0, description="queries whose product is absent (open set)")
    distractors: int = Field(default=0, description="gallery images of products no query asks for")
    conditions: dict[str, list[str]] = Field(default_factory=dict, description="column → values")
    protocol_note: str = ""
    open_set: bool = False
    official_metrics: list[str] = Field(
        default_factory=list, description="metrics that the authors of a published set report"
    )
    published: str = Field(default="", description="key of a published set; empty for a team's own")

    @property
    def place(self) -> str:
        """Return root and files as one text, for whoever shows pictures (NUL is in no path)."""
        return f"{self.files}\0{self.root}" if self.files else self.root


class Measurement(Record):
    """What was measured on one pair: ready to be judged, judged by nobody yet."""

    metrics: dict[str, MetricValue]
    conditions: dict[str, dict[str, dict[str, MetricValue]]] = Field(
        default_factory=dict, description="column → value → metric"
    )
    crossings: list[Crossing] = Field(
        default_factory=list, description="pairs of conditions that some query has"
    )
    spreads: list[Spread] = Field(default_factory=list, description="a condition's best and worst")
    smallest_slice: int = Field(
        default=SMALLEST_SLICE, description="queries that a slice needs to be ranked among others"
    )
    curves: dict[str, Curve] = Field(default_factory=dict, description="name → curve")
    confusions: list[Confusion] = Field(
        default_factory=list, description="most confused pairs of products, most frequent first"
    )
    confused_pairs: int = Field(default=0, description="pairs of products confused at all")
    embedding: EmbeddingFacts | None = None
    ties: int = Field(description="queries whose pessimistic and optimistic ranks differ")
    near_ties: int = Field(description="queries with a negative that float32 could not tell apart")
    excluded: int = Field(description="gallery images taken out as identical, over all queries")
    precision: str
    device: str = Field(description="cpu or cuda")
    seed: int
    resamples: int


class PairRecord(Record):
    """One model on one dataset."""

    model: str
    dataset: str
    sector: str
    status: Literal["evaluated", "failed", "lost", "not run"]
    verdict: Verdict
    measurement: Measurement | None = None
    checks: list[Check] = Field(default_factory=list)
    comparison: PairComparison | None = Field(
        default=None, description="against production; null where there is no baseline yet"
    )
    error: str | None = Field(default=None, description="why there is no measurement")
    queries_file: str | None = Field(default=None, description="Parquet, relative to the run")
    queries_digest: str | None = None
    timing: Timing = Field(default_factory=Timing)

    @property
    def name(self) -> str:
        """``model:dataset``, the test id."""
        return f"{self.model}:{self.dataset}"

    def __repr__(self) -> str:
        # One line: a notebook keeps it beside the card, and all of it would be megabytes.
        return f"<PairRecord {_cut(self.name)!r}: {self.status}, {self.verdict}>"

    def _repr_html_(self) -> str:
        return display("pair", self)


class BaselineFacts(Record):
    """The baseline that a run was held against."""

    role: str
    model: str
    digest: str = Field(description="sha256 of its baseline.json")
    run: str = Field(description="the run that was accepted")
    accepted: str = Field(description="day, ISO 8601")
    reason: str
    despite: str | None = Field(description="why it was accepted although it failed")
    stale: list[str] = Field(
        default_factory=list, description="entries that nothing of the suite answers to any more"
    )


class Host(Record):
    """Facts of the machine and the moment; differs from run to run."""

    started: str = Field(description="UTC, ISO 8601")
    seconds: float
    platform: str
    python: str
    cpu_count: int
    gpus: list[str] = Field(default_factory=list)
    workers: int = 0
    commit: str | None = Field(default=None, description="of the project's git tree")
    dirty: bool | None = Field(
        default=None, description="whether files differed from the commit; null: no git"
    )
    versions: dict[str, str] = Field(default_factory=dict)


class RunRecord(Record):
    """One run: ``evidence.json``."""

    schema_version: Literal[4] = SCHEMA_VERSION
    protocol_version: int
    prodbench_version: str
    run: str
    policy_digest: str
    policy_files: list[str]
    rules: list[Rule] = Field(default_factory=list, description="what the owners demand")
    waivers: list[Waiver] = Field(default_factory=list, description="easier limits, for a time")
    selection: list[str] = Field(default_factory=list, description="how the run was narrowed")
    planned: list[str] = Field(description="every pair that the configuration asks for")
    selected: list[str] = Field(description="those that this run set out to evaluate")
    evaluated: list[str] = Field(description="those that were measured")
    partial: bool = Field(description="fewer selected than planned")
    gate: GateMode = Field(
        default="enforce", description="enforce; report: judged, and held against nobody; off"
    )
    overridden: bool = Field(
        default=False, description="judged by other rules than those that it was made with"
    )
    baseline: BaselineFacts | None = Field(default=None, description="what was compared with")
    metric_versions: dict[str, int] = Field(
        default_factory=dict, description="metric → version of its definition"
    )
    verdict: Verdict
    candidates: dict[str, Verdict] = Field(default_factory=dict, description="model → verdict")
    sectors: dict[str, Verdict]
    sector_checks: dict[str, list[Check]] = Field(
        default_factory=dict,
        description="sector → rules on all its datasets together, and on leads, a model each",
    )
    contests: list[Contest] = Field(
        default_factory=list,
        description="models of the run against each other: where a rule asks, and a domain model against "
        "the best general model",
    )
    owners: dict[str, str] = Field(default_factory=dict, description="sector → owner")
    models: dict[str, ModelRecord]
    datasets: dict[str, DatasetRecord]
    pairs: list[PairRecord]
    definitions: list[tuple[str, str]] = Field(description="the protocol in words")
    host: Host

    def pair(self, name: str) -> PairRecord:
        """Return the pair ``model:dataset``; KeyError if this run has none."""
        for pair in self.pairs:
            if pair.name == name:
                return pair
        raise KeyError(name)

    def __repr__(self) -> str:
        evaluated = f"{len(self.evaluated)} of {len(self.planned)} pairs evaluated"
        return f"<RunRecord {_cut(self.run)!r}: {self.verdict}, {evaluated}>"

    def _repr_html_(self) -> str:
        return display("run", self)


def stable(record: RunRecord | Mapping[str, Any]) -> dict[str, Any]:
    """Return a run as JSON primitives without what differs between two runs of the same inputs.

    By place and not by name: a sector, dataset or condition may be called ``host`` or ``run``.
    """
    if not isinstance(record, RunRecord):
        record = RunRecord.model_validate(record)
    return record.model_dump(
        mode="json", exclude={"host": True, "run": True, "pairs": {"__all__": {"timing"}}}
    )


def _cut(name: str) -> str:
    return name if len(name) <= 160 else name[:159] + "…"
