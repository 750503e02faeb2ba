"""Which rules hold for which pair, and whether the rules make sense before anything is embedded."""

from __future__ import annotations

from collections.abc import Iterable

from pytest_prodbench.errors import SettingsError
from pytest_prodbench.metrics import ROUNDING, parse_metric
from pytest_prodbench.settings.types import Rule, SectorSpec


def effective_rules(sector: SectorSpec, dataset: str) -> tuple[Rule, ...]:
    """Return the rules for a dataset of a sector: a rule for the dataset replaces the sector's."""
    by_metric = {rule.metric: rule for rule in sector.rules if rule.dataset is None}
    by_metric |= {rule.metric: rule for rule in sector.rules if rule.dataset == dataset}
    return tuple(by_metric.values())


def check_policy(sectors: Iterable[SectorSpec]) -> None:
    """Check every rule of some sectors.

    Raises:
        SettingsError: a rule on an unknown metric, a limit outside the metric's range or on its edge
            where every result passes, or rules in a sector that has no dataset.
    """
    for sector in sectors:
        for rule in sector.rules:
            metric, _ = parse_metric(rule.metric, where=rule.where)
            if not metric.higher_is_better:
                raise SettingsError(
                    rule.where,
                    found=f"a minimum on {metric.name}, of which less is better",
                    expected="a metric of which more is better",
                    next_step="remove the rule: it would accept the worst models",
                )
            # NaN compares false, so it is refused here too.
            if not metric.low < rule.min - ROUNDING or not rule.min <= metric.high:
                raise SettingsError(
                    rule.where,
                    found=f"a minimum of {rule.min}",
                    expected=f"more than {metric.low:g} (else everything passes) and at most "
                    f"{metric.high:g}, the range of {metric.name}",
                )
        if sector.rules and not sector.datasets:
            raise SettingsError(
                sector.rules[0].where,
                found=f"thresholds of sector {sector.name!r}, which has no dataset",
                expected="at least one [datasets.NAME]",
                next_step="add the dataset, or remove the thresholds",
            )
