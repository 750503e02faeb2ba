"""Runs made by hand: every number here is invented, every image is drawn."""

from __future__ import annotations

import random
from pathlib import Path

import pyarrow as pa
from PIL import Image, ImageDraw

from pytest_prodbench.evidence.types import (
    Check,
    Confusion,
    Crossing,
    Curve,
    DatasetRecord,
    EmbeddingFacts,
    Host,
    Measurement,
    MetricValue,
    ModelRecord,
    PairRecord,
    RunRecord,
    Spread,
    Timing,
)
from pytest_prodbench.protocol import DEFINITIONS, PROTOCOL_VERSION
from pytest_prodbench.report.reporter import ReportInput

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


def model(name: str, **changes) -> ModelRecord:
    fields = {
        "name": name,
        "source": f"timm:{name}",
        "family": "open",
        "weights_digest": "sha256:" + "ab" * 32,
        "preprocessing": "resize 256 bicubic, centre crop 224, mean 0.485 0.456 0.406",
        "preprocessing_digest": "sha256:" + "cd" * 32,
        "pooling": "cls",
        "dimension": 768,
        "versions": {"timm": "1.0.15", "torch": "2.9.0"},
    }
    return ModelRecord(**(fields | changes))


def dataset(name: str, sector: str, **changes) -> DatasetRecord:
    fields = {
        "name": name,
        "sector": sector,
        "layout": "manifest",
        "content_digest": "sha256:" + "12" * 32,
        "root": f"data/{name}",
        "queries": 400,
        "gallery": 1800,
        "products": 310,
        "distractors": 900,
        "conditions": {"light": ["daylight", "dim"]},
        "protocol_note": "shelf photos query catalog photos; the split is ours",
    }
    return DatasetRecord(**(fields | changes))


def check(value: float | None, limit: float, name: str = "recall@1", sector: str = "diy") -> Check:
    passed = value is not None and value >= limit
    where = f"suites/{sector}/sector.toml [thresholds] {name}"
    word = "holds" if passed else "does not hold"
    return Check(
        metric=name,
        limit=limit,
        value=value,
        passed=passed,
        message=f"{name} is {value} and must be at least {limit}: it {word} ({where})",
        where=where,
    )


def pair(model_name: str, dataset_name: str, sector: str, **changes) -> PairRecord:
    fields = {
        "model": model_name,
        "dataset": dataset_name,
        "sector": sector,
        "status": "evaluated",
        "verdict": "accept",
        "measurement": measurement(),
        "checks": [check(0.9, 0.85, sector=sector)],
        "timing": Timing(total_s=12.5, embed_s=11.0, rank_s=1.0, metrics_s=0.5, worker="gw0"),
    }
    return PairRecord(**(fields | changes))


def unmeasured(
    model_name: str, dataset_name: str, sector: str, status: str, error: str
) -> PairRecord:
    return pair(
        model_name,
        dataset_name,
        sector,
        status=status,
        verdict="incomplete",
        measurement=None,
        checks=[],
        error=error,
        timing=Timing(),
    )


def run(pairs, models, datasets, **changes) -> RunRecord:
    names = [item.name for item in pairs]
    fields = {
        "protocol_version": PROTOCOL_VERSION,
        "prodbench_version": "0.1.0",
        "run": "2026-01-05T09-30-00Z",
        "policy_digest": "sha256:" + "9f" * 32,
        "policy_files": ["suites/diy/sector.toml", "suites/models.toml"],
        "planned": names,
        "selected": names,
        "evaluated": [item.name for item in pairs if item.status == "evaluated"],
        "partial": False,
        "verdict": "accept",
        "sectors": {item.sector: "accept" for item in pairs},
        "owners": {item.sector: f"{item.sector} team" for item in pairs},
        "models": {item.name: item for item in models},
        "datasets": {item.name: item for item in datasets},
        "pairs": list(pairs),
        "definitions": list(DEFINITIONS),
        "host": Host(
            started="2026-01-05T09:30:00+00:00",
            seconds=95.5,
            platform="Linux x86_64",
            python="3.11.9",
            cpu_count=8,
            workers=2,
            versions={"torch": "2.9.0"},
        ),
    }
    return RunRecord(**(fields | changes))


