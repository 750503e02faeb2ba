"""Markdown as these tests read it: fenced blocks with the comment before them, links, headings.

Every TOML and Python block of the guides stands behind ``<!-- check: HOW -->``, which says how it is tried:
``sector.toml``, ``models.toml``, ``pyproject.toml``, ``bench.toml``, ``plan.toml``, ``entry-points``; ``run``
(all of one document in order, in a fresh interpreter), ``run NAME.py`` (a module beside them),
``conftest.py``, ``test``; ``manifest``, ``message``; or ``no, REASON``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]

# docs/benchmarks.md holds results, which its own scripts make; here only its links and names are checked.
GUIDES = sorted(path for path in (ROOT / "docs").rglob("*.md") if path.name != "benchmarks.md")
README = ROOT / "README.md"
PAGES = sorted(
    {
        *(ROOT / "docs").rglob("*.md"),
        *(ROOT / name for name in ("CHANGELOG.md", "reports/README.md", "fixtures/README.md")),
        README,
    }
)

_FENCE = re.compile(
    r"^(?P<mark>`{3,})(?P<language>[\w-]*)\n(?P<text>.*?)^(?P=mark)\s*$", re.MULTILINE | re.DOTALL
)
_CHECK = re.compile(r"<!-- check: (?P<how>[^>]+?) -->\n\Z")
_LINK = re.compile(r"\[[^\]]*\]\((?P<target>[^)\s]+)\)")


@dataclass(frozen=True, slots=True)
class Block:
    """One fenced block."""

    page: Path
    line: int
    language: str
    check: str
    text: str

    def __str__(self) -> str:
        return f"{self.page.name}:{self.line}"


def text_of(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def blocks(*pages: Path) -> list[Block]:
    """Return the fenced blocks of some pages, in order."""
    found = []
    for page in pages:
        text = text_of(page)
        for match in _FENCE.finditer(text):
            before = text[: match.start()]
            check = _CHECK.search(before)
            found.append(
                Block(
                    page,
                    before.count("\n") + 1,
                    match["language"],
                    "" if check is None else check["how"],
                    match["text"],
                )
            )
    return found


def checked(how: str, *pages: Path) -> list[Block]:
    """Return the blocks of the guides (or of some pages) that are tried in this way."""
    return [block for block in blocks(*(pages or GUIDES)) if block.check == how]


def links(page: Path) -> list[str]:
    """Return the targets of a page's links, code left out."""
    prose = re.sub(r"`[^`\n]*`", "", _FENCE.sub("", text_of(page)))
    return [match["target"] for match in _LINK.finditer(prose)]


def headings(page: Path) -> list[str]:
    """Return a page's headings, without marks."""
    prose = _FENCE.sub("", text_of(page))
    return [match[1].strip() for match in re.finditer(r"^#{1,6} (.+)$", prose, re.MULTILINE)]


def anchor(heading: str) -> str:
    """Return what GitHub makes of a heading."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def row_names(page: Path) -> list[str]:
    """Return what stands in backticks in the first column of a page's tables."""
    first_cells = re.findall(r"^\| ([^|]+?) \|", text_of(page), re.MULTILINE)
    return [name for cell in first_cells for name in re.findall(r"`([^`]+)`", cell)]
