"""Work in a process of its own, whose memory holds nothing of the work before."""

from __future__ import annotations

import multiprocessing
import os
import sys
import threading
from collections.abc import Callable
from typing import TypeVar

Result = TypeVar("Result")


def can_fork() -> bool:
    """Whether a forked process can work: threads and GPU contexts of torch do not come with it."""
    return sys.platform == "linux" and "torch" not in sys.modules and threading.active_count() == 1


def apart(work: Callable[[], Result], ended: Callable[[int | None], Result]) -> Result:
    """Return what some work returns, done in a forked process; in this one where none can be forked.

    Args:
        work: raises nothing; what it returns can be pickled.
        ended: what to return if the process ended without an answer, of its exit code.
    """
    if not can_fork():
        return work()
    context = multiprocessing.get_context("fork")
    receiving, sending = context.Pipe(duplex=False)

    def answer() -> None:
        try:
            sending.send(work())
        except KeyboardInterrupt:  # the parent has it, too, and says so
            os._exit(130)

    process = context.Process(target=answer)
    process.start()
    sending.close()
    try:
        found: Result = receiving.recv()
    except EOFError:
        process.join()
        return ended(process.exitcode)
    finally:
        receiving.close()
        process.join()
    return found
