"""``prodbench explain MODEL DATASET``: the rules that hold for one pair, each with file and line."""

from __future__ import annotations

import argparse
from collections.abc import Iterable

from pytest_prodbench.cli.suite import open_suite
from pytest_prodbench.evaluation.planning import plan_pairs
from pytest_prodbench.gate import Demand, model_demands, pair_demands
from pytest_prodbench.settings.files import unknown_name


def explain(given: argparse.Namespace) -> int:
    """Print what is demanded of a pair, and of its model on the sector's datasets together."""
    model, dataset = given.model_name, given.dataset_name
    opened = open_suite(given)
    plan_pairs(opened.suite, opened.settings, prefix="--")  # the whole policy, or its first mistake
    models = list(opened.suite.models)
    if model not in models:
        raise unknown_name("model", model, models, "prodbench explain")
    owners = {name: spec for spec in opened.suite.sectors.values() for name in spec.datasets}
    if dataset not in owners:
        raise unknown_name("dataset", dataset, list(owners), "prodbench explain")
    sector = owners[dataset]
    scope = (sector.rules, sector.waivers, sector.name, model)
    print(f"{model}:{dataset}, sector {sector.name}")
    lines = demand_lines(pair_demands(*scope, dataset))
    print(
        "\n".join(lines) if lines else "  no rule: it can be measured, but nothing can be accepted"
    )
    together = demand_lines(model_demands(*scope))
    if together:
        print(f"{model} on all datasets of {sector.name}")
        print("\n".join(together))
    return 0


def demand_lines(demands: Iterable[Demand]) -> list[str]:
    """Each demand as text: what, limit, how sure, how severe, and where it stands."""
    lines = []
    held = list(demands)
    if held and all(demand.rule.severity != "block" for demand in held):
        lines.append("  no rule of these blocks: it can be measured, but nothing can be accepted")
    for demand in held:
        rule, waiver = demand.rule, demand.waiver
        sign = ">=" if rule.bound == "min" else "<="
        words = f"  {rule.what} {sign} {demand.limit:.12g}"
        if demand.relative:
            words += " of production's value"
        if rule.confidence is not None:
            words += f" with confidence {rule.confidence:g} (inconclusive: {rule.inconclusive})"
        if rule.severity != "block":
            words += f" ({rule.severity})"
        lines.append(f"{words}  [{rule.where}]")
        if waiver is not None:
            lines.append(
                f"    waived from {rule.limit:.12g} until {waiver.expires} by {waiver.owner}: "
                f"{waiver.reason}  [{waiver.where}]"
            )
    return lines
