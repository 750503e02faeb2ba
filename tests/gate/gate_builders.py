"""Rules, measurements and pairs as the gate sees them."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

from pytest_prodbench.evidence.comparison import Change, PairComparison
from pytest_prodbench.evidence.judgement import Verdict
from pytest_prodbench.evidence.types import Measurement, PairRecord
from pytest_prodbench.evidence.values import MetricValue
from pytest_prodbench.gate import Demand
from pytest_prodbench.settings.policy import Rule, Waiver
from pytest_prodbench.settings.types import DatasetSpec, SectorSpec

WHERE = 'suites/diy/sector.toml:8: thresholds."recall@1"'


def rule(metric: str = "recall@1", limit: float = 0.5, **more: Any) -> Rule:
    return Rule(metric=metric, limit=limit, sector="diy", where=more.pop("where", WHERE), **more)


def demand(metric: str = "recall@1", limit: float = 0.5, **more: Any) -> Demand:
    """A rule as it holds for one pair; ``waiver=`` stands in for its limit."""
    waiver = more.pop("waiver", None)
    return Demand(rule(metric, limit, **more), waiver)


def waiver(limit: float, metric: str = "recall@1", **more: Any) -> Waiver:
    fields = {
        "reason": "new lamps",
        "owner": "parts team",
        "granted": dt.date(2026, 1, 1),
        "expires": dt.date(2026, 12, 31),
        "where": "suites/diy/sector.toml:20: waivers[0]",
    }
    return Waiver(metric=metric, limit=limit, sector="diy", **(fields | more))


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
            method="percentile",
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
        smallest_slice=20,
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


def sector(
    *rules: Rule, datasets: tuple[str, ...] = ("parts",), waivers: tuple[Waiver, ...] = ()
) -> SectorSpec:
    return SectorSpec(
        name="diy",
        rules=rules,
        waivers=waivers,
        source=Path("suites/diy/sector.toml"),
        datasets={
            name: DatasetSpec(name=name, layout="manifest", path=Path("m.csv")) for name in datasets
        },
    )


def change(
    before: float,
    after: float,
    *,
    arm: float = 0.0,
    n: int = 30,
    less_is_better: bool = False,
    drop: float | None = None,
) -> Change:
    """What production and a candidate reach; the drop has an interval of ± ``arm``."""
    if drop is None:
        drop = after - before if less_is_better else before - after
    value = MetricValue.model_construct(
        value=drop,
        low=drop - arm,
        high=drop + arm,
        n=n,
        products=n,
        method="adjusted",
        detectable=0.05,
    )
    return Change.model_construct(
        before=before, after=after, drop=value, only_before=None, only_after=None, p_value=None
    )


def compared(
    overall: Change | None = None, metric: str = "recall@1", **fields: Any
) -> PairComparison:
    """A comparison with production; ``light={"dim": change}``: a condition column."""
    known = {key: fields.pop(key) for key in ("refused", "crossings") if key in fields}
    return PairComparison(
        model="champion",
        weights_digest="0" * 64,
        queries=30,
        changes={} if overall is None else {metric: overall},
        **known,
    ).model_copy(
        update={
            "conditions": {
                column: {value: {metric: one} for value, one in values.items()}
                for column, values in fields.items()
            }
        }
    )
