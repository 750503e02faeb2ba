"""Peak memory of one piece of work above what stands before it, in a process that does nothing else."""

from __future__ import annotations

import ctypes
import gc
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

MEBIBYTE = 2**20


def in_a_fresh_process(case: Any) -> float:
    """Run this benchmark again with ``--child`` and a case as JSON; MiB, the last word that it prints."""
    child = subprocess.run(  # noqa: S603
        [sys.executable, *sys.argv, "--child", json.dumps(case)],
        stdout=subprocess.PIPE,
        check=True,
        text=True,
    )
    return float(child.stdout.split()[-1])


def peak_above(work: Callable[[], object]) -> float:
    """MiB that some work needs at its peak above what this process has now.

    Libraries and their threads are not the work: load them before.
    """
    # What was freed is given back, or it would be used again and not be seen.
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    before = _status("VmRSS")
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    work()
    return _status("VmHWM") - before


def _status(field: str) -> float:
    """A field of the kernel's record of this process, in MiB."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return int(next(line for line in lines if line.startswith(field)).split()[1]) / 1024
