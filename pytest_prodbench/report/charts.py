"""The curves of a pair as charts, each with what it says in words."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from pytest_prodbench.metrics import HEADLINE
from pytest_prodbench.report.score_histogram import score_histogram
from pytest_prodbench.report.vega_lite import (
    HEIGHT,
    WIDTH,
    Chart,
    Spec,
    short,
    specification,
    words,
)
from pytest_prodbench.report.wording import count, figure

if TYPE_CHECKING:
    import pyarrow as pa

    from pytest_prodbench.evidence.measured import Curve
    from pytest_prodbench.evidence.types import Measurement
    from pytest_prodbench.evidence.values import MetricValue

READ_AT = (1, 5, 10, 20)
"""Points of the cumulative match curve that are written below it."""

LEAST_SHARE = 0.001
"""Where the axis of wrongly accepted ones begins: what is rarer stands at its left end."""

PIXELS = 1.5
"""Points nearer than this to the one before, across and up, are not drawn: nobody sees them."""

SMALLEST, LARGEST = 1e-9, 1e15
"""What a logarithmic axis is stretched for; nothing that is measured is beyond."""


def charts(measurement: Measurement, table: pa.Table | None = None) -> tuple[Chart, ...]:
    """Return the drawings that a pair has curves for, and the scores of its first results."""
    found = (
        match_curve(measurement),
        catalog_growth(measurement),
        None if table is None else score_histogram(table),
        verification(measurement),
        open_set(measurement),
    )
    return tuple(chart for chart in found if chart is not None)


def match_curve(measurement: Measurement) -> Chart | None:
    """Return recall@k by k; None where it was not measured, as with the others."""
    return _match(measurement.curves.get("cumulative match"))


def catalog_growth(measurement: Measurement) -> Chart | None:
    """Return the headline by the number of gallery images, measured and beyond."""
    return _growth(
        measurement.curves.get(f"growth of the catalog, {HEADLINE}"),
        measurement.curves.get(f"growth of the catalog, {HEADLINE} beyond the catalog"),
    )


def verification(measurement: Measurement) -> Chart | None:
    """Return genuine pairs accepted against wrong ones, all of them and look-alikes alone."""
    return _operating(
        "Verification: is this the very item?",
        measurement.curves.get("verification"),
        measurement.curves.get("verification: look-alikes"),
        "solid: against all wrong pairs; dashed: against look-alikes alone",
        _read(measurement.metrics, ("eer", "tar_far_1pct", "tar_far_1pct_alike")),
    )


def open_set(measurement: Measurement) -> Chart | None:
    """Return known queries accepted, and identified, against unknown ones."""
    return _operating(
        "Open set: is it in the catalog at all?",
        measurement.curves.get("open set: accepted"),
        measurement.curves.get("open set: identified"),
        "solid: accepted; dashed: accepted, and the first result is right",
        _read(measurement.metrics, ("auroc", "fpr95", "dir_far_1pct")),
    )


def _match(curve: Curve | None) -> Chart | None:
    rows = [] if curve is None else _rows(curve)
    if curve is None or not rows:
        return None
    read = [f"{figure(y)} at {x:g}" for x, y in zip(curve.x, curve.y, strict=False) if x in READ_AT]
    return Chart(
        "Cumulative match (recall@k)",
        _by(curve),
        specification(
            rows, _x(curve), _y(curve), [*_band(curve), _line(), _dots(curve, unseen=True)]
        ),
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
        specification(rows, _x(known[0]), _y(known[0]), layers),
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
        specification(rows, x, _y(known[0]), layers),
        legend if len(known) > 1 else "",
        reading,
        _notes(known),
    )


def _operating_rows(curve: Curve) -> list[dict[str, float]]:
    """What is off the scale at its left end is one point: what was accepted at its beginning."""
    rows = [row | {"x": max(row["x"], LEAST_SHARE)} for row in _rows(curve, positive=False)]
    first = sum(row["x"] <= LEAST_SHARE for row in rows) - 1
    return _apart([row for row in rows[max(first, 0) :] if row["x"] <= 1])


def _apart(rows: list[dict[str, float]]) -> list[dict[str, float]]:
    """Leave out points that stand on the one before; the first and the last stay."""
    kept = rows[:1]
    for place, row in enumerate(rows[1:], start=2):
        across = WIDTH * math.log(row["x"] / kept[-1]["x"]) / -math.log(LEAST_SHARE)
        up = HEIGHT * abs(row["y"] - kept[-1]["y"])
        if max(across, up) >= PIXELS or place == len(rows):
            kept.append(row)
    return kept


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


def _rows(curve: Curve, *, positive: bool = True) -> list[dict[str, float]]:
    """The points of a curve that can be drawn; shares are kept between 0 and 1."""
    rows = []
    for place, (x, y) in enumerate(zip(curve.x, curve.y, strict=False)):
        if positive and not SMALLEST <= x <= LARGEST:
            continue
        row = {"x": short(x), "y": _share(y)}
        if _has_band(curve, place):
            assert curve.low is not None and curve.high is not None  # noqa: S101, PT018
            row |= {"low": _share(curve.low[place]), "high": _share(curve.high[place])}
        rows.append(row)
    return rows


def _share(value: float) -> float:
    return short(min(max(value, 0.0), 1.0))


def _has_band(curve: Curve, place: int) -> bool:
    return bool(curve.low and curve.high) and place < min(
        len(curve.low or ()), len(curve.high or ())
    )


def _x(curve: Curve) -> Spec:
    return {
        "field": "x",
        "type": "quantitative",
        "title": words(curve.x_label, 48),
        "scale": {"type": "log", "nice": False},
        "axis": {"format": "~s", "tickCount": 4},
    }


def _y(curve: Curve) -> Spec:
    return {
        "field": "y",
        "type": "quantitative",
        "title": words(curve.y_label, 48),
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
        # Clipped, or they would make room for themselves that the drawing without them does not have.
        mark |= {"opacity": 0, "size": 80, "clip": True}
    tooltip = [
        {"field": "x", "title": words(curve.x_label, 48), "format": ".4~g"},
        {"field": "y", "title": words(curve.y_label, 48), "format": ".3f"},
    ]
    if curve.low and curve.high:
        tooltip += [
            {"field": "low", "title": "from", "format": ".3f"},
            {"field": "high", "title": "to", "format": ".3f"},
        ]
    return {"mark": mark, "encoding": {"tooltip": tooltip}}


def _by(curve: Curve) -> str:
    return f"{words(curve.y_label, 60)} by {words(curve.x_label, 60)}"


def _banded(curves: list[Curve]) -> str:
    return "shaded: 95 % interval" if any(c.low and len(c.x) > 1 for c in curves) else ""


def _notes(curves: list[Curve]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(curve.note for curve in curves if curve.note))


def _read(metrics: Mapping[str, MetricValue], names: tuple[str, ...]) -> str:
    return ", ".join(f"{name} {figure(metrics[name].value)}" for name in names if name in metrics)
