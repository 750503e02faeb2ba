"""Which files ``catalog-{0000..0012}.tar`` and ``catalog-*.tar`` mean."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from pytest_prodbench.datasets.problems import shown
from pytest_prodbench.errors import DatasetError, did_you_mean

MAX_SHARDS = 100_000
"""A slip of the hand in a range is a million file names."""

_BRACES = re.compile(r"\{([^{}]*)\}")
_RANGE = re.compile(r"(\d+)\.\.(\d+)")
_GLOB = re.compile(r"[*?\[]")


def expand(pattern: str) -> list[str]:
    """Return a pattern without its braces: ``{a,b}`` is a list, ``{08..11}`` a range with its zeros.

    Raises:
        ValueError: a brace without its other half, a range that runs down, too many names.
    """
    names = [pattern]
    while any("{" in name or "}" in name for name in names):
        expanded: list[str] = []
        for name in names:
            match = _BRACES.search(name)
            if match is None:
                raise ValueError(f"{pattern!r} has a brace without its other half")
            for choice in _choices(match[1], pattern):
                expanded.append(name[: match.start()] + choice + name[match.end() :])
                if len(expanded) > MAX_SHARDS:
                    raise ValueError(f"{pattern!r} stands for more than {MAX_SHARDS:,} shards")
        names = expanded
    return names


def _choices(inside: str, pattern: str) -> Iterator[str]:
    match = _RANGE.fullmatch(inside)
    if match is None:
        yield from inside.split(",")
        return
    first, last = int(match[1]), int(match[2])
    if last < first:
        raise ValueError(f"{pattern!r} has a range that runs down; write the smaller number first")
    width = max(map(len, match.groups())) if match[1].startswith("0") else 0
    for number in range(first, last + 1):
        yield f"{number:0{width}}"


def shards_below(root: Path, patterns: Iterable[str]) -> list[str]:
    """Return the shards that patterns stand for, relative to ``root``, each once.

    Raises:
        DatasetError: a shard that is named is missing, or a pattern fits no file.
    """
    found: dict[str, None] = {}
    for pattern in patterns:
        for name in expand(pattern):
            if _GLOB.search(name):
                here = sorted(
                    path.relative_to(root).as_posix()
                    for path in root.glob(name)
                    if path.is_file() and not path.name.startswith(".")
                )
                found.update(dict.fromkeys(here))
                if not here:
                    raise _missing(root, f"no file that fits {name!r}")
            elif (root / name).is_file():
                found[name] = None
            else:
                raise _missing(root, f"no shard {name!r}", name)
    return list(found)


def _missing(root: Path, found: str, name: str = "") -> DatasetError:
    files = sorted(path.name for path in root.iterdir() if path.is_file())[:1000]
    step = did_you_mean(name, files) if name else f"there are {', '.join(files[:10]) or 'no files'}"
    return DatasetError(
        shown(root),
        found=found,
        expected="tar shards, named by the options shards, gallery or queries",
        next_step=step,
    )
