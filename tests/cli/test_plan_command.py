"""``prodbench plan``: what a run would take."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pytest_prodbench.cli import main
from pytest_prodbench.cli.plan import _together
from pytest_prodbench.evaluation.estimate import ModelEstimate, estimate
from pytest_prodbench.evaluation.planning import plan_pairs
from pytest_prodbench.settings.files import load_suite
from pytest_prodbench.settings.types import RunSettings


@pytest.fixture
def here(repository: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.chdir(repository.path)
    monkeypatch.setenv("PRODBENCH_CACHE_DIR", str(repository.cache))
    return repository


def rows(said: str) -> dict[str, list[str]]:
    """Cells of each model; two spaces or more stand between them."""
    table = said.split("\n\n", 1)[0].splitlines()
    return {cells[0]: cells[1:] for cells in (re.split(r"  +", line.strip()) for line in table)}


def distinct_images(repository: Any) -> int:
    """Counted from the files themselves, without the code under test."""
    found = set()
    for dataset in ("bolts", "boxes"):
        for path in (repository.catalogs / dataset).rglob("*"):
            if path.suffix.lower() in {".jpg", ".jpeg", ".png"}:
                found.add(path.read_bytes())
    return len(found)


def test_what_the_cache_has_takes_nothing(here: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan"]) == 0
    said = capsys.readouterr().out
    images = str(distinct_images(here))
    for name in ("one", "two"):
        assert rows(said)[name][:5] == ["2", images, "0", "–", "0 s"]
    assert "4 pairs; 0 images to embed, 0 s in one process" in said


def test_an_empty_cache_a_price_and_a_model_that_is_not_there(
    here: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    empty = tmp_path / "empty"
    monkeypatch.setenv("PRODBENCH_CACHE_DIR", str(empty))
    here.write(
        "suites/models.toml",
        """
[models.one]
source = "timm:test_efficientnet"
checkpoint = "random:1"
price_per_1000 = 250.0
[models.gone]
source = "timm:test_efficientnet"
checkpoint = "nowhere.safetensors"
""",
    )
    assert main(["plan"]) == 1
    captured = capsys.readouterr()
    images = distinct_images(here)
    cells = rows(captured.out)["one"]
    assert cells[:3] == ["2", str(images), str(images)]
    assert float(cells[3]) > 0
    assert re.fullmatch(r"\d+ (min \d+ )?s", cells[4])
    assert re.fullmatch(r"[\d,]+ MiB", cells[5])
    assert cells[-1] == f"{images / 4:,.2f}"
    assert f"price of what is to be embedded: {images / 4:,.2f}" in captured.out
    assert "gone cannot run: model 'gone'" in captured.out
    assert "nowhere.safetensors" in captured.out
    assert "looking at one" in captured.err
    assert not list(empty.rglob("*.safetensors"))
    # What the rate was measured on is embedded again when the run starts.
    assert main(["plan", "--model", "one"]) == 0
    assert rows(capsys.readouterr().out)["one"][2] == str(images)


def test_a_broken_model_does_not_end_the_plan(
    here: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (here.path / "broken_of_the_plan").mkdir()
    here.write("broken_of_the_plan/__init__.py", 'raise RuntimeError("no licence")')
    here.write(
        "nets_of_the_plan.py",
        """
import torch
class Net(torch.nn.Module):
    preprocessing = "none"
    def preprocess(self, image):
        if len(image.getcolors(1 << 24)) > 1:
            raise KeyError("colours")
        return torch.zeros(3, 8, 8)
    def forward(self, x):
        return x.mean((2, 3)) + 1
""",
    )
    monkeypatch.syspath_prepend(here.path)
    here.write(
        "suites/models.toml",
        """
[models]
broken = "module:broken_of_the_plan.nets:Net"
raising = "module:nets_of_the_plan:Net"
one = { source = "timm:test_efficientnet", checkpoint = "random:1" }
""",
    )
    assert main(["plan"]) == 1
    said = capsys.readouterr().out
    assert "broken cannot run: model 'broken'" in said
    assert "RuntimeError at import: no licence" in said
    assert "raising cannot run: KeyError: 'colours'" in said
    assert float(rows(said)["one"][1]) > 0


def test_a_time_that_is_not_known_is_not_nothing() -> None:
    apis = [ModelEstimate(f"api-{n}", 1, missing=100) for n in range(7)]
    assert _together(apis[:2]) == "unknown time (api-0, api-1)"
    assert _together(apis).endswith("api-4, ... and 2 more)")
    local = ModelEstimate("local", 1, missing=10, seconds=62.0)
    assert _together([local, apis[0]]) == "1 min 2 s in one process + unknown (api-0)"
    cached = ModelEstimate("cached", 1, missing=0, seconds=0.0)
    assert _together([cached, apis[0]]) == "unknown time (api-0)"
    assert _together([local, cached]) == "1 min 2 s in one process"


def test_the_memory_of_a_model_has_none_of_those_before(here: Any, tmp_path: Path) -> None:
    here.write(
        "nets_of_the_plan.py",
        """
import os
import numpy as np
held = []
def large(batch):
    if not held:
        held.append(np.ones(400 * 2**17))
    return batch.mean((2, 3))
def killed(batch):
    os.kill(os.getpid(), 9)
""",
    )
    stated = (
        'version = "1"\npreprocess = { size = 8, mean = [0.5, 0.5, 0.5], std = [0.5, 0.5, 0.5] }'
    )
    here.write(
        "suites/models.toml",
        f"""
[models.large]
source = "module:nets_of_the_plan:large"
{stated}
[models.killed]
source = "module:nets_of_the_plan:killed"
{stated}
[models.pixels]
source = "baseline:pixels"
""",
    )
    code = "import sys; from pytest_prodbench.cli import main; sys.exit(main(['plan']))"
    ran = subprocess.run(
        [sys.executable, "-c", code],
        cwd=here.path,
        env=os.environ | {"PRODBENCH_CACHE_DIR": str(tmp_path / "cache")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 1, ran.stderr
    assert "killed cannot run: the process that measured it ended with -9" in ran.stdout
    found = rows(ran.stdout)
    memory = {
        name: float(found[name][5].split()[0].replace(",", "")) for name in ("large", "pixels")
    }
    assert memory["large"] - memory["pixels"] > 300


def test_nothing_selected(here: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", "--model", "one", "--sector", "diy", "--dataset", "boxes"]) == 4
    assert "no pair to evaluate" in capsys.readouterr().err


def test_an_image_of_two_datasets_is_counted_once(here: Any) -> None:
    manifest = here.catalogs / "bolts" / "manifest.csv"
    here.write(
        "suites/retail/sector.toml",
        f'[datasets.again]\npath = "{manifest}"\n[thresholds]\n"recall@1" = 0.01\n',
    )
    settings = RunSettings(cache_dir=here.cache)
    suite = load_suite([here.path / "suites"], here.path)
    plans = [plan for plan in plan_pairs(suite, settings) if plan.model.name == "one"]
    assert [plan.dataset.name for plan in plans] == ["bolts", "again"]
    (twice,) = estimate(plans, settings)
    (once,) = estimate(plans[:1], settings)
    assert once.images == twice.images > 0
    assert once.vector_mib == twice.vector_mib
