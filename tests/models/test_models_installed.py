"""A model library in a package of its own, installed by pip, found by its entry point: the guide's."""

from __future__ import annotations

import csv
import json
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from drawn_catalog import draw_catalog
from PIL import Image

GUIDE = Path(__file__).parents[2] / "docs/models.md"
SIDE = 8

SUITE = """
[models]
thumb = "thumbnail:{side}"
[sectors.diy.datasets.bolts]
path = "catalog/manifest.csv"
[sectors.diy.thresholds]
"recall@1" = 0.01
[run]
resamples = 200
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder into which pip has installed the package: the code and the entry point of the guide."""
    root = tmp_path_factory.mktemp("package")
    text = GUIDE.read_text(encoding="utf-8")
    (code,) = re.findall(
        r"check: run thumbnail_library\.py -->\n```python\n(.*?)```", text, re.DOTALL
    )
    (entry,) = re.findall(r'entry-points\."prodbench\.models"\]\n(.*?)```', text, re.DOTALL)
    files = {
        "thumbnail_library.py": code,
        "acme_thumbnails-1.0.dist-info/METADATA": "Metadata-Version: 2.1\n"
        "Name: acme-thumbnails\nVersion: 1.0\n",
        "acme_thumbnails-1.0.dist-info/WHEEL": "Wheel-Version: 1.0\nGenerator: test\n"
        "Root-Is-Purelib: true\nTag: py3-none-any\n",
        "acme_thumbnails-1.0.dist-info/entry_points.txt": f"[prodbench.models]\n{entry}".replace(
            '"', ""
        ),
    }
    record = "acme_thumbnails-1.0.dist-info/RECORD"
    wheel = root / "acme_thumbnails-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
        archive.writestr(record, "".join(f"{name},,\n" for name in [*files, record]))
    subprocess.run(
        [
            *(sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps"),
            *("--disable-pip-version-check", "--target", str(root / "site"), str(wheel)),
        ],
        check=True,
    )
    return root / "site"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    draw_catalog(tmp_path / "catalog", seed=5)
    (tmp_path / "bench.toml").write_text(SUITE.format(side=SIDE), encoding="utf-8")
    return tmp_path


def prodbench(*arguments: str, project: Path, site: Path | None) -> subprocess.CompletedProcess:
    paths = [str(site)] if site else []
    paths += [os.environ["PYTHONPATH"]] if os.environ.get("PYTHONPATH") else []
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    command = "import sys; from pytest_prodbench.cli import main; sys.exit(main(sys.argv[1:]))"
    return subprocess.run(
        [sys.executable, "-c", command, *arguments],
        cwd=project,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def plain_recall(catalog: Path) -> float:
    """Recall@1 of thumbnails, written down from its definition."""

    def unit(name: str) -> np.ndarray:
        image = Image.open(catalog / name).convert("RGB").resize((SIDE, SIDE))
        vector = np.asarray(image, np.float64).transpose(2, 0, 1).ravel() / 255
        return vector / np.linalg.norm(vector)

    with (catalog / "manifest.csv").open(encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    gallery = [(row["product_id"], unit(row["image"])) for row in rows if row["role"] == "gallery"]
    hits = []
    for row in rows:
        if row["role"] == "query":
            query = unit(row["image"])
            scores = [float(vector @ query) for _, vector in gallery]
            hits.append(gallery[int(np.argmax(scores))][0] == row["product_id"])
    return sum(hits) / len(hits)


def test_an_installed_library_is_found_and_measured(project: Path, site: Path) -> None:
    done = prodbench("run", "bench.toml", "--run", "one", project=project, site=site)
    assert done.returncode == 0, done.stdout + done.stderr
    evidence = json.loads((project / "reports/one/evidence.json").read_text(encoding="utf-8"))
    assert evidence["models"]["thumb"]["source"] == f"thumbnail:{SIDE}"
    assert evidence["models"]["thumb"]["engine"]["name"] == "torch"
    (pair,) = evidence["pairs"]
    recall = pair["measurement"]["metrics"]["recall@1"]
    assert recall["value"] == pytest.approx(plain_recall(project / "catalog"))


def test_without_the_package_the_message_says_what_is_missing(project: Path) -> None:
    done = prodbench("run", "bench.toml", project=project, site=None)
    assert done.returncode != 0
    said = done.stdout + done.stderr
    assert f"model library 'thumbnail' in 'thumbnail:{SIDE}', which nothing registers" in said
    assert "known: azure, baseline, bedrock, cohere" in said
    assert "Traceback" not in said
