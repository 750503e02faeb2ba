"""Results held against production and against each other, made by hand: every number here is invented."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from pytest_prodbench.evidence.comparison import Change, Contest, CrossedChanges, PairComparison
from pytest_prodbench.evidence.judgement import Check, WaiverInForce
from pytest_prodbench.evidence.measured import Spread
from pytest_prodbench.evidence.types import BaselineFacts, PairRecord
from pytest_prodbench.evidence.values import MetricValue
from pytest_prodbench.report.export.writing import export_tables
from pytest_prodbench.report.reporter import ReportInput

from . import builders as b
from .four_sectors import four_sectors

Tables = dict[str, list[dict]]


def change(drop: float, before: float = 0.9, half: float = 0.03, **changes) -> Change:
    """From ``before`` to ``before - drop``; above zero the candidate is worse."""
    fields = {
        "before": before,
        "after": before - drop,
        "drop": MetricValue(
            value=drop,
            low=drop - half,
            high=drop + half,
            n=380,
            products=88,
            method="adjusted",
            detectable=0.041,
        ),
        "only_before": 19,
        "only_after": 7,
        "p_value": 0.029,
    }
    return Change(**(fields | changes))


def comparison(drop: float = 0.02, **changes) -> PairComparison:
    """One pair that lost ``drop`` of its headline, and twice that where it is dim."""
    fields = {
        "model": "lite-old",
        "weights_digest": "sha256:" + "77" * 32,
        "queries": 380,
        "only_before": 3,
        "only_after": 23,
        "changes": {
            "recall@1": change(drop),
            "mrr": change(drop / 2, only_before=None, only_after=None, p_value=None),
        },
        "conditions": {
            "light": {
                "daylight": {"recall@1": change(-drop, 0.91)},
                "dim": {"recall@1": change(2 * drop, 0.83, 0.07)},
            }
        },
        "crossings": [
            CrossedChanges(
                columns=("angle", "light"),
                values=("front", "dim"),
                changes={"recall@1": change(3 * drop, 0.77, 0.09)},
            )
        ],
        "newly_failing": ["q/2.jpg", "q/3.jpg"],
        "newly_right": ["q/1.jpg"],
    }
    return PairComparison(**(fields | changes))


def contest(model: str, other: str, dataset: str, **changes) -> Contest:
    fields = {
        "model": model,
        "other": other,
        "dataset": dataset,
        "changes": {"recall@1": change(-0.05, 0.85)},
        "conditions": {"light": {"dim": {"recall@1": change(0.011, 0.64)}}},
    }
    return Contest(**(fields | changes))


def baseline(**changes) -> BaselineFacts:
    fields = {
        "role": "production",
        "model": "lite-old",
        "digest": "sha256:" + "55" * 32,
        "run": "2025-10-01T08-00-00Z",
        "accepted": "2025-10-02",
        "reason": "first release",
        "despite": "too few lamps",
    }
    return BaselineFacts(**(fields | changes))


def with_comparison(pair: PairRecord, drop: float, **changes) -> PairRecord:
    """Return a measured pair with a comparison, others as they are."""
    if pair.measurement is None:
        return pair
    return pair.model_copy(update={"comparison": comparison(drop, **changes)})


def spread_of(spread: Spread, pair: PairRecord) -> Spread:
    """Return a spread that is the one of the slices, which end at 1."""
    values = pair.measurement.conditions[spread.column]
    worst, best = (values[name][spread.metric].value for name in (spread.worst, spread.best))
    return spread.model_copy(
        update={"worst_value": worst, "best_value": best, "spread": best - worst}
    )


def waived() -> Check:
    return b.held(
        "recall@1",
        0.8,
        0.87,
        message="waived",
        where='suites/diy/sector.toml:8: thresholds."recall@1"',
        low=0.84,
        high=0.9,
        n=400,
        confidence=0.975,
        waiver=WaiverInForce(
            limit=0.9, reason="new lamp", owner="diy", expires="2026-03-01", where="w:9: waivers"
        ),
    )


def everything(folder: Path) -> ReportInput:
    """Return four sectors with all that evidence can hold: baseline, contests, waivers, costs."""
    report = four_sectors(folder)
    pairs = []
    for number, planned in enumerate(report.record.pairs):
        pair = planned
        if pair.measurement is not None:
            spreads = [spread_of(one, pair) for one in pair.measurement.spreads]
            measured = pair.measurement.model_copy(update={"spreads": spreads})
            pair = pair.model_copy(update={"measurement": measured})
        costs = {"latency_p95_ms": 11.5 + number, "peak_memory_mib": 812.25 + number}
        pairs.append(
            with_comparison(pair, 0.01 * number - 0.02).model_copy(
                update={
                    "checks": [*pair.checks, waived()],
                    "timing": pair.timing.model_copy(
                        update={"costs": costs, "images_embedded": 70 + number}
                    ),
                }
            )
        )
    together = b.held(
        "recall@1", 0.86, 0.853, message="mean of the sector", where="x", dataset=None
    )
    record = report.record.model_copy(
        update={
            "pairs": pairs,
            "baseline": baseline(),
            "sector_checks": {"diy": [together]},
            "candidates": {"siglip2-b16": "reject"},
            "contests": [
                contest("catalog-r50-arcface", "siglip2-b16", "hardware-store"),
                contest("dinov2-b14", "siglip2-b16", "gone", refused=["content"]),
            ],
        }
    )
    return dataclasses.replace(report, record=record)


def rows_of(report: ReportInput) -> Tables:
    return {
        table.name: [row for part in table.parts for row in part.to_pylist()]
        for table in export_tables(report)
    }
