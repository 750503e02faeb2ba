"""``pythonpath`` of pytest's configuration, found and read as pytest does."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from pytest_prodbench.cli import main
from pytest_prodbench.errors import SettingsError
from pytest_prodbench.settings.pythonpath import pythonpath

INI = "[pytest]\npythonpath = src 'more of it'\n"
EACH = {
    "pytest.ini": INI,
    ".pytest.ini": INI,
    "tox.ini": INI,
    "setup.cfg": INI.replace("pytest]", "tool:pytest]"),
    "pyproject.toml": '[tool.pytest.ini_options]\npythonpath = ["src", "more of it"]\n',
    "pytest.toml": '[pytest]\npythonpath = ["src", "more of it"]\n',
}


@pytest.mark.parametrize("name", EACH)
def test_each_file_of_pytest(name, tmp_path):
    (tmp_path / name).write_text(EACH[name])
    (tmp_path / "below").mkdir()
    for project in (tmp_path, tmp_path / "below"):
        assert pythonpath(project) == [tmp_path / "src", tmp_path / "more of it"]


@pytest.mark.parametrize("name", ["pytest.ini", "pyproject.toml", "tox.ini"])
def test_it_is_pytests_own_reading(name, tmp_path, pytestconfig):
    from _pytest.config.findpaths import locate_config

    (tmp_path / name).write_text(EACH[name])
    _, path, found, *_ = locate_config(tmp_path, [tmp_path])
    assert path == tmp_path / name
    assert "pythonpath" in found


def test_the_first_file_decides_and_an_empty_one_of_pytests_own_counts(tmp_path):
    (tmp_path / "pytest.ini").write_text("")
    (tmp_path / "tox.ini").write_text(INI)
    assert pythonpath(tmp_path) == []
    (tmp_path / "pytest.ini").unlink()
    # Not pytest's: it has no table of it.
    (tmp_path / "pyproject.toml").write_text("[project]\nname = 'x'\n")
    assert pythonpath(tmp_path) == [tmp_path / "src", tmp_path / "more of it"]


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("pytest.ini", "pythonpath = src", "cannot be read: File contains no section headers"),
        ("pytest.ini", "[pytest]\npythonpath = 'src", "expected paths"),
        ("pyproject.toml", "[tool.pytest.ini_options]\npythonpath = 3", "pythonpath is 3"),
    ],
)
def test_a_wrong_file_is_named(name, text, told, tmp_path):
    (tmp_path / name).write_text(text)
    with pytest.raises(SettingsError, match=told) as raised:
        pythonpath(tmp_path)
    assert str(raised.value).startswith(name)


def test_the_command_finds_modules_there(tmp_path: Path, monkeypatch, capsys):
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PRODBENCH_CACHE_DIR", str(tmp_path / "cache"))
    (tmp_path / "pytest.ini").write_text("[pytest]\npythonpath = src\n")
    (tmp_path / "src").mkdir()
    (tmp_path / "src/colours_of_the_pythonpath.py").write_text(
        "def colours(batch):\n    return batch.mean(dim=(2, 3))\n"
    )
    (tmp_path / "suites/diy").mkdir(parents=True)
    (tmp_path / "suites/diy/sector.toml").write_text('[datasets.bolts]\npath = "x.csv"\n')
    (tmp_path / "suites/models.toml").write_text(
        """
[models.ours]
source = "module:colours_of_the_pythonpath:colours"
version = "1"
preprocess = { size = 8, mean = [0.5, 0.5, 0.5], std = [0.5, 0.5, 0.5] }
"""
    )
    assert main(["models", "show", "ours"]) == 0
    assert "dimension      3" in capsys.readouterr().out
