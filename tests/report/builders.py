"""Runs made by hand: every number here is invented, every image is drawn."""

from __future__ import annotations

import random
from pathlib import Path

import pyarrow as pa
from PIL import Image, ImageDraw

from pytest_prodbench.evidence.judgement import Check
from pytest_prodbench.evidence.types import (
    DatasetRecord,
    Host,
    ModelRecord,
    PairRecord,
    RunRecord,
    Timing,
)
from pytest_prodbench.protocol import DEFINITIONS, PROTOCOL_VERSION
from pytest_prodbench.report.reporter import ReportInput

from .measured import (  # noqa: F401 - tests build everything from here
    confusion,
    crossing,
    curve,
    curves,
    detailed,
    embedding,
    growth,
    measurement,
    metric,
    spread,
)


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
    return held(
        name,
        limit,
        value,
        message=f"{name} is {value} and must be at least {limit}: it {word} ({where})",
        where=where,
    )


def held(
    name: str, limit: float, value: float | None, *, message: str, where: str, **changes
) -> Check:
    """A minimum held against a value of ``lite0:parts``."""
    passed = value is not None and value >= limit
    fields = {
        "metric": name,
        "what": name,
        "model": "lite0",
        "dataset": "parts",
        "severity": "block",
        "bound": "min",
        "limit": limit,
        "confidence": None,
        "value": value,
        "outcome": "undecided" if value is None else "holds" if passed else "fails",
        "inconclusive": "block",
        "passed": passed,
        "message": message,
        "where": where,
    }
    return Check(**(fields | changes))


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
