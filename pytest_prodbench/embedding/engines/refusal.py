"""What keeps an engine from running a model."""

from __future__ import annotations


class EngineRefusedError(Exception):
    """This engine does not run this model.

    Its text stands in the evidence where torch takes its place, so that it holds nothing that differs
    between two runs: no path, no address, no time.

    Attributes:
        details: what else is known, for the message to somebody who asked for the engine by name.
        next_step: what can be done.
    """

    def __init__(self, reason: str, *, details: str = "", next_step: str = "") -> None:
        super().__init__(reason)
        self.details, self.next_step = details, next_step
