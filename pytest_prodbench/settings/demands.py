"""From the tables of a sector's file to its rules and waivers, each with the place where it stands."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pytest_prodbench.settings.demand_tables import (
    DemandTable,
    LimitTable,
    RuleTable,
    ScopedLimitTable,
    ScopeTable,
    ThresholdTable,
    WaiverTable,
)
from pytest_prodbench.settings.lines import Located
from pytest_prodbench.settings.policy import EVERY, Rule, Waiver
from pytest_prodbench.settings.tables import SectorTable


def rules_of(table: SectorTable, sector: str, at: Located) -> tuple[Rule, ...]:
    """Return a sector's rules: thresholds of all, of each dataset, ``[budget]``, then ``[[rules]]``."""
    found = list(threshold_rules(table.thresholds, sector, EVERY, at, "thresholds"))
    for name, dataset in table.datasets.items():
        place = ("datasets", name, "thresholds")
        found += threshold_rules(dataset.thresholds, sector, name, at, *place)
    budget = {str(name): limit for name, limit in table.budget.items()}
    found += threshold_rules(budget, sector, EVERY, at, "budget")
    for i, rule in enumerate(table.rules):
        found += _rules(rule, sector, at.where("rules", i))
    return tuple(found)


def threshold_rules(
    thresholds: Mapping[str, ThresholdTable],
    sector: str,
    datasets: str,
    at: Located,
    *place: str,
) -> Iterator[Rule]:
    """Yield the rules of one table ``metric → limit``, found at ``place``."""
    for metric, table in thresholds.items():
        for limit in _limits(table):
            yield Rule(
                metric=metric,
                sector=sector,
                datasets=datasets,
                where=at.where(*place, metric),
                **limit,
                **_demand(table),
            )


def waivers_of(table: SectorTable, sector: str, at: Located) -> tuple[Waiver, ...]:
    """Return every waiver of a sector's table."""
    return tuple(
        Waiver(
            where=at.where("waivers", i),
            reason=waiver.reason,
            owner=waiver.owner,
            granted=waiver.granted,
            expires=waiver.expires,
            **_scope(waiver, sector),
            **limit,
        )
        for i, waiver in enumerate(table.waivers)
        for limit in _scoped_limits(waiver)
    )


def _rules(table: RuleTable, sector: str, where: str) -> Iterator[Rule]:
    for limit in _scoped_limits(table):
        yield Rule(where=where, **_scope(table, sector), **limit, **_demand(table))


def _scope(table: ScopeTable | WaiverTable, sector: str) -> dict[str, Any]:
    return {
        "metric": table.metric,
        "sector": sector,
        "datasets": table.datasets,
        "models": table.models,
        "condition": tuple(sorted(table.condition.items())),
        "worst_condition": table.worst_condition,
        "aggregate": table.aggregate,
    }


def _limits(table: LimitTable) -> list[dict[str, Any]]:
    """A table may hold a limit and a tolerated drop: two rules, which do not compete."""
    found: list[dict[str, Any]] = []
    if table.min is not None:
        found.append({"limit": table.min, "bound": "min"})
    if table.max is not None:
        found.append({"limit": table.max, "bound": "max"})
    if table.max_drop is not None:
        drop = table.max_drop
        limit = drop.abs if drop.rel is None else drop.rel
        found.append({"limit": limit, "bound": "max_drop", "relative": drop.rel is not None})
    return found


def _scoped_limits(table: ScopedLimitTable) -> list[dict[str, Any]]:
    if table.require is None:
        return _limits(table)
    return [{"limit": table.require.by, "beats": table.require.beats}]


def _demand(table: DemandTable) -> dict[str, Any]:
    return {
        "severity": table.severity,
        "confidence": table.confidence,
        "inconclusive": table.inconclusive or "block",
    }
