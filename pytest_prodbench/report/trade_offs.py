"""What accuracy costs: the mean headline of each model against time, latency, bytes and price."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from pytest_prodbench.metrics import HEADLINE
from pytest_prodbench.report.vega_lite import Chart, short, specification, words
from pytest_prodbench.report.wording import count

if TYPE_CHECKING:
    from pytest_prodbench.evidence.timing import Timing
    from pytest_prodbench.evidence.types import Measurement, RunRecord

COSTS = {
    "embedding": ("Accuracy and time", "ms an image, embedded in this run"),
    "latency_p95_ms": ("Accuracy and latency", "95th percentile of one image, ms"),
    "bytes_per_vector": ("Accuracy and size", "bytes a vector, float32"),
    "price_per_1000": ("Accuracy and price", "price of 1,000 images"),
}
"""Cost → title of its drawing, label of its axis."""


class Priced(NamedTuple):
    """One model on one dataset: what it measured and what that took."""

    model: str
    dataset: str
    measurement: Measurement
    timing: Timing


@dataclass(frozen=True, slots=True)
class TradeOff:
    """Models by one cost and by how well they find.

    Attributes:
        cost: its name; ``embedding`` is the time of one image in this run, in ms.
        title, label: what heads a drawing of it, and its axis, with the unit.
        points: model, its cost, its mean headline over the same datasets for all.
        datasets: how many these are.
    """

    cost: str
    title: str
    label: str
    points: tuple[tuple[str, float, float], ...]
    datasets: int


def trade_offs(record: RunRecord) -> tuple[Chart, ...]:
    """Draw what accuracy costs, one drawing a cost."""
    return tuple(_drawn(found) for found in costs_of_accuracy(record))


def costs_of_accuracy(record: RunRecord) -> tuple[TradeOff, ...]:
    """Return what accuracy costs, for each cost in which models of the run are known to differ."""
    pairs = [
        Priced(pair.model, pair.dataset, pair.measurement, pair.timing)
        for pair in record.pairs
        if pair.measurement is not None
    ]
    found = (_compared(pairs, cost) for cost in COSTS)
    return tuple(one for one in found if one is not None)


def trade_off(pairs: Iterable[Priced], cost: str) -> Chart | None:
    """Draw accuracy against one cost; None unless two models are known to differ in it."""
    found = _compared(pairs, cost)
    return None if found is None else _drawn(found)


def _compared(pairs: Iterable[Priced], cost: str) -> TradeOff | None:
    """Models by one cost; None unless two are known to differ in it.

    Time is that of embedding in this run, decoding and preprocessing with it, of models whose images were
    not all in the cache; latency and price are there where a rule asks for them. Accuracy is the mean
    headline over the datasets on which every model that is drawn was measured. A model is on the front if no
    other is at least as good in both and better in one.
    """
    measured: dict[str, dict[str, float]] = {}
    costs: dict[str, list[float]] = {}
    for pair in pairs:
        if HEADLINE not in pair.measurement.metrics:
            continue
        headline = pair.measurement.metrics[HEADLINE].value
        measured.setdefault(pair.model, {})[pair.dataset] = headline
        known = _costs_of(pair.measurement, pair.timing)
        if cost in known:
            costs.setdefault(pair.model, []).append(known[cost])
    models = [model for model in measured if model in costs]
    shared = set.intersection(*(set(measured[model]) for model in models)) if models else set()
    if not shared:
        return None
    points = tuple(
        (
            model,
            max(costs[model]),
            # In one order whatever the hash of a name is: a sum depends on it in its last digit.
            sum(measured[model][dataset] for dataset in sorted(shared)) / len(shared),
        )
        for model in models
    )
    if len({value for _, value, _ in points}) < 2:
        return None
    return TradeOff(cost, *COSTS[cost], points, len(shared))


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


def _drawn(found: TradeOff) -> Chart:
    title, label, points = found.title, found.label, found.points
    best = front(points)
    rows = [{"x": short(x), "y": short(y), "name": words(name, 40)} for name, x, y in points]
    edge = [
        {"x": short(x), "y": short(y)}
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
    spec = specification(
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
    named = ", ".join(words(name, 40) for name in best)
    return Chart(
        title,
        f"mean {HEADLINE} by {label}, a point a model",
        spec,
        "dashed: the front; every model off it is beaten by one on it" if len(best) > 1 else "",
        f"on the front: {named}" if len(best) > 1 else f"{named} beats all others in both",
        (
            f"{HEADLINE}: mean over {count(found.datasets, 'dataset')} that all of them were measured on.",
        ),
    )
