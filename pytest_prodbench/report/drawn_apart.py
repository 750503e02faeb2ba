"""Many drawings at once, in processes of their own: vl-convert holds Python's lock while it draws.

What a process of its own cannot do is done again in this one, so that nothing here ever fails a page.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

FEWEST = 24
"""Fewer drawings are made where they are asked for: starting a process takes as long as twenty of them."""

MOST_PROCESSES = 4

SCRIPT_WEIGHT = 40
"""Making the script takes as long as so many drawings."""

SCRIPT = "window.vegaEmbed = vegaEmbed;"
"""What the script of the charts does once it is loaded."""

_PROCESS = """
import json, sys, vl_convert
asked = json.load(sys.stdin)
drawn = [vl_convert.vegalite_to_svg(text, allowed_base_urls=[]) for text in asked["texts"]]
script = vl_convert.javascript_bundle(asked["script"]) if asked["script"] else None
json.dump({"drawn": drawn, "script": script}, sys.stdout)
"""


class DrawnApart:
    """Drawings that other processes are making."""

    def __init__(self, texts: Sequence[str], *, script: bool) -> None:
        """Begin to draw; returns at once.

        Args:
            texts: specifications as JSON; nothing is begun for a few.
            script: whether the script of the charts is to be made, too.
        """
        self._place: dict[str, tuple[Future[dict[str, list[str]]], int]] = {}
        self._script: Future[dict[str, list[str]]] | None = None
        processes = min(os.cpu_count() or 1, MOST_PROCESSES, len(texts) // (FEWEST // 2))
        if len(texts) < FEWEST or processes < 2:
            return
        parts = shares(texts, processes, SCRIPT_WEIGHT if script else 0)
        pool = ThreadPoolExecutor(processes)  # of threads that wait for the processes
        for number, part in enumerate(parts):
            wanted = script and number == 0
            future = pool.submit(_draw, part, SCRIPT if wanted else "")
            self._place |= {text: (future, place) for place, text in enumerate(part)}
            if wanted:
                self._script = future
        pool.shutdown(wait=False)

    def drawing(self, text: str) -> str | None:
        """Return the SVG of a specification, once it is drawn; None if it is not made here."""
        if text not in self._place:
            return None
        future, place = self._place[text]
        drawn = future.result().get("drawn")
        return drawn[place] if drawn else None

    def script(self) -> str | None:
        """Return the script of the charts, once it is made; None if it is not made here."""
        if self._script is None:
            return None
        script = self._script.result().get("script")
        return None if script is None else str(script)


def shares(texts: Sequence[str], processes: int, extra: int) -> list[list[str]]:
    """Deal drawings to processes, of which the first has ``extra`` drawings' work besides."""
    parts: list[list[str]] = [[] for _ in range(processes)]
    for text in texts:
        least = min(
            range(processes), key=lambda number: len(parts[number]) + (extra if number == 0 else 0)
        )
        parts[least].append(text)
    return parts


def _draw(texts: Sequence[str], script: str) -> dict[str, list[str]]:
    """Return what a process made; empty where it could not."""
    try:
        # -P: no file of the folder that it runs in is taken for a module.
        process = subprocess.run(  # noqa: S603
            [sys.executable, "-P", "-c", _PROCESS],
            input=json.dumps({"texts": list(texts), "script": script}),
            capture_output=True,
            text=True,
            encoding="utf-8",
            env=os.environ | {"PYTHONIOENCODING": "utf-8"},
            check=True,
        )
        made = json.loads(process.stdout)
    except (OSError, ValueError, subprocess.SubprocessError):
        return {}
    return made if isinstance(made, dict) and len(made["drawn"]) == len(texts) else {}
