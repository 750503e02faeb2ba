"""Many runs as one history: which measurements may stand in one column and in one line.

A name is not enough: weights change under a model's name, photos under a dataset's. Measurements stand in
one column only if photos, protocol and the headline's definition are the same.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING

from pytest_prodbench.errors import EvidenceError
from pytest_prodbench.evidence.store import read_queries
from pytest_prodbench.metrics import HEADLINE
from pytest_prodbench.report.sections import pair_anchors, sections

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    import pyarrow as pa

    from pytest_prodbench.evidence.types import DatasetRecord, ModelRecord, PairRecord, RunRecord
    from pytest_prodbench.evidence.values import MetricValue


@dataclass(frozen=True, eq=False)
class SiteRun:
    """One run, as it lies on disk.

    Attributes:
        record: its evidence.
        folder: where it lies.
        digest: sha256 of its evidence, hexadecimal.
    """

    record: RunRecord
    folder: Path
    digest: str

    @cached_property
    def started(self) -> datetime:
        """When it began, UTC.

        Raises:
            EvidenceError: the record does not say so in ISO 8601.
        """
        text = self.record.host.started
        try:
            moment = datetime.fromisoformat(text)
        except ValueError as error:
            raise EvidenceError(
                str(self.folder),
                found=f"host.started = {text!r}",
                expected="a moment in ISO 8601",
                next_step="a site orders its runs by it; leave this run out",
            ) from error
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)

    @property
    def slug(self) -> str:
        """What its page is called: two runs of one name have two."""
        return slug(self.record.run, self.digest)

    @cached_property
    def anchors(self) -> dict[tuple[str, str], str]:
        """(sector, pair) → where its page tells of it."""
        return pair_anchors(sections(self.record))

    def tables(self) -> dict[str, pa.Table]:
        """Return ``model:dataset`` → table of its queries, read and checked anew: they may be large."""
        return read_queries(self.folder, self.record)


def slug(name: str, told_apart_by: str) -> str:
    """Return a name that any file system takes, and that differs where either argument does."""
    words = re.sub(r"[^a-z0-9]+", "-", name.lower())[:40].strip("-") or "x"
    key = hashlib.sha256(f"{name}\0{told_apart_by}".encode("utf-8", "surrogatepass")).hexdigest()
    return f"{words}-{key[:8]}"


@dataclass(frozen=True, slots=True)
class ModelVersion:
    """A model as it was once: its name, what it weighed, how it took images, and how exactly it computed.

    Engines are no part of it: one that has not proven to give torch's ranks does not run.
    """

    name: str
    weights_digest: str
    preprocessing_digest: str
    precision: str


@dataclass(frozen=True, slots=True)
class DatasetVersion:
    """A dataset as it was once, and by which definitions it was measured."""

    name: str
    content_digest: str
    protocol_version: int
    metric_version: int


@dataclass(frozen=True, slots=True, eq=False)
class Point:
    """One measurement of the headline."""

    run: SiteRun
    pair: PairRecord
    model: ModelVersion
    dataset: DatasetVersion
    headline: MetricValue

    @property
    def anchor(self) -> str:
        """Where the run's page tells of it."""
        return self.run.anchors[self.pair.sector, self.pair.name]


@dataclass(frozen=True, slots=True, eq=False)
class Span:
    """From which run to which something was measured, and in how many."""

    first: SiteRun
    last: SiteRun
    runs: int


def span(points: Iterable[Point]) -> Span:
    """Return the span of some measurements, one or more, oldest first."""
    runs = list(dict.fromkeys(point.run for point in points))
    return Span(runs[0], runs[-1], len(runs))


@dataclass(frozen=True, eq=False)
class History:
    """All runs and what they measured, oldest first."""

    runs: tuple[SiteRun, ...]
    points: tuple[Point, ...]

    @cached_property
    def current(self) -> dict[str, DatasetVersion]:
        """Each dataset as it was last measured, by name."""
        return {point.dataset.name: point.dataset for point in self.points}

    @cached_property
    def sectors(self) -> dict[str, str]:
        """Dataset → the sector that owned it when it was last measured."""
        return {point.dataset.name: point.pair.sector for point in self.points}

    @cached_property
    def models(self) -> dict[str, list[ModelVersion]]:
        """Each model by name, its versions as they were last measured, newest first."""
        found: dict[str, dict[ModelVersion, None]] = {}
        for point in reversed(self.points):
            found.setdefault(point.model.name, {}).setdefault(point.model)
        return {name: list(found[name]) for name in sorted(found)}

    @cached_property
    def newest(self) -> dict[tuple[ModelVersion, DatasetVersion], Point]:
        """The newest measurement of each model on each dataset."""
        return {(point.model, point.dataset): point for point in self.points}

    def columns(self) -> list[str]:
        """Return the datasets by sector and name."""
        return sorted(self.current, key=lambda name: (self.sectors[name], name))

    def model_record(self, version: ModelVersion) -> ModelRecord:
        """Return what the newest run that measured it says of a model."""
        run = next(point.run for point in reversed(self.points) if point.model == version)
        return run.record.models[version.name]

    def dataset_record(self, version: DatasetVersion) -> DatasetRecord:
        """Return what the newest run that measured on it says of a dataset."""
        run = next(point.run for point in reversed(self.points) if point.dataset == version)
        return run.record.datasets[version.name]


def history(runs: Iterable[SiteRun]) -> History:
    """Arrange runs by when they began; a run that is there twice counts once.

    Raises:
        EvidenceError: a run does not say when it began.
    """
    once = {run.digest: run for run in runs}.values()
    ordered = tuple(sorted(once, key=lambda run: (run.started, run.record.run, run.digest)))
    return History(ordered, tuple(point for run in ordered for point in _points(run)))


def _points(run: SiteRun) -> Iterable[Point]:
    record = run.record
    for pair in record.pairs:
        measured = pair.measurement
        headline = measured.metrics.get(HEADLINE) if measured else None
        model, dataset = record.models.get(pair.model), record.datasets.get(pair.dataset)
        if measured is None or headline is None or model is None or dataset is None:
            continue
        yield Point(
            run,
            pair,
            ModelVersion(
                pair.model, model.weights_digest, model.preprocessing_digest, measured.precision
            ),
            DatasetVersion(
                pair.dataset,
                dataset.content_digest,
                record.protocol_version,
                record.metric_versions.get(HEADLINE.partition("@")[0], 1),
            ),
            headline,
        )
