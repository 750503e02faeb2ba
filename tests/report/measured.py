"""Measurements made by hand: every number here is invented."""

from __future__ import annotations

from pytest_prodbench.evidence.measured import Confusion, Crossing, Curve, EmbeddingFacts, Spread
from pytest_prodbench.evidence.types import Measurement
from pytest_prodbench.evidence.values import MetricValue

METRICS = (
    ("recall@1", 0.0),
    ("recall@5", 0.05),
    ("recall@10", 0.07),
    ("map@20", -0.04),
    ("mrr", 0.02),
    ("product_recall@1", 0.0),
    ("category_recall@1", 0.08),
)


def metric(
    value: float, n: int = 400, half: float = 0.025, products: int = 90, **changes
) -> MetricValue:
    value = min(max(value, 0.0), 1.0)
    fields = {
        "value": value,
        "low": max(value - half, 0.0),
        "high": min(value + half, 1.0),
        "n": n,
        "products": products,
        "method": "wilson",
        "detectable": 0.062,
    }
    return MetricValue(**(fields | changes))


def measurement(recall: float = 0.9, n: int = 400, **changes) -> Measurement:
    """A measurement without curves and confusions; ``detailed`` has them all."""
    fields = {
        "metrics": {name: metric(recall + offset, n) for name, offset in METRICS},
        "ties": 2,
        "near_ties": 1,
        "excluded": 0,
        "precision": "float32",
        "device": "cpu",
        "seed": 0,
        "resamples": 2000,
    }
    return Measurement(**(fields | changes))


def curve(x, y, half: float | None = 0.03, **changes) -> Curve:
    fields = {"x_label": "k", "y_label": "recall@k", "x": x, "y": y}
    if half is not None:
        fields["low"] = [max(value - half, 0.0) for value in y]
        fields["high"] = [min(value + half, 1.0) for value in y]
    return Curve(**(fields | changes))


def growth(x, y, **changes) -> Curve:
    return curve(x, y, x_label="gallery images", y_label="expected recall@1", **changes)


def curves(recall: float = 0.9) -> dict[str, Curve]:
    """Every curve that an open set with families has."""
    lost = 1 - recall
    unknown = [0.0, 0.0, 0.004, 0.02, 0.1, 0.4, 1.0]
    seen = [0.0, 0.3, 0.5, 0.7, 0.85, 0.96, 1.0]
    wrong = {"x_label": "share of wrong pairs accepted", "half": None}
    absent = {"x_label": "share of unknown queries accepted", "half": None}
    return {
        "cumulative match": curve(
            [1.0, 2.0, 3.0, 5.0, 10.0, 20.0, 100.0, 1000.0],
            [1 - lost / (1 + place) for place in range(8)],
            note="Each k up to 20, then ten a decade.",
        ),
        "growth of the catalog, recall@1": growth(
            [100.0, 316.0, 1000.0, 1800.0],
            [1 - lost / 4, 1 - lost / 2, 1 - lost * 0.8, recall],
            note="In closed form, not by sampling.",
        ),
        "growth of the catalog, recall@1 beyond the catalog": growth(
            [18_000.0, 180_000.0],
            [recall - 0.2, recall - 0.45],
            half=0.06,
            note="Extrapolated, not measured.",
        ),
        "verification": curve(unknown, seen, y_label="share of genuine pairs accepted", **wrong),
        "verification: look-alikes": curve(
            unknown, [y * y for y in seen], y_label="share of genuine pairs accepted", **wrong
        ),
        "open set: accepted": curve(
            unknown, seen, y_label="share of known queries accepted", **absent
        ),
        "open set: identified": curve(
            unknown,
            [y * recall for y in seen],
            y_label="share of known queries accepted and right",
            **absent,
        ),
    }


def crossing(values: tuple[str, str], recall: float | None, n: int = 40, **changes) -> Crossing:
    """Two conditions; without a recall it is one with too few queries."""
    fields = {
        "columns": ("angle", "light"),
        "values": values,
        "n": n,
        "products": min(n, 30),
        "small": recall is None,
        "metrics": {} if recall is None else {"recall@1": metric(recall, n, products=min(n, 30))},
    }
    return Crossing(**(fields | changes))


def spread(column: str, **changes) -> Spread:
    fields = {
        "column": column,
        "metric": "recall@1",
        "worst": "dim",
        "best": "daylight",
        "worst_value": 0.71,
        "best_value": 0.93,
        "spread": 0.22,
        "small": [],
    }
    return Spread(**(fields | changes))


def confusion(product: str, taken_for: str, **changes) -> Confusion:
    fields = {
        "product": product,
        "taken_for": taken_for,
        "same_family": True,
        "count": 3,
        "tied": 0,
        "queries": ["q/1.jpg", "q/2.jpg", "q/3.jpg"],
    }
    return Confusion(**(fields | changes))


def embedding(**changes) -> EmbeddingFacts:
    fields = {
        "dimension": 768,
        "bytes_per_vector": 3072,
        "effective_rank": 41.26,
        "hubness": 2.345,
        "near_identical": 0.018,
        "near_identical_from": 0.999,
        "near_identical_looked_at": 1000,
    }
    return EmbeddingFacts(**(fields | changes))


def detailed(recall: float = 0.9, **changes) -> Measurement:
    """A measurement with everything that one can hold."""
    more = {
        "mrr": metric(recall, method="bca", detectable=0.041),
        "median_rank": metric(1.0, method="percentile", detectable=None),
        "eer": metric(0.08, method="percentile"),
        "tar_far_1pct": metric(0.61, method="percentile"),
        "auroc": metric(0.94, method="percentile"),
    }
    fields = {
        "metrics": {name: metric(recall + offset) for name, offset in METRICS} | more,
        "conditions": {
            "light": {
                "daylight": {"recall@1": metric(0.93, 300), "map@20": metric(0.9, 300)},
                "dim": {"recall@1": metric(0.71, 90), "map@20": metric(0.7, 90)},
                "torch": {"recall@1": metric(0.4, 10), "map@20": metric(0.3, 10)},
            }
        },
        "spreads": [spread("light", small=["torch"])],
        "crossings": [
            crossing(("front", "daylight"), 0.95, 120),
            crossing(("front", "dim"), 0.62, 44),
            crossing(("front", "torch"), None, 3),
        ],
        "curves": curves(recall),
        "confusions": [
            confusion("A1", "A2", count=7, tied=2),
            confusion("A3", "B9", same_family=False, queries=["q/9.jpg"]),
            confusion("A4", "A5", same_family=None, count=1),
        ],
        "confused_pairs": 31,
        "embedding": embedding(),
    }
    return measurement(recall, **(fields | changes))
