"""How the problems of a dataset are named and listed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from pytest_prodbench.errors import DatasetError, ProblemList

MAX_LINES = 50
"""Problems printed by one error; a broken export can have a million."""


class DatasetProblems(ProblemList):
    """Every problem of one dataset: all in ``problems``, the first ``MAX_LINES`` in the message."""

    def __init__(self, where: str, problems: Sequence[str], *, next_step: str = "") -> None:
        self.problems = tuple(problems)
        count = len(self.problems)
        noun = "problem" if count == 1 else "problems"
        lines = "".join(f"\n  - {problem}" for problem in shorten(self.problems, MAX_LINES))
        # Past ProblemList on purpose: its message would hold every line.
        DatasetError.__init__(self, where, found=f"{count:,} {noun}:{lines}\n", next_step=next_step)

    def __reduce__(self) -> tuple[object, ...]:
        return (_rebuild, (self.where, self.problems, self.next_step))


def _rebuild(where: str, problems: Sequence[str], next_step: str) -> DatasetProblems:
    return DatasetProblems(where, problems, next_step=next_step)


def shorten(lines: Sequence[str], limit: int) -> Iterable[str]:
    """Yield the first ``limit`` lines, then ``... and N more`` if there are more."""
    yield from lines[:limit]
    if len(lines) > limit:
        yield f"... and {len(lines) - limit:,} more"


def shown(path: Path) -> str:
    """Return a path for a message: from the working folder, or with ``~`` for the home folder.

    Messages end up in evidence, which must not carry the home paths of a machine.
    """
    for base, prefix in ((Path.cwd(), ""), (Path.home(), "~/")):
        if path.is_relative_to(base):
            return prefix + path.relative_to(base).as_posix()
    return str(path)


def product_id_problem(product_id: str) -> str | None:
    """Return what is wrong with a product id, or None; ids are never changed to make them fit."""
    if not product_id:
        return "product_id is empty"
    if product_id != product_id.strip():
        return f"product_id {product_id!r} begins or ends with white space"
    return unicode_problem("product_id", product_id)


def unicode_problem(name: str, text: str) -> str | None:
    """Return a message if a text cannot be written as UTF-8 (half a surrogate pair), or None."""
    if text.isascii():
        return None
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return f"{name} {text!a} is not valid Unicode"
    return None
