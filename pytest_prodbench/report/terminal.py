"""The run in a terminal: one table a sector, the failed checks below it, the verdict last."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_prodbench.errors import unturned
from pytest_prodbench.metrics import HEADLINE
from pytest_prodbench.report.sections import (
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
    cells,
    count,
    figure,
    fit,
    interval,
    known,
    line,
    paragraph,
    wrap,
)

if TYPE_CHECKING:
    from pytest_prodbench.evidence.types import PairRecord, RunRecord

NARROWEST_NAME = 16
"""Columns are left out before names are cut to fewer cells than this."""

REASON_LINES = 4
"""A reason is broken over at most so many lines; the reports beside the evidence have the rest."""

EXPLANATION_LINES = 8
"""What *drop seen* means is broken over at most so many."""

_GAP = "  "
_INDENT = "    "
_COLUMNS = (
    (HEADLINE, "R@1"),
    ("recall@5", "R@5"),
    ("recall@10", "R@10"),
    ("map@20", "mAP@20"),
    ("mrr", "MRR"),
)
# The order in which a narrow terminal loses them; the HTML report has them all.
_DISPENSABLE = ("MRR", "R@10", "R@5", "mAP@20", "n", DROP_SEEN)
_COLORS = {"accept": "32", "reject": "31", "not run": "90"}  # everything else is a warning: 33


def sector_tables(
    record: RunRecord, width: int, color: bool = False, run_dir: str | None = None
) -> list[str]:
    """Return the lines to print, none wider than ``width`` cells.

    ``color`` adds ANSI colours to words and takes no cells; ``run_dir`` is the folder to name in the last
    line (default: the name of the run).
    """
    lines: list[str] = []
    away = set(narrowed_away(record))
    for section in sections(record):
        lines += [*_section(section, away, width, color), ""]
    if lines:
        lines += [*wrap(f"{DROP_SEEN}: {DROP_SEEN_MEANS}", width, EXPLANATION_LINES), ""]
    lines += _standing(record, width, color)
    lines += _narrowing(record, width, color)
    told = (
        f"{record.verdict.upper()}: {count(len(record.planned), 'pair')} planned, "
        f"{len(record.selected)} selected, {len(record.evaluated)} evaluated"
    )
    seen = f"{DROP_SEEN} {known(drop_seen(record.pairs))}"
    lines += _verdict(told, seen, "", width, record.verdict if color else "")
    lines.append(fit(f"evidence: {_name(run_dir or record.run)}", width))
    return lines


def _section(section: Section, away: set[str], width: int, color: bool) -> list[str]:
    owner = f" (owner {_name(section.owner)})" if section.owner else ""
    title = f"{_name(section.title)}: {section.verdict.upper()}"
    seen = f"{DROP_SEEN} {known(section.drop_seen)}"
    header = ["model", "dataset", *(title for _, title in _COLUMNS), "n", DROP_SEEN, "verdict"]
    rows = [_row(pair) for pair in section.pairs]
    header, rows = _shrink(header, rows, width)
    widths = [max(cells(row[i]) for row in [header, *rows]) for i in range(len(header))]
    names = width - sum(widths[2:]) - len(_GAP) * (len(header) - 1)
    widths[:2] = _share(widths[0], widths[1], max(names, 2))
    lines = [
        *_verdict(title, seen, owner, width, section.verdict if color else ""),
        fit(_line(header, widths), width),
    ]
    for pair, row in zip(section.pairs, rows, strict=True):
        text = fit(_line(row, widths), width)
        word = row[-1]
        if color and text.endswith(word):
            text = text[: -len(word)] + _paint(word, outcome(pair), color)
        lines.append(text)
        if pair.measurement and DROP_SEEN not in header:
            own = wrap(
                f"{DROP_SEEN} {known(drop_seen([pair]))}", width - len(_INDENT), REASON_LINES
            )
            lines += [fit(_INDENT + part, width) for part in own]
        if pair.name in away:
            continue
        for reason in reasons(pair):
            told = wrap(paragraph(unturned(reason)), width - len(_INDENT), REASON_LINES)
            lines += [fit(_INDENT + part, width) for part in told]
    changes = [change_line(pair) for pair in section.pairs]
    for remark in (*section.together, *section.remarks, *(text for text in changes if text)):
        told = wrap(paragraph(unturned(remark)), width - len(_INDENT), REASON_LINES)
        lines += [fit(_INDENT + part, width) for part in told]
    return lines


def _verdict(told: str, seen: str, rest: str, width: int, painted: str) -> list[str]:
    """What was decided and the smallest drop behind it, which has lines of its own if one is too narrow."""
    whole = f"{told}, {seen}{rest}"
    parts = [whole]
    if cells(whole) > width:
        parts = [fit(told + rest, width), *wrap(seen, width, REASON_LINES)]
    return [_paint(part, painted, bool(painted)) for part in parts]


def _row(pair: PairRecord) -> list[str]:
    measured = pair.measurement.metrics if pair.measurement else {}
    row = [_name(pair.model), _name(pair.dataset)]
    for name, _ in _COLUMNS:
        value = measured.get(name)
        text = NOTHING if value is None else figure(value.value)
        row.append(f"{text} {interval(value)}" if value and name == HEADLINE else text)
    headline = measured.get(HEADLINE)
    behind = headline or next(iter(measured.values()), None)
    word = outcome(pair)
    row += [
        NOTHING if behind is None else count(behind.n),
        known(drop_seen([pair])),
        word if word in {"accept", "not run"} else word.upper(),
    ]
    return row


def _shrink(
    header: list[str], rows: list[list[str]], width: int
) -> tuple[list[str], list[list[str]]]:
    """Leave out columns until the names have room."""
    for title in ("", *_DISPENSABLE):
        if title:
            at = header.index(title)
            header = header[:at] + header[at + 1 :]
            rows = [row[:at] + row[at + 1 :] for row in rows]
        widths = [max(cells(row[i]) for row in [header, *rows]) for i in range(len(header))]
        names = sum(min(need, NARROWEST_NAME) for need in widths[:2])
        if names + sum(widths[2:]) + len(_GAP) * (len(header) - 1) <= width:
            break
    return header, rows


def _share(first: int, second: int, room: int) -> list[int]:
    """Divide the room between two names: who needs less than half gives the rest away."""
    if first + second <= room:
        return [first, second]
    half = room // 2
    if first <= half:
        return [first, room - first]
    if second <= half:
        return [room - second, second]
    return [room - half, half]


def _line(row: list[str], widths: list[int]) -> str:
    last = len(row) - 1
    parts = []
    for i, (text, width) in enumerate(zip(row, widths, strict=True)):
        shown = fit(text, width)
        pad = " " * (width - cells(shown))
        parts.append(shown if i == last else shown + pad if i < 2 else pad + shown)
    return _GAP.join(parts)


def _standing(record: RunRecord, width: int, color: bool) -> list[str]:
    lines = [part for told in standing(record) for part in wrap(line(unturned(told)), width, 4)]
    for model, verdict in sorted(record.candidates.items()):
        text = fit(f"candidate {_name(model)}: {verdict.upper()}", width)
        lines.append(_paint(text, verdict, color))
    marked = stamp(record)
    return lines if marked is None else [*lines, _paint(fit(marked, width), "partial", color)]


def _narrowing(record: RunRecord, width: int, color: bool) -> list[str]:
    if not (record.partial or narrowed_away(record)):
        return []
    how = ", ".join(_name(part) for part in record.selection) or "not recorded"
    return [_paint(fit(f"PARTIAL: narrowed by {how}", width), "partial", color)]


def _name(text: str) -> str:
    return line(unturned(text))


def _paint(text: str, word: str, color: bool) -> str:
    return f"\x1b[{_COLORS.get(word, '33')}m{text}\x1b[0m" if color and text else text
