"""Errors that a user can cause: each names the place, what was found, what was expected, what to do."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

UNPRINTABLE = dict.fromkeys(
    (
        *(code for code in range(0x20) if code not in b"\t\n"),
        *range(0x7F, 0xA0),  # what a terminal obeys
        *range(0x202A, 0x202F),
        *range(0x2066, 0x206A),  # what turns the direction of the text behind it
        *range(0xD800, 0xE000),  # halves of characters, which no file in UTF-8 can hold
    ),
    "\ufffd",
)
"""Code → what is shown instead."""

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
        super().__init__(printable("; ".join(parts)))

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
    """Return a text that a terminal may print and a file may hold, whoever wrote it."""
    return text.translate(UNPRINTABLE)


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
