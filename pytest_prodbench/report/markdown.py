"""A summary for the page of a CI job: verdict, one table a sector, what failed, what is missing."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pytest_prodbench.atomic import atomic_write_text
from pytest_prodbench.metrics import HEADLINE
from pytest_prodbench.report.answers import answers
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
    count,
    figure,
    interval,
    known,
    line,
    paragraph,
    short,
    unturned,
)

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_prodbench.evidence.types import PairRecord, RunRecord
    from pytest_prodbench.report.reporter import ReportInput

LISTED = 50
"""Reasons and names listed below a table; a job's page has room for so many bytes only."""

_MARKS = {
    "accept": "✅ accept",
    "reject": "❌ **reject**",
    "incomplete": "⚠️ **incomplete**",
    "failed": "⚠️ **failed**",
    "lost": "⚠️ **lost**",
    "not run": "➖ not run",
}

# Whatever starts a construct becomes a character reference: that is text in every Markdown, within
# tables and without. An underscore inside a word starts nothing, and names are full of them.
_SPECIAL = re.compile(
    r"[&<>|`*\[\]{}~\\#!$^]"
    r"|(?<![0-9A-Za-z])_|_(?![0-9A-Za-z])"  # emphasis
    r"|(?<![a-z])@|@(?!\d+(?![\w.-]))"  # mentions and addresses, but not recall@1
    r"|:(?=/)|(?<=www)\."  # links that GitHub makes by itself
    r"|^[-+=]|^\d+[.)](?=\s|$)",  # lists and underlines
    re.IGNORECASE,
)


def write_markdown(report: ReportInput) -> Path:
    """Write ``summary.md`` into the run's folder."""
    path = report.run_dir / "summary.md"
    atomic_write_text(path, "\n".join(_lines(report.record)) + "\n")
    return path


def escape(text: str) -> str:
    """Return somebody else's text so that Markdown and HTML show it and do nothing else with it."""
    return _escaped(line(unturned(text)).strip())


def _escaped(text: str) -> str:
    return _SPECIAL.sub(lambda found: "".join(f"&#{ord(c)};" for c in found[0]), text)


def _message(text: str) -> str:
    """Several lines stay several lines, inside one cell or one item of a list."""
    lines = paragraph(unturned(text), 1000).split("\n")
    return "<br>".join(_escaped(part.strip()) for part in lines)


def _lines(record: RunRecord) -> list[str]:
    total = dict.fromkeys(("accept", "reject", "incomplete"), 0)
    for verdict in record.sectors.values():
        total[verdict] += 1
    lines = [
        f"# {_MARKS[record.verdict].replace('**', '').replace(record.verdict, record.verdict.upper())}",
        "",
        f"**{count(len(record.sectors), 'sector')}**: {total['accept']} accepted, {total['reject']} "
        f"rejected, {total['incomplete']} incomplete. **{count(len(record.planned), 'pair')} planned**: "
        f"{len(record.selected)} selected, {len(record.evaluated)} evaluated. "
        f"**Drop seen**: {_number(known(drop_seen(record.pairs)))}.",
        "",
        f"Run {escape(record.run)} · policy {escape(short(record.policy_digest))} "
        f"({', '.join(map(escape, record.policy_files)) or 'no file'}) · "
        f"protocol {record.protocol_version} · prodbench {escape(record.prodbench_version)}",
        "",
    ]
    away = set(narrowed_away(record))
    marked = stamp(record)
    if marked is not None:
        lines += [f"> ⚠️ **{marked}**", ""]
    lines += [f"- {_message(told)}" for told in standing(record)]
    lines += [
        f"- candidate {escape(model)}: {_MARKS[verdict]}"
        for model, verdict in sorted(record.candidates.items())
    ]
    lines.append("")
    lines += _narrowing(record)
    lines += _answers(record)
    for section in sections(record):
        lines += _section(section, away)
    lines += [
        f"**{DROP_SEEN}**: {DROP_SEEN_MEANS}",
        "",
        "Intervals are 95 %, with the product as the unit of sampling. All metrics, conditions, curves, "
        "misses and definitions are in `index.html` of the run's folder.",
    ]
    return lines


def _narrowing(record: RunRecord) -> list[str]:
    away = narrowed_away(record)
    if not (record.partial or away):
        return []
    how = ", ".join(map(escape, record.selection)) or "not recorded"
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
        f"## {escape(section.title)}: {_MARKS[section.verdict].replace('**', '')}",
        "",
        f"{section.accepted} of {count(len(section.pairs), 'pair')} accepted · "
        f"{DROP_SEEN} {_number(known(section.drop_seen))}{owner}",
        "",
        "| model | dataset | "
        + " | ".join(title for _, title in METRICS)
        + f" | queries | {DROP_SEEN} | verdict |",
        "|---|---|" + "--:|" * (len(METRICS) + 2) + "---|",
    ]
    lines += [_row(pair) for pair in section.pairs]
    told = [
        f"- {escape(pair.name)}: {_message(reason)}"
        for pair in section.pairs
        if pair.name not in away
        for reason in reasons(pair)
    ]
    changes = [text for text in map(change_line, section.pairs) if text is not None]
    remarks = (*section.together, *section.remarks, *changes)
    told += [f"- {_message(reason)}" for reason in remarks]
    if told:
        lines += ["", *told[:LISTED]]
        if len(told) > LISTED:
            lines.append(f"- … and {len(told) - LISTED} more in `index.html`")
    return [*lines, ""]


def _row(pair: PairRecord) -> str:
    cells = [escape(pair.model), escape(pair.dataset)]
    measured = pair.measurement.metrics if pair.measurement else {}
    for name, _ in METRICS:
        value = measured.get(name)
        text = NOTHING if value is None else figure(value.value)
        if value is not None and name == HEADLINE:
            text += f" {interval(value)}"
        cells.append(_number(text))
    headline = measured.get(HEADLINE)
    behind = headline or next(iter(measured.values()), None)
    cells += [
        NOTHING if behind is None else count(behind.n),
        _number(known(drop_seen([pair]))),
        _MARKS[outcome(pair)],
    ]
    return "| " + " | ".join(cells) + " |"


def _number(text: str) -> str:
    """``<0.001`` is a number, not a tag."""
    return text.replace("<", "&lt;").replace(">", "&gt;")


def _listing(names: list[str]) -> str:
    more = f" … and {len(names) - LISTED} more" if len(names) > LISTED else ""
    return ", ".join(names[:LISTED]) + more
