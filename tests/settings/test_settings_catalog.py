"""What a conftest.py adds beside the files, and how it is told that it went wrong."""

from __future__ import annotations

from pathlib import Path

import pytest
from settings_builders import suite_of

from pytest_prodbench import registry
from pytest_prodbench.errors import SettingsError
from pytest_prodbench.gate import pair_demands
from pytest_prodbench.settings.catalog import Catalog


def limits(sector, dataset):
    found = pair_demands(sector.rules, sector.waivers, sector.name, "lite0", dataset)
    return {demand.rule.metric: demand.limit for demand in found}


@pytest.fixture
def catalog(tmp_path):
    return Catalog(suite_of(tmp_path), tmp_path)


def test_add_model(catalog, tmp_path):
    before = catalog.suite
    catalog.add_model(
        "mine", "timm:resnet18", checkpoint="a.pth", by_default=False, family="domain"
    )
    spec = catalog.suite.models["mine"]
    assert (spec.library, spec.identifier, spec.family) == ("timm", "resnet18", "domain")
    assert spec.checkpoint == str(tmp_path / "a.pth")
    assert not spec.by_default
    assert "mine" not in before.models


@pytest.mark.parametrize(
    ("name", "source", "keys", "said"),
    [
        ("lite0", "timm:x", {}, "suites/models.toml:3: models.lite0 defines already"),
        ("a b", "timm:x", {}, "model name 'a b'"),
        ("new", "resnet18", {}, "LIBRARY:IDENTIFIER"),
        ("new", "tim:resnet18", {}, "did you mean 'timm'"),
        ("new", "timm:x", {"poling": "gem"}, "unknown key 'models.new.poling'"),
        ("new", "timm:x", {"pooling": "max"}, "key 'models.new.pooling' is 'max'"),
    ],
)
def test_a_wrong_model(catalog, name, source, keys, said):
    with pytest.raises(SettingsError) as caught:
        catalog.add_model(name, source, **keys)
    assert said in str(caught.value)
    assert str(caught.value).startswith("conftest.py")
    assert list(catalog.suite.models) == ["lite0"]


def test_add_dataset(catalog, tmp_path):
    catalog.add_dataset(
        "tools",
        sector="diy",
        path=Path("data/tools"),
        layout="folder",
        thresholds={"recall@1": 0.9, "mrr": 1},
        split="test",
    )
    sector = catalog.suite.sectors["diy"]
    spec = sector.datasets["tools"]
    assert (spec.sector, spec.layout, spec.options) == ("diy", "folder", {"split": "test"})
    assert spec.path == tmp_path / "data/tools"
    assert limits(sector, "tools") == {"recall@1": 0.9, "mrr": 1.0}
    assert limits(sector, "parts") == {"recall@1": 0.5}
    assert [rule.where for rule in sector.rules[-2:]] == [
        'conftest.py: dataset tools: thresholds."recall@1"',
        "conftest.py: dataset tools: thresholds.mrr",
    ]


def test_a_dataset_is_added_beside_rules_and_waivers(tmp_path):
    text = """
    owner = "parts team"
    [datasets.parts]
    path = "parts.csv"
    [[rules]]
    metric = "recall@1"
    min = 0.5
    [[waivers]]
    metric = "recall@1"
    min = 0.4
    reason = "new lamps"
    owner = "parts team"
    granted = 2026-01-01
    expires = 2026-12-31
    """
    catalog = Catalog(suite_of(tmp_path, text), tmp_path)
    before = catalog.suite.sectors["diy"]
    catalog.add_dataset("tools", sector="diy", path=Path("x"), thresholds={"mrr": 0.5})
    after = catalog.suite.sectors["diy"]
    assert after.waivers == before.waivers
    assert after.rules[:-1] == before.rules
    assert (after.owner, after.source) == (before.owner, before.source)
    assert limits(after, "tools") == {"recall@1": 0.4, "mrr": 0.5}


@pytest.mark.parametrize(
    ("name", "keys", "said"),
    [
        ("parts", {}, "suites/diy/sector.toml:4: datasets.parts defines already"),
        ("a:b", {}, "dataset name 'a:b'"),
        ("new", {"sector": "dyi"}, "in sector 'dyi', which no file defines; expected one of diy"),
        ("new", {"open_set": "yes"}, "'datasets.new.open_set' is 'yes' (str)"),
        ("new", {"layout": 3}, "'datasets.new.layout' is 3 (int)"),
        ("new", {"thresholds": {"mrr": float("nan")}}, "datasets.new.thresholds.mrr.min' is nan"),
        ("new", {"thresholds": {"mrr": "0.5"}}, "datasets.new.thresholds.mrr' is '0.5' (str)"),
        ("new", {"thresholds": {"mrr": True}}, "datasets.new.thresholds.mrr' is True (bool)"),
    ],
)
def test_a_wrong_dataset(catalog, name, keys, said):
    before = catalog.suite
    with pytest.raises(SettingsError) as caught:
        catalog.add_dataset(name, **{"sector": "diy", "path": Path("x"), **keys})
    assert said in str(caught.value)
    assert str(caught.value).startswith("conftest.py")
    assert catalog.suite is before


def test_add_library(catalog, monkeypatch):
    monkeypatch.setattr(registry, "_added", {})

    class Library:
        pass

    catalog.add_library("settings-test", Library)
    catalog.add_library("settings-test", Library)  # every process registers it again
    assert registry.load("prodbench.models", "settings-test", where="test") is Library
    catalog.add_model("own", "settings-test:x")
    for name, other in (("timm", Library), ("settings-test", object)):
        with pytest.raises(SettingsError, match="registered already"):
            catalog.add_library(name, other)


def test_the_added_is_in_the_registry_by_name():
    with pytest.raises(SettingsError, match="did you mean 'timm'") as caught:
        registry.load("prodbench.models", "timmm", where="models.toml: models.a")
    assert caught.value.where == "models.toml: models.a"
