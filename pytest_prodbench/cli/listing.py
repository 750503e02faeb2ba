"""``prodbench list``: what a suite defines, with the file and key of each rule."""

from __future__ import annotations

import argparse

from pytest_prodbench.cli.suite import open_suite
from pytest_prodbench.evaluation.planning import is_selected, plan_pairs
from pytest_prodbench.gate import effective_rules
from pytest_prodbench.settings.files import shown_path


def list_suite(given: argparse.Namespace) -> int:
    """Print models, then each sector with its datasets and rules, then how many pairs that makes."""
    opened = open_suite(given)
    plans = plan_pairs(opened.suite, opened.settings, prefix="--")
    chosen = [plan for plan in plans if is_selected(plan, opened.settings)]
    print("models")
    for model in opened.suite.models.values():
        source = f"{model.library}:{model.identifier}"
        if model.checkpoint:
            source += f" from {model.checkpoint}"
        print(f"  {model.name}  {source}  ({model.family}; {model.where})")
    for sector in opened.suite.sectors.values():
        owner = f", owner {sector.owner}" if sector.owner else ""
        print(f"\nsector {sector.name}{owner} ({shown_path(sector.source, opened.project)})")
        for dataset in sector.datasets.values():
            print(f"  {dataset.name}  {dataset.layout} {shown_path(dataset.path, opened.project)}")
            rules = effective_rules(sector, dataset.name)
            for rule in rules:
                print(f"    {rule.metric} >= {rule.min:g}  [{rule.where}]")
            if not rules:
                print("    no threshold: it can be measured, but nothing can be accepted")
    print(f"\n{len(chosen)} of {len(plans)} pairs")
    for plan in chosen:
        print(f"  {plan.name}")
    return 0
