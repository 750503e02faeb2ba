"""Whatever a TOML file holds: a valid table or a SettingsError, nothing else."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_prodbench.errors import SettingsError
from pytest_prodbench.gate import check_policy
from pytest_prodbench.settings.demand_tables import RuleTable, WaiverTable
from pytest_prodbench.settings.demands import rules_of, waivers_of
from pytest_prodbench.settings.files import model_spec
from pytest_prodbench.settings.lines import Located
from pytest_prodbench.settings.tables import ModelsFile, ProjectTable, SectorTable, validate
from pytest_prodbench.settings.types import DatasetSpec, SectorSpec

KEYS = (
    *("models", "sectors", "run", "owner", "sector", "datasets", "thresholds", "path", "layout"),
    *("open_set", "min", "source", "pooling", "checkpoint", "family", "gem_power", "revision"),
    *("batch_size", "precision", "recall@1", "a", "rules", "waivers", "metric", "max", "severity"),
    *("confidence", "inconclusive", "condition", "worst_condition", "aggregate", "reason"),
    *("granted", "expires", "max_drop", "abs", "rel", "require", "beats", "by", "budget"),
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


words = st.sampled_from(["mrr", "eer", "recall@1", "*", "lite0", "l*", "[", "parts", "", "light"])
LIKELY = {
    "metric": st.sampled_from(["mrr", "mrr", "mrr", "recall@1", "eer", "x"]),
    "min": st.floats(0, 1),
    "max": st.floats(0, 1),
    "max_drop": st.floats(0, 1)
    | st.dictionaries(st.sampled_from(["abs", "rel"]), st.floats(0, 1), max_size=2),
    "require": st.fixed_dictionaries({"beats": words, "by": st.floats(-1, 1)}),
    "datasets": words,
    "models": words,
    "condition": st.dictionaries(words, words, max_size=3),
    "worst_condition": words,
    "aggregate": st.sampled_from(["mean", "worst"]),
    "severity": st.sampled_from(["block", "warn", "info"]),
    "confidence": st.floats(0.4, 1),
    "inconclusive": st.sampled_from(["block", "warn", "pass"]),
    "reason": words,
    "owner": words,
    "granted": st.dates(),
    "expires": st.dates(),
}


def tables_of(table, **always):
    """Arrays of tables that are often valid, and sometimes hold anything at all."""
    sure = {"metric": LIKELY["metric"], "min": LIKELY["min"], **always}

    def often(key):
        return st.integers(0, 19).flatmap(lambda n: LIKELY[key] if n else leaves)

    rest = {key: often(key) for key in sorted(table.model_fields.keys() - sure - {"max"})}
    rest["max"] = st.sampled_from([None, None, None, 0.5])
    filled = st.fixed_dictionaries(sure, optional=rest).map(
        lambda found: {key: value for key, value in found.items() if value is not None}
    )
    return st.lists(filled, max_size=2)


granted = tables_of(
    WaiverTable,
    reason=st.just("r"),
    owner=st.just("o"),
    granted=st.just(dt.date(2025, 1, 1)) | st.dates(),
    expires=st.just(dt.date(2027, 1, 1)) | st.dates(),
)


def _limits(rule):
    return sum(rule.get(key) is not None for key in ("min", "max", "max_drop", "require"))


@settings(max_examples=300, deadline=None)
@given(
    st.fixed_dictionaries(
        {"thresholds": st.dictionaries(LIKELY["metric"], st.floats(0, 1), max_size=1)},
        optional={"rules": tables_of(RuleTable), "waivers": granted},
    )
)
def test_a_policy_becomes_rules_and_waivers_or_is_refused(data):
    at = Located("some/file.toml", {})
    message = ""
    try:
        table = validate(SectorTable, data, at.shown)
        sector = SectorSpec(
            name="diy",
            datasets={"parts": DatasetSpec(name="parts", layout="manifest", path=Path("x"))},
            rules=rules_of(table, "diy", at),
            waivers=waivers_of(table, "diy", at),
            source=Path("x"),
        )
        # A table may hold a limit and a tolerated drop.
        both = sum(_limits(rule) for rule in data.get("rules", []))
        assert len(sector.rules) == len(data["thresholds"]) + both
        assert len(sector.waivers) == len(data.get("waivers", []))
        check_policy([sector], ["lite0", "lite1"], dt.date(2026, 1, 1))
    except SettingsError as error:
        message = str(error)
    assert not message or message.startswith("some/file.toml: ")


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
