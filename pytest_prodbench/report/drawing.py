"""Vega-Lite specifications as drawings: an SVG that needs no script, and the script that makes them answer.

Both come from vl-convert, which carries Vega, Vega-Lite and Vega-Embed and asks no network.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import xml.etree.ElementTree as ET
from collections.abc import Callable
from functools import cache, lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_prodbench.atomic import atomic_write_bytes

if TYPE_CHECKING:
    from pytest_prodbench.report.vega_lite import Spec

FOLDER = "charts"

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

    def svg(self, spec: Spec) -> str:
        """Return the drawing, as an element to stand in a page; colours are the page's variables."""
        text = json.dumps(spec, sort_keys=True, ensure_ascii=False)
        return self._kept(f"{_digest(text)}.svg", lambda: _clean(_drawn(text)))

    def script(self) -> str:
        """Return Vega, Vega-Lite and Vega-Embed in one script that sets ``window.vegaEmbed``."""
        return self._kept("vega.js", _bundle)

    def _kept(self, name: str, make: Callable[[], str]) -> str:
        if self._cache is None:
            return make()
        path = self._cache / f"vl-convert-{version('vl-convert-python')}" / name
        with contextlib.suppress(OSError, UnicodeDecodeError):
            digest, _, text = path.read_text(encoding="utf-8").partition("\n")
            if digest == _digest(text):
                return text
        text = make()
        with contextlib.suppress(OSError):  # a read-only folder costs the copy, not the picture
            atomic_write_bytes(path, f"{_digest(text)}\n{text}".encode(), durable=False)
        return text


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]


@lru_cache(maxsize=256)
def _drawn(text: str) -> str:
    import vl_convert

    return str(vl_convert.vegalite_to_svg(text, allowed_base_urls=[]))


@cache
def _bundle() -> str:
    import vl_convert

    script = str(vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;"))
    # In a page, what looks like the end of its element would be.
    return script.replace("</script", "<\\/script")


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
