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

    def words(self, pair: str) -> str:
        """Return what people read: images done, rate, and time left once it is known."""
        text = f"{pair} {self.done}/{self.total} images, {self.rate:.1f}/s"
        left = self.seconds_left
        if left is None:
            return text
        minutes, seconds = divmod(round(left), 60)
        hours, minutes = divmod(minutes, 60)
        clock = f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"
        return f"{text}, {clock} left"


OnProgress = Callable[[ProgressEvent], None]
