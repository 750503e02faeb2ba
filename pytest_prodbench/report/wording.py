"""How a number, a digest or somebody else's text is written, the same in every kind of report."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING

from pytest_prodbench.errors import printable

if TYPE_CHECKING:
    from pytest_prodbench.evidence.types import EngineRecord
    from pytest_prodbench.evidence.values import MetricValue

TEXT_LIMIT = 300
"""Ids and paths are cut to this many characters in pages that people read; evidence keeps them whole."""

NOTHING = "–"
"""Stands where nothing was measured; never 0."""

DROP_SEEN = "drop seen"
"""Heads the column of the smallest drop that a dataset could have shown."""

DROP_SEEN_MEANS = (
    "the smallest drop in recall@1 that this dataset could have shown (power 80 %); of a sector or run, "
    "the largest of its pairs. A smaller one may be there and not be seen; comparing two models on the "
    "same photos shows smaller ones."
)

RUNS_CODE = "runs code that came with the weights"
"""Said of a model whose entry has ``trust_remote_code = true``."""


def line(text: str, limit: int = TEXT_LIMIT) -> str:
    """Return one line of at most ``limit`` characters that can be shown anywhere."""
    return _cut(printable(text).replace("\n", "\ufffd").replace("\t", " "), limit)


def paragraph(text: str, limit: int = 2000) -> str:
    """Return several lines, at most ``limit`` characters in all: an error message."""
    return _cut(printable(text).strip(), limit)


def gist(text: str, limit: int = TEXT_LIMIT) -> str:
    """Return several lines as one: what a list of reasons has room for."""
    return line(" ".join(text.split()), limit)


def figure(value: float) -> str:
    """Three decimals, and never 1.000 or 0.000 for a value that is not exactly that."""
    text = f"{value:.3f}"
    if text in {"1.000", "-1.000"} and abs(value) < 1:
        return ">0.999" if value > 0 else "<-0.999"
    if text in {"0.000", "-0.000"} and value != 0:
        return "<0.001" if value > 0 else ">-0.001"
    return "0.000" if value == 0 else text


def interval(value: MetricValue) -> str:
    """Return ``[0.887, 0.934]``."""
    return f"[{figure(value.low)}, {figure(value.high)}]"


BOUNDS = {"min": "≥", "max": "≤", "max_drop": "drop ≤"}
"""On which side of its limit a rule wants a value."""


def known(value: float | None) -> str:
    """Return a figure, or what stands where there is none."""
    return NOTHING if value is None else figure(value)


def count(number: int, noun: str = "", plural: str = "") -> str:
    """Return ``1,204 queries``, ``1 query`` or, without a noun, ``1,204``."""
    if not noun:
        return f"{number:,}"
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def duration(seconds: float) -> str:
    """Return ``0.42 s``, ``12.3 s``, ``4 min 05 s`` or ``2 h 03 min``."""
    if seconds < 10:
        return f"{seconds:.2f} s"
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"


def short(digest: str) -> str:
    """Return enough of a digest to compare it by eye."""
    return line(digest.removeprefix("sha256:")[:12])


def engine(found: EngineRecord) -> str:
    """Return what ran a model, and what is known of its being torch's equal."""
    words = f"{found.name} {found.version}, {found.precision}"
    if found.worst_cosine is not None:
        ranks = count(found.changed_ranks or 0, "changed rank")
        words += f"; on sample images cosine to torch float32 ≥ {found.worst_cosine:.7f}, {ranks}"
    return f"{words}; {found.reason}" if found.reason else words


def cells(text: str) -> int:
    """Return how many cells of a terminal a text takes: wide characters two, combining ones none."""
    return sum(_cell(character) for character in text)


def fit(text: str, width: int) -> str:
    """Cut a text to ``width`` cells, with an ellipsis as the last of them."""
    if cells(text) <= width:
        return text
    kept, used = [], 0
    for character in text:
        used += _cell(character)
        if used > width - 1:
            break
        kept.append(character)
    return "".join(kept) + "…" if width > 0 else ""


def wrap(text: str, width: int, most: int) -> list[str]:
    """Break a text into at most ``most`` lines of ``width`` cells; a word that is too long is cut."""
    lines: list[str] = []
    words = text.split()
    while words and len(lines) < most - 1:
        row = [words.pop(0)]
        while words and cells(" ".join([*row, words[0]])) <= width:
            row.append(words.pop(0))
        lines.append(fit(" ".join(row), width))
    return [*lines, fit(" ".join(words), width)] if words else lines


def _cell(character: str) -> int:
    if unicodedata.category(character) in {"Mn", "Me", "Cf"}:
        return 0
    return 2 if unicodedata.east_asian_width(character) in {"W", "F"} else 1


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"
