"""What libraries in C++ print, kept off the terminal."""

from __future__ import annotations

import contextlib
import ctypes
import io
import os
import sys
import threading
from collections.abc import Iterator

_ONE_AT_A_TIME = threading.RLock()
"""Two threads that put each other's descriptors back would leave the process without a terminal."""

DESCRIPTORS = (1, 2)
"""Standard output and standard error, as C++ knows them."""


@contextlib.contextmanager
def silenced() -> Iterator[None]:
    """Throw away what is printed meanwhile, by Python or below it, by any thread of this process."""
    with (
        _ONE_AT_A_TIME,
        _descriptors(),
        contextlib.redirect_stdout(io.StringIO()),
        contextlib.redirect_stderr(io.StringIO()),
    ):
        yield


@contextlib.contextmanager
def _descriptors() -> Iterator[None]:
    """Point both descriptors at nothing; one that is closed stays as it is."""
    _flush()
    nowhere = os.open(os.devnull, os.O_WRONLY)
    before: dict[int, int] = {}
    try:
        for descriptor in DESCRIPTORS:
            with contextlib.suppress(OSError):
                before[descriptor] = os.dup(descriptor)
                os.dup2(nowhere, descriptor)
        yield
    finally:
        _flush_c()  # else what C holds back would come out afterwards
        for descriptor, saved in before.items():
            os.dup2(saved, descriptor)
            os.close(saved)
        os.close(nowhere)


def _flush() -> None:
    """Let out what was printed before."""
    for stream in (sys.stdout, sys.stderr):
        # A stream may be gone (pythonw), closed, or anything that somebody put in its place.
        with contextlib.suppress(OSError, ValueError, AttributeError):
            stream.flush()
    _flush_c()


def _flush_c() -> None:
    with contextlib.suppress(OSError, TypeError, AttributeError):  # Windows has no such handle
        ctypes.CDLL(None).fflush(None)
