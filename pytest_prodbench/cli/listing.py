"""``prodbench list``: what a suite defines, with the file and key of each rule."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence

from pytest_prodbench.cli.explain import demand_lines
from pytest_prodbench.cli.suite import open_suite
from pytest_prodbench.evaluation.planning import is_selected, plan_pairs
from pytest_prodbench.gate import model_demands, pair_demands
from pytest_prodbench.settings.files import shown_path
from pytest_prodbench.settings.policy import EVERY

NO_RULE = "no threshold: it can be measured, but nothing can be accepted"


def list_suite(given: argparse.Namespace) -> int:
    """Print models, then each sector with its datasets and rules, then how many pairs that makes."""
    opened = open_suite(given)
    plans = plan_pairs(opened.suite, opened.settings, prefix="--")
    chosen = [plan for plan in plans if is_selected(plan, opened.settings)]
    # Without a model, what is demanded of all is still shown.
    names = list(opened.suite.models) or [EVERY]
    print("models")
    for model in opened.suite.models.values():
        source = model.source
        if model.checkpoint:
            source += f" from {model.checkpoint}"
        print(f"  {model.name}  {source}  ({model.family}; {model.where})")
    for sector in opened.suite.sectors.values():
        owner = f", owner {sector.owner}" if sector.owner else ""
        print(f"\nsector {sector.name}{owner} ({shown_path(sector.source, opened.project)})")
        scope = (sector.rules, sector.waivers, sector.name)
        for dataset in sector.datasets.values():
            print(f"  {dataset.name}  {dataset.layout} {shown_path(dataset.path, opened.project)}")
            of_pairs = {
                name: demand_lines(pair_demands(*scope, name, dataset.name)) for name in names
            }
            _print_rules(of_pairs, NO_RULE)
        together = {name: demand_lines(model_demands(*scope, name)) for name in names}
        if any(together.values()):
            print("  all datasets together")
            _print_rules(together, "no rule")
    print(f"\n{len(chosen)} of {len(plans)} pairs")
    for plan in chosen:
        print(f"  {plan.name}")
    return 0


def _print_rules(by_model: Mapping[str, Sequence[str]], nothing: str) -> None:
    """Print each list of rules once, below the models that it holds for unless it holds for all."""
    for lines in dict.fromkeys(map(tuple, by_model.values())):
        of = [name for name, its in by_model.items() if tuple(its) == lines]
        indent = "  "
        if len(of) < len(by_model):
            print(f"    {', '.join(of)}")
            indent = "    "
        print("\n".join(f"{indent}{line}" for line in lines or [f"  {nothing}"]))
