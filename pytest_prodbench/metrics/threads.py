"""Work that numpy does without Python's lock, on as many threads as its matrix products may use.

So there is one limit: OPENBLAS_NUM_THREADS, or what a run keeps its workers to. What is done does not depend
on it, only who does it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from threadpoolctl import ThreadpoolController

NAME = "prodbench-metrics"

Part = TypeVar("Part")
Done = TypeVar("Done")


def in_threads(work: Callable[[Part], Done], parts: Iterable[Part]) -> list[Done]:
    """Return what a function makes of each part, in their order; each should take some milliseconds.

    Work that is one of these parts itself is done by its own thread: the limit is of all together.
    """
    parts = list(parts)
    inside = threading.current_thread().name.startswith(NAME)
    threads = min(len(parts), allowed()) if len(parts) > 1 and not inside else 1
    if threads == 1:
        return [work(part) for part in parts]
    with ThreadPoolExecutor(threads, thread_name_prefix=NAME) as pool:
        return list(pool.map(work, parts))


def portions(rows: int, at_once: int) -> list[slice]:
    """Cut rows into portions of so many, or of one; a portion of none if there is none."""
    step = max(1, at_once)
    return [slice(start, start + step) for start in range(0, max(1, rows), step)]


def allowed() -> int:
    """Threads that numpy's matrix products may use now; 1 where that cannot be told."""
    return min((blas.num_threads for blas in _numpys_blas().lib_controllers), default=1)


@lru_cache(maxsize=1)
def _numpys_blas() -> ThreadpoolController:
    """Finding the libraries takes milliseconds, asking them does not."""
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController().select(user_api="blas")
