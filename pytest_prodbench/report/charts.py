"""The curves of one pair as small drawings: coordinates here, tags in the template."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING

from pytest_prodbench.metrics import HEADLINE
from pytest_prodbench.report.scales import SHARES, LogScale, Tick, height, written
from pytest_prodbench.report.wording import count, figure

if TYPE_CHECKING:
    from pytest_prodbench.evidence.types import Curve, Measurement
    from pytest_prodbench.evidence.values import MetricValue

READ_AT = (1, 5, 10, 20)
"""Points of the cumulative match curve that are written below it."""

LEAST_SHARE = 0.001
"""Where the axis of wrongly accepted ones begins: what is rarer stands at its left end."""


@dataclass(frozen=True, slots=True)
class Line:
    """One curve; ``band`` is the area of its interval, ``dots`` are its points where they are few."""

    points: str
    band: str
    dots: tuple[tuple[str, str], ...]
    dashed: bool


@dataclass(frozen=True, slots=True)
class Chart:
    """One drawing, what it says in words, and what was assumed."""

    title: str
    x_label: str
    y_label: str
    x_ticks: tuple[Tick, ...]
    lines: tuple[Line, ...]
    legend: str
    reading: str
    notes: tuple[str, ...]
    y_ticks: tuple[Tick, ...] = SHARES


def charts(measurement: Measurement) -> tuple[Chart, ...]:
    """Return the drawings that a pair has curves for."""
    curves, metrics = measurement.curves, measurement.metrics
    found = (
        _match(curves.get("cumulative match")),
        _growth(
            curves.get(f"growth of the catalog, {HEADLINE}"),
            curves.get(f"growth of the catalog, {HEADLINE} beyond the catalog"),
        ),
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


def _match(curve: Curve | None) -> Chart | None:
    scale = None if curve is None else LogScale.around(curve.x)
    if curve is None or scale is None:
        return None
    read = [f"{figure(y)} at {x:g}" for x, y in zip(curve.x, curve.y, strict=False) if x in READ_AT]
    return Chart(
        title="Cumulative match",
        x_label=curve.x_label,
        y_label=curve.y_label,
        x_ticks=scale.ticks(),
        lines=(_line(curve, scale),),
        legend=_banded([curve]),
        reading=", ".join(read),
        notes=_notes([curve]),
    )


def _growth(measured: Curve | None, beyond: Curve | None) -> Chart | None:
    known = [curve for curve in (measured, beyond) if curve is not None]
    scale = LogScale.around(x for curve in known for x in curve.x)
    if scale is None:
        return None
    lines = [] if measured is None else [_line(measured, scale, dotted=True)]
    if beyond is not None:
        dots = _line(beyond, scale, dotted=True).dots
        lines.append(replace(_line(_joined(measured, beyond), scale, dashed=True), dots=dots))
    read = []
    for curve in known:
        points = list(zip(curve.x, curve.y, strict=False))
        for x, y in points if curve is beyond else points[:1] + points[1:][-1:]:
            word = " (extrapolated)" if curve is beyond else ""
            read.append(f"{figure(y)} at {count(round(x), 'image')}{word}")
    return Chart(
        title=f"Growth of the catalog ({HEADLINE})",
        x_label=known[0].x_label,
        y_label=known[0].y_label,
        x_ticks=scale.ticks(),
        lines=tuple(lines),
        legend="; ".join(filter(None, ["dashed: extrapolated" if beyond else "", _banded(known)])),
        reading=", ".join(read),
        notes=_notes(known),
    )


def _operating(
    title: str, solid: Curve | None, dashed: Curve | None, legend: str, reading: str
) -> Chart | None:
    """Draw accepted against wrongly accepted, the latter by its logarithm: rare errors are the question."""
    known = [curve for curve in (solid, dashed) if curve is not None and curve.x]
    if not known:
        return None
    scale = LogScale(LEAST_SHARE, 1.0)
    return Chart(
        title=title,
        x_label=known[0].x_label,
        y_label=known[0].y_label,
        x_ticks=scale.ticks(percent=True),
        lines=tuple(_line(curve, scale, dashed=curve is dashed, steps=True) for curve in known),
        legend=legend if len(known) > 1 else "",
        reading=reading,
        notes=_notes(known),
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


def _line(
    curve: Curve,
    scale: LogScale,
    *,
    dashed: bool = False,
    dotted: bool = False,
    steps: bool = False,
) -> Line:
    points = _places(zip(curve.x, curve.y, strict=False), scale)
    path = points
    if steps:
        # What is off the scale at its left end is one point: what was accepted at its beginning.
        first = sum(x == points[0][0] for x, _ in points) - 1
        points = points[max(first, 0) :]
        # At any other share of errors as many are accepted as at the last lower one.
        corners = pairwise(points)
        path = _distinct(
            [*points[:1], *(p for (_, y), (x, z) in corners for p in ((x, y), (x, z)))]
        )
    band = ""
    if curve.low and curve.high and len(points) > 1:
        upper = _places(zip(curve.x, curve.high, strict=False), scale)
        lower = _places(zip(curve.x, curve.low, strict=False), scale)
        band = _joined_up([*upper, *reversed(lower)])
    return Line(
        points=_joined_up(path) if len(path) > 1 else "",
        band=band,
        dots=tuple(points) if dotted or len(points) == 1 else (),
        dashed=dashed,
    )


def _places(points: Iterable[tuple[float, float]], scale: LogScale) -> list[tuple[str, str]]:
    return _distinct([(written(scale.at(x)), written(height(y))) for x, y in points])


def _distinct(points: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Leave out a point that is drawn where the one before it is."""
    return [point for place, point in enumerate(points) if not place or point != points[place - 1]]


def _joined_up(points: list[tuple[str, str]]) -> str:
    return " ".join(f"{x},{y}" for x, y in points)


def _banded(curves: list[Curve]) -> str:
    return "shaded: 95 % interval" if any(c.low and len(c.x) > 1 for c in curves) else ""


def _notes(curves: list[Curve]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(curve.note for curve in curves if curve.note))


def _read(metrics: Mapping[str, MetricValue], names: tuple[str, ...]) -> str:
    return ", ".join(f"{name} {figure(metrics[name].value)}" for name in names if name in metrics)
