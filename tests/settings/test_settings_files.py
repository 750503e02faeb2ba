"""What the files of a suite say, and what a wrong one is told: file, key, found, expected."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from settings_builders import MODELS, SECTOR, refused, suite_of, write

from pytest_prodbench.errors import SettingsError
from pytest_prodbench.settings.files import (
    load_suite,
    policy_digest,
    sector_of,
    shown_path,
)


def test_a_suite_of_two_files(tmp_path):
    suite = suite_of(tmp_path)
    model, sector = suite.models["lite0"], suite.sectors["diy"]
    assert (model.library, model.identifier) == ("timm", "tf_efficientnet_lite0")
    assert model.where == "suites/models.toml:3: models.lite0"
    assert sector.owner == "parts team"
    assert sector.datasets["parts"].path == tmp_path / "suites/diy/parts.csv"
    (rule,) = sector.rules
    assert (rule.metric, rule.limit, rule.bound) == ("recall@1", 0.5, "min")
    assert (rule.sector, rule.datasets, rule.models) == ("diy", "*", "*")
    assert rule.where == 'suites/diy/sector.toml:8: thresholds."recall@1"'
    assert sector.datasets["parts"].where == "suites/diy/sector.toml:4: datasets.parts"
    assert [path.name for path in suite.files] == ["sector.toml", "models.toml"]


def test_a_string_and_a_table_mean_the_same_model(tmp_path):
    short = suite_of(tmp_path / "a").models["lite0"]
    table = '\n\n[models.lite0]\nsource = "timm:tf_efficientnet_lite0"\n'
    assert suite_of(tmp_path / "b", models=table).models["lite0"] == short


def test_a_number_and_a_table_mean_the_same_threshold(tmp_path):
    short = suite_of(tmp_path / "a", '[thresholds]\n"mrr" = 1\n').sectors["diy"].rules
    table = suite_of(tmp_path / "b", '[thresholds]\n"mrr" = { min = 1.0 }\n').sectors["diy"].rules
    assert short == table
    assert (short[0].limit, short[0].bound) == (1.0, "min")


def test_thresholds_of_a_dataset_and_options_of_its_layout(tmp_path):
    text = """
    sector = "shop"
    [datasets.a]
    path = "../a"
    layout = "folder"
    open_set = true
    split = "test"
    thresholds = { "recall@5" = 0.9 }
    """
    sector = suite_of(tmp_path, text).sectors["shop"]
    dataset = sector.datasets["a"]
    assert (dataset.layout, dataset.open_set, dataset.options) == (
        "folder",
        True,
        {"split": "test"},
    )
    assert dataset.path == tmp_path / "suites/a"
    (rule,) = sector.rules
    assert (rule.datasets, rule.limit) == ("a", 0.9)
    assert rule.where == 'suites/diy/sector.toml:8: datasets.a.thresholds."recall@5"'


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("ownr = 'x'", "unknown key 'ownr'; did you mean 'owner'?"),
        ("[datasets.a]\nlayout = 'folder'", "key 'datasets.a.path' is missing"),
        ("[datasets.a]\npath = 3", "key 'datasets.a.path' is 3 (int); expected a valid string"),
        ("datasets = 3", "key 'datasets' is 3 (int)"),
        ("[datasets]\na = 'x.csv'", "key 'datasets.a' is 'x.csv' (str)"),
        ("owner = 3", "key 'owner' is 3 (int)"),
        ("[datasets.a]\npath = 'x'\nopen_set = 'yes'", "key 'datasets.a.open_set' is 'yes' (str)"),
        ("[thresholds]\n'recall@1' = '0.5'", "key 'thresholds.recall@1' is '0.5' (str)"),
        ("[thresholds]\n'recall@1' = true", "key 'thresholds.recall@1' is True (bool)"),
        ("[thresholds]\n'recall@1' = nan", "thresholds.recall@1.min' is nan (float)"),
        ("[thresholds]\n'recall@1' = inf", "thresholds.recall@1.min' is inf (float)"),
        (
            "[thresholds]\n'recall@1' = {}",
            "key 'thresholds.recall@1' is {} (dict); expected min (more is better), max (less",
        ),
        ("[thresholds]\n'mrr' = { min = 0.1, max = 0.2 }", "(dict); expected one of min"),
        (
            "[thresholds]\n'recall@1' = { mni = 0.5, min = 0.5 }",
            "unknown key 'thresholds.recall@1.mni'; did you mean 'min'?",
        ),
        ("[datasets.'a b']\npath = 'x'", ":1: datasets.\"a b\": dataset name 'a b'"),
        ("[datasets.'a:b']\npath = 'x'", ":1: datasets.\"a:b\": dataset name 'a:b'"),
        ("[datasets.'../a']\npath = 'x'", ":1: datasets.\"../a\": dataset name '../a'"),
        ("[datasets.'']\npath = 'x'", ":1: datasets.\"\": dataset name ''"),
        ("sector = 'a/b'", ":1: sector: sector name 'a/b'"),
        ("[datasets.a]\npath = '~nobody-of-that-name/x'", ":1: datasets.a, path"),
        ('[datasets.a]\npath = "x\\u0000y"', ":1: datasets.a, path"),
    ],
)
def test_a_wrong_sector_file(tmp_path, text, said):
    message = refused(tmp_path, sector=text)
    assert re.match(r"suites/diy/sector\.toml(:\d+)?: ", message)
    assert said in message
    assert str(tmp_path) not in message.replace(f"{tmp_path}/suites/diy", "")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[models]\na = 'resnet50'", ":2: models.a: 'resnet50'; expected LIBRARY:IDENTIFIER"),
        ("[models]\na = 'tim:resnet50'", "did you mean 'timm'?"),
        ("[models]\na = 'timm:'", "whose identifier is empty"),
        ("[models]\na = 3", "key 'models.a' is 3 (int)"),
        ("[models.a]\ncheckpoint = 'x'", "key 'models.a.source' is missing"),
        (
            "[models.a]\nsource = 'timm:x'\npoling = 'gem'",
            "unknown key 'models.a.poling'; did you mean 'pooling'?",
        ),
        (
            "[models.a]\nsource = 'timm:x'\nhead = { weights = 'x', normalize = true }",
            "unknown key 'models.a.head.normalize'; did you mean 'normalise'?",
        ),
        (
            "[models.a]\nsource = 'timm:x'\nhead = { weights = 'x', gain = 2 }",
            "unknown key 'models.a.head.gain'; known: normalise, weights",
        ),
        ("[models.a]\nsource = 'timm:x'\npooling = 'max'", "key 'models.a.pooling' is 'max' (str)"),
        ("[models.a]\nsource = 'timm:x'\ngem_power = 0", "key 'models.a.gem_power' is 0"),
        ("[models.a]\nsource = 'timm:x'\ngem_power = nan", "key 'models.a.gem_power' is nan"),
        ("[model]\na = 'timm:x'", "unknown key 'model'; did you mean 'models'?"),
        ("[models]\n'a b' = 'timm:x'", ":2: models.\"a b\": model name 'a b'"),
        ("[models]\n'-a' = 'timm:x'", ":2: models.-a: model name '-a'"),
        ("[models]\n'é' = 'timm:x'", ":2: models.\"é\": model name 'é'"),
    ],
)
def test_a_wrong_models_file(tmp_path, text, said):
    message = refused(tmp_path, models=text)
    assert re.match(r"suites/models\.toml(:\d+)?: ", message)
    assert said in message


def test_all_problems_of_a_file_are_named_at_once(tmp_path):
    message = refused(tmp_path, sector="ownr = 1\nsektor = 2\nowner = 3")
    assert all(key in message for key in ("'ownr'", "'sektor'", "'owner'"))


def test_a_long_value_is_cut_in_the_message(tmp_path):
    message = refused(tmp_path, sector=f"owner = {[1] * 5000}")
    assert len(message) < 300


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"owner = \n", "line 1, column 9"),
        (b"a = 1\nb = = 2\n", "line 2, column 5"),
        (b"owner = 'caf\xe9'", "byte 12 is not UTF-8"),
        (b"a = " + b"1" * 5000, "cannot be parsed as TOML"),
        (b"a = " + b"[" * 100_000, "TOML"),
        (b"owner = 0x" + b"f" * 5000, "a very large number"),
    ],
)
def test_bytes_that_are_not_toml(tmp_path, data, said):
    suite_of(tmp_path)
    (tmp_path / "suites/diy/sector.toml").write_bytes(data)
    with pytest.raises(SettingsError) as caught:
        load_suite([tmp_path / "suites"], tmp_path)
    assert str(caught.value).startswith("suites/diy/sector.toml: ")
    assert said in str(caught.value)


def test_a_models_file_that_is_not_there(tmp_path):
    with pytest.raises(SettingsError, match=r"^gone\.toml: cannot be read \(No such file"):
        load_suite([], tmp_path, models_files=[tmp_path / "gone.toml"])


def test_one_dataset_in_two_sectors_names_both_places(tmp_path):
    write(tmp_path / "suites/retail/sector.toml", SECTOR)
    message = refused(tmp_path)
    assert "suites/retail/sector.toml:4: datasets.parts" in message
    assert "suites/diy/sector.toml:4: datasets.parts" in message


def test_one_sector_in_two_files_names_both_places(tmp_path):
    write(tmp_path / "suites/retail/sector.toml", "sector = 'diy'")
    message = refused(tmp_path)
    assert "sector 'diy'" in message
    assert "suites/retail/sector.toml" in message
    assert "suites/diy/sector.toml" in message


def test_one_model_in_two_files_names_both_places(tmp_path):
    files = [write(tmp_path / name, MODELS) for name in ("a.toml", "b.toml")]
    with pytest.raises(SettingsError) as caught:
        load_suite([], tmp_path, models_files=files)
    assert "b.toml:3: models.lite0" in str(caught.value)
    assert "a.toml:3: models.lite0" in str(caught.value)


def test_one_models_file_named_twice_is_read_once(tmp_path):
    file = write(tmp_path / "a.toml", MODELS)
    assert list(load_suite([], tmp_path, models_files=[file, file]).models) == ["lite0"]


def test_checkpoints_are_relative_to_the_file_that_names_them(tmp_path):
    text = """
    [models]
    here = { source = "timm:resnet18", checkpoint = "weights/a.pth" }
    there = { source = "timm:resnet18", checkpoint = "/srv/a.pth" }
    inside = { source = "timm:resnet18", checkpoint = "package:mine/a.pth" }
    floor = { source = "timm:resnet18", checkpoint = "random:1" }
    """
    models = suite_of(tmp_path, models=text).models
    assert models["here"].checkpoint == str(tmp_path / "suites/weights/a.pth")
    assert models["there"].checkpoint == "/srv/a.pth"
    assert models["inside"].checkpoint == "package:mine/a.pth"
    assert models["floor"].checkpoint == "random:1"


def test_the_sector_of_a_test(tmp_path):
    write(tmp_path / "suites/retail/sector.toml", "sector = 'shop'")
    suite = suite_of(tmp_path)
    for test, name in {
        "suites/diy/test_a.py": "diy",
        "suites/diy/deep/er/test_a.py": "diy",
        "suites/retail/test_a.py": "shop",
        "elsewhere/diy/test_a.py": "diy",
    }.items():
        assert sector_of(suite, tmp_path / test).name == name
    assert sector_of(suite, tmp_path / "suites/test_a.py") is None


@pytest.mark.parametrize("name", ["suites/models.toml", "suites/diy/sector.toml"])
def test_one_byte_changes_the_policy_digest(tmp_path, name):
    suite = suite_of(tmp_path)
    before = policy_digest(suite)
    assert before == policy_digest(suite)
    with (tmp_path / name).open("ab") as file:
        file.write(b"\n")
    assert policy_digest(suite) != before


def test_the_policy_digest_does_not_know_where_the_project_lies(tmp_path):
    assert policy_digest(suite_of(tmp_path / "a")) == policy_digest(suite_of(tmp_path / "b"))


def test_a_policy_file_that_vanishes(tmp_path):
    suite = suite_of(tmp_path)
    (tmp_path / "suites/models.toml").unlink()
    with pytest.raises(SettingsError, match=r"models\.toml: cannot be read any more"):
        policy_digest(suite)


def test_paths_as_they_are_shown(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path / "home/ada"))
    project = tmp_path / "project"
    assert shown_path(project / "a/b.toml", project) == "a/b.toml"
    assert shown_path(tmp_path / "home/ada/m.toml", project) == "~/m.toml"
    assert shown_path(Path("/srv/m.toml"), project) == "/srv/m.toml"
