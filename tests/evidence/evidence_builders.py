"""Records with every field filled, and a small ranking made by the real ranking code."""

from __future__ import annotations

import datetime as dt
import hashlib
from typing import Any

import numpy as np

from pytest_prodbench.evaluation.measure import codes
from pytest_prodbench.evidence.judgement import Check, WaiverInForce
from pytest_prodbench.evidence.types import (
    DatasetRecord,
    Host,
    Measurement,
    ModelRecord,
    PairRecord,
    RunRecord,
    Timing,
)
from pytest_prodbench.evidence.values import MetricValue
from pytest_prodbench.protocol import DEFINITIONS, ImageTable, Ranking
from pytest_prodbench.retrieval import Labels, matching_pairs, normalise, rank
from pytest_prodbench.settings.policy import Rule, Waiver

DATA = b"the queries"


def value(number: float = 0.5) -> MetricValue:
    return MetricValue(value=number, low=0.25, high=0.75, n=4, products=2, method="bca")


def measurement(**changes: Any) -> Measurement:
    fields = {
        "metrics": {"recall@1": value()},
        "conditions": {"light": {"dämmrig": {"recall@1": value(0.0)}}},
        "ties": 1,
        "near_ties": 0,
        "excluded": 2,
        "precision": "float32",
        "device": "cpu",
        "seed": 0,
        "resamples": 100,
    }
    return Measurement(**(fields | changes))


WAIVED_WHERE = "suites/diy/sector.toml:20: waivers[0]"


def check(dataset: str | None = "parts", model: str = "lite0", **changes: Any) -> Check:
    fields = {
        "metric": "recall@1",
        "what": "recall@1 at the worst light (dämmrig)",
        "model": model,
        "dataset": dataset,
        "severity": "block",
        "bound": "min",
        "limit": 0.6,
        "confidence": 0.9,
        "value": 0.5,
        "low": 0.25,
        "high": 0.55,
        "n": 4,
        "outcome": "fails",
        "inconclusive": "block",
        "passed": False,
        "message": "short",
        "detectable": 0.2,
        "where": "suites/diy/sector.toml:12: rules[0]",
        "waiver": WaiverInForce(
            limit=0.7,
            reason="new lamps",
            owner="Größe",
            expires="2026-12-31",
            where=WAIVED_WHERE,
        ),
    }
    return Check(**(fields | changes))


def pair(model: str = "lite0", dataset: str = "parts", **changes: Any) -> PairRecord:
    fields = {
        "model": model,
        "dataset": dataset,
        "sector": "diy",
        "status": "evaluated",
        "verdict": "reject",
        "measurement": measurement(),
        "checks": [check(dataset, model)],
        "queries_file": f"queries/{model}@{dataset}.parquet",
        "queries_digest": hashlib.sha256(DATA).hexdigest(),
        "timing": Timing(total_s=1.5, worker="gw0"),
    }
    return PairRecord(**(fields | changes))


def run(**changes: Any) -> RunRecord:
    fields = {
        "protocol_version": 3,
        "prodbench_version": "0.1.0",
        "run": "first",
        "policy_digest": "ab" * 32,
        "policy_files": ["suites/diy/sector.toml"],
        "rules": [
            Rule(
                metric="recall@1",
                sector="diy",
                limit=0.7,
                worst_condition="light",
                confidence=0.9,
                where="suites/diy/sector.toml:12: rules[0]",
            ),
            Rule(metric="eer", sector="diy", limit=0.1, bound="max", aggregate="mean"),
        ],
        "waivers": [
            Waiver(
                metric="recall@1",
                sector="diy",
                models="lite*",
                limit=0.6,
                worst_condition="light",
                reason="new lamps",
                owner="Größe",
                granted=dt.date(2026, 1, 1),
                expires=dt.date(2026, 12, 31),
                where=WAIVED_WHERE,
            )
        ],
        "planned": ["lite0:parts", "lite1:parts"],
        "selected": ["lite0:parts"],
        "evaluated": ["lite0:parts"],
        "partial": True,
        "verdict": "reject",
        "sectors": {"diy": "reject"},
        "sector_checks": {
            "diy": [check(None, metric="eer", what="mean eer of the sector", bound="max")]
        },
        "owners": {"diy": "Größe & Söhne"},
        "models": {
            "lite0": ModelRecord(
                name="lite0",
                source="timm:lite0",
                family="open",
                weights_digest="cd" * 32,
                preprocessing="resize",
                preprocessing_digest="ef" * 32,
                pooling="default",
                dimension=8,
                versions={"torch": "2"},
            )
        },
        "datasets": {
            "parts": DatasetRecord(
                name="parts",
                sector="diy",
                layout="manifest",
                content_digest="12" * 32,
                root="data",
                queries=4,
                gallery=6,
                products=2,
            )
        },
        "pairs": [pair(), pair("lite1", status="lost", measurement=None, checks=[], error="died")],
        "definitions": list(DEFINITIONS),
        "host": Host(
            started="2026-01-01T00:00:00+00:00", seconds=2.0, platform="x", python="3", cpu_count=2
        ),
    }
    return RunRecord(**(fields | changes))


def table(products: list[str], **columns: Any) -> ImageTable:
    n = len(products)
    fields = {
        "images": tuple(f"{i}.png" for i in range(n)),
        "product_ids": tuple(products),
        "families": ("",) * n,
        "groups": ("",) * n,
        "boxes": (None,) * n,
    }
    return ImageTable(**(fields | columns))


def ranked(queries: ImageTable, gallery: ImageTable, *, top: int = 3, seed: int = 0) -> Ranking:
    rng = np.random.default_rng(seed)
    unit = normalise(rng.normal(size=(len(queries) + len(gallery), 8)), str)
    left, right = codes(queries.product_ids, gallery.product_ids, None)
    labels = Labels(left, right, None, None, np.arange(len(gallery)), np.arange(len(queries)))
    nothing = matching_pairs(np.full(len(queries), -1), np.full(len(gallery), -1))
    split = len(queries)
    return rank(unit[:split], unit[split:], labels, nothing, top=top, backend="faiss")
