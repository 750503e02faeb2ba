"""On which line of a TOML file a key stands; ``tomllib`` does not say."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

MOST_LINES = 2000
"""Longer files are not searched: each statement costs a reading of what is above it."""

Path = tuple[str | int, ...]


def key_lines(text: str) -> dict[Path, int]:
    """Return the line (from 1) on which each key of a valid TOML text is first given a value.

    A path names keys from the outside in, and the place in an array of tables:
    ``("thresholds", "recall@1")``, ``("rules", 0, "min")``. A table has the line of its header, or of the
    first statement that makes it. A statement ends where it can be read, and no line earlier: so strings
    and arrays of several lines, comments and quoted keys need no parser of our own.
    Empty for a text of more than ``MOST_LINES`` lines.
    """
    lines = [line + "\n" for line in text.split("\n")]  # not where Unicode ends a line
    if len(lines) > MOST_LINES:
        return {}
    found: dict[Path, int] = {}
    begins = 0
    for end in range(1, len(lines) + 1):
        if not _is_whole("".join(lines[begins:end])):
            continue
        first = begins + _leading(lines[begins:end])
        if first < end:
            for path in _paths(tomllib.loads("".join(lines[:end]))):
                found.setdefault(path, first + 1)
        begins = end
    return found


def _is_whole(text: str) -> bool:
    try:
        tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return False
    return True


def _leading(lines: Sequence[str]) -> int:
    """How many of some lines are empty or comments, up to the first that is neither."""
    for i, line in enumerate(lines):
        stripped = line.strip()
        if stripped and not stripped.startswith("#"):
            return i
    return len(lines)


def _paths(value: object, path: Path = ()) -> list[Path]:
    found = [path] if path else []
    if isinstance(value, Mapping):
        for key, inner in value.items():
            found += _paths(inner, (*path, key))
    elif isinstance(value, list):
        for i, inner in enumerate(value):
            if isinstance(inner, Mapping):
                found += _paths(inner, (*path, i))
    return found


BARE = re.compile(r"[A-Za-z0-9_-]+")


@dataclass(frozen=True, slots=True)
class Located:
    """Keys of one TOML file, by file and line.

    Attributes:
        shown: the file as it is shown to people.
        lines: of ``key_lines``.
        prefix: keys that are not told apart here, as ``("tool", "prodbench", "sectors", "diy")``.
    """

    shown: str
    lines: Mapping[Path, int]
    prefix: Path = ()

    def where(self, *path: str | int) -> str:
        """Return ``suites/diy/sector.toml:8: thresholds."recall@1"``; without a line where none is known."""
        whole = (*self.prefix, *path)
        line = self.lines.get(whole)
        return f"{self.shown}{'' if line is None else f':{line}'}: {dotted(whole)}"


def dotted(path: Path) -> str:
    """Return a path of keys as TOML writes it, and places in an array in brackets."""
    text = ""
    for key in path:
        if isinstance(key, int):
            text += f"[{key}]"
            continue
        plain = key if BARE.fullmatch(key) else json.dumps(key, ensure_ascii=False)
        text += f".{plain}" if text else plain
    return text
