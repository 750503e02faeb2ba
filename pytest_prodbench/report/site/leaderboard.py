"""Every model on every dataset, each by its newest measurement; and the runs, newest first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_prodbench.report.matrix import Reading, reading
from pytest_prodbench.report.sections import METRICS, narrowed_away, outcome

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_prodbench.evidence.types import DatasetRecord, ModelRecord
    from pytest_prodbench.report.site.history import (
        History,
        ModelVersion,
        Point,
        SiteRun,
    )


@dataclass(frozen=True, slots=True, eq=False)
class BoardColumn:
    """A dataset as it was last measured."""

    name: str
    sector: str
    record: DatasetRecord


@dataclass(frozen=True, slots=True, eq=False)
class BoardCell:
    """A model on a dataset.

    Attributes:
        point: its newest measurement on the dataset as it is now, else on what it was; None: none.
        older: the dataset has changed since, or a definition: the number stands beside no other.
        outcome: what the run said of the pair.
        anchor: where the run's page tells of it.
        readings: what was measured, a metric each.
    """

    point: Point | None
    older: bool
    outcome: str
    anchor: str
    readings: tuple[Reading, ...]


@dataclass(frozen=True, slots=True, eq=False)
class BoardRow:
    """A version of a model over all datasets.

    Attributes:
        model: which.
        record: what the newest run that measured it says of it.
        run: that run.
        superseded: the name has had other weights or another preprocessing since.
        production: the newest run with a baseline was held against it.
        cells: in the order of the columns.
        means: metric → mean over all columns; a metric that is not known in all of them has none.
    """

    model: ModelVersion
    record: ModelRecord
    run: SiteRun
    superseded: bool
    production: bool
    cells: tuple[BoardCell, ...]
    means: Mapping[str, float]


@dataclass(frozen=True, slots=True, eq=False)
class Leaderboard:
    """All rows: first those with a mean headline, highest first, then the others by name."""

    columns: tuple[BoardColumn, ...]
    rows: tuple[BoardRow, ...]
    metrics: tuple[tuple[str, str], ...]


def leaderboard(history: History) -> Leaderboard:
    """Arrange the newest measurements.

    A mean is the plain mean over the datasets, so that a sector of many photos weighs no more than another;
    it is there only for a model that was measured on every one of them as it is now.
    """
    names = history.columns()
    rows = [
        _row(history, names, version, superseded=place > 0)
        for versions in history.models.values()
        for place, version in enumerate(versions)
    ]
    headline = METRICS[0][0]
    rows.sort(
        key=lambda row: (-row.means.get(headline, -1.0), row.model.name.lower(), row.superseded)
    )
    measured = {
        one.name for row in rows for cell in row.cells for one in cell.readings if one.value
    }
    return Leaderboard(
        tuple(
            BoardColumn(name, history.sectors[name], history.dataset_record(history.current[name]))
            for name in names
        ),
        tuple(rows),
        tuple(metric for metric in METRICS if metric[0] in measured),
    )


def _row(
    history: History, names: list[str], version: ModelVersion, *, superseded: bool
) -> BoardRow:
    mine = [point for point in history.points if point.model == version]
    cells = tuple(_cell(history, name, mine) for name in names)
    means = {}
    for place, (metric, _) in enumerate(METRICS):
        values = [
            cell.readings[place].value
            for cell in cells
            if cell.point is not None and not cell.older
        ]
        known = [value.value for value in values if value is not None]
        if len(known) == len(names):
            means[metric] = sum(known) / len(known)
    return BoardRow(
        model=version,
        record=history.model_record(version),
        run=mine[-1].run,
        superseded=superseded,
        production=in_production(history, version),
        cells=cells,
        means=means,
    )


def _cell(history: History, name: str, mine: list[Point]) -> BoardCell:
    now = history.current[name]
    here = [point for point in mine if point.dataset.name == name]
    fitting = [point for point in here if point.dataset == now]
    if not here:
        return BoardCell(None, False, "", "", ())
    point = (fitting or here)[-1]
    pair = point.pair
    return BoardCell(
        point=point,
        older=not fitting,
        outcome=outcome(pair),
        anchor=point.anchor,
        readings=tuple(reading(pair, metric) for metric, _ in METRICS),
    )


def in_production(history: History, version: ModelVersion) -> bool:
    """Return whether the newest run with a baseline was held against this very model.

    Where that run compared nothing, so that no weights are named, the name decides, and of its versions
    the newest.
    """
    for run in reversed(history.runs):
        baseline = run.record.baseline
        if baseline is None:
            continue
        weights = {
            pair.comparison.weights_digest
            for pair in run.record.pairs
            if pair.comparison is not None and pair.comparison.model == baseline.model
        }
        named = version.name == baseline.model
        if weights:
            return named and version.weights_digest in weights
        return named and history.models[version.name][0] == version
    return False


@dataclass(frozen=True, slots=True, eq=False)
class RunRow:
    """A run in the list of runs: what it set out to do, and what came of it."""

    run: SiteRun
    evaluated: int
    planned: int
    away: int


def run_rows(history: History) -> tuple[RunRow, ...]:
    """Return the runs, newest first."""
    return tuple(
        RunRow(
            run,
            len(run.record.evaluated),
            len(run.record.planned),
            len(narrowed_away(run.record)),
        )
        for run in reversed(history.runs)
    )
