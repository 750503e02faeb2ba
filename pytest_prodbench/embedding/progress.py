"""What an embedding in progress tells about itself; who draws it is not its business."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ProgressEvent:
    """State of one pair's embedding.

    Attributes:
        done: images embedded so far in this run.
        total: images that have to be embedded in this run.
        cached: images that were in the cache.
        seconds: since the first image was asked for.
    """

    done: int
    total: int
    cached: int
    seconds: float

    @property
    def rate(self) -> float:
        """Images a second; 0 before the first one."""
        return self.done / self.seconds if self.seconds > 0 else 0.0

    @property
    def seconds_left(self) -> float | None:
        """Estimate at the rate so far; None before the first image."""
        return (self.total - self.done) / self.rate if self.done and self.seconds > 0 else None


OnProgress = Callable[[ProgressEvent], None]
