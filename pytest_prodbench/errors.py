"""Errors that a user can cause: each names the place, what was found, what was expected, what to do."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

# Control characters (an escape sequence would repaint a terminal), lone surrogates and the two
# non-characters: none can be written in XML, none can be seen.
_INVISIBLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
_BREAKS = re.compile("\r\n|[\r\n\u2028\u2029]")
_BIDI = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")

MAX_LINES = 50
"""Problems printed by one error; a broken export can have a million."""


class ProdbenchError(Exception):
    """Base of every error raised on purpose.

    ``where`` names the file, line or key; ``found`` and ``expected`` say what differs; ``next_step`` says
    what the reader can do now. The message is one readable paragraph made of these four.
    """

    def __init__(self, where: str, *, found: str, expected: str = "", next_step: str = "") -> None:
        self.where = where
        self.found = found
        self.expected = expected
        self.next_step = next_step
        parts = [f"{where}: {found}"]
        if expected:
            parts.append(f"expected {expected}")
        if next_step:
            parts.append(next_step)
        super().__init__(unturned(printable("; ".join(parts))))

    def __reduce__(self) -> tuple[object, ...]:
        """Keyword-only arguments do not survive the default pickling (needed across processes)."""
        return (_rebuild, (type(self), self.where, self.found, self.expected, self.next_step))


def _rebuild(
    cls: type[ProdbenchError], where: str, found: str, expected: str, next_step: str
) -> ProdbenchError:
    return cls(where, found=found, expected=expected, next_step=next_step)


class SettingsError(ProdbenchError):
    """A configuration file, option or environment variable is wrong."""


class DatasetError(ProdbenchError):
    """A dataset cannot be opened or does not hold what it promises."""


class ImageError(ProdbenchError):
    """One image cannot be decoded."""


class ModelError(ProdbenchError):
    """A model cannot be loaded, or its weights are not on this machine."""


class EmbeddingError(ProdbenchError):
    """An embedding is not usable (not finite, all zero, wrong shape); names the image."""


class MetricError(ProdbenchError):
    """A metric does not keep to what it declares; names the metric."""


class EvidenceError(ProdbenchError):
    """A run record cannot be read, or two records cannot be joined."""


class ProblemList(DatasetError):
    """Every problem of one dataset in one error, so that they can be mended in one go.

    All are in ``problems``, the first ``MAX_LINES`` of them in the message.
    """

    def __init__(self, where: str, problems: Sequence[str], *, next_step: str = "") -> None:
        self.problems = tuple(problems)
        count = len(self.problems)
        noun = "problem" if count == 1 else "problems"
        lines = "".join(f"\n  - {problem}" for problem in shorten(self.problems, MAX_LINES))
        super().__init__(where, found=f"{count:,} {noun}:{lines}\n", next_step=next_step)

    def __reduce__(self) -> tuple[object, ...]:
        return (_rebuild_list, (self.where, self.problems, self.next_step))


def _rebuild_list(where: str, problems: Sequence[str], next_step: str) -> ProblemList:
    return ProblemList(where, problems, next_step=next_step)


def printable(text: str) -> str:
    """Replace what UTF-8, XML or a terminal cannot carry with U+FFFD; keep tabs and line ends."""
    return _INVISIBLE.sub("\ufffd", _BREAKS.sub("\n", text))


def unturned(text: str) -> str:
    """Replace the marks that reverse the direction of text, where nothing can isolate them."""
    return _BIDI.sub("\ufffd", text)


def shorten(lines: Sequence[str], limit: int) -> Iterable[str]:
    """Yield the first ``limit`` lines, then ``... and N more`` if there are more."""
    yield from lines[:limit]
    if len(lines) > limit:
        yield f"... and {len(lines) - limit:,} more"


def did_you_mean(word: str, known: Sequence[str]) -> str:
    """Return ``did you mean 'x'?`` for the nearest known word, or ``known: a, b, c``."""
    import difflib

    near = difflib.get_close_matches(word, known, n=1, cutoff=0.6)
    if near:
        return f"did you mean {near[0]!r}?"
    return f"known: {', '.join(sorted(known))}" if known else "none are known"
