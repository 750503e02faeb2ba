"""The suite that ships: green for the shipped models, red for a network that has learnt nothing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from suite_cache import take_over

PROJECT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Run one sector with a real model and with the untrained one of the root conftest.py."""
    folder = tmp_path_factory.mktemp("shipped")
    take_over(folder / "cache")
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PRODBENCH_")}
    command = [
        sys.executable,
        "-m",
        "pytest",
        "suites/diy",
        "-n",
        "2",
        f"--prodbench-report-dir={folder}",
    ]
    command += [f"--prodbench-cache-dir={folder}/cache", "-p", "no:cacheprovider"]
    done = {}
    for model in ("lite0", "untrained-lite0"):
        arguments = [f"--prodbench-model={model}", f"--prodbench-run={model}"]
        done[model] = subprocess.run(
            [*command, *arguments],
            cwd=PROJECT,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
    return folder, done


def test_a_trained_network_is_accepted(runs):
    folder, done = runs
    assert done["lite0"].returncode == 0, done["lite0"].stdout
    record = json.loads((folder / "lite0/evidence.json").read_text(encoding="utf-8"))
    (pair,) = [pair for pair in record["pairs"] if pair["status"] == "evaluated"]
    assert pair["verdict"] == "accept"
    # Neither trivial nor hopeless, and far above what no training reaches.
    assert 0.2 < pair["measurement"]["metrics"]["recall@1"]["value"] < 0.9


def test_an_untrained_one_is_refused_with_the_rule_in_the_first_line(runs):
    folder, done = runs
    assert done["untrained-lite0"].returncode == 1
    assert "untrained-lite0:diy: recall@1 0.0" in done["untrained-lite0"].stdout
    assert "[suites/diy/sector.toml:12: thresholds" in done["untrained-lite0"].stdout
    record = json.loads((folder / "untrained-lite0/evidence.json").read_text(encoding="utf-8"))
    assert record["verdict"] == "reject"


@pytest.mark.parametrize("sector", ["manufacturing", "automotive", "diy", "retail"])
def test_each_sector_has_enough_to_search(sector):
    """At least 12 products and 48 queries, look-alikes among them."""
    from pytest_prodbench.datasets.opening import open_dataset
    from pytest_prodbench.settings.files import load_suite

    suite = load_suite([PROJECT / "suites" / sector], PROJECT)
    dataset = open_dataset(suite.sectors[sector].datasets[sector], max_pixels=10_000_000)
    families: dict[str, set[str]] = {}
    gallery = dataset.gallery
    for product, family in zip(gallery.product_ids, gallery.families, strict=True):
        families.setdefault(family, set()).add(product)
    assert len(set(gallery.product_ids)) >= 12
    assert len(dataset.queries) >= 48
    assert all(len(products) > 1 for products in families.values())
    assert {"light", "view", "ground", "occlusion", "camera"} <= set(dataset.queries.conditions)
