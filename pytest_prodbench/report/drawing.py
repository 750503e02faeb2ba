"""Vega-Lite specifications as drawings: an SVG that needs no script, and the script that makes them answer.

Both come from vl-convert, which carries Vega, Vega-Lite and Vega-Embed and asks no network.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import xml.etree.ElementTree as ET
from collections.abc import Callable
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_prodbench.atomic import atomic_write_bytes
from pytest_prodbench.report.drawn_apart import SCRIPT, DrawnApart
from pytest_prodbench.report.vega import bundle, drawn

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pytest_prodbench.report.vega_lite import Spec

FOLDER = "charts"

LIBRARY = "vega.js"
"""Name of the charts' script in the cache."""

MOST_REMEMBERED = 512
"""Drawings that a process remembers, some 20 kB each: a page is often made more than once."""

_remembered: dict[str, str] = {}

_SVG = "http://www.w3.org/2000/svg"

TAGS = frozenset(
    f"{{{_SVG}}}{name}"
    for name in ("svg", "g", "path", "line", "rect", "text", "tspan", "circle", "defs", "clipPath")
)
ATTRIBUTES = frozenset(
    (
        *("d", "x", "y", "x1", "x2", "y1", "y2", "dx", "dy", "cx", "cy", "r", "width", "height"),
        *(
            "viewBox",
            "transform",
            "fill",
            "fill-opacity",
            "stroke",
            "stroke-width",
            "stroke-opacity",
        ),
        *("stroke-dasharray", "stroke-linecap", "stroke-linejoin", "stroke-miterlimit", "opacity"),
        *("font-family", "font-size", "font-weight", "font-style", "text-anchor"),
    )
)
"""All that a drawing may hold: nothing that runs, loads or links."""


class Drawings:
    """SVGs of specifications; kept in the cache, by what they are made of, from run to run."""

    def __init__(self, cache_dir: Path | None = None) -> None:
        self._cache = cache_dir and cache_dir / FOLDER
        self._apart = DrawnApart()

    def ahead(self) -> None:
        """Begin with the script, if it is not in the cache, before it is known what there is to draw.

        What was begun ends by itself, or with ``stop``.
        """
        if not self._script_known():
            self._apart.ahead()

    def stop(self) -> None:
        """End what was begun."""
        self._apart.stop()

    def begin(self, specs: Iterable[Spec], *, script: bool = True) -> None:
        """Begin to draw what will be asked for and is not in the cache, on other cores; returns at once.

        Args:
            specs: all that a page will ask for.
            script: whether it will ask for the script, too.
        """
        texts = dict.fromkeys(map(_text, specs))
        missing = [
            text
            for text in texts
            if text not in _remembered and self._in_cache(f"{_digest(text)}.svg") is None
        ]
        if self._apart.begun:
            self._apart = DrawnApart()  # another page
        self._apart.begin(missing, script=script and bool(missing) and not self._script_known())

    def svg(self, spec: Spec) -> str:
        """Return the drawing, as an element to stand in a page; colours are the page's variables."""
        text = _text(spec)

        def make() -> str:
            return _clean(_once(text, lambda: self._apart.drawing(text) or drawn(text)))

        return self._kept(f"{_digest(text)}.svg", make)

    def script(self) -> str:
        """Return Vega, Vega-Lite and Vega-Embed in one script that sets ``window.vegaEmbed``."""

        def make() -> str:
            # In a page, what looks like the end of its element would be.
            script = _once(LIBRARY, lambda: self._apart.script() or bundle(SCRIPT))
            return script.replace("</script", "<\\/script")

        return self._kept(LIBRARY, make)

    def _script_known(self) -> bool:
        return LIBRARY in _remembered or self._in_cache(LIBRARY) is not None

    def _kept(self, name: str, make: Callable[[], str]) -> str:
        kept = self._in_cache(name)
        if kept is not None:
            return kept
        text = make()
        path = self._path(name)
        if path is not None:
            with contextlib.suppress(OSError):  # a read-only folder costs the copy, not the picture
                atomic_write_bytes(path, f"{_digest(text)}\n{text}".encode(), durable=False)
        return text

    def _in_cache(self, name: str) -> str | None:
        """What is kept under a name; None where nothing whole is."""
        path = self._path(name)
        if path is not None:
            with contextlib.suppress(OSError, UnicodeDecodeError):
                digest, _, text = path.read_text(encoding="utf-8").partition("\n")
                if digest == _digest(text):
                    return text
        return None

    def _path(self, name: str) -> Path | None:
        if self._cache is None:
            return None
        return self._cache / f"vl-convert-{_version()}" / name


@cache
def _version() -> str:
    """Of what draws; reading it from disk for each chart takes longer than reading the chart."""
    return version("vl-convert-python")


def _text(spec: Spec) -> str:
    return json.dumps(_still(spec), sort_keys=True, ensure_ascii=False)


def _still(spec: Spec) -> Spec:
    """Leave out what only the pointer finds: unseen points are most of a drawing."""
    layers = [one for one in spec.get("layer", ()) if one["mark"].get("opacity") != 0]
    return {**spec, "layer": layers} if layers else spec


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def _once(key: str, make: Callable[[], str]) -> str:
    """Return what was made under a key in this process, or make it."""
    if key not in _remembered:
        made = make()
        if len(_remembered) >= MOST_REMEMBERED:
            del _remembered[next(iter(_remembered))]  # the oldest
        _remembered[key] = made
    return _remembered[key]


def _clean(svg: str) -> str:
    """Keep what is drawn and nothing else.

    Raises:
        ValueError: the drawing holds an element that no drawing of ours has.
    """
    root = ET.fromstring(svg)  # noqa: S314 - written by vl-convert, a moment ago
    for element in root.iter():
        if element.tag not in TAGS:
            raise ValueError(
                f"a drawing with {element.tag!r} in it; expected lines, areas and text"
            )
        for name in set(element.attrib) - ATTRIBUTES:
            del element.attrib[name]
    root.set("aria-hidden", "true")  # the words beside it say what it shows
    ET.register_namespace("", _SVG)
    return ET.tostring(root, encoding="unicode")
