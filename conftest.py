"""A worked example: how a team adds a model and a dataset of its own, beside what the TOML files define.

Copy it to the root of your repository and change the two calls. ``pytest suites/`` loads it by itself.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_prodbench.settings.catalog import Catalog


def pytest_prodbench_register(catalog: Catalog) -> None:
    """Called once in every process, before pairs are planned; must add the same things each time."""
    # A model: yours would name a checkpoint ("checkpoints/candidate.safetensors"). This one has random
    # weights and shows the gate turning red: pytest suites/ --prodbench-model untrained-lite0
    catalog.add_model(
        "untrained-lite0",
        "timm:tf_efficientnet_lite0",
        checkpoint="random:0",
        by_default=False,
    )
    # A dataset that lies outside the repository, on machines that have it; here Grocery Store (MIT).
    grocery_store = os.environ.get("PRODBENCH_GROCERY_STORE")
    if grocery_store and "retail" in catalog.suite.sectors:
        catalog.add_dataset(
            "grocery-store",
            sector="retail",
            layout="grocery_store",
            path=Path(grocery_store),
            thresholds={"recall@1": 0.25},
        )
