"""A run in the terminal: verdict, models against sectors, the three answers; a pair down to its numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.panel import Panel
from rich.table import Column, Table
from rich.text import Text

from pytest_prodbench.errors import unturned
from pytest_prodbench.metrics import HEADLINE
from pytest_prodbench.report.all_numbers import all_numbers, anchors
from pytest_prodbench.report.answers import answers
from pytest_prodbench.report.conditions import columns
from pytest_prodbench.report.matrix import MatrixCell, matrix
from pytest_prodbench.report.published_figures import PUBLISHED_MEANS, published_sets
from pytest_prodbench.report.sections import reasons, sections
from pytest_prodbench.report.standing import change_gain, stamp, standing, waivers
from pytest_prodbench.report.wording import (
    BOUNDS,
    NOTHING,
    count,
    figure,
    gist,
    interval,
    known,
    line,
)

if TYPE_CHECKING:
    from rich.console import Console

    from pytest_prodbench.evidence.types import PairRecord, RunRecord
    from pytest_prodbench.report.published_figures import PublishedSet

STYLES = {"accept": "green", "reject": "red", "incomplete": "yellow", "not run": "dim"}
SIGNS = {"accept": "✓", "reject": "✕", "not run": "–"}


def show_run(record: RunRecord, console: Console, metric: str = HEADLINE) -> None:
    """Print a run: verdict, one metric of all models on all datasets, answers, and what is not met."""
    console.print(_banner(record))
    console.print(_matrix(record, metric))
    for about, said in answers(record).sentences:
        console.print(Text.assemble((f"{about}: ", "bold"), _plain(said, 600)))
    for section in sections(record):
        for reason in section.reasons:
            console.print(_plain(f"{section.title}: {reason}", 400), style="red")
        for remark in section.remarks:
            console.print(_plain(f"{section.title}: {remark}", 400), style="yellow")
    _print_published(record, console, None)


def show_pair(pair: PairRecord, record: RunRecord, console: Console) -> None:
    """Print a pair: its rules with file and line, every metric with its interval, every condition."""
    console.print(
        Text.assemble(
            (_plain(f"{pair.model} on {pair.dataset}").plain, "bold"), "  ", _badge(pair.verdict)
        )
    )
    for reason in reasons(pair):
        console.print(_plain(reason, 400), style="red")
    if pair.checks:
        rules = Table(
            "rule", _right("limit"), _right("value"), "outcome", "stands in", title="Rules"
        )
        for check in pair.checks:
            style = "green" if check.passed else "red"
            rules.add_row(
                _plain(check.what),
                f"{BOUNDS[check.bound]} {check.limit:g}",
                known(check.value),
                Text(check.outcome, style),
                _plain(check.where),
            )
        console.print(rules)
    if pair.measurement is None:
        return
    numbers = Table(
        "metric", _right("value"), _right("95 % interval"), _right("queries"), title="Metrics"
    )
    for number in all_numbers(pair.measurement.metrics, anchors(record.definitions)):
        value = number.value
        numbers.add_row(_plain(number.name), figure(value.value), interval(value), count(value.n))
    console.print(numbers)
    for column in columns(pair.measurement):
        table = Table("value", _right("R@1"), _right("95 % interval"), _right("queries"))
        table.title = _plain(f"By {column.name}")
        for part in column.slices:
            recall = part.recall
            table.add_row(
                _plain(part.name or "not stated"),
                NOTHING if recall is None else figure(recall.value),
                NOTHING if recall is None else interval(recall),
                count(part.n),
                style="dim" if part.small else "",
            )
        console.print(table)
    _print_published(record, console, pair)


def _print_published(record: RunRecord, console: Console, pair: PairRecord | None) -> None:
    """Print what others published, of all sets of a run or of one pair's, below all that was measured."""
    sets = [one for one in published_sets(record) if one.figures]
    if pair is not None:
        sets = [one for one in sets if one.dataset == pair.dataset]
    for one in sets:
        console.print(_published(one, None if pair is None else pair.model))
    if sets:
        console.print(PUBLISHED_MEANS, style="dim")


def _published(found: PublishedSet, model: str | None) -> Table:
    """Return figures of others below those of the run (of one model, if it is named)."""
    table = Table("model", "metric", _right("value"), "whose word", "source and note")
    table.title = _plain(f"As published: {found.title} ({found.dataset})")
    for own in found.measured:
        if model in {None, own.model}:
            value = Text(f"{figure(own.value.value)} {interval(own.value)}", "bold")
            table.add_row(
                _plain(own.model, 80), _plain(own.metric), value, "measured in this run", ""
            )
    table.add_section()
    for row in found.figures:
        told = "; ".join(filter(None, (row.source, row.note)))
        table.add_row(
            _plain(row.model, 80),
            _plain(f"{row.metric} on {row.part}" if row.part else row.metric),
            figure(row.value),
            Text(row.kind, "" if row.verified else "yellow"),
            _plain(told, 300),
        )
    return table


def _banner(record: RunRecord) -> Panel:
    lines = [
        Text.assemble(
            (
                f"{SIGNS.get(record.verdict, '!')} {record.verdict.upper()}",
                f"bold {STYLES[record.verdict]}",
            ),
            f"  {count(len(record.planned), 'pair')} planned, {len(record.selected)} selected, "
            f"{len(record.evaluated)} evaluated",
        )
    ]
    marked = stamp(record)
    told = [*([marked] if marked else []), *standing(record), *waivers(record)]
    lines += [_plain(text, 400) for text in told]
    for model, verdict in sorted(record.candidates.items()):
        lines.append(Text.assemble("candidate ", _plain(model, 80), " ", _badge(verdict)))
    return Panel(
        Text("\n").join(lines), title=_plain(record.run, 80), border_style=STYLES[record.verdict]
    )


def _matrix(record: RunRecord, metric: str) -> Table:
    found = matrix(record, sections(record), {}, [(metric, metric)])
    table = Table("model", title=_plain(metric), show_lines=True)
    for column in found.columns:
        name = (
            column.title if column.dataset == column.sector else f"{column.title}: {column.dataset}"
        )
        table.add_column(_plain(name, 60))
    for row in found.rows:
        table.add_row(_plain(row.model, 80), *(_cell(cell) for cell in row.cells))
    return table


def _cell(cell: MatrixCell) -> Text:
    if not cell.outcome:
        return Text("not planned", "dim")
    parts: list[Text | str | tuple[str, str]] = []
    for reading in cell.readings:
        if reading.value is not None:
            parts += [(figure(reading.value.value), "bold"), f" {interval(reading.value)}\n"]
        if reading.limit:
            parts += [(f"{reading.limit}\n", "red" if reading.failed else "dim")]
        if reading.change is not None:
            parts += [f"{change_gain(reading.change)}\n"]
    return Text.assemble(*parts, _badge(cell.outcome))


def _badge(word: str) -> Text:
    return Text(f"{SIGNS.get(word, '!')} {word}", STYLES.get(word, "yellow"))


def _right(name: str) -> Column:
    return Column(name, justify="right")


def _plain(text: str, limit: int = 200) -> Text:
    """Somebody else's text: no markup, no escape sequence, no turned writing."""
    return Text(gist(line(unturned(text), limit), limit))
