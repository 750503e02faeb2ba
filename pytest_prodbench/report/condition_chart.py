"""The headline by condition as one drawing: what each way of taking a photo costs, with intervals."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_prodbench.metrics import HEADLINE
from pytest_prodbench.report.conditions import columns
from pytest_prodbench.report.vega_lite import Chart, Spec, short, specification, words
from pytest_prodbench.report.wording import count, figure

if TYPE_CHECKING:
    from pytest_prodbench.evidence.types import Measurement
    from pytest_prodbench.report.conditions import Apart

ROW = 18
"""Height of one value, in pixels."""

MOST = 60
"""At most so many values are drawn; the rest is counted below."""


def recall_by_condition(measurement: Measurement) -> Chart | None:
    """Return a row a value, by condition and from the worst to the best; None where none has a headline.

    Hollow points have too few queries to be ranked.
    """
    rows: list[Spec] = []
    taken: dict[str, int] = {}
    for column in columns(measurement):
        known = [(part, part.recall) for part in column.slices if part.recall is not None]
        for part, recall in sorted(known, key=lambda pair: (pair[1].value, pair[0].name)):
            name = f"{words(column.name, 24)}: {words(part.name or 'not stated', 32)}"
            taken[name] = taken.get(name, 0) + 1
            rows.append(
                {
                    # Two long names may be cut to the same one, and each has a row of its own.
                    "name": name if taken[name] == 1 else f"{name} ({taken[name]})",
                    "x": short(recall.value),
                    "low": short(recall.low),
                    "high": short(recall.high),
                    "queries": recall.n,
                    "kind": "few" if part.small else "ranked",
                }
            )
    if not rows:
        return None
    shown = rows[:MOST]
    rest = len(rows) - len(shown)
    x = {
        "field": "x",
        "type": "quantitative",
        "title": HEADLINE,
        "scale": {"domain": [0, 1]},
        "axis": {"grid": True, "values": [0, 0.5, 1], "format": ".1f"},
    }
    y = {
        "field": "name",
        "type": "nominal",
        "title": None,
        "sort": None,
        "axis": {"grid": False, "ticks": False, "labelLimit": 260},
    }
    ranges: Spec = {
        "mark": {"type": "rule", "strokeWidth": 2, "opacity": 0.4},
        "encoding": {"x": {"field": "low", "type": "quantitative"}, "x2": {"field": "high"}},
    }
    return Chart(
        f"{HEADLINE} by condition",
        f"{HEADLINE} of each value of a condition",
        specification(shown, x, y, [ranges, _dots("ranked"), _dots("few")])
        | {"height": {"step": ROW}},
        "line: 95 % interval"
        + ("; hollow: too few queries to be ranked" if any(r["kind"] == "few" for r in shown) else ""),
        "; ".join(_read(column.name, column.apart) for column in columns(measurement) if column.apart),
        (f"And {count(rest, 'more value')}.",) if rest else (),
    )  # fmt: skip


def _dots(kind: str) -> Spec:
    mark: Spec = {"type": "point", "size": 45}
    if kind == "few":
        mark |= {"fill": "var(--card)", "stroke": "var(--link)"}
    tooltip = [
        {"field": "name", "title": "condition"},
        {"field": "x", "title": HEADLINE, "format": ".3f"},
        {"field": "low", "title": "from", "format": ".3f"},
        {"field": "high", "title": "to", "format": ".3f"},
        {"field": "queries"},
    ]
    return {
        "transform": [{"filter": f"datum.kind === '{kind}'"}],
        "mark": mark,
        "encoding": {"tooltip": tooltip},
    }


def _read(name: str, apart: Apart) -> str:
    return (
        f"{words(name, 24)} {words(apart.worst, 32)} {figure(apart.worst_value)} to "
        f"{words(apart.best, 32)} {figure(apart.best_value)}"
    )
