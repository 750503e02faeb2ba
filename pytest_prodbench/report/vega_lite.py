"""What a chart is: a Vega-Lite specification in the page's own colours, and what it says in words.

Everything of the data is a value in a row or a title; no expression, field name or encoding comes from it.
Colours are variables of the page's style, so that one specification serves light, dark and print.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pytest_prodbench.errors import unturned
from pytest_prodbench.report.wording import line

Spec = dict[str, Any]
"""A Vega-Lite specification."""

WIDTH, HEIGHT = 290, 150
"""Of the area in which marks are drawn, in pixels before the page scales it."""

CONFIG: Spec = {
    "aria": False,
    "background": None,
    "view": {"stroke": None},
    "axis": {
        "domain": False,
        "gridColor": "var(--rule)",
        "labelColor": "var(--quiet)",
        "labelFontSize": 11,
        # Nothing is cut: a label with a limit is measured twice as often, and these are numbers.
        "labelLimit": 0,
        "tickColor": "var(--rule)",
        "titleColor": "var(--quiet)",
        "titleFontSize": 11,
        "titleFontWeight": 400,
    },
    "axisX": {"grid": False, "titleAnchor": "end", "labelOverlap": True, "labelFlush": True},
    "axisY": {
        "titleAngle": 0,
        "titleAlign": "left",
        "titleAnchor": "end",
        "titleX": -32,
        "titleY": -12,
    },
    "legend": {
        # Above the marks, for it must hide none of them.
        "orient": "none",
        "legendX": WIDTH - 100,
        "legendY": -18,
        "direction": "horizontal",
        "title": None,
        "labelColor": "var(--quiet)",
        "labelFontSize": 11,
        "labelLimit": 0,
        "symbolType": "square",
    },
    "area": {"color": "var(--link)", "opacity": 0.16},
    "line": {"color": "var(--link)", "strokeWidth": 1.75},
    "point": {"color": "var(--link)", "filled": True, "size": 28, "opacity": 1},
    "rule": {"color": "var(--link)"},
    "text": {"color": "var(--ink)", "fontSize": 11},
}


@dataclass(frozen=True, slots=True)
class Chart:
    """One drawing, what it says in words, and what was assumed.

    Attributes:
        described: what is drawn, for those who do not see it; ``reading`` holds the numbers.
    """

    title: str
    described: str
    spec: Spec
    legend: str
    reading: str
    notes: tuple[str, ...]


def specification(
    rows: Sequence[Mapping[str, Any]], x: Spec, y: Spec, layers: Iterable[Spec]
) -> Spec:
    """Return layers over the same rows and axes."""
    return {
        "$schema": "https://vega.github.io/schema/vega-lite/v6.json",
        "config": CONFIG,
        "width": WIDTH,
        "height": HEIGHT,
        "padding": {"left": 4, "right": 12, "top": 4, "bottom": 4},
        "data": {"values": [dict(row) for row in rows]},
        "encoding": {"x": x, "y": y},
        "layer": list(layers),
    }


def short(value: float) -> float:
    """Return six digits of it: more than anybody sees, and a page holds many thousand numbers."""
    return float(f"{value:.6g}")


def words(text: str, limit: int) -> str:
    """Return somebody else's words: one line, no mark that turns text, which a drawing cannot isolate."""
    return line(unturned(text), limit)
