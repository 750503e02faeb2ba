"""How the headline moved from run to run: of a sector, a dataset or a model, a line each."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_prodbench.metrics import HEADLINE
from pytest_prodbench.report.vega_lite import HEIGHT, Chart, Spec, short, specification, words
from pytest_prodbench.report.wording import count, figure

if TYPE_CHECKING:
    from datetime import datetime

    from pytest_prodbench.report.site.history import DatasetVersion, History, Point, SiteRun

LINES = 8
"""Colours that a page has, and so lines that a drawing shows: those that end highest."""

WIDTH = 560


@dataclass(frozen=True, slots=True, eq=False)
class Moment:
    """A mean of the headline over some datasets in one run, with its 95 % interval.

    Attributes:
        datasets: on which; a line is drawn through moments of the same ones only.
    """

    run: SiteRun
    datasets: frozenset[DatasetVersion]
    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True, eq=False)
class Line:
    """The moments of one name, oldest first."""

    name: str
    moments: tuple[Moment, ...]


def moment(points: Sequence[Point]) -> Moment:
    """Return the mean over the datasets of one run, all of one model.

    Its interval is put together from those of the datasets, which share no photo: the mean less or plus
    √Σ d² / n, d the distance of each value from the end of its interval ("variance estimates recovery";
    Zou & Donner, Statistics in Medicine 2008, §2).
    """
    n = len(points)
    value = sum(point.headline.value for point in points) / n
    below = sum((p.headline.value - p.headline.low) ** 2 for p in points) ** 0.5 / n
    above = sum((p.headline.high - p.headline.value) ** 2 for p in points) ** 0.5 / n
    return Moment(
        points[0].run,
        frozenset(point.dataset for point in points),
        value,
        max(value - below, 0.0),
        min(value + above, 1.0),
    )


def lines(points: Iterable[Point], name: Callable[[Point], str]) -> tuple[Line, ...]:
    """Return a line for each name, of a moment for each run."""
    found: dict[str, dict[SiteRun, list[Point]]] = {}
    for point in points:
        found.setdefault(name(point), {}).setdefault(point.run, []).append(point)
    return tuple(
        Line(one, tuple(moment(together) for together in runs.values()))
        for one, runs in sorted(found.items())
    )


@dataclass(frozen=True, slots=True, eq=False)
class Trend:
    """The lines of one sector; no chart where no line has two moments."""

    title: str
    lines: tuple[Line, ...]
    chart: Chart | None


def sector_trends(history: History) -> tuple[Trend, ...]:
    """Return, for each sector, a line a model: the mean over its datasets in each run."""
    found = []
    for sector in sorted({point.pair.sector for point in history.points}):
        mine = [point for point in history.points if point.pair.sector == sector]
        drawn = lines(mine, lambda point: point.model.name)
        title = sector or "no sector"
        found.append(Trend(title, drawn, trend(f"{HEADLINE} from run to run", "model", drawn)))
    return tuple(found)


def trend(title: str, about: str, found: Sequence[Line]) -> Chart | None:
    """Draw lines over time; None where no line has two moments.

    Args:
        title: of the drawing.
        about: what a line is: ``model``.
        found: the lines.
    """
    if not any(len(line.moments) > 1 for line in found):
        return None
    shown = sorted(found, key=lambda line: -line.moments[-1].value)[:LINES]
    rows = [row for line in shown for row in _rows(line)]
    x: Spec = {
        "field": "t",
        "type": "temporal",
        "title": None,
        "scale": {"type": "utc", "padding": 12},
        # The day's clock has 24 hours; the usual formats have twice twelve.
        "axis": {"tickCount": 5, "format": {"hours": "%H:%M", "minutes": "%H:%M"}},
    }
    y: Spec = {
        "field": "y",
        "type": "quantitative",
        "title": HEADLINE,
        "scale": {"zero": False, "nice": True},
        "axis": {"tickCount": 4},
    }
    colour: Spec = {
        "field": "name",
        "type": "nominal",
        "sort": [words(line.name, 40) for line in shown],
        "scale": {"range": [f"var(--line-{n})" for n in range(1, LINES + 1)]},
        "legend": {"orient": "bottom", "columns": 4, "columnPadding": 32, "labelLimit": 200},
    }
    spec = specification(
        rows,
        x,
        y,
        [
            {
                "mark": {"type": "line", "color": None},
                "encoding": {
                    "color": colour,
                    "detail": {"field": "same", "type": "nominal"},
                },
            },
            {
                "mark": {"type": "rule", "opacity": 0.45, "color": None},
                "encoding": {
                    "y": {"field": "low", "type": "quantitative", "title": HEADLINE},
                    "y2": {"field": "high"},
                    "color": colour,
                },
            },
            {
                "mark": {"type": "point", "size": 45, "color": None},
                "encoding": {
                    "color": colour,
                    "tooltip": [
                        {"field": "name", "title": about},
                        {"field": "run", "title": "run"},
                        {"field": "y", "title": HEADLINE, "format": ".3f"},
                        {"field": "low", "title": "low", "format": ".3f"},
                        {"field": "high", "title": "high", "format": ".3f"},
                    ],
                },
            },
        ],
    )
    spec["width"], spec["height"] = WIDTH, HEIGHT + 30
    moments = {moment.run for line in found for moment in line.moments}
    best = shown[0]
    broken = any(len({m.datasets for m in line.moments}) > 1 for line in shown)
    notes = []
    if len(found) > LINES:
        notes.append(f"The {LINES} of {len(found)} lines that end highest; the table has all.")
    if broken:
        notes.append("A line breaks where photos or definitions changed.")
    return Chart(
        title,
        f"{HEADLINE} over {count(len(moments), 'run')}, a line a {about}",
        spec,
        "upright: 95 % interval",
        f"highest at its end: {words(best.name, 40)}, {figure(best.moments[-1].value)}",
        tuple(notes),
    )


def _rows(line: Line) -> Iterable[dict[str, str | float]]:
    name = words(line.name, 40)
    stretch, before = 0, None
    for one in line.moments:
        stretch += one.datasets != before
        before = one.datasets
        yield {
            "t": _utc(one.run.started),
            "y": short(one.value),
            "low": short(one.low),
            "high": short(one.high),
            "name": name,
            # Nothing of the data: a drawing joins the points of one stretch.
            "same": f"{stretch}",
            "run": words(one.run.record.run, 60),
        }


def _utc(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
