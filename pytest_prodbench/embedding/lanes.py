"""Forward passes that run side by side, their results taken in the order in which they began."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

WAITING = 1
"""Passes a lane that wait for it to be free: a lane never waits for the thread that hands them out."""


class Lanes(Generic[Item, Result]):
    """Runs passes in so many threads; one lane is the thread of the caller itself.

    A pass is the same in every lane, so that the number of lanes cannot change a vector.
    """

    def __init__(self, count: int, work: Callable[[Item], Result]) -> None:
        """``work``: one pass; called from the lanes' threads if there are several."""
        self._work = work
        self._room = 0 if count == 1 else (1 + WAITING) * count
        self._begun: deque[tuple[Item, Future[Result]]] = deque()
        self._pool = (
            None if count == 1 else ThreadPoolExecutor(count, thread_name_prefix="prodbench-lane")
        )

    def __enter__(self) -> Lanes[Item, Result]:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)

    def begin(self, item: Item) -> None:
        """Begin a pass; the caller takes ``finished`` before the next one."""
        if self._pool is not None:
            self._begun.append((item, self._pool.submit(self._work, item)))
            return
        done: Future[Result] = Future()
        self._begun.append((item, done))
        try:
            done.set_result(self._work(item))
        except Exception as error:
            done.set_exception(error)

    def finished(self, *, all_of_them: bool = False) -> Iterator[tuple[Item, Future[Result]]]:
        """Yield passes from the oldest on: those that are through, and as many more as make room.

        Args:
            all_of_them: wait for every pass.
        """
        while self._begun:
            if not (all_of_them or len(self._begun) > self._room or self._begun[0][1].done()):
                return
            item, future = self._begun.popleft()
            future.exception()  # waits, and raises nothing
            yield item, future
