"""Do one thing to many files at once: reading waits for disks and networks, which threads overlap."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from typing import TypeVar

Result = TypeVar("Result")

_CHUNK = 256


def for_each(paths: Sequence[str], function: Callable[[str], Result]) -> list[Result]:
    """Return ``function`` of each path, in the order of the paths; the first exception is raised."""
    # In chunks: a future for each of a million files would weigh more than the work.
    chunks = [paths[start : start + _CHUNK] for start in range(0, len(paths), _CHUNK)]
    workers = min(32, (os.cpu_count() or 1) + 4, max(len(chunks), 1))

    def on_chunk(chunk: Sequence[str]) -> list[Result]:
        return [function(path) for path in chunk]

    with ThreadPoolExecutor(workers, thread_name_prefix="prodbench-files") as pool:
        return list(chain.from_iterable(pool.map(on_chunk, chunks)))
