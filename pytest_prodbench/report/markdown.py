"""A summary for the page of a CI job: verdict, one table a sector, what failed, what is missing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_prodbench.atomic import atomic_write_text
from pytest_prodbench.metrics import HEADLINE
from pytest_prodbench.report.answers import answers
from pytest_prodbench.report.markdown_tables import NAME_LIMIT, change_lines, matrix_lines
from pytest_prodbench.report.markdown_text import MARKS, bounded, escape, message, number, row
from pytest_prodbench.report.sections import (
    METRICS,
    Section,
    drop_seen,
    narrowed_away,
    outcome,
    reasons,
    sections,
)
from pytest_prodbench.report.standing import change_line, stamp, standing
from pytest_prodbench.report.wording import (
    DROP_SEEN,
    DROP_SEEN_MEANS,
    NOTHING,
    RUNS_CODE,
    count,
    figure,
    interval,
    known,
    short,
)

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_prodbench.evidence.types import PairRecord, RunRecord
    from pytest_prodbench.report.reporter import ReportInput

LISTED = 50
"""Reasons and names listed below a table; a job's page has room for so many bytes only."""

SUMMARY_BYTES = 1_000_000
"""Bound of the whole, however many pairs and models: the page of a job on GitHub takes 1 MiB a step."""


def write_markdown(report: ReportInput) -> Path:
    """Write ``summary.md`` into the run's folder."""
    path = report.run_dir / "summary.md"
    atomic_write_text(path, _text(report.record))
    return path


def _text(record: RunRecord) -> str:
    found = sections(record)
    away = set(narrowed_away(record))
    # Half the room at least is that of the sectors, and theirs alone: however many there are, they take
    # nothing from the verdict and what follows it.
    opening = bounded(
        [
            _head(record),
            _standing(record),
            _narrowing(record),
            matrix_lines(record, found),
            change_lines(record),
            _answers(record),
        ],
        SUMMARY_BYTES // 2,
    )
    rest = [*(_section(section, away) for section in found), _closing()]
    return opening + bounded(rest, SUMMARY_BYTES - len(opening.encode()))


def _closing() -> list[str]:
    return [
        f"**{DROP_SEEN}**: {DROP_SEEN_MEANS}",
        "",
        "Intervals are 95 %, with the product as the unit of sampling. All metrics, conditions, curves, "
        "misses and definitions are in `index.html` of the run's folder.",
    ]


def _head(record: RunRecord) -> list[str]:
    total = dict.fromkeys(("accept", "reject", "incomplete"), 0)
    for verdict in record.sectors.values():
        total[verdict] += 1
    marked = stamp(record)
    return [
        f"# {MARKS[record.verdict].replace('**', '').replace(record.verdict, record.verdict.upper())}",
        "",
        f"**{count(len(record.sectors), 'sector')}**: {total['accept']} accepted, {total['reject']} "
        f"rejected, {total['incomplete']} incomplete. **{count(len(record.planned), 'pair')} planned**: "
        f"{len(record.selected)} selected, {len(record.evaluated)} evaluated. "
        f"**Drop seen**: {number(known(drop_seen(record.pairs)))}.",
        "",
        f"Run {escape(record.run)} · policy {escape(short(record.policy_digest))} "
        f"({_listing([escape(file, NAME_LIMIT) for file in record.policy_files]) or 'no file'}) · "
        f"protocol {record.protocol_version} · prodbench {escape(record.prodbench_version)}",
        "",
        *([] if marked is None else [f"> ⚠️ **{marked}**", ""]),
    ]


def _standing(record: RunRecord) -> list[str]:
    lines = [f"- {message(told)}" for told in standing(record)]
    lines += [
        f"- candidate {escape(model)}: {MARKS[verdict]}"
        for model, verdict in sorted(record.candidates.items())
    ]
    lines += [
        f"- ⚠️ {escape(name)} {RUNS_CODE}"
        for name, model in sorted(record.models.items())
        if model.remote_code
    ]
    return [*lines, ""]


def _narrowing(record: RunRecord) -> list[str]:
    away = narrowed_away(record)
    if not (record.partial or away):
        return []
    how = _listing([escape(part) for part in record.selection]) or "not recorded"
    return [
        f"> ⚠️ **Partial run**: narrowed by {how}; it cannot become a baseline.",
        f"> Not selected ({len(away)}): {_listing([escape(name) for name in away]) or 'none'}",
        "",
    ]


def _answers(record: RunRecord) -> list[str]:
    """The three questions, a line each; their numbers with intervals are on the page."""
    lines = [f"- **{about}**: {escape(said)}." for about, said in answers(record).sentences]
    return [*lines, ""] if lines else []


def _section(section: Section, away: set[str]) -> list[str]:
    owner = f" · owner {escape(section.owner)}" if section.owner else ""
    lines = [
        f"## {escape(section.title)}: {MARKS[section.verdict].replace('**', '')}",
        "",
        f"{section.accepted} of {count(len(section.pairs), 'pair')} accepted · "
        f"{DROP_SEEN} {number(known(section.drop_seen))}{owner}",
        "",
        row(["model", "dataset", *(t for _, t in METRICS), "queries", DROP_SEEN, "verdict"]),
        "|---|---|" + "--:|" * (len(METRICS) + 2) + "---|",
    ]
    lines += [_row(pair) for pair in section.pairs]
    told = [
        f"- {escape(pair.name)}: {message(reason)}"
        for pair in section.pairs
        if pair.name not in away
        for reason in reasons(pair)
    ]
    changes = [text for text in map(change_line, section.pairs) if text is not None]
    remarks = (*section.together, *section.remarks, *changes)
    told += [f"- {message(reason)}" for reason in remarks]
    if told:
        lines += ["", *told[:LISTED]]
        if len(told) > LISTED:
            lines.append(f"- … and {len(told) - LISTED} more in `index.html`")
    return [*lines, ""]


def _row(pair: PairRecord) -> str:
    cells = [escape(pair.model, NAME_LIMIT), escape(pair.dataset, NAME_LIMIT)]
    measured = pair.measurement.metrics if pair.measurement else {}
    for name, _ in METRICS:
        value = measured.get(name)
        text = NOTHING if value is None else figure(value.value)
        if value is not None and name == HEADLINE:
            text += f" {interval(value)}"
        cells.append(number(text))
    headline = measured.get(HEADLINE)
    behind = headline or next(iter(measured.values()), None)
    cells += [
        NOTHING if behind is None else count(behind.n),
        number(known(drop_seen([pair]))),
        MARKS[outcome(pair)],
    ]
    return row(cells)


def _listing(names: list[str]) -> str:
    more = f" … and {len(names) - LISTED} more" if len(names) > LISTED else ""
    return ", ".join(names[:LISTED]) + more
