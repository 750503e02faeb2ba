"""Hooks that a ``conftest.py`` or another plugin may implement."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_prodbench.settings.catalog import Catalog


def pytest_prodbench_register(catalog: Catalog) -> None:
    """Add models, datasets and model libraries in Python, beside what the TOML files define.

    Called once in every process, before pairs are planned. It must add the same things each time. Only
    ``conftest.py`` files that pytest loads at start-up are asked: those of the root and of the folders
    named on the command line.

    Example::

        def pytest_prodbench_register(catalog):
            catalog.add_model(
                "candidate", "timm:tf_efficientnet_lite0", checkpoint="checkpoints/q4.safetensors"
            )
            catalog.add_dataset(
                "returns-desk", sector="retail", path="data/returns/manifest.csv",
                thresholds={"recall@1": 0.8},
            )
    """
