"""What keeps an engine from running a model."""

from __future__ import annotations

import re

from pytest_prodbench.models.checkpoints import uncoloured

_FOLDERS = re.compile(r"""(?<![\w.])(?:[A-Za-z]:)?(?:[\\/][^\s\\/:'"]+)*[\\/](?=[^\s\\/:'"]+)""")
_ADDRESSES = re.compile(r"0x[0-9a-fA-F]+")
LONGEST = 240
FIRST_LINES = 2


class EngineRefusedError(Exception):
    """This engine does not run this model.

    Its text stands in the evidence where torch takes its place, so that it holds nothing that differs
    between two runs: no path, no address, no time.

    Attributes:
        details: what else is known, for the message to somebody who asked for the engine by name.
        next_step: what can be done.
        passing: whether it is this moment's and not the model's (a full disk), so that it is not remembered.
    """

    def __init__(
        self, reason: str, *, details: str = "", next_step: str = "", passing: bool = False
    ) -> None:
        super().__init__(reason)
        self.details, self.next_step, self.passing = details, next_step, passing


def told(error: BaseException) -> str:
    """Return the first lines of another library's message: plain, short, the same in every run."""
    lines = uncoloured(error).splitlines()
    first = [" ".join(line.split()) for line in lines if line.strip()][:FIRST_LINES]
    text = _ADDRESSES.sub("0x…", _FOLDERS.sub("", " ".join(first)))
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"


def with_reason(what: str, error: BaseException) -> str:
    """Return what cannot be done and, in brackets, the kind of error and what it says."""
    return f"{what} ({': '.join(filter(None, [type(error).__name__, told(error)]))})"


def of_the_moment(error: BaseException) -> bool:
    """Whether an error, or one that led to it, is of the machine: a full disk, no memory."""
    seen: BaseException | None = error
    while seen is not None:
        # Without a number it is not the system's: inspect raises such an OSError where code has no source.
        of_system = isinstance(seen, OSError) and seen.errno is not None
        if of_system or isinstance(seen, MemoryError):
            return True
        seen = seen.__cause__ or (None if seen.__suppress_context__ else seen.__context__)
    return False
