"""How often a provider is asked, by all processes of this machine together: a token bucket on disk.

The bucket is kept as the time at which it will be full again (the generic cell rate algorithm, ITU-T I.371,
appendix A; the two are the same): one number, so that processes share it through a small locked file. A
library for this would have to share our pauses as well: who is told to wait tells all others.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_prodbench.atomic import atomic_write_text

if TYPE_CHECKING:
    from filelock import BaseFileLock

FARTHEST = 3600.0
"""Seconds; a time farther ahead was written by a clock that has since been set back."""


class Pace:
    """One provider's bucket; ``clock`` is that of ``time``, but in tests of the arithmetic."""

    def __init__(
        self,
        path: Path,
        *,
        per_minute: float | None,
        burst: int = 1,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """``path``: of the file that the processes share. ``per_minute``: None: only pauses hold."""
        self._path = path
        self._interval = 60.0 / per_minute if per_minute else 0.0
        self._burst = burst
        self._clock = clock

    def wait(self, stopped: threading.Event) -> None:
        """Take the next place in the order of all processes, and wait for its time, or until stopped.

        Who has a place waits out a pause that begins meanwhile, too.
        """
        seconds = self.take()
        while seconds > 0 and not stopped.wait(seconds):
            seconds = self._paused()

    def take(self) -> float:
        """Take the next place, and return the seconds until its time has come."""
        with self._locked():
            now = self._clock()
            full, paused = self._read(now)
            # A request fits when the bucket is not more than burst requests from being full.
            at = max(now, full - (self._burst - 1) * self._interval, paused)
            self._write(max(full, at) + self._interval, paused)
        return at - now

    def _paused(self) -> float:
        """Return the seconds for which nobody may send anything."""
        with self._locked():
            now = self._clock()
            return self._read(now)[1] - now

    def pause(self, seconds: float) -> None:
        """Let nobody take a place before so many seconds have passed."""
        with self._locked():
            now = self._clock()
            full, paused = self._read(now)
            self._write(full, max(paused, now + min(seconds, FARTHEST)))

    def _locked(self) -> BaseFileLock:
        from filelock import FileLock

        self._path.parent.mkdir(parents=True, exist_ok=True)
        return FileLock(self._path.with_suffix(".lock"))

    def _read(self, now: float) -> tuple[float, float]:
        try:
            state = json.loads(self._path.read_text(encoding="utf-8"))
            full, paused = float(state["full"]), float(state["paused"])
        except (OSError, ValueError, KeyError, TypeError):
            return now, now  # not there, or damaged: nobody has asked yet
        return (
            full if full - now <= FARTHEST else now,
            paused if paused - now <= FARTHEST else now,
        )

    def _write(self, full: float, paused: float) -> None:
        atomic_write_text(self._path, json.dumps({"full": full, "paused": paused}))
