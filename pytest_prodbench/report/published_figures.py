"""What others published on the sets of a run, beside what it measured: held against nobody."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_prodbench.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_prodbench.datasets.published import Published, Reference
    from pytest_prodbench.evidence.types import RunRecord
    from pytest_prodbench.evidence.values import MetricValue

PUBLISHED_MEANS = (
    "Figures of others, as they published them: another preprocessing, another release of the set or another "
    "protocol may stand behind them. No verdict, rank or trade-off rests on them."
)

NOT_VERIFIED = "reported by third parties, not verified"
"""Said of a figure that was quoted by others than those who measured it."""


@dataclass(frozen=True, slots=True)
class MeasuredFigure:
    """One metric of one model, as this run measured it."""

    model: str
    metric: str
    value: MetricValue


@dataclass(frozen=True, slots=True)
class PublishedFigure:
    """One figure of somebody else.

    Attributes:
        model: as its source calls it.
        metric: a name of ours.
        value: on our scale.
        part: of the set, where it is not all of it.
        kind: whose word it is, in words.
        verified: whether it is the word of those who measured it.
        source: where it stands.
        note: what sets it apart.
    """

    model: str
    metric: str
    value: float
    part: str
    kind: str
    verified: bool
    source: str
    note: str


@dataclass(frozen=True, slots=True)
class PublishedSet:
    """A dataset of the run that is a published set.

    Attributes:
        dataset: its name in the run.
        key: of the set.
        title: of the set; its key, where nothing is known of it here.
        known: whether anything is known of it here.
        protocol: who queries whom, and whether that is the authors' protocol or ours.
        counts: as published, in words.
        here: counts of the run, in words.
        measured: of this run, for every metric that somebody published.
        figures: of others.
    """

    dataset: str
    key: str
    title: str
    known: bool
    protocol: str
    counts: str
    here: str
    measured: tuple[MeasuredFigure, ...]
    figures: tuple[PublishedFigure, ...]


def published_sets(record: RunRecord) -> tuple[PublishedSet, ...]:
    """Return the datasets of a run that are published sets, by name."""
    return tuple(_sets(record))


def _sets(record: RunRecord) -> Iterator[PublishedSet]:
    for name, dataset in sorted(record.datasets.items()):
        if not dataset.published:
            continue
        about = _about(dataset.published)
        rows = about.reference if about else []
        yield PublishedSet(
            dataset=name,
            key=dataset.published,
            title=about.title if about else dataset.published,
            known=about is not None,
            protocol=f"{about.protocol}: {about.protocol_note}" if about else "",
            counts=about.counts if about else "",
            here=f"{dataset.queries:,} queries, {dataset.gallery:,} gallery images",
            measured=tuple(_measured(record, name, rows)),
            figures=tuple(_figure(row) for row in rows),
        )


def _about(key: str) -> Published | None:
    """Return what is known; None of a set that another release knew."""
    from pytest_prodbench.datasets.published import published

    try:
        return published(key)
    except SettingsError:
        return None


def _figure(row: Reference) -> PublishedFigure:
    return PublishedFigure(
        model=row.model,
        metric=row.metric,
        value=row.value,
        part=row.on,
        kind=row.kind if row.verified else NOT_VERIFIED,
        verified=row.verified,
        source=row.source,
        note=row.note,
    )


def _measured(record: RunRecord, dataset: str, rows: list[Reference]) -> Iterator[MeasuredFigure]:
    metrics = list(dict.fromkeys(row.metric for row in rows))
    for pair in record.pairs:
        if pair.dataset != dataset or pair.measurement is None:
            continue
        for metric in metrics:
            value = pair.measurement.metrics.get(metric)
            if value is not None:
                yield MeasuredFigure(pair.model, metric, value)
