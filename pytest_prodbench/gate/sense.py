"""Whether a policy makes sense, before anything is embedded."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase

from pytest_prodbench.errors import SettingsError
from pytest_prodbench.gate.policy import lead_demands, model_demands, pair_demands
from pytest_prodbench.metrics import ROUNDING, Metric, Statistic, parse_metric
from pytest_prodbench.settings.policy import COSTS, EVERY, Rule, Waiver, is_rival
from pytest_prodbench.settings.types import SectorSpec


def check_policy(
    sectors: Iterable[SectorSpec],
    models: Sequence[str],
    today: dt.date,
    families: Mapping[str, str] | None = None,
) -> None:
    """Check every rule and waiver of some sectors.

    Args:
        sectors: with their datasets.
        models: names of all models that are defined, under test or not.
        today: by which waivers are in force.
        families: model → its family, where it is known.

    Raises:
        SettingsError: a rule or waiver on an unknown metric; a limit outside the metric's range, on its
            edge where every result passes, or on the wrong side; one that matches no pair; two rules that
            are equally specific for a pair; a waiver that has expired or is not granted yet, that makes
            nothing easier, or that stands in for no rule; rules in a sector that has no dataset.
    """
    for sector in sectors:
        demands: list[Rule | Waiver] = [*sector.rules, *sector.waivers]
        for demand in demands:
            _check_limit(demand)
        if sector.rules and not sector.datasets:
            raise SettingsError(
                sector.rules[0].where,
                found=f"thresholds of sector {sector.name!r}, which has no dataset",
                expected="at least one [datasets.NAME]",
                next_step="add the dataset, or remove the thresholds",
            )
        for waiver in sector.waivers:
            _check_dates(waiver, today)
        for demand in demands:
            _check_matches(demand, sector, models)
            _check_rivals(demand, models, families or {})
        used = {
            demand.waiver
            for model in models
            for demand in (
                *model_demands(sector.rules, sector.waivers, sector.name, model),
                *(
                    found
                    for dataset in sector.datasets
                    for asked in (pair_demands, lead_demands)
                    for found in asked(sector.rules, sector.waivers, sector.name, model, dataset)
                ),
            )
        }
        for waiver in sector.waivers if models else ():
            if waiver not in used:
                raise SettingsError(
                    waiver.where,
                    found=f"a waiver for {waiver.what} that makes no rule of this sector easier",
                    expected="the metric, condition and pairs of a rule, and an easier limit",
                    next_step="remove it, or write it for what the rule is about",
                )


def _check_limit(demand: Rule | Waiver) -> None:
    if demand.is_budget:
        _check_budget(demand)
        return
    metric, _ = parse_metric(demand.metric, where=demand.where)
    if demand.is_paired:
        _check_paired(demand, metric)
        return
    wanted = "min" if metric.higher_is_better else "max"
    if demand.bound != wanted:
        which = "more" if metric.higher_is_better else "less"
        raise SettingsError(
            demand.where,
            found=f"a {demand.bound} on {metric.name}, of which {which} is better",
            expected=f"{wanted} = …",
            next_step="as it stands it would accept the worst models",
        )
    # Written so that NaN, which compares false, is refused too.
    if demand.bound == "min":
        inside = metric.low < demand.limit - ROUNDING and demand.limit <= metric.high
        expected = f"more than {metric.low:g} (else everything passes) and at most {metric.high:g}"
    else:
        inside = metric.low <= demand.limit and demand.limit + ROUNDING < metric.high
        expected = f"at least {metric.low:g} and less than {metric.high:g} (else everything passes)"
    if not inside:
        raise SettingsError(
            demand.where,
            found=f"a {demand.bound}imum of {demand.limit}",
            expected=f"{expected}, the range of {metric.name}",
        )


def _check_budget(demand: Rule | Waiver) -> None:
    side, unit = COSTS[demand.metric]
    if demand.bound != side:
        raise SettingsError(
            demand.where,
            found=f"a {demand.bound} on {demand.metric}",
            expected=f"{side} = …, in {unit}",
            next_step="as it stands it would accept what costs the most"
            if demand.bound != "max_drop"
            else "a cost has no value a photo, so that no drop can be paired",
        )
    if not 0.0 < demand.limit < math.inf:
        raise SettingsError(
            demand.where, found=f"a limit of {demand.limit}", expected=f"more than 0, in {unit}"
        )
    narrowed = demand.condition or demand.worst_condition or demand.aggregate
    if narrowed or (isinstance(demand, Rule) and demand.confidence is not None):
        raise SettingsError(
            demand.where,
            found=f"{demand.metric} of a slice, an aggregate, or with a confidence",
            expected="a budget for each model on each dataset; models and datasets may be patterns",
        )


def _check_rivals(
    demand: Rule | Waiver, models: Sequence[str], families: Mapping[str, str]
) -> None:
    if demand.beats is None or not models:
        return
    leading = [model for model in models if fnmatchcase(model, demand.models)]
    if not any(
        other != model and is_rival(demand.beats, other, families.get(other))
        for model in leading
        for other in models
    ):
        raise SettingsError(
            demand.where,
            found=f"require beats = {demand.beats!r}, which is no other model",
            expected=f"a name or pattern of {', '.join(models)}, or family:open, family:api, family:domain",
            next_step="mend the pattern, or remove the rule: who leads nobody proves nothing",
        )


def _check_paired(demand: Rule | Waiver, metric: Metric | Statistic) -> None:
    if isinstance(metric, Statistic):
        kind = "max_drop" if demand.beats is None else "require"
        raise SettingsError(
            demand.where,
            found=f"a {kind} of {metric.name}, which has no value a query to be paired",
            expected="a metric that is a mean over queries, as recall@1",
        )
    if demand.beats is not None:
        span = metric.high - metric.low
        if not -span < demand.limit < span:
            raise SettingsError(
                demand.where,
                found=f"a lead of {demand.limit}",
                expected=f"more than {-span:g} and less than {span:g}, the width of {metric.name}",
            )
        return
    most = 1.0 if demand.relative else metric.high - metric.low
    # Written so that NaN, which compares false, is refused too.
    if not 0.0 <= demand.limit < most:
        unit = (
            "a share of the baseline's value" if demand.relative else f"the range of {metric.name}"
        )
        raise SettingsError(
            demand.where,
            found=f"a max_drop of {demand.limit}",
            expected=f"0 or more and less than {most:g}, {unit}",
            next_step="as it stands it would accept every drop, or none at all",
        )


def _check_dates(waiver: Waiver, today: dt.date) -> None:
    if today > waiver.expires:
        raise SettingsError(
            waiver.where,
            found=f"a waiver that expired on {waiver.expires}, owner {waiver.owner}",
            expected=f"one that holds today, {today}",
            next_step="remove it: the rule holds again; or have its owner grant a new one",
        )
    if today < waiver.granted:
        raise SettingsError(
            waiver.where,
            found=f"a waiver granted on {waiver.granted}, and a clock that says {today}",
            expected="a date on which it is in force",
            next_step="set the clock of this machine, or wait",
        )


def _check_matches(demand: Rule | Waiver, sector: SectorSpec, models: Sequence[str]) -> None:
    datasets = [EVERY] if demand.aggregate is not None else list(sector.datasets)
    if not models or any(demand.matches(model, d) for model in models for d in datasets):
        return
    raise SettingsError(
        demand.where,
        found=f"models = {demand.models!r}, datasets = {demand.datasets!r}, which match no pair",
        expected=f"models among {', '.join(models)}; datasets among {', '.join(datasets)}",
        next_step="mend the pattern, or remove the rule: what matches nothing demands nothing",
    )
