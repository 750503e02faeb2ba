"""How far a rendering is: a bar on a terminal, lines in a log."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Say = Callable[[str], None]

Advance = Callable[[str], None]
"""Told of each picture that is done; an empty name: it failed, and that was said already."""


@contextmanager
def shown(name: str, total: int, say: Say) -> Iterator[Advance]:
    """Show the progress of ``total`` pictures of a catalog while the context is open.

    On a terminal a bar stands below what is printed meanwhile; elsewhere ``say`` gets a line a picture.
    """
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    console = Console(stderr=True)
    if not total or not console.is_terminal:
        yield _lines(name, total, say)
        return
    with Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(compact=True, elapsed_when_finished=True),
        TextColumn("{task.fields[image]}", markup=False),
        console=console,
    ) as bar:
        task = bar.add_task(name, total=total, image="")

        def advance(image: str) -> None:
            bar.update(task, advance=1, image=image)

        yield advance


def _lines(name: str, total: int, say: Say) -> Advance:
    begun, done = time.monotonic(), 0

    def advance(image: str) -> None:
        nonlocal done
        done += 1
        each = (time.monotonic() - begun) / done
        minutes, seconds = divmod(round(each * (total - done)), 60)
        if image:
            say(f"{name} {done}/{total} {image}, {each:.2f} s each, {minutes}:{seconds:02} left")

    return advance
