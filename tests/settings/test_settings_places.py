"""Where the files of a suite are looked for, and where not."""

from __future__ import annotations

import pytest
from settings_builders import write

from pytest_prodbench.settings.files import load_suite
from pytest_prodbench.settings.places import find_sector_files, nearest


@pytest.fixture
def project(tmp_path):
    for folder in ("suites/diy", "suites/retail", "suites/.old", ".git/x", "a/b/c"):
        write(tmp_path / f"project/{folder}/sector.toml", "")
        write(tmp_path / f"project/{folder}/test_it.py", "")
    write(tmp_path / "sector.toml", "")
    write(tmp_path / "models.toml", "")
    return tmp_path / "project"


def names(project, *places):
    found = find_sector_files([project / place for place in places], project)
    return [path.relative_to(project).as_posix() for path in found]


def test_the_nearest_above(project):
    assert names(project, "suites/diy/test_it.py") == ["suites/diy/sector.toml"]
    (project / "suites/diy/deep/er").mkdir(parents=True)
    assert names(project, "suites/diy/deep/er") == ["suites/diy/sector.toml"]
    assert names(project, "suites/diy/no_such_test.py") == ["suites/diy/sector.toml"]


def test_one_or_two_folders_below_and_not_three(project):
    assert names(project, "suites") == ["suites/diy/sector.toml", "suites/retail/sector.toml"]
    assert names(project, ".") == ["suites/diy/sector.toml", "suites/retail/sector.toml"]
    assert names(project, "a") == ["a/b/c/sector.toml"]


def test_the_one_above_does_not_hide_those_below(project):
    write(project / "suites/sector.toml", "")
    write(project / "suites/test_it.py", "")
    assert names(project, "suites") == [
        "suites/diy/sector.toml",
        "suites/retail/sector.toml",
        "suites/sector.toml",
    ]
    assert names(project, "suites/test_it.py") == ["suites/sector.toml"]
    assert names(project, "suites/diy") == ["suites/diy/sector.toml"]


def test_hidden_folders_are_left_alone(project):
    assert not any(".old" in name or ".git" in name for name in names(project, ".", "suites"))


def test_a_hidden_folder_that_is_asked_for(project):
    assert names(project, "suites/.old") == ["suites/.old/sector.toml"]


def test_each_file_once(project):
    assert names(project, "suites/diy", "suites/diy/test_it.py", "suites") == [
        "suites/diy/sector.toml",
        "suites/retail/sector.toml",
    ]


def test_never_above_the_project(project, tmp_path):
    (project / "empty").mkdir()
    assert names(project, "empty") == []
    assert nearest(project / "suites", "models.toml", project) is None
    assert load_suite([project / "suites"], project).models == {}


def test_outside_the_project_only_the_folder_itself(project, tmp_path):
    write(tmp_path / "other/diy/sector.toml", "")
    assert find_sector_files([tmp_path / "other/diy"], project) == [
        tmp_path / "other/diy/sector.toml"
    ]
    (tmp_path / "other/diy/deep").mkdir()
    assert find_sector_files([tmp_path / "other/diy/deep"], project) == []


def test_a_folder_of_that_name_is_no_file(project):
    (project / "b/x/sector.toml").mkdir(parents=True)
    assert names(project, "b") == []


def test_a_link_to_a_suite_is_the_suite(project):
    (project / "link").symlink_to(project / "suites/diy")
    assert names(project, "link", "suites/diy") == ["suites/diy/sector.toml"]
