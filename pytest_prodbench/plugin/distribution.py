"""The xdist part: how many workers, what each is told, who gets which pair. Loaded only with xdist."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

import pytest

from pytest_prodbench.plugin.in_use import WORKER_INPUT, session_of

if TYPE_CHECKING:
    from xdist.remote import Producer
    from xdist.scheduler import Scheduling
    from xdist.workermanage import WorkerController


class Distribution:
    """Hooks that xdist calls on the controller."""

    @pytest.hookimpl(tryfirst=True)
    def pytest_xdist_auto_num_workers(self, config: pytest.Config) -> int | None:
        """As many workers as there is hardware for, never more than there are pairs.

        Steps aside (None) where no pair is planned, or where xdist's own variable gives a number.
        """
        state = session_of(config)
        if state is None or not state.plans or os.environ.get("PYTEST_XDIST_AUTO_NUM_WORKERS"):
            return None
        from pytest_prodbench.embedding.device import cpu_count, visible_gpus
        from pytest_prodbench.evaluation.planning import is_selected

        pairs = sum(is_selected(plan, state.settings) for plan in state.plans.values())
        gpus = [] if state.settings.device == "cpu" else visible_gpus()
        hardware = len(gpus) or cpu_count() // max(1, state.settings.threads)
        return max(1, min(hardware, pairs))

    def pytest_configure_node(self, node: WorkerController) -> None:
        """Tell a worker the settings of the controller and its GPU."""
        state = session_of(node.config)
        if state is None:
            return
        from pytest_prodbench.embedding.device import visible_gpus
        from pytest_prodbench.plugin.progress import board_address

        gpus = [] if state.settings.device != "auto" else visible_gpus()
        index = int("".join(filter(str.isdigit, node.gateway.id)) or 0)
        node.workerinput[WORKER_INPUT] = {
            "settings": state.settings.model_dump_json(),
            "judged_by": state.judged_by,
            # An index into what this process may see, which need not be all GPUs of the machine.
            "gpu": gpus[index % len(gpus)] if gpus else None,
            "progress": board_address(node.config),
        }

    def pytest_xdist_node_collection_finished(
        self, node: WorkerController, ids: Sequence[str]
    ) -> None:
        """Begin the run when the first worker says what is selected."""
        from pytest_prodbench.plugin.collection import begin_run

        begin_run(node.config, ids)
        state = session_of(node.config)
        if state is not None and state.run is not None:
            state.run.workers = int(node.workerinput["workercount"])

    def pytest_testnodedown(self, node: WorkerController) -> None:
        """Hear from a worker that ends which pairs were deselected."""
        from pytest_prodbench.plugin.collection import DESELECTED

        state = session_of(node.config)
        if state is not None:
            state.deselected.update(getattr(node, "workeroutput", {}).get(DESELECTED, ()))

    @pytest.hookimpl(tryfirst=True)
    def pytest_xdist_make_scheduler(
        self, config: pytest.Config, log: Producer
    ) -> Scheduling | None:
        """Keep a model on one worker; only where the user left ``--dist`` at its default."""
        state = session_of(config)
        if state is None or not state.plans or config.getvalue("dist") != "load":
            return None
        from pytest_prodbench.plugin.scheduling import ModelScheduling

        def model_of(nodeid: str) -> str:
            name = state.pair_of(nodeid)
            return "" if name is None else state.plans[name].model.name

        scheduler: Scheduling = ModelScheduling(config, log, model_of)
        return scheduler
