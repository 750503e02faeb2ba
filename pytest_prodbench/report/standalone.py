"""A chart of the page as a specification that needs no page: its colours and its style stand in itself.

What Vega-Lite would take from ``config`` is written into each mark and axis: a chart with a ``config`` of its
own cannot be set beside another one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from pytest_prodbench.report.palette import palette
from pytest_prodbench.report.vega_lite import CONFIG, Chart, Spec, words
from pytest_prodbench.report.wording import wrap

if TYPE_CHECKING:
    from collections.abc import Mapping

LINE = 62
"""Characters of a line below a title."""


def standalone(chart: Chart, *, dark: bool = False) -> Spec:
    """Return what the page draws, with its title and what it says in words above it.

    Light is what is drawn on white; dark brings its own background.
    """
    colours = palette(dark=dark)
    # What only the outermost part may state is not stated, so that a chart can be a part.
    outer = {"$schema", "config", "padding"}
    plain = {key: value for key, value in chart.spec.items() if key not in outer}
    plain["layer"] = [_marked(layer) for layer in chart.spec["layer"]]
    plain["encoding"] = {
        channel: encoding | {"axis": _axis(channel) | encoding.get("axis", {})}
        for channel, encoding in chart.spec["encoding"].items()
    }
    spec = cast("Spec", _coloured(plain, colours))
    above = [part for text in (chart.reading, chart.legend) for part in wrap(text, LINE, 4)]
    spec |= {
        "description": " ".join(
            (f"{chart.described}.", *(words(note, 400) for note in chart.notes))
        ),
        "title": {
            "text": chart.title,
            "subtitle": above,
            "anchor": "start",
            "offset": 22,
            "color": colours["ink"],
            "subtitleColor": colours["quiet"],
        },
        "view": CONFIG["view"],
    }
    return spec | ({"background": colours["card"]} if dark else {})


def _axis(channel: str) -> Spec:
    return {**CONFIG["axis"], **CONFIG[f"axis{channel.upper()}"]}


def _marked(layer: Spec) -> Spec:
    mark: Spec = layer["mark"]
    styled = layer | {"mark": CONFIG.get(mark["type"], {}) | mark}
    color = layer.get("encoding", {}).get("color")
    if color is not None:
        legend = {"color": color | {"legend": CONFIG["legend"]}}
        styled["encoding"] = layer["encoding"] | legend
    return styled


def _coloured(part: Any, colours: Mapping[str, str]) -> Any:
    """Put a colour for each variable; rows and titles, which may hold text of the data, stay as they are.

    Raises:
        KeyError: a variable that is no colour of the page.
    """
    if isinstance(part, dict):
        return {
            key: value if key in {"data", "title"} else _coloured(value, colours)
            for key, value in part.items()
        }
    if isinstance(part, list):
        return [_coloured(value, colours) for value in part]
    if isinstance(part, str) and part.startswith("var(--"):
        return colours[part[len("var(--") : -1]]
    return part
