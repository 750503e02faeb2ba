"""Rules, measurements and pairs as the gate sees them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pytest_prodbench.evidence.types import Measurement, MetricValue, PairRecord, Verdict
from pytest_prodbench.settings.types import DatasetSpec, Rule, SectorSpec

WHERE = 'suites/diy/sector.toml: thresholds."recall@1"'


def rule(metric: str = "recall@1", limit: float = 0.5, **more: Any) -> Rule:
    return Rule(metric=metric, min=limit, sector="diy", where=more.pop("where", WHERE), **more)


def measured(
    n: int = 10,
    *,
    low: float | None = None,
    high: float | None = None,
    detectable: float | None = None,
    **values: float,
) -> Measurement:
    """``recall_at_1=0.5`` stands for ``recall@1``; without an interval it is the value alone."""
    metrics = {
        name.replace("_at_", "@"): MetricValue.model_construct(
            value=value,
            low=value if low is None else low,
            high=value if high is None else high,
            n=n,
            products=n,
            detectable=detectable,
        )
        for name, value in values.items()
    }
    return Measurement.model_construct(
        metrics=metrics,
        conditions={},
        ties=0,
        near_ties=0,
        excluded=0,
        precision="float32",
        device="cpu",
        seed=0,
        resamples=100,
    )


def pair(name: str, verdict: Verdict = "accept", sector: str = "diy", **fields: Any) -> PairRecord:
    model, _, dataset = name.partition(":")
    fields.setdefault("status", "evaluated")
    if fields["status"] == "evaluated":
        fields.setdefault("measurement", measured(recall_at_1=0.5))
    return PairRecord(model=model, dataset=dataset, sector=sector, verdict=verdict, **fields)


def sector(*rules: Rule, datasets: tuple[str, ...] = ("parts",)) -> SectorSpec:
    return SectorSpec(
        name="diy",
        rules=rules,
        source=Path("suites/diy/sector.toml"),
        datasets={
            name: DatasetSpec(name=name, layout="manifest", path=Path("m.csv")) for name in datasets
        },
    )
