"""The charts of a page as Vega-Lite specifications, each with what it says in words.

Everything of the data is a value in a row or a title; no expression, field name or encoding comes from it.
Colours are variables of the page's style, so that one specification serves light, dark and print.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pytest_prodbench.metrics import HEADLINE
from pytest_prodbench.report.wording import count, figure, line, unturned

if TYPE_CHECKING:
    import pyarrow as pa

    from pytest_prodbench.evidence.types import Curve, Measurement, RunRecord, Timing
    from pytest_prodbench.evidence.values import MetricValue

Spec = dict[str, Any]
"""A Vega-Lite specification."""

READ_AT = (1, 5, 10, 20)
"""Points of the cumulative match curve that are written below it."""

LEAST_SHARE = 0.001
"""Where the axis of wrongly accepted ones begins: what is rarer stands at its left end."""

SMALLEST, LARGEST = 1e-9, 1e15
"""What a logarithmic axis is stretched for; nothing that is measured is beyond."""

BINS = 24
"""Of the histogram of scores."""

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
        "orient": "top-right",
        "title": None,
        "labelColor": "var(--quiet)",
        "labelFontSize": 11,
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


def charts(measurement: Measurement, table: pa.Table | None = None) -> tuple[Chart, ...]:
    """Return the drawings that a pair has curves for, and the scores of its first results."""
    curves, metrics = measurement.curves, measurement.metrics
    found = (
        _match(curves.get("cumulative match")),
        _growth(
            curves.get(f"growth of the catalog, {HEADLINE}"),
            curves.get(f"growth of the catalog, {HEADLINE} beyond the catalog"),
        ),
        None if table is None else _scores(table),
        _operating(
            "Verification: is this the very item?",
            curves.get("verification"),
            curves.get("verification: look-alikes"),
            "solid: against all wrong pairs; dashed: against look-alikes alone",
            _read(metrics, ("eer", "tar_far_1pct", "tar_far_1pct_alike")),
        ),
        _operating(
            "Open set: is it in the catalog at all?",
            curves.get("open set: accepted"),
            curves.get("open set: identified"),
            "solid: accepted; dashed: accepted, and the first result is right",
            _read(metrics, ("auroc", "fpr95", "dir_far_1pct")),
        ),
    )
    return tuple(chart for chart in found if chart is not None)


def trade_offs(record: RunRecord) -> tuple[Chart, ...]:
    """Return what accuracy costs, one drawing a cost in which models of the run are known to differ.

    Time is that of embedding in this run, decoding and preprocessing with it, of models whose images were
    not all in the cache; latency and price are there where a rule asks for them. Accuracy is the mean
    headline over the datasets on which every model that is drawn was measured. A model is on the front if no
    other is at least as good in both and better in one.
    """
    measured: dict[str, dict[str, float]] = {}
    costs: dict[str, dict[str, list[float]]] = {}
    for pair in record.pairs:
        if pair.measurement is None or HEADLINE not in pair.measurement.metrics:
            continue
        measured.setdefault(pair.model, {})[pair.dataset] = pair.measurement.metrics[HEADLINE].value
        for name, value in _costs_of(pair.measurement, pair.timing).items():
            costs.setdefault(name, {}).setdefault(pair.model, []).append(value)
    titles = {
        "embedding": ("Accuracy and time", "ms an image, embedded in this run"),
        "latency_p95_ms": ("Accuracy and latency", "95th percentile of one image, ms"),
        "bytes_per_vector": ("Accuracy and size", "bytes a vector, float32"),
        "price_per_1000": ("Accuracy and price", "price of 1,000 images"),
    }
    found = []
    for name, (title, label) in titles.items():
        models = [model for model in measured if model in costs.get(name, {})]
        shared = set.intersection(*(set(measured[model]) for model in models)) if models else set()
        if not shared:
            continue
        points = [
            (
                model,
                max(costs[name][model]),
                sum(measured[model][dataset] for dataset in shared) / len(shared),
            )
            for model in models
        ]
        if len({cost for _, cost, _ in points}) > 1:
            found.append(_trade_off(title, label, points, len(shared)))
    return tuple(found)


def _costs_of(measurement: Measurement, timing: Timing) -> dict[str, float]:
    costs = {name: value for name, value in timing.costs.items() if value > 0}
    if timing.images_embedded and timing.embed_s > 0:
        costs["embedding"] = 1000 * timing.embed_s / timing.images_embedded
    if measurement.embedding is not None:
        costs.setdefault("bytes_per_vector", float(measurement.embedding.bytes_per_vector))
    return costs


def front(points: Sequence[tuple[str, float, float]]) -> list[str]:
    """Return the (name, cost, worth) that no other beats: as cheap and as good, and better in one."""
    return [
        name
        for name, cost, worth in points
        if not any(c <= cost and w >= worth and (c < cost or w > worth) for _, c, w in points)
    ]


def _trade_off(
    title: str, label: str, points: Sequence[tuple[str, float, float]], datasets: int
) -> Chart:
    best = front(points)
    rows = [{"x": _short(x), "y": _short(y), "name": _text(name, 40)} for name, x, y in points]
    edge = [
        {"x": _short(x), "y": _short(y)}
        for x, y in sorted((x, y) for name, x, y in points if name in best)
    ]
    x = {
        "field": "x",
        "type": "quantitative",
        "title": label,
        "scale": {"type": "log", "nice": False, "padding": 48},
        "axis": {"format": "~s", "tickCount": 4},
    }
    y = {
        "field": "y",
        "type": "quantitative",
        "title": f"mean {HEADLINE}",
        "scale": {"zero": False, "padding": 14},
        "axis": {"tickCount": 4},
    }
    spec = _spec(
        rows,
        x,
        y,
        [
            {
                "data": {"values": edge},
                "mark": {"type": "line", "interpolate": "step-after", "strokeDash": [5, 3]},
            },
            {
                "mark": {"type": "point", "size": 60},
                "encoding": {
                    "tooltip": [
                        {"field": "name", "title": "model"},
                        {"field": "x", "title": label},
                        {"field": "y", "title": f"mean {HEADLINE}", "format": ".3f"},
                    ]
                },
            },
            {
                "mark": {"type": "text", "dy": -10},
                "encoding": {"text": {"field": "name", "type": "nominal"}},
            },
        ],
    )
    named = ", ".join(_text(name, 40) for name in best)
    return Chart(
        title,
        f"mean {HEADLINE} by {label}, a point a model",
        spec,
        "dashed: the front; every model off it is beaten by one on it",
        f"on the front: {named}",
        (f"Mean over {count(datasets, 'dataset')} that all of them were measured on.",),
    )


def _match(curve: Curve | None) -> Chart | None:
    rows = [] if curve is None else _rows(curve)
    if curve is None or not rows:
        return None
    read = [f"{figure(y)} at {x:g}" for x, y in zip(curve.x, curve.y, strict=False) if x in READ_AT]
    return Chart(
        "Cumulative match",
        _by(curve),
        _spec(rows, _x(curve), _y(curve), [*_band(curve), _line(), _dots(curve, unseen=True)]),
        _banded([curve]),
        ", ".join(read),
        _notes([curve]),
    )


def _growth(measured: Curve | None, beyond: Curve | None) -> Chart | None:
    known = [c for c in (measured, beyond) if c is not None and _rows(c)]
    if not known:
        return None
    rows, layers = [], []
    for curve in known:
        dashed = curve is beyond
        # The dashes begin where the measured curve ends.
        joined = _joined(measured, curve) if dashed else curve
        kind = "extrapolated" if dashed else "measured"
        rows += [row | {"kind": kind, "own": True} for row in _rows(curve)]
        rows += [row | {"kind": kind, "own": False} for row in _rows(joined)]
        drawn = {"filter": f"datum.kind === '{kind}' && !datum.own"}
        layers += [layer | {"transform": [drawn]} for layer in _band(joined)]
        layers.append(_line(dashed=dashed) | {"transform": [drawn]})
        dots = _dots(curve, hollow=dashed)
        layers.append(dots | {"transform": [{"filter": f"datum.kind === '{kind}' && datum.own"}]})
    read = []
    for curve in known:
        points = list(zip(curve.x, curve.y, strict=False))
        for x, y in points if curve is beyond else points[:1] + points[1:][-1:]:
            word = " (extrapolated)" if curve is beyond else ""
            read.append(f"{figure(y)} at {count(round(x), 'image')}{word}")
    return Chart(
        f"Growth of the catalog ({HEADLINE})",
        _by(known[0]),
        _spec(rows, _x(known[0]), _y(known[0]), layers),
        "; ".join(filter(None, ["dashed: extrapolated" if beyond else "", _banded(known)])),
        ", ".join(read),
        _notes(known),
    )


def _operating(
    title: str, solid: Curve | None, dashed: Curve | None, legend: str, reading: str
) -> Chart | None:
    """Draw accepted against wrongly accepted, the latter by its logarithm: rare errors are the question."""
    known = [curve for curve in (solid, dashed) if curve is not None and curve.x]
    if not known:
        return None
    rows, layers = [], []
    for curve in known:
        kind = "dashed" if curve is dashed else "solid"
        rows += [row | {"kind": kind} for row in _operating_rows(curve)]
        drawn = [{"filter": f"datum.kind === '{kind}'"}]
        drawing = (
            *_band(curve, steps=True),
            _line(dashed=curve is dashed, steps=True),
            _dots(curve, unseen=True),
        )
        layers += [layer | {"transform": drawn} for layer in drawing]
    x = _x(known[0]) | {
        "scale": {"type": "log", "domain": [LEAST_SHARE, 1], "nice": False},
        "axis": {"format": "~%", "values": [0.001, 0.01, 0.1, 1]},
    }
    return Chart(
        title,
        _by(known[0]),
        _spec(rows, x, _y(known[0]), layers),
        legend if len(known) > 1 else "",
        reading,
        _notes(known),
    )


def _operating_rows(curve: Curve) -> list[dict[str, float]]:
    """What is off the scale at its left end is one point: what was accepted at its beginning."""
    rows = [row | {"x": max(row["x"], LEAST_SHARE)} for row in _rows(curve, positive=False)]
    first = sum(row["x"] <= LEAST_SHARE for row in rows) - 1
    return [row for row in rows[max(first, 0) :] if row["x"] <= 1]


def _scores(table: pa.Table) -> Chart | None:
    """The score of the first result, where it is right and where it is wrong."""
    known = [
        (scores[0], "right" if right[0] else "wrong")
        for scores, right in zip(
            table["top_scores"].to_pylist(), table["top_relevant"].to_pylist(), strict=True
        )
        if scores and math.isfinite(scores[0])
    ]
    if not known:
        return None
    low, high = min(s for s, _ in known), max(s for s, _ in known)
    width = (high - low) / BINS or 1e-6
    counted: dict[tuple[int, str], int] = {}
    for score, kind in known:
        key = (min(int((score - low) / width), BINS - 1), kind)
        counted[key] = counted.get(key, 0) + 1
    rows = [
        {
            "x": _short(low + place * width),
            "to": _short(low + (place + 1) * width),
            "y": n,
            "first result": kind,
        }
        for (place, kind), n in sorted(counted.items())
    ]
    spec = _spec(
        rows,
        {
            "field": "x",
            "type": "quantitative",
            "title": "score of the first result",
            "scale": {"zero": False, "nice": False},
        },
        {
            "field": "y",
            "type": "quantitative",
            "title": "queries",
            "stack": None,
            "axis": {"tickCount": 4, "tickMinStep": 1},
        },
        [
            {
                "mark": {"type": "bar", "opacity": 0.6, "binSpacing": 0},
                "encoding": {
                    "x2": {"field": "to"},
                    "y2": {"datum": 0},
                    "color": {
                        "field": "first result",
                        "type": "nominal",
                        "scale": {"domain": ["right", "wrong"], "range": ["var(--accept)", "var(--reject)"]},
                    },
                    "tooltip": [
                        {"field": "first result", "type": "nominal"},
                        {"field": "y", "title": "queries"},
                        {"field": "x", "title": "from", "format": ".3f"},
                        {"field": "to", "title": "to", "format": ".3f"},
                    ],
                },
            }
        ],
    )  # fmt: skip
    right = sorted(score for score, kind in known if kind == "right")
    wrong = sorted(score for score, kind in known if kind == "wrong")
    read = [
        f"{kind} {count(len(scores))}, median {figure(scores[(len(scores) - 1) // 2])}"
        for kind, scores in (("right", right), ("wrong", wrong))
        if scores
    ]
    return Chart(
        "Scores of right and wrong first results",
        "number of queries by the score of their first result, right and wrong apart",
        spec,
        "",
        "; ".join(read),
        (),
    )


def _joined(measured: Curve | None, beyond: Curve) -> Curve:
    """Begin where the measured curve ends, so that the dashes meet it."""
    if measured is None or not measured.x or not measured.y:
        return beyond

    def after(end: Sequence[float] | None, rest: Sequence[float] | None) -> list[float] | None:
        return [end[-1], *rest] if end and rest else None

    return beyond.model_copy(
        update={
            "x": [measured.x[-1], *beyond.x],
            "y": [measured.y[-1], *beyond.y],
            "low": after(measured.low, beyond.low),
            "high": after(measured.high, beyond.high),
        }
    )


def _spec(rows: Sequence[Mapping[str, Any]], x: Spec, y: Spec, layers: Iterable[Spec]) -> Spec:
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


def _rows(curve: Curve, *, positive: bool = True) -> list[dict[str, float]]:
    """The points of a curve that can be drawn; shares are kept between 0 and 1."""
    rows = []
    for place, (x, y) in enumerate(zip(curve.x, curve.y, strict=False)):
        if positive and not SMALLEST <= x <= LARGEST:
            continue
        row = {"x": _short(x), "y": _share(y)}
        if _has_band(curve, place):
            assert curve.low is not None and curve.high is not None  # noqa: S101, PT018
            row |= {"low": _share(curve.low[place]), "high": _share(curve.high[place])}
        rows.append(row)
    return rows


def _share(value: float) -> float:
    return _short(min(max(value, 0.0), 1.0))


def _short(value: float) -> float:
    """Six digits are more than anybody sees; a page holds many thousand numbers."""
    return float(f"{value:.6g}")


def _has_band(curve: Curve, place: int) -> bool:
    return bool(curve.low and curve.high) and place < min(
        len(curve.low or ()), len(curve.high or ())
    )


def _x(curve: Curve) -> Spec:
    return {
        "field": "x",
        "type": "quantitative",
        "title": _text(curve.x_label, 48),
        "scale": {"type": "log", "nice": False},
        "axis": {"format": "~s", "tickCount": 4},
    }


def _y(curve: Curve) -> Spec:
    return {
        "field": "y",
        "type": "quantitative",
        "title": _text(curve.y_label, 48),
        "scale": {"domain": [0, 1]},
        "axis": {"values": [0, 0.5, 1], "format": ".1f"},
    }


def _band(curve: Curve, *, steps: bool = False) -> list[Spec]:
    if not (curve.low and curve.high) or len(curve.x) < 2:
        return []
    mark = {"type": "area"} | ({"interpolate": "step-after"} if steps else {})
    return [{"mark": mark, "encoding": {"y": {"field": "low"}, "y2": {"field": "high"}}}]


def _line(*, dashed: bool = False, steps: bool = False) -> Spec:
    mark: Spec = {"type": "line"}
    if dashed:
        mark["strokeDash"] = [5, 3]
    if steps:
        mark["interpolate"] = "step-after"
    return {"mark": mark}


def _dots(curve: Curve, *, hollow: bool = False, unseen: bool = False) -> Spec:
    """Points to be asked about; unseen ones are there for the pointer, unless one is all there is."""
    mark: Spec = {"type": "point"}
    if hollow:
        mark |= {"filled": False, "fill": "var(--card)"}
    if unseen and len(curve.x) > 1:
        mark |= {"opacity": 0, "size": 80}
    tooltip = [
        {"field": "x", "title": _text(curve.x_label, 48), "format": ".4~g"},
        {"field": "y", "title": _text(curve.y_label, 48), "format": ".3f"},
    ]
    if curve.low and curve.high:
        tooltip += [
            {"field": "low", "title": "from", "format": ".3f"},
            {"field": "high", "title": "to", "format": ".3f"},
        ]
    return {"mark": mark, "encoding": {"tooltip": tooltip}}


def _by(curve: Curve) -> str:
    return f"{_text(curve.y_label, 60)} by {_text(curve.x_label, 60)}"


def _text(text: str, limit: int) -> str:
    """Somebody else's words: one line, and no mark that turns text, which a drawing cannot isolate."""
    return line(unturned(text), limit)


def _banded(curves: list[Curve]) -> str:
    return "shaded: 95 % interval" if any(c.low and len(c.x) > 1 for c in curves) else ""


def _notes(curves: list[Curve]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(curve.note for curve in curves if curve.note))


def _read(metrics: Mapping[str, MetricValue], names: tuple[str, ...]) -> str:
    return ", ".join(f"{name} {figure(metrics[name].value)}" for name in names if name in metrics)