def row(query: str, product: str, rank: int | None, **changes) -> dict:
    """One query; its results are ``cat/<n>.jpg`` of products ``P<n>`` unless changed."""
    others = [f"P{n}" for n in range(1, 11)]
    relevant = [n == rank for n in range(1, 11)]
    return {
        "query": query,
        "content": "00" * 32,
        "product_id": product,
        "family": "valve",
        "rank": rank,
        "rank_optimistic": rank,
        "product_rank": rank,
        "product_rank_optimistic": rank,
        "family_rank": 1,
        "family_rank_optimistic": 1,
        "positives": 3,
        "candidates": 1800,
        "near_ties": 0,
        "positive_ranks": [] if rank is None else [rank, rank + 1, rank + 2],
        "positive_ranks_optimistic": [] if rank is None else [rank, rank + 1, rank + 2],
        "positive_score": 0.7,
        "negative_score": 0.8,
        "top_images": [f"cat/{n}.jpg" for n in range(1, 11)],
        "top_products": [product if hit else p for p, hit in zip(others, relevant, strict=True)],
        "top_scores": [0.9 - n / 50 for n in range(10)],
        "top_relevant": relevant,
        "condition.light": "daylight",
    } | changes


def table(rows: list[dict]) -> pa.Table:
    text, whole, real = pa.string(), pa.int64(), pa.float32()
    types = {
        "query": text,
        "content": text,
        "product_id": text,
        "family": text,
        "rank": whole,
        "rank_optimistic": whole,
        "product_rank": whole,
        "product_rank_optimistic": whole,
        "family_rank": whole,
        "family_rank_optimistic": whole,
        "positives": whole,
        "candidates": whole,
        "near_ties": whole,
        "positive_ranks": pa.list_(whole),
        "positive_ranks_optimistic": pa.list_(whole),
        "positive_score": real,
        "negative_score": real,
        "top_images": pa.list_(text),
        "top_products": pa.list_(text),
        "top_scores": pa.list_(real),
        "top_relevant": pa.list_(pa.bool_()),
    }
    extra = {name for item in rows for name in item if name not in types}
    schema = pa.schema([*types.items(), *((name, text) for name in sorted(extra))])
    return pa.Table.from_pylist(rows, schema=schema)


def draw_part(path: Path, seed: int, size: tuple[int, int] = (320, 240), dim: bool = False) -> None:
    """Draw something like a part on a bench: shape and colour follow from the seed."""
    rng = random.Random(seed)
    back = rng.randint(200, 240) if not dim else rng.randint(40, 80)
    image = Image.new("RGB", size, (back, back, back - 8))
    pen = ImageDraw.Draw(image)
    width, height = size
    tone = tuple(rng.randint(30, 190) for _ in range(3))
    box = (width * 0.2, height * 0.2, width * 0.8, height * 0.8)
    sides = rng.choice([0, 4, 6, 8])
    middle = (width / 2, height / 2, height * 0.34)
    if sides:
        pen.regular_polygon(
            middle, sides, rotation=rng.randint(0, 90), fill=tone, outline=(20, 20, 20)
        )
    else:
        pen.ellipse(box, fill=tone, outline=(20, 20, 20))
    for _ in range(rng.randint(1, 5)):
        x, y = rng.uniform(0.35, 0.65) * width, rng.uniform(0.35, 0.65) * height
        pen.ellipse((x - 8, y - 8, x + 8, y + 8), fill=(back, back, back))
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path)


def small_run(tmp_path: Path, **changes) -> ReportInput:
    """One model, one dataset, two misses, real images."""
    record = run(
        [pair("lite0", "parts", "diy", **changes.pop("pair", {}))],
        [model("lite0")],
        [dataset("parts", "diy")],
        **changes,
    )
    rows = [
        row("q/1.jpg", "A1", 1),
        row("q/2.jpg", "A2", 3, rank_optimistic=1),
        row("q/3.jpg", "A3", 90, family_rank=4),
    ]
    for number in range(1, 11):
        draw_part(tmp_path / "project/data/parts/cat" / f"{number}.jpg", number)
    for number in (1, 2, 3):
        draw_part(tmp_path / "project/data/parts/q" / f"{number}.jpg", number + 20, dim=True)
    return ReportInput(
        record=record,
        queries={"lite0:parts": table(rows)},
        run_dir=tmp_path / "run",
        project=tmp_path / "project",
    )
