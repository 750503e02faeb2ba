"""The page of a dataset: its versions, who finds most, what each condition costs, and what nobody finds."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_prodbench.metrics import HEADLINE
from pytest_prodbench.report.gallery import Shot, named_shots
from pytest_prodbench.report.page import Axis
from pytest_prodbench.report.sections import outcome
from pytest_prodbench.report.site.history import span
from pytest_prodbench.report.site.leaderboard import in_production
from pytest_prodbench.report.site.trends import Line, lines, trend

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pyarrow as pa

    from pytest_prodbench.evidence.types import DatasetRecord
    from pytest_prodbench.evidence.values import MetricValue
    from pytest_prodbench.report.site.history import DatasetVersion, History, Point, SiteRun, Span
    from pytest_prodbench.report.vega_lite import Chart

MISSED_SHOWN = 12
"""Photos that no model finds, with pictures."""

CONFUSIONS_SHOWN = 20
"""Pairs of products that models take for each other."""


@dataclass(frozen=True, slots=True, eq=False)
class DatasetVersionView:
    """One version of a dataset, and the runs that measured on it."""

    version: DatasetVersion
    record: DatasetRecord
    span: Span


@dataclass(frozen=True, slots=True, eq=False)
class Standing:
    """A model on the newest version, by its newest measurement.

    Attributes:
        superseded: the model has had other weights since.
        production: it is the one in production.
    """

    point: Point
    superseded: bool
    production: bool
    outcome: str
    anchor: str


@dataclass(frozen=True, slots=True, eq=False)
class ConditionRow:
    """One value of a condition, with the headline of each model on it, in the order of the standings."""

    column: str
    value: str
    n: int
    values: tuple[MetricValue | None, ...]


@dataclass(frozen=True, slots=True)
class Mistaken:
    """Two products that models take for each other, over all models of the newest version.

    Attributes:
        count: queries, summed over the models.
        models: that do so.
    """

    product: str
    taken_for: str
    count: int
    models: int


@dataclass(frozen=True, slots=True, eq=False)
class Missed:
    """Queries that no model of the newest version hits; the pictures are those of the best model."""

    models: int
    queries: int
    missed: int
    shots: tuple[Shot, ...]


@dataclass(frozen=True, slots=True, eq=False)
class DatasetPage:
    """All that the page of a dataset shows; standings are of its newest version, highest first."""

    name: str
    sector: str
    versions: tuple[DatasetVersionView, ...]
    standings: tuple[Standing, ...]
    axis: Axis
    conditions: tuple[ConditionRow, ...]
    confusions: tuple[Mistaken, ...]
    missed: Missed | None
    lines: tuple[Line, ...]
    chart: Chart | None


def dataset_page(history: History, name: str) -> DatasetPage:
    """Put together what the runs say of a dataset."""
    mine = [point for point in history.points if point.dataset.name == name]
    now = history.current[name]
    newest = [point for (_, dataset), point in history.newest.items() if dataset == now]
    newest.sort(key=lambda point: (-point.headline.value, point.model.name))
    standings = tuple(
        Standing(
            point=point,
            superseded=history.models[point.model.name][0] != point.model,
            production=in_production(history, point.model),
            outcome=outcome(point.pair),
            anchor=point.anchor,
        )
        for point in newest
    )
    found = lines(mine, lambda point: point.model.name)
    versions = dict.fromkeys(point.dataset for point in reversed(mine))
    return DatasetPage(
        name=name,
        sector=history.sectors[name],
        versions=tuple(_version(history, version, mine) for version in versions),
        standings=standings,
        axis=Axis.around(end for p in newest for end in (p.headline.low, p.headline.high)),
        conditions=_conditions(history.dataset_record(now), newest),
        confusions=_confusions(newest),
        missed=_missed(newest),
        lines=found,
        chart=trend(f"{HEADLINE} from run to run", "model", found),
    )


def _version(
    history: History, version: DatasetVersion, mine: Sequence[Point]
) -> DatasetVersionView:
    found = span(point for point in mine if point.dataset == version)
    return DatasetVersionView(version, history.dataset_record(version), found)


def _conditions(record: DatasetRecord, points: Sequence[Point]) -> tuple[ConditionRow, ...]:
    rows = []
    for column, stated in record.conditions.items():
        for value in stated:
            values = tuple(
                point.pair.measurement.conditions.get(column, {}).get(value, {}).get(HEADLINE)
                if point.pair.measurement
                else None
                for point in points
            )
            counts = [one.n for one in values if one is not None]
            if counts:
                rows.append(ConditionRow(column, value, max(counts), values))
    return tuple(rows)


def _confusions(points: Sequence[Point]) -> tuple[Mistaken, ...]:
    counts: Counter[tuple[str, str]] = Counter()
    models: Counter[tuple[str, str]] = Counter()
    for point in points:
        for one in point.pair.measurement.confusions if point.pair.measurement else ():
            counts[one.product, one.taken_for] += one.count
            models[one.product, one.taken_for] += 1
    order = sorted(counts, key=lambda pair: (-counts[pair], pair))[:CONFUSIONS_SHOWN]
    return tuple(Mistaken(*pair, counts[pair], models[pair]) for pair in order)


def _missed(points: Sequence[Point]) -> Missed | None:
    """Which queries every model misses: a wrong label, or a photo that shows too little."""
    tables: dict[SiteRun, Mapping[str, pa.Table]] = {}
    for point in points:
        tables.setdefault(point.run, point.run.tables())
    ranked = [
        tables[point.run][point.pair.name]
        for point in points
        if point.pair.name in tables[point.run]
    ]
    if not ranked:
        return None
    best: dict[str, int] = {}
    known: Counter[str] = Counter()
    for table in ranked:
        # A photo that is listed twice counts once, by its better rank.
        own: dict[str, int] = {}
        for content, rank in zip(
            table["content"].to_pylist(), table["rank"].to_pylist(), strict=True
        ):
            if rank is not None:
                own[content] = min(rank, own.get(content, rank))
        known.update(own.keys())
        for content, rank in own.items():
            best[content] = min(rank, best.get(content, rank))
    asked = [content for content in best if known[content] == len(ranked)]
    missed = sorted(
        (content for content in asked if best[content] > 1),
        key=lambda content: (-best[content], content),
    )
    return Missed(
        len(ranked), len(asked), len(missed), named_shots(ranked[0], missed[:MISSED_SHOWN])
    )
