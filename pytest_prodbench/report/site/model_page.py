"""The page of a model: its versions, every measurement of it, and what costs it most."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_prodbench.metrics import HEADLINE
from pytest_prodbench.report.matrix import Reading, reading
from pytest_prodbench.report.sections import METRICS, outcome
from pytest_prodbench.report.site.history import span
from pytest_prodbench.report.site.trends import Line, lines, trend

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_prodbench.evidence.measured import Spread
    from pytest_prodbench.evidence.types import ModelRecord
    from pytest_prodbench.report.site.history import History, ModelVersion, Point, Span
    from pytest_prodbench.report.vega_lite import Chart


@dataclass(frozen=True, slots=True, eq=False)
class VersionView:
    """One version of a model, and the runs that measured it."""

    version: ModelVersion
    record: ModelRecord
    span: Span


@dataclass(frozen=True, slots=True, eq=False)
class MeasurementView:
    """One measurement: which run, which version, and every headline metric.

    Attributes:
        older: the dataset, or a definition, has changed since.
    """

    point: Point
    version: int
    older: bool
    outcome: str
    anchor: str
    readings: tuple[Reading, ...]


@dataclass(frozen=True, slots=True, eq=False)
class CostView:
    """How far apart the values of one condition are, on one dataset."""

    dataset: str
    spread: Spread


@dataclass(frozen=True, slots=True, eq=False)
class ModelPage:
    """All that the page of a model shows.

    Attributes:
        versions: newest first, numbered from the oldest.
        measurements: newest first.
        costs: of its newest measurements, the widest first.
        line: one a dataset.
    """

    name: str
    versions: tuple[VersionView, ...]
    measurements: tuple[MeasurementView, ...]
    costs: tuple[CostView, ...]
    lines: tuple[Line, ...]
    chart: Chart | None
    metrics: tuple[tuple[str, str], ...]


def model_page(history: History, name: str) -> ModelPage:
    """Put together what the runs say of a model."""
    mine = [point for point in history.points if point.model.name == name]
    versions = history.models[name]
    number = {version: len(versions) - place for place, version in enumerate(versions)}
    found = lines(mine, lambda point: point.dataset.name)
    newest: dict[str, Point] = {point.dataset.name: point for point in mine}
    costs = [
        CostView(dataset, spread)
        for dataset, point in newest.items()
        for spread in (point.pair.measurement.spreads if point.pair.measurement else ())
        if spread.metric == HEADLINE and spread.spread is not None
    ]
    costs.sort(key=lambda cost: (-(cost.spread.spread or 0.0), cost.dataset, cost.spread.column))
    return ModelPage(
        name=name,
        versions=tuple(_version(history, version, mine) for version in versions),
        measurements=tuple(
            MeasurementView(
                point=point,
                version=number[point.model],
                older=point.dataset != history.current[point.dataset.name],
                outcome=outcome(point.pair),
                anchor=point.anchor,
                readings=tuple(reading(point.pair, metric) for metric, _ in METRICS),
            )
            for point in reversed(mine)
        ),
        costs=tuple(costs),
        lines=found,
        chart=trend(f"{HEADLINE} from run to run", "dataset", found),
        metrics=METRICS,
    )


def _version(history: History, version: ModelVersion, mine: Sequence[Point]) -> VersionView:
    found = span(point for point in mine if point.model == version)
    return VersionView(version, history.model_record(version), found)
