"""The upgrade that the guide plays through, with real models: its tables are what its commands print."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from docs_reading import ROOT, Block, blocks
from suite_cache import take_over

PAGE = ROOT / "docs/upgrade.md"
VARIES = re.compile(r"\d{4}-\d\d-\d\d|[\d,]+ bytes")
"""The day, and the size of a file that says which release wrote it."""


def repository(folder: Path) -> None:
    """What the guide takes for granted: catalogs, a test a sector, what git leaves out."""
    shutil.copytree(
        ROOT / "fixtures/catalogs/manufacturing", folder / "fixtures/catalogs/manufacturing"
    )
    shutil.copytree(ROOT / "fixtures/catalogs/retail", folder / "fixtures/catalogs/retail")
    for sector in ("manufacturing", "retail"):
        (folder / "suites" / sector).mkdir(parents=True)
        test = f"test_{sector}.py"
        shutil.copy(ROOT / "suites" / sector / test, folder / "suites" / sector / test)
    (folder / "pytest.ini").write_text("[pytest]\n")
    (folder / ".gitignore").write_text(
        "reports/\n.prodbench/\n__pycache__/\n.pytest_cache/\nweights/\n"
    )
    subprocess.run(["git", "init", "--quiet"], cwd=folder, check=True)


def environment() -> dict[str, str]:
    kept = {
        k: v
        for k, v in os.environ.items()
        if not k.startswith(("PRODBENCH_", "PYTEST_", "GITHUB_"))
    }
    names = {
        f"GIT_{who}_{what}": "somebody@example.org"
        for who in ("AUTHOR", "COMMITTER")
        for what in ("NAME", "EMAIL")
    }
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return {**kept, **names, "PATH": path, "COLUMNS": "100"}


def shell(block: Block, folder: Path) -> tuple[int, list[str]]:
    done = subprocess.run(
        ["bash", "-e", "-c", block.text],
        cwd=folder,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=600,
        check=False,
    )
    return done.returncode, done.stdout.splitlines()


def without_what_varies(line: str) -> str:
    return VARIES.sub("#", line).rstrip()


def test_the_upgrade_goes_as_the_guide_says(tmp_path: Path) -> None:
    repository(tmp_path)
    take_over(tmp_path / ".prodbench" / "cache")
    printed: list[str] = []
    code = 0
    for block in blocks(PAGE):
        kind, _, rest = block.check.removeprefix("upgrade ").partition(" ")
        if kind == "file":
            (tmp_path / rest).write_text(block.text, encoding="utf-8")
        elif kind == "shell":
            code, printed = shell(block, tmp_path)
        else:
            told = [without_what_varies(line) for line in block.text.splitlines() if line.strip()]
            assert code == int(rest), "\n".join(printed)
            assert len(told) > 1
            found = iter(map(without_what_varies, printed))
            missing = [line for line in told if line not in found]
            assert not missing, f"{block}: {missing[0]!r} is not printed:\n" + "\n".join(printed)
