"""Do one thing to many files at once: reading waits for disks and networks, which threads overlap."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

_CHUNK = 256


def for_each(items: Sequence[Item], function: Callable[[Item], Result]) -> list[Result]:
    """Return ``function`` of each item, in the order of the items; the first exception is raised."""
    # In chunks: a future for each of a million files would weigh more than the work.
    chunks = [items[start : start + _CHUNK] for start in range(0, len(items), _CHUNK)]
    workers = min(32, (os.cpu_count() or 1) + 4, max(len(chunks), 1))

    def on_chunk(chunk: Sequence[Item]) -> list[Result]:
        return list(map(function, chunk))

    with ThreadPoolExecutor(workers, thread_name_prefix="prodbench-files") as pool:
        return list(chain.from_iterable(pool.map(on_chunk, chunks)))
