"""Whatever a TOML file holds: a valid table or a SettingsError, nothing else."""

from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_prodbench.errors import SettingsError
from pytest_prodbench.settings.files import model_spec
from pytest_prodbench.settings.tables import ModelsFile, ProjectTable, SectorTable, validate

KEYS = (
    *("models", "sectors", "run", "owner", "sector", "datasets", "thresholds", "path", "layout"),
    *("open_set", "min", "source", "pooling", "checkpoint", "family", "gem_power", "revision"),
    *("batch_size", "precision", "recall@1", "a"),
)
keys = st.sampled_from(KEYS) | st.text(max_size=4)
leaves = (
    st.text(max_size=6)
    | st.sampled_from(["timm:x", "timm", ":", "manifest", "~", "\0"])
    | st.integers()
    | st.integers(10**4000, 10**4001)
    | st.floats()
    | st.booleans()
    | st.datetimes(timezones=st.just(dt.UTC))
    | st.dates()
    | st.times()
)
values = st.recursive(
    leaves, lambda v: st.lists(v, max_size=3) | st.dictionaries(keys, v, max_size=4), max_leaves=12
)


@pytest.mark.parametrize("table", [ModelsFile, SectorTable, ProjectTable])
@settings(max_examples=150, deadline=None)
@given(data=st.dictionaries(keys, values, max_size=4) | values)
def test_valid_or_refused_with_its_file_named(table, data):
    message = ""
    try:
        validate(table, data, "some/file.toml", "prefix")
    except SettingsError as error:
        message = str(error)
    assert not message or message.startswith("some/file.toml: ")
    assert len(message) < 5000


@settings(max_examples=100, deadline=None)
@given(st.dictionaries(st.text(max_size=5), st.text(max_size=8) | values, max_size=2))
def test_models_become_specs_or_are_refused(tmp_path_factory, models):
    folder = tmp_path_factory.getbasetemp()
    message = ""
    try:
        content = validate(ModelsFile, {"models": models}, "models.toml")
        for name, table in content.models.items():
            model_spec(name, table, f"models.toml: models.{name}", folder)
    except SettingsError as error:
        message = str(error)
    assert not message or message.startswith("models.toml")
