"""A small repository that the snippets of the guides run in."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

Command = Callable[..., subprocess.CompletedProcess[str]]

MODELS = """
[models]
lite0 = { source = "timm:test_efficientnet", checkpoint = "random:1" }
lite1 = { source = "timm:test_efficientnet", checkpoint = "random:2" }
"""
SECTOR = """
[datasets.diy]
path = "../../data/diy/manifest.csv"

[thresholds]
"recall@1" = 0.01
"""
TEST = """
def test_retrieval(prodbench):
    prodbench.evaluate().check()
"""


def draw_catalog(folder: Path, seed: int) -> None:
    """Write six coloured shapes on noise, one catalog image and two photos each, with a manifest."""
    rng = np.random.default_rng(seed)
    folder.mkdir(parents=True)
    rows = ["image,product_id,role,family,light"]
    for product in range(6):
        colour = tuple(int(value) for value in rng.integers(40, 220, 3))
        corners = rng.integers(8, 88, (5, 2))
        for shot, light in enumerate(("", "dim", "studio")):
            image = Image.fromarray(rng.integers(0, 40, (96, 96, 3), dtype=np.uint8))
            shape = [tuple(int(value) for value in corner + 2 * shot) for corner in corners]
            ImageDraw.Draw(image).polygon(shape, fill=colour)
            image.save(folder / f"{product:03}-{shot}.png")
            role = "query" if shot else "gallery"
            rows.append(f"{product:03}-{shot}.png,{product:03},{role},shapes-{product % 2},{light}")
    (folder / "manifest.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")


def fill(root: Path) -> None:
    """Write the repository: two catalogs, a list of pairs, one sector, two small random models."""
    draw_catalog(root / "data/diy", seed=1)
    draw_catalog(root / "data/returns", seed=2)
    pairs = [f"diy/{p:03}-{s}.png;diy/{p:03}-0.png;{p:03}" for p in range(6) for s in (1, 2)]
    (root / "data/desk.txt").write_text("\n".join(pairs) + "\n", encoding="utf-8")
    sector = root / "suites/diy"
    sector.mkdir(parents=True)
    (root / "suites/models.toml").write_text(MODELS, encoding="utf-8")
    (sector / "sector.toml").write_text(SECTOR, encoding="utf-8")
    (sector / "test_diy.py").write_text(TEST, encoding="utf-8")
    (root / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")


def start(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run ``python ARGUMENTS`` in the repository, without what the outer pytest left in the environment."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PRODBENCH_", "PYTEST_"))
    }
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=root,
        env=kept,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A fresh repository."""
    fill(tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def with_a_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Another, in which the suite has been run as ``first``: pages that read a run get a copy of it."""
    root = tmp_path_factory.mktemp("with-a-run")
    fill(root)
    made = start(root, "-m", "pytest", "suites", "-q", "--prodbench-run=first")
    assert made.returncode == 0, made.stdout
    return root


@pytest.fixture
def python() -> Command:
    """Run python in a repository: ``python(root, "-m", "pytest")``."""
    return start
