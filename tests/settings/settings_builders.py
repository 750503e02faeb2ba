"""Suites on disk, written by the test that needs them."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

import pytest

from pytest_prodbench.errors import SettingsError
from pytest_prodbench.settings.files import load_suite
from pytest_prodbench.settings.types import Suite

MODELS = """
[models]
lite0 = "timm:tf_efficientnet_lite0"
"""
SECTOR = """
owner = "parts team"

[datasets.parts]
path = "parts.csv"

[thresholds]
"recall@1" = 0.5
"""


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(dedent(text), encoding="utf-8")
    return path


def suite_of(project: Path, sector: str = SECTOR, models: str = MODELS) -> Suite:
    """Read ``suites/diy`` of a project with one sector file and one models file."""
    write(project / "suites/models.toml", models)
    write(project / "suites/diy/sector.toml", sector)
    return load_suite([project / "suites"], project)


def refused(project: Path, *, sector: str = SECTOR, models: str = MODELS) -> str:
    with pytest.raises(SettingsError) as caught:
        suite_of(project, sector, models)
    return str(caught.value)
