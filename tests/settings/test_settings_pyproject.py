"""A suite in a pyproject.toml, or in one file of its own."""

from __future__ import annotations

import pytest
from settings_builders import write

from pytest_prodbench.errors import SettingsError
from pytest_prodbench.settings.files import load_bench_file, load_suite, project_table, sector_of


def test_a_suite_in_pyproject(tmp_path):
    write(
        tmp_path / "pyproject.toml",
        """
        [tool.other]
        x = 1
        [tool.prodbench.models]
        lite0 = "timm:tf_efficientnet_lite0"
        [tool.prodbench.sectors.diy]
        owner = "parts team"
        datasets.parts.path = "data/parts.csv"
        thresholds."recall@1" = 0.5
        [tool.prodbench.run]
        batch_size = 8
        """,
    )
    suite = load_suite([tmp_path], tmp_path)
    assert suite.sectors["diy"].datasets["parts"].path == tmp_path / "data/parts.csv"
    (rule,) = suite.sectors["diy"].rules
    assert rule.where == 'pyproject.toml:9: tool.prodbench.sectors.diy.thresholds."recall@1"'
    assert suite.files == (tmp_path / "pyproject.toml",)
    assert project_table(tmp_path).run.batch_size == 8
    assert sector_of(suite, tmp_path / "suites/diy/test_diy.py") == suite.sectors["diy"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[tool.prodbench.runn]\nx = 1", "unknown key 'tool.prodbench.runn'; did you mean 'run'?"),
        ("[tool.prodbench.run]\nbatchsize = 1", "did you mean 'batch_size'?"),
        ("[tool.prodbench.run]\nbatch_size = '8'", "'tool.prodbench.run.batch_size' is '8' (str)"),
        ("[tool.prodbench.run]\nprecision = 'fp16'", "'tool.prodbench.run.precision' is 'fp16'"),
        ("[tool.prodbench.sectors.diy]\nownr = 1", "did you mean 'owner'?"),
        ("[tool]\nprodbench = 3", "key 'tool.prodbench' is 3 (int); expected a table"),
        ("[[tool.prodbench]]\nx = 1", "key 'tool.prodbench' is"),
    ],
)
def test_a_wrong_pyproject(tmp_path, text, said):
    write(tmp_path / "pyproject.toml", text)
    with pytest.raises(SettingsError) as caught:
        load_suite([tmp_path], tmp_path)
    assert str(caught.value).startswith("pyproject.toml: ")
    assert said in str(caught.value)


@pytest.mark.parametrize("text", ["", "tool = 3", "[tool.ruff]\nx = 1", "[project]\nname = 'x'"])
def test_a_pyproject_that_says_nothing_of_us(tmp_path, text):
    write(tmp_path / "pyproject.toml", text)
    assert project_table(tmp_path) is None
    assert load_suite([tmp_path], tmp_path).files == ()


def test_a_suite_in_one_file(tmp_path):
    file = write(
        tmp_path / "deep/bench.toml",
        """
        models.lite0 = "timm:tf_efficientnet_lite0"
        sectors.diy.datasets.parts.path = "parts.csv"
        run.seed = 3
        """,
    )
    suite, run = load_bench_file(file, tmp_path)
    assert suite.sectors["diy"].datasets["parts"].path == tmp_path / "deep/parts.csv"
    assert suite.models["lite0"].where == "deep/bench.toml:2: models.lite0"
    assert run.seed == 3
