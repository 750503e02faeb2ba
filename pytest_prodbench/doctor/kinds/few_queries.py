"""``few-queries``: a threshold on so few queries that it says nothing."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from pytest_prodbench.doctor.finding import Finding
from pytest_prodbench.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_prodbench.doctor.facts import Facts
    from pytest_prodbench.settings.policy import Rule

WIDE = 0.15
"""Half width of the 95 % interval, at the limit itself, from which a threshold is a lottery."""


def find(facts: Facts) -> list[Finding]:
    """Hold the queries of each slice against the rules that the sector's owners set on it."""
    name = facts.subject.name
    found = []
    for rule in facts.rules:
        if rule.is_budget or rule.aggregate or not fnmatchcase(name, rule.datasets):
            continue
        if not _is_share(rule):
            continue
        for what, queries, products in _slices(facts, rule):
            told = _told(rule, queries, products)
            if told:
                found.append(
                    Finding(
                        kind="few-queries",
                        severity="finding",
                        told=f"{what}: {queries} queries of {products} products; {told} ({rule.where})",
                        fix="add queries, of other products first; or drop the rule, or merge the slice "
                        "with a like one",
                        subject=(rule.what, what, str(rule.limit), rule.bound),
                        numbers={"queries": queries, "products": products, "limit": rule.limit},
                    )
                )
    return found


def _is_share(rule: Rule) -> bool:
    """Whether the metric is a share of queries; of others the queries alone do not say the interval."""
    from pytest_prodbench.metrics import parse_metric

    try:
        metric, _ = parse_metric(rule.metric, where=rule.where)
    except SettingsError:
        return False  # the suite's own check names it
    return bool(metric.low == 0.0 and metric.high == 1.0)


def _slices(facts: Facts, rule: Rule) -> Iterator[tuple[str, int, int]]:
    """Yield name, queries and products of what a rule is about; a query that is absent counts nowhere."""
    subject = facts.subject
    answered = {row.product_id for row in subject.gallery}
    rows = subject.queries
    for what, chosen in _chosen(facts, rule):
        kept = [
            rows[i]
            for i in chosen
            if not answered.isdisjoint(
                subject.answers.get(rows[i].product_id, (rows[i].product_id,))
            )
        ]
        yield what, len(kept), len({row.product_id for row in kept})


def _chosen(facts: Facts, rule: Rule) -> Iterator[tuple[str, list[int]]]:
    conditions = facts.subject.conditions
    every = range(len(facts.subject.queries))
    if rule.worst_condition is not None:
        column = conditions.get(rule.worst_condition, ())
        for value in sorted(set(column) - {""}):
            chosen = [i for i in every if column[i] == value]
            yield f"{rule.metric} where {rule.worst_condition} = {value}", chosen
    elif all(name in conditions for name, _ in rule.condition):
        chosen = [
            i for i in every if all(conditions[name][i] == value for name, value in rule.condition)
        ]
        yield rule.what, chosen


def _told(rule: Rule, queries: int, products: int) -> str:
    from pytest_prodbench.metrics import SMALLEST_SLICE

    sliced = bool(rule.condition or rule.worst_condition)
    if sliced and queries < SMALLEST_SLICE:
        return f"a slice is held against a rule from {SMALLEST_SLICE} queries on: this one never is"
    if not queries:
        return "nothing is held against the rule"
    return (
        _about_a_drop(rule, products) if rule.is_paired else _about_a_level(rule, queries, products)
    )


def _about_a_drop(rule: Rule, products: int) -> str:
    from pytest_prodbench.metrics.comparison import detectable_drop

    # What d lost products of P spread themselves: no pairing can show less.
    squared = detectable_drop(1.0) ** 2
    least = squared / (products + squared)
    if rule.bound == "max_drop" and not rule.relative and 0 < rule.limit < least:
        return (
            f"a drop of {rule.limit:g} is the most that is tolerated, but the smallest that so many "
            f"products show (power 80 %) is {least:.3f}"
        )
    return ""


def _about_a_level(rule: Rule, queries: int, products: int) -> str:
    from scipy.special import ndtri

    from pytest_prodbench.metrics.comparison import detectable_drop_alone
    from pytest_prodbench.metrics.estimates import Z
    from pytest_prodbench.metrics.proportions import wilson

    if rule.bound != "min" or not 0 < rule.limit <= 1:
        return ""
    if rule.confidence is not None:
        z = float(ndtri(rule.confidence))
        best = products / (products + z * z)
        if best <= rule.limit:
            return (
                f"even if all were right, the interval of {rule.confidence:.0%} would end at {best:.3f}: "
                f"{rule.limit:g} can never be shown"
            )
    low, high = (float(end) for end in wilson(rule.limit * queries, queries))
    half = (high - low) / 2
    if half > WIDE:
        drop = detectable_drop_alone(half / Z)
        return (
            f"at the limit of {rule.limit:g} the interval is ±{half:.2f} (more than {WIDE:g}), the "
            f"smallest drop that shows {min(drop, 1.0):.2f}"
        )
    return ""
