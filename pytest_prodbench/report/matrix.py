"""Models against datasets in one table: what a reader looks at first, and switches between metrics."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_prodbench.report.sections import METRICS, Section, outcome
from pytest_prodbench.report.wording import BOUNDS, figure

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pytest_prodbench.evidence.comparison import Change
    from pytest_prodbench.evidence.judgement import Check, Verdict
    from pytest_prodbench.evidence.types import PairRecord, RunRecord
    from pytest_prodbench.evidence.values import MetricValue


@dataclass(frozen=True, slots=True)
class MatrixColumn:
    """A dataset, with the sector it belongs to."""

    sector: str
    title: str
    dataset: str


@dataclass(frozen=True, slots=True)
class Reading:
    """One metric of one cell.

    Attributes:
        name: the metric.
        limit: what a check demands of it; empty if none does.
        where: file and line of that rule.
        failed: the demand is not met.
        change: against production; None where nothing was compared.
    """

    name: str
    value: MetricValue | None
    limit: str
    where: str
    failed: bool
    change: Change | None


@dataclass(frozen=True, slots=True)
class MatrixCell:
    """One pair; no readings where nothing was measured, no outcome where nothing was planned."""

    outcome: str
    anchor: str
    readings: tuple[Reading, ...]


@dataclass(frozen=True, slots=True)
class MatrixRow:
    """One model over all datasets; ``verdict`` is the candidate's, None where it was none."""

    model: str
    family: str
    verdict: Verdict | None
    cells: tuple[MatrixCell, ...]


@dataclass(frozen=True, slots=True)
class Matrix:
    """All models, all datasets; metrics that nobody measured are left out of the switch."""

    columns: tuple[MatrixColumn, ...]
    rows: tuple[MatrixRow, ...]
    metrics: tuple[tuple[str, str], ...]


def matrix(
    record: RunRecord,
    found: Sequence[Section],
    anchors: Mapping[tuple[str, str], str],
    metrics: Sequence[tuple[str, str]] = METRICS,
) -> Matrix:
    """Arrange the pairs of all sections.

    Args:
        record: of the run.
        found: its sections.
        anchors: (sector, pair) → where on the page its details are, if there is a page.
        metrics: what each cell reads, with the title of each.
    """
    columns: dict[tuple[str, str], MatrixColumn] = {}
    pairs: dict[tuple[str, str, str], PairRecord] = {}
    for section in found:
        for pair in section.pairs:
            key = (section.name, pair.dataset)
            columns.setdefault(key, MatrixColumn(section.name, section.title, pair.dataset))
            pairs[(*key, pair.model)] = pair
    models = dict.fromkeys([*sorted(record.models), *sorted(m for _, _, m in pairs)])
    rows = []
    for model in models:
        cells = tuple(_cell(pairs.get((*key, model)), anchors, key[0], metrics) for key in columns)
        known = record.models.get(model)
        rows.append(
            MatrixRow(model, known.family if known else "", record.candidates.get(model), cells)
        )
    measured = {
        one.name
        for row in rows
        for cell in row.cells
        for one in cell.readings
        if one.value is not None
    }
    return Matrix(
        tuple(columns.values()),
        tuple(rows),
        tuple((name, title) for name, title in metrics if name in measured),
    )


def _cell(
    pair: PairRecord | None,
    anchors: Mapping[tuple[str, str], str],
    section: str,
    metrics: Sequence[tuple[str, str]],
) -> MatrixCell:
    if pair is None:
        return MatrixCell("", "", ())
    return MatrixCell(
        outcome(pair),
        anchors.get((section, pair.name), ""),
        tuple(reading(pair, name) for name, _ in metrics) if pair.measurement else (),
    )


def demands(pair: PairRecord, name: str) -> list[Check]:
    """Return the checks that decide and are about a metric over all queries."""
    return [check for check in pair.checks if check.what == name and check.severity == "block"]


def reading(pair: PairRecord, name: str) -> Reading:
    """Return one metric of a pair, with the strictest demand on it."""
    measured = pair.measurement.metrics if pair.measurement else {}
    checks = demands(pair, name)
    strict = max(checks, key=lambda check: check.limit, default=None)
    comparison = pair.comparison
    return Reading(
        name=name,
        value=measured.get(name),
        limit="" if strict is None else f"{BOUNDS[strict.bound]} {figure(strict.limit)}",
        where="" if strict is None else strict.where,
        failed=any(not check.passed for check in checks),
        change=comparison.changes.get(name) if comparison and not comparison.refused else None,
    )
