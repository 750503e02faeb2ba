"""What accuracy costs: the mean headline of each model against time, latency, bytes and price."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pytest_prodbench.metrics import HEADLINE
from pytest_prodbench.report.vega_lite import Chart, short, specification, words
from pytest_prodbench.report.wording import count

if TYPE_CHECKING:
    from pytest_prodbench.evidence.types import Measurement, RunRecord, Timing


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
        (f"{HEADLINE}: mean over {count(datasets, 'dataset')} that all of them were measured on.",),
    )
