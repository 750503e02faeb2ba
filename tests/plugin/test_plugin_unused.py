"""In a repository that does not use it, the plugin costs next to nothing and says nothing."""

from __future__ import annotations

import subprocess
import sys

HEAVY = (
    "torch",
    "numpy",
    "pydantic",
    "PIL",
    "pyarrow",
    "transformers",
    "timm",
    "open_clip",
    "faiss",
)


def test_loading_the_plugin_imports_nothing_heavy():
    code = f"""
import sys, pytest
before = set(sys.modules)
import pytest_prodbench.plugin
new = set(sys.modules) - before
print(sorted(name for name in {HEAVY!r} if name in new))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_whole_run_without_pairs_imports_nothing_heavy_and_prints_nothing(pytester):
    pytester.makepyfile(
        f"""
import sys
def test_a():
    assert not [name for name in {HEAVY!r} if name in sys.modules]
"""
    )
    # Others that may be installed: pytest-randomly imports numpy where there is one.
    result = pytester.runpytest_subprocess("-p", "no:hypothesispytest", "-p", "no:randomly")
    result.assert_outcomes(passed=1)
    said = result.stdout.str().replace("prodbench-", "")
    assert "visual product search" not in said
    assert not (pytester.path / "reports").exists()
    assert not (pytester.path / ".prodbench").exists()


def test_a_warm_run_loads_no_model_library(repository):
    test = (
        "import sys\n"
        "def test_it(prodbench):\n"
        "    prodbench.evaluate().check()\n"
        "    heavy = ('torch', 'timm', 'transformers', 'open_clip', 'torchvision', 'scipy.stats')\n"
        "    assert not [name for name in heavy if name in sys.modules]\n"
    )
    repository.sector("diy", "bolts", test=test)
    result = repository.run("-p", "no:xdist")
    assert result.ret == 0, result.stdout.str()
    assert repository.pairs()["one:bolts"]["timing"]["images_embedded"] == 0


def test_plugins_named_by_hand_work_as_by_entry_point(repository, monkeypatch):
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    result = repository.run("-p", "pytest_prodbench.plugin", "-p", "xdist.plugin", "-n2", "-v")
    assert result.ret == 0, result.stdout.str()
    result.stdout.fnmatch_lines(["scheduling tests via ModelScheduling"])
