"""Work that numpy and torch do without Python's lock, on as many threads as numpy's matrix products may use.

So there is one limit: OPENBLAS_NUM_THREADS, or what a run keeps its workers to. What is done does not
depend on it, only who does it. Meanwhile each matrix product has one thread: the libraries' own wait for the
next product by spinning, on the cores that these threads need.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from threadpoolctl import ThreadpoolController

NAME = "prodbench-part"

Part = TypeVar("Part")
Done = TypeVar("Done")
Asked = TypeVar("Asked")


class _SingleProducts:
    """Keeps every matrix product of numpy and of a loaded torch to one thread, while somebody is inside.

    Attributes:
        instead: how many each of numpy's had before; None while nobody is inside.
    """

    def __init__(self) -> None:
        self.instead: int | None = None
        self._lock, self._inside = threading.Lock(), 0
        self._before: list[int] = []
        self._torchs: int | None = None

    def __enter__(self) -> None:
        with self._lock:
            self._inside += 1
            if self._inside > 1:
                return
            libraries = _numpys_blas().lib_controllers
            self.instead, self._before = _of_products(), [blas.num_threads for blas in libraries]
            for blas in libraries:
                blas.set_num_threads(1)
            torch = sys.modules.get("torch")
            if torch is not None:
                self._torchs = torch.get_num_threads()
                torch.set_num_threads(1)

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._inside -= 1
            if self._inside:
                return
            for blas, threads in zip(_numpys_blas().lib_controllers, self._before, strict=True):
                blas.set_num_threads(threads)
            if self._torchs is not None:
                sys.modules["torch"].set_num_threads(self._torchs)
            self.instead = self._torchs = None


def _take_number_of_threads() -> None:
    """Make torch's number of threads OpenMP's in a new thread too, which begins with every processor."""
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.get_num_threads()


_single_products = _SingleProducts()


def in_threads(work: Callable[[Part], Done], parts: Iterable[Part]) -> list[Done]:
    """Return what a function makes of each part, in their order; each should take some milliseconds.

    Work that is one of these parts itself is done by its own thread: the limit is of all together.
    """
    parts = list(parts)
    inside = threading.current_thread().name.startswith(NAME)
    threads = min(len(parts), allowed()) if len(parts) > 1 and not inside else 1
    if threads == 1:
        return [work(part) for part in parts]
    pool = ThreadPoolExecutor(threads, thread_name_prefix=NAME, initializer=_take_number_of_threads)
    with _single_products, pool:
        return list(pool.map(work, parts))


class Again(Generic[Part, Asked, Done]):
    """The same parts of work, again and again on something else.

    Those that took longest the last time begin first, so that all threads end at about the same time.
    """

    def __init__(self, work: Callable[[Part, Asked], Done], parts: Sequence[Part]) -> None:
        """``work``: of a part, and what it is done on."""
        self._work, self._parts = work, parts
        self._took = [0.0] * len(parts)

    def __call__(self, asked: Asked) -> list[Done]:
        """Return what is made of each part, in their order."""

        def timed(i: int) -> Done:
            start = time.thread_time()
            done = self._work(self._parts[i], asked)
            self._took[i] = time.thread_time() - start
            return done

        order = sorted(range(len(self._parts)), key=lambda i: -self._took[i])
        done = dict(zip(order, in_threads(timed, order), strict=True))
        return [done[i] for i in range(len(self._parts))]


def portions(rows: int, at_once: int) -> list[slice]:
    """Cut rows into portions of so many, or of one; a portion of none if there is none."""
    step = max(1, at_once)
    return [slice(start, start + step) for start in range(0, max(1, rows), step)]


def allowed() -> int:
    """Threads that numpy's matrix products may use, or these in their place; 1 where that cannot be told."""
    return _single_products.instead or _of_products()


def _of_products() -> int:
    return min((blas.num_threads for blas in _numpys_blas().lib_controllers), default=1)


@lru_cache(maxsize=1)
def _numpys_blas() -> ThreadpoolController:
    """Finding the libraries takes milliseconds, asking them does not."""
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController().select(user_api="blas")
