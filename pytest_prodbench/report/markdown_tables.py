"""What a summary begins with: models against datasets, and the worst changes from production."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pytest_prodbench.metrics import HEADLINE
from pytest_prodbench.report.markdown_text import MARKS, escape, number, row
from pytest_prodbench.report.matrix import Matrix, MatrixCell, MatrixColumn, matrix
from pytest_prodbench.report.sections import METRICS, Section
from pytest_prodbench.report.standing import change_gain
from pytest_prodbench.report.wording import NOTHING, count, figure, interval
from pytest_prodbench.report.worst_changes import Difference, differences

if TYPE_CHECKING:
    from pytest_prodbench.evidence.types import RunRecord

NAME_LIMIT = 80
"""Characters of a name in a table."""

MODELS_SHOWN, DATASETS_SHOWN = 40, 20
"""At most so many rows and columns of the matrix; every pair is in the table of its sector."""

CHANGES_SHOWN = 5
"""At most so many of the worst changes."""


def matrix_lines(record: RunRecord, found: Sequence[Section]) -> list[str]:
    """Return models against datasets by the first metric that is measured; nothing where no pair is."""
    view = matrix(record, found, {})
    if not view.columns:
        return []
    metric, title = view.metrics[0] if view.metrics else METRICS[0]
    columns = view.columns[:DATASETS_SHOWN]
    told = f"**{title}** with its 95 % interval"
    if any(one.change for line in view.rows for cell in line.cells for one in cell.readings):
        told += "; below it the change from production, a gain is positive"
    lines = [
        f"{told}.",
        "",
        row(["model", "candidate", *(_heading(column) for column in columns)]),
        "|---|---|" + "---|" * len(columns),
    ]
    for line in view.rows[:MODELS_SHOWN]:
        cells = [_cell(cell, metric) for cell in line.cells[:DATASETS_SHOWN]]
        verdict = MARKS[line.verdict] if line.verdict else NOTHING
        lines.append(row([escape(line.model, NAME_LIMIT), verdict, *cells]))
    return [*lines, *_left_out(view), ""]


def _heading(column: MatrixColumn) -> str:
    sector = escape(column.title, NAME_LIMIT)
    if column.dataset == column.sector:
        return sector
    return f"{sector}<br>{escape(column.dataset, NAME_LIMIT)}"


def _cell(cell: MatrixCell, metric: str) -> str:
    if not cell.outcome:
        return "not planned"
    reading = next((one for one in cell.readings if one.name == metric), None)
    if reading is None or reading.value is None:
        return MARKS[cell.outcome]
    text = number(figure(reading.value.value))
    if reading.failed:
        text = f"**{text}**"
    sign = MARKS[cell.outcome].split(" ", 1)[0]
    text = f"{sign} {text} {number(interval(reading.value))}"
    return text if reading.change is None else f"{text}<br>{change_gain(reading.change)}"


def _left_out(view: Matrix) -> list[str]:
    left = [
        f"{count(total - shown, noun)}"
        for total, shown, noun in (
            (len(view.rows), MODELS_SHOWN, "more model"),
            (len(view.columns), DATASETS_SHOWN, "more dataset"),
        )
        if total > shown
    ]
    return (
        ["", f"… and {' and '.join(left)} in the tables below and in `index.html`"] if left else []
    )


def change_lines(record: RunRecord) -> list[str]:
    """Return the worst changes of the headline, worst first; nothing where nothing was compared."""
    compared = differences(record)
    if not compared:
        return []
    title = dict(METRICS)[HEADLINE]
    among = f"{count(len(compared))} compared"
    worse = [one for one in compared if one.change.drop.value > 0]
    if not worse:
        return [f"No dataset and no condition is behind production in {title} ({among}).", ""]
    shown = worse[:CHANGES_SHOWN]
    return [
        f"**Most behind production** in {title}: {len(shown)} of {count(len(worse))} that are behind, "
        f"{among}. They are chosen by size, so that chance has a part in them; intervals and p are of "
        "each comparison by itself.",
        "",
        row(["dataset", "model", "where", "queries", "before → after", "change", "p"]),
        "|---|---|---|--:|--:|--:|--:|",
        *(row(_cells(one)) for one in shown),
        "",
    ]


def _cells(one: Difference) -> list[str]:
    change = one.change
    where = "all queries"
    if one.condition is not None:
        column, value = (escape(part, NAME_LIMIT) for part in one.condition)
        where = f"{column} = {value or 'not stated'}"
    return [
        escape(one.dataset, NAME_LIMIT),
        escape(one.model, NAME_LIMIT),
        where,
        count(change.drop.n),
        number(f"{figure(change.before)} → {figure(change.after)}"),
        change_gain(change),
        NOTHING if change.p_value is None else f"{change.p_value:.2g}",
    ]
