"""Many drawings at once, in processes of their own: vl-convert holds Python's lock while it draws.

What a process of its own cannot do is done again in this one, so that nothing here ever fails a page.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from concurrent.futures import Future
from queue import SimpleQueue
from threading import Thread
from typing import TYPE_CHECKING

from pytest_prodbench.report.vega import SOME_TEXT

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

FEWEST = 24
"""Fewer drawings are made where they are asked for: starting a process takes as long as forty of them."""

MOST_PROCESSES = 4

AT_ONCE = 4
"""Drawings that a process is asked for at once: it waits for its next request while Python is busy."""

SCRIPT = "window.vegaEmbed = vegaEmbed;"
"""What the script of the charts does once it is loaded."""

_Job = tuple[dict[str, object], list[Future[str | None]]]
"""A request, and who waits for the parts of its answer."""


class DrawnApart:
    """Drawings of one page, and their script, that other processes make.

    Attributes:
        begun: nothing more can be asked for.
    """

    def __init__(self) -> None:
        self.begun = False
        self._script: Future[str | None] | None = None
        self._drawings: dict[str, Future[str | None]] = {}
        self._processes: list[subprocess.Popen[str]] = []
        self._queue: SimpleQueue[_Job | None] = SimpleQueue()
        self._drawing = 0  # processes that take from the queue

    def ahead(self) -> None:
        """Begin with the script and with loading Vega, before any drawing is known; returns at once."""
        if _cores() > 1:
            self._begin_script()
            self._queue.put(({"texts": [SOME_TEXT]}, [Future()]))
            self._draw(1)

    def begin(self, texts: Sequence[str], *, script: bool) -> None:
        """Begin to draw; returns at once.

        Args:
            texts: specifications as JSON; nothing is begun for a few.
            script: whether the script of the charts is to be made, too.
        """
        self.begun = True
        if _cores() > 1 and len(texts) >= FEWEST:
            if script:
                self._begin_script()
            for place in range(0, len(texts), AT_ONCE):
                part = texts[place : place + AT_ONCE]
                waiting: list[Future[str | None]] = [Future() for _ in part]
                self._drawings |= zip(part, waiting, strict=True)
                self._queue.put(({"texts": list(part)}, waiting))
            # One core has the photos to do; and Vega is slow at first, so that two for a few gain nothing.
            self._draw(max(1, min(_cores() - 1, MOST_PROCESSES, len(texts) // FEWEST)))
        for _ in range(self._drawing):
            self._queue.put(None)

    def drawing(self, text: str) -> str | None:
        """Return the SVG of a specification, once it is drawn; None if it is not made here."""
        waiting = self._drawings.get(text)
        return None if waiting is None else waiting.result()

    def script(self) -> str | None:
        """Return the script of the charts, once it is made; None if it is not made here."""
        return None if self._script is None else self._script.result()

    def stop(self) -> None:
        """End the processes, whatever they are at; what they have not made is not made here."""
        if not self.begun:
            self.begin([], script=False)
        for process in self._processes:
            process.kill()

    def _begin_script(self) -> None:
        if self._script is None:
            self._script = Future()
            alone: SimpleQueue[_Job | None] = SimpleQueue()
            alone.put(({"script": SCRIPT}, [self._script]))
            alone.put(None)
            self._start(alone)

    def _draw(self, processes: int) -> None:
        while self._drawing < processes:
            self._drawing += 1
            self._start(self._queue)

    def _start(self, queue: SimpleQueue[_Job | None]) -> None:
        # Of the daemon kind: a command that was interrupted does not wait for its pictures.
        Thread(target=self._serve, args=[queue], daemon=True).start()

    def _serve(self, queue: SimpleQueue[_Job | None]) -> None:
        """Have one process do what there is to do; what it cannot do is not made here."""
        process = _process()
        if process is not None:
            self._processes.append(process)
        while (job := queue.get()) is not None:
            asked, waiting = job
            made = None if process is None else _answer(process, asked)
            for place, future in enumerate(waiting):
                future.set_result(made[place] if made and len(made) == len(waiting) else None)
        if process is not None:
            with contextlib.suppress(OSError), process:
                pass  # its input ends, and it with it


def _process() -> subprocess.Popen[str] | None:
    try:
        # -P: no file of the folder that it runs in is taken for a module.
        return subprocess.Popen(
            [sys.executable, "-P", "-m", "pytest_prodbench.report.vega"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            encoding="utf-8",
            env=os.environ | {"PYTHONIOENCODING": "utf-8"},
        )
    except OSError:
        return None


def _answer(process: subprocess.Popen[str], asked: Mapping[str, object]) -> list[str] | None:
    """Return what a process made; None where it could not, or is no more."""
    assert process.stdin is not None and process.stdout is not None  # noqa: S101, PT018
    try:
        process.stdin.write(json.dumps(asked) + "\n")
        process.stdin.flush()
        made = json.loads(process.stdout.readline())
    except (OSError, ValueError):
        return None
    whole = isinstance(made, list) and all(isinstance(one, str) for one in made)
    return made if whole else None


def _cores() -> int:
    return os.cpu_count() or 1
