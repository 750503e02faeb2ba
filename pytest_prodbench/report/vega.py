"""Vega at work: what it is given as text comes back as text, here or from a process that does nothing else.

A process reads one request a line, ``{"script": SNIPPET}`` or ``{"texts": [SPECIFICATION, …]}``, and answers
each with one line, a list of what it made. It ends with its input.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from functools import cache, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_prodbench.report.curve_frames import filled, frame

if TYPE_CHECKING:
    from types import ModuleType
    from typing import TextIO

    from pytest_prodbench.report.vega_lite import Spec

MOST_COMPILED = 64
"""Specifications that are kept compiled, some 20 kB each."""

NICE = 5
"""How far a process stands back."""

ROWS = "rows"
"""Name of a specification's data while it is compiled without them."""

FONTS = "FONTCONFIG_FILE"
"""Variable that says which fonts there are, where it is known (Linux)."""

NO_FONTS = "<fontconfig><dir>{}</dir></fontconfig>"

SOME_TEXT = json.dumps(
    {"data": {"values": [{}]}, "mark": {"type": "text", "text": "a"}, "width": 9, "height": 9}
)
"""Drawing it, Vega loads its fonts."""


def drawn(text: str) -> str:
    """Return a Vega-Lite specification, JSON, as SVG.

    Charts of one kind differ in their rows alone. Where they are curves, the rest is drawn once.
    """
    spec = json.loads(text)
    framed = frame(spec)
    if framed is not None:
        whole = filled(_frame(json.dumps(framed)), framed, spec)
        if whole is not None:
            return whole
    return _by_vega(spec)


@lru_cache(MOST_COMPILED)
def _frame(text: str) -> str:
    return _by_vega(json.loads(text))


def _by_vega(spec: Spec) -> str:
    """Return a specification as Vega draws it.

    To compile it takes longer than half of the drawing: each kind is compiled once.
    """
    vega = _vega()
    data = spec.get("data")
    if isinstance(data, dict) and set(data) == {"values"}:
        compiled = _compiled(json.dumps(spec | {"data": {"name": ROWS, "values": []}}))
        if compiled is not None:
            sources = [
                one | {"values": data["values"]} if one["name"] == ROWS else one
                for one in compiled["data"]
            ]
            return str(vega.vega_to_svg(compiled | {"data": sources}, allowed_base_urls=[]))
    return str(vega.vegalite_to_svg(json.dumps(spec), allowed_base_urls=[]))


def bundle(snippet: str) -> str:
    """Return Vega, Vega-Lite and Vega-Embed as one script that ends with a snippet."""
    import vl_convert

    return str(vl_convert.javascript_bundle(snippet))


@cache
def _vega() -> ModuleType:
    """Load Vega with the one font that it brings.

    The machine's fonts are read from their files again for each text that is measured, which takes a third
    of the time; and without them a drawing is the same on every machine.
    """
    import vl_convert

    before = os.environ.get(FONTS)
    with tempfile.TemporaryDirectory() as empty:
        config = Path(empty) / "fonts.conf"
        config.write_text(NO_FONTS.format(empty), encoding="utf-8")
        os.environ[FONTS] = str(config)
        try:
            vl_convert.vegalite_to_svg(SOME_TEXT, allowed_base_urls=[])
        finally:
            del os.environ[FONTS]
            if before is not None:
                os.environ[FONTS] = before
    module: ModuleType = vl_convert
    return module


@lru_cache(MOST_COMPILED)
def _compiled(text: str) -> dict[str, Any] | None:
    """Compile a specification without rows; None where there is no one place to put them."""
    compiled: dict[str, Any] = _vega().vegalite_to_vega(text)
    places = [one for one in compiled.get("data", ()) if one["name"] == ROWS]
    return compiled if len(places) == 1 and places[0].get("values") == [] else None


def serve(requests: TextIO, answers: TextIO) -> None:
    """Answer every request; with an empty list what Vega refuses."""
    for line in requests:
        asked = json.loads(line)
        try:
            made = [bundle(asked["script"])] if "script" in asked else [*map(drawn, asked["texts"])]
        except ValueError:
            made = []
        answers.write(json.dumps(made) + "\n")
        answers.flush()


if __name__ == "__main__":
    # The process that writes the page goes first: it has to do what only it can.
    if sys.platform != "win32":
        os.nice(NICE)
    serve(sys.stdin, sys.stdout)
