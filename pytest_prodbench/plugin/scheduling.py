"""Which worker runs which pair: one model on one worker, and idle workers are lent the rest."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import pytest
from xdist.report import report_collection_diff
from xdist.workermanage import parse_tx_spec_config

if TYPE_CHECKING:
    from xdist.remote import Producer
    from xdist.workermanage import WorkerController

QUEUE = 2
"""Items a worker holds: xdist runs one only when it knows the next, or that there is none."""


class ModelScheduling:
    """Scheduler for xdist (its ``Scheduling`` protocol).

    A worker that needs work takes, in this order: the next pair of the model it has loaded; the first pair
    of the model with most pairs that no worker has; the next pair of the model with most pairs left. So a
    model is loaded twice only where a worker would otherwise be idle.
    """

    def __init__(
        self, config: pytest.Config, log: Producer, model_of: Callable[[str], str]
    ) -> None:
        """``model_of``: node id → model; ``""`` for a test that is no pair."""
        self.config = config
        self.log = log.prodbench
        self._model_of = model_of
        self._expected = len(parse_tx_spec_config(config))
        self._collections: dict[WorkerController, list[str]] = {}
        self._pending: dict[WorkerController, list[int]] = {}
        self._model: dict[WorkerController, str] = {}
        self._refused: set[WorkerController] = set()
        self._waiting: dict[str, deque[int]] = {}
        self.collection: list[str] | None = None

    @property
    def nodes(self) -> list[WorkerController]:
        """Every live worker."""
        return list(self._pending)

    @property
    def collection_is_completed(self) -> bool:
        """Whether every worker that was started at first has collected."""
        return len(self._collections) >= self._expected

    @property
    def tests_finished(self) -> bool:
        """Whether nothing waits and no worker holds more than the item that its shutdown lets it run.

        What waits while only refused workers are left waits for nobody: it will be missing.
        """
        return (
            self.collection_is_completed
            and (not self._left() or (bool(self._refused) and self._refused >= set(self._pending)))
            and all(len(pending) < QUEUE for pending in self._pending.values())
        )

    @property
    def has_pending(self) -> bool:
        """Whether any item is waiting or running."""
        return bool(self._left()) or any(self._pending.values())

    def add_node(self, node: WorkerController) -> None:
        """Take a worker that has started."""
        self._pending[node] = []

    def add_node_collection(self, node: WorkerController, collection: Sequence[str]) -> None:
        """Take what a worker has collected; a replacement that collected something else gets no work."""
        if self.collection is not None and list(collection) != self.collection:
            self._refused.add(node)
            self._refuse(node, list(collection), self.collection)
            return
        self._collections[node] = list(collection)

    def schedule(self) -> None:
        """Hand out work; called when a collection is complete, also that of a replacement."""
        if self.collection is None:
            first, *others = self._collections.items()
            for node, collection in others:
                if collection != first[1]:
                    self._refuse(node, collection, first[1])
                    return
            self.collection = first[1]
            for index, nodeid in enumerate(self.collection):
                self._waiting.setdefault(self._model_of(nodeid), deque()).append(index)
        # One each in turn, so that few items spread over all workers.
        for _ in range(QUEUE):
            for node in self._ready():
                if len(self._pending[node]) < QUEUE:
                    self._send_one(node)
        self._shut_down_the_idle()

    def mark_test_complete(
        self,
        node: WorkerController,
        item_index: int,
        duration: float = 0,  # noqa: ARG002 - part of the protocol
    ) -> None:
        """Refill a worker that has finished an item."""
        self._pending[node].remove(item_index)
        self._refill()

    def mark_test_pending(self, item: str) -> None:
        """Run an item once more (asked for by plugins that rerun crashed tests)."""
        assert self.collection is not None  # noqa: S101 - xdist asks only after a crash of a run item
        self._put_back(self.collection.index(item))
        self._refill()

    def remove_pending_tests_from_node(
        self, node: WorkerController, indices: Sequence[int]
    ) -> None:
        """Never called: this scheduler steals nothing."""
        raise RuntimeError(f"{node} gave back {list(indices)}, which nobody asked for")

    def remove_node(self, node: WorkerController) -> str | None:
        """Forget a worker; return the item that it was running, give the others back.

        Raises:
            KeyError: the worker is not known (xdist expects that).
        """
        pending = self._pending.pop(node)
        self._model.pop(node, None)
        self._refused.discard(node)
        if not pending or self.collection is None:
            return None
        crashed = self.collection[pending[0]]
        for index in reversed(pending[1:]):
            self._put_back(index)
        self._refill()
        return crashed

    def _refill(self) -> None:
        for node in self._ready():
            while len(self._pending[node]) < QUEUE and self._left():
                self._send_one(node)
        self._shut_down_the_idle()

    def _ready(self) -> list[WorkerController]:
        return [n for n in self._pending if n in self._collections and not n.shutting_down]

    def _send_one(self, node: WorkerController) -> None:
        model = self._choose(node)
        if model is None:
            return
        index = self._waiting[model].popleft()
        self._model[node] = model
        self._pending[node].append(index)
        node.send_runtest_some([index])

    def _choose(self, node: WorkerController) -> str | None:
        left = {model: len(items) for model, items in self._waiting.items() if items}
        if not left:
            return None
        if self._model.get(node) in left:
            return self._model[node]
        taken = set(self._model.values())
        free = {model: count for model, count in left.items() if model not in taken}
        candidates = free or left
        # Equal counts: the order of the collection decides, so that two runs schedule alike.
        return max(candidates, key=lambda model: (candidates[model], -self._waiting[model][0]))

    def _shut_down_the_idle(self) -> None:
        """With nothing left to hand out, tell workers so: only then do they run their last item."""
        if not self._left():
            for node in self._ready():
                node.shutdown()

    def _put_back(self, index: int) -> None:
        assert self.collection is not None  # noqa: S101 - items are sent only after it is known
        model = self._model_of(self.collection[index])
        self._waiting.setdefault(model, deque()).appendleft(index)

    def _left(self) -> int:
        return sum(len(items) for items in self._waiting.values())

    def _refuse(
        self, node: WorkerController, found: Sequence[str], expected: Sequence[str]
    ) -> None:
        message = report_collection_diff(expected, found, "the others", node.gateway.id)
        self.log(message)
        self.config.hook.pytest_collectreport(
            report=pytest.CollectReport(
                nodeid=node.gateway.id, outcome="failed", longrepr=str(message), result=[]
            )
        )
