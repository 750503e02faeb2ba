"""How text gets into Markdown: escaped, marked, and never more of it than there is room for."""

from __future__ import annotations

import re
from collections.abc import Sequence

from pytest_prodbench.errors import unturned
from pytest_prodbench.report.wording import TEXT_LIMIT, count, line, paragraph

MARKS = {
    "accept": "✅ accept",
    "reject": "❌ **reject**",
    "incomplete": "⚠️ **incomplete**",
    "failed": "⚠️ **failed**",
    "lost": "⚠️ **lost**",
    "not run": "➖ not run",
}

MORE = "… more than fits on the page of a job: {left} left out here, see `index.html`"
"""Stands where a block was cut."""

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


def escape(text: str, limit: int = TEXT_LIMIT) -> str:
    """Return somebody else's text so that Markdown and HTML show it and do nothing else with it."""
    return _escaped(line(unturned(text), limit).strip())


def message(text: str) -> str:
    """Several lines stay several lines, inside one cell or one item of a list."""
    lines = paragraph(unturned(text), 1000).split("\n")
    return "<br>".join(_escaped(part.strip()) for part in lines)


def number(text: str) -> str:
    """``<0.001`` is a number, not a tag."""
    return text.replace("<", "&lt;").replace(">", "&gt;")


def row(cells: Sequence[str]) -> str:
    """Return one row of a table."""
    return "| " + " | ".join(cells) + " |"


def bounded(blocks: Sequence[Sequence[str]], room: int) -> str:
    """Join blocks of lines into a text of at most ``room`` bytes of UTF-8; what is cut says so.

    Each block may take an equal share of the room that the blocks before it have left, so that one that is
    too long loses its own last lines and never those of another.
    """
    room -= len(_more(len(blocks), "part").encode())
    parts: list[str] = []
    gone = 0
    for place, block in enumerate(blocks):
        lines = [f"{one}\n" for one in block]
        kept = _cut(lines, room // (len(blocks) - place))
        gone += bool(lines) and not kept
        parts += kept
        room -= _size(kept)
    return "".join([*parts, _more(gone, "part")] if gone else parts)


def _cut(lines: list[str], room: int) -> list[str]:
    if _size(lines) <= room:
        return lines
    room -= len(_more(len(lines), "line").encode())
    kept: list[str] = []
    for one in lines:
        room -= len(one.encode())
        if room < 0:
            break
        kept.append(one)
    return [*kept, _more(len(lines) - len(kept), "line")] if kept else []


def _more(left: int, noun: str) -> str:
    # The empty line before it ends a table.
    return f"\n{MORE.format(left=count(left, noun))}\n\n"


def _size(lines: list[str]) -> int:
    return sum(len(one.encode()) for one in lines)


def _escaped(text: str) -> str:
    return _SPECIAL.sub(lambda found: "".join(f"&#{ord(c)};" for c in found[0]), text)
