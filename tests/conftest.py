"""A small real suite: rendered-by-hand photos, real (small, random) networks, every pytest a subprocess."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
import vl_convert  # noqa: F401 - see below
from drawn_catalog import draw_catalog
from hypothesis import settings

# How long an example takes says how busy the machine is; speed belongs in benchmarks/.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

# pytester forgets, after a test, each module that the test was the first to import; the next import loads
# it anew. vl_convert cannot be loaded twice in a process, so it is loaded before any test.

# Read when torch is loaded, here and in every process that a test starts. Without it each of torch's
# threads spins while it waits, on a processor that the other test workers need: a forward pass of small
# images took fifty times as long on two busy cores.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

MODELS = """
[models]
one = { source = "timm:test_efficientnet", checkpoint = "random:1" }
two = { source = "timm:test_efficientnet", checkpoint = "random:2" }
"""

# A whole network, whose vectors depend on batch and threads as those of any other do. It is cheap because
# torch alone is loaded: with timm every process takes twice as long to start.
NETWORK = """
import torch

class Network(torch.nn.Sequential):
    def __init__(self, seed):
        torch.manual_seed(seed)
        super().__init__(
            torch.nn.Conv2d(3, 16, 7, stride=4), torch.nn.BatchNorm2d(16), torch.nn.SiLU(),
            torch.nn.Conv2d(16, 64, 3, stride=2), torch.nn.BatchNorm2d(64), torch.nn.SiLU(),
            torch.nn.AdaptiveAvgPool2d(2), torch.nn.Flatten(),
        )

def one():
    return Network(1)

def two():
    return Network(2)

def zed():
    return Network(3)
"""
PREPROCESS = "{ size = 96, mean = [0.5, 0.5, 0.5], std = [0.25, 0.25, 0.25] }"
NETWORKS = f"""
[models]
one = {{ source = "module:small_network:one", preprocess = {PREPROCESS} }}
two = {{ source = "module:small_network:two", preprocess = {PREPROCESS} }}
"""

OTHER_PLUGINS = (
    "anyio",
    "hypothesispytest",
    "html",
    "html_fixtures",
    "metadata",
    "pytest_cov",
    "randomly",
    "rerunfailures",
    "timeout",
)
"""What is installed for our own tests and stays out of a tested repository, unless a test brings it in."""

TEST = """
def test_retrieval(prodbench):
    prodbench.evaluate().check()
"""


@pytest.fixture(scope="session")
def catalogs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two catalogs, drawn once."""
    root = tmp_path_factory.mktemp("catalogs")
    draw_catalog(root / "bolts", seed=1)
    draw_catalog(root / "boxes", seed=2)
    return root


class Repository:
    """A team's repository with two sectors of one dataset each, and a way to run pytest in it."""

    def __init__(self, pytester: pytest.Pytester, catalogs: Path, cache: Path) -> None:
        self.pytester = pytester
        self.path = pytester.path
        self.catalogs, self.cache = catalogs, cache
        self.write("suites/models.toml", MODELS)
        without = " ".join(f"-p no:{name}" for name in OTHER_PLUGINS)
        self.write(
            "pytest.ini", f"[pytest]\npythonpath = .\naddopts = --strict-markers {without}\n"
        )
        for sector, dataset in (("diy", "bolts"), ("retail", "boxes")):
            self.sector(sector, dataset)

    def sector(self, sector: str, dataset: str, minimum: float = 0.01, test: str = TEST) -> None:
        """Write (again) a sector with one dataset and one threshold."""
        manifest = self.catalogs / dataset / "manifest.csv"
        self.write(
            f"suites/{sector}/sector.toml",
            f'[datasets.{dataset}]\npath = "{manifest}"\n[thresholds]\n"recall@1" = {minimum}\n',
        )
        self.write(f"suites/{sector}/test_{sector}.py", test)

    def write(self, name: str, text: str) -> Path:
        """Write a text file."""
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    def run(
        self,
        *arguments: str,
        cache: Path | None = None,
        name: str = "run",
        # A tenth of what users get: these runs are about what is reported, not about intervals.
        resamples: int = 200,
        timeout: float = 240,
    ) -> Any:
        """Run pytest on the suites; the reports are then in ``reports/<name>``."""
        shutil.rmtree(self.path / "reports" / name, ignore_errors=True)
        return self.pytester.runpytest_subprocess(
            *(arguments or ("suites",)),
            *([] if any(a.startswith("suites") for a in arguments) else ["suites"]),
            f"--prodbench-cache-dir={cache or self.cache}",
            f"--prodbench-run={name}",
            f"--prodbench-resamples={resamples}",
            timeout=timeout,
        )

    def evidence(self, name: str = "run") -> dict[str, Any]:
        """Return the evidence of a run."""
        text = (self.path / "reports" / name / "evidence.json").read_text(encoding="utf-8")
        found: dict[str, Any] = json.loads(text)
        return found

    def pairs(self, name: str = "run") -> dict[str, dict[str, Any]]:
        """Return ``model:dataset`` → its record."""
        return {f"{p['model']}:{p['dataset']}": p for p in self.evidence(name)["pairs"]}


@pytest.fixture
def no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the environment of whoever runs the tests out of them."""
    import os

    for name in list(os.environ):
        if name.startswith(("PRODBENCH_", "PYTEST_XDIST")):
            monkeypatch.delenv(name)


@pytest.fixture(scope="session")
def warm_cache(catalogs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache in which both models have embedded both catalogs: what follows loads no torch."""
    from pytest_prodbench import evaluate
    from pytest_prodbench.settings.types import ModelSpec

    cache = tmp_path_factory.mktemp("cache")
    for name, seed in (("one", 1), ("two", 2)):
        spec = ModelSpec(
            name=name, library="timm", identifier="test_efficientnet", checkpoint=f"random:{seed}"
        )
        for dataset in ("bolts", "boxes"):
            evaluate(spec, catalogs / dataset / "manifest.csv", cache_dir=cache)
    return cache


@pytest.fixture
def measuring_repository(pytester: pytest.Pytester, catalogs: Path, warm_cache: Path) -> Repository:
    """A repository whose embeddings are all in the cache; each run measures."""
    return Repository(pytester, catalogs, warm_cache)


@pytest.fixture
def repository(measuring_repository: Repository) -> Repository:
    """The same; tests of the plugin measure a pair once for all of them."""
    return measuring_repository


@pytest.fixture
def cold_repository(pytester: pytest.Pytester, catalogs: Path, tmp_path: Path) -> Repository:
    """A repository with an empty cache; every run embeds, with networks of its own that load torch alone."""
    found = Repository(pytester, catalogs, tmp_path / "cold-cache")
    found.write("small_network.py", NETWORK)
    found.write("suites/models.toml", NETWORKS)
    return found
