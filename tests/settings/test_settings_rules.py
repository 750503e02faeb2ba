"""Rules and waivers as the files say them: each key, its line, and what a wrong table is told."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent

import pytest
from settings_builders import suite_of, write

from pytest_prodbench.errors import SettingsError
from pytest_prodbench.settings.demand_tables import RuleTable, ThresholdTable, WaiverTable
from pytest_prodbench.settings.files import load_bench_file, load_suite, policy_digest
from pytest_prodbench.settings.policy import Rule, Waiver
from pytest_prodbench.settings.types import Suite


@dataclass(frozen=True)
class Place:
    """A file that may hold a sector, and the keys above the sector's own in it."""

    file: str
    keys: str

    def load(self, project: Path, text: str) -> Suite:
        """Read a sector's text (``<`` stands for the keys above its own)."""
        text = text.replace("<", self.keys)
        if self.file == "bench.toml":
            return load_bench_file(write(project / self.file, text), project)[0]
        if self.file == "pyproject.toml":
            write(project / self.file, text)
            return load_suite([project], project)
        return suite_of(project, text)

    def refused(self, project: Path, text: str) -> str:
        with pytest.raises(SettingsError) as caught:
            self.load(project, text)
        return str(caught.value)


PLACES = (
    Place("suites/diy/sector.toml", ""),
    Place("pyproject.toml", "tool.prodbench.sectors.diy."),
    Place("bench.toml", "sectors.diy."),
)
everywhere = pytest.mark.parametrize("place", PLACES, ids=lambda place: place.file)

# Its first line is the first of the file.
POLICY = """\
[<datasets.parts]
path = "parts.csv"

[<datasets.parts.thresholds]
"map@20" = { min = 0.7, severity = "warn", confidence = 0.9, inconclusive = "pass" }

[<thresholds]      # for every dataset
"recall@1" = { min = 0.5, max_drop = 0.01 }
eer = { max = 0.1, severity = "info" }

[[<rules]]
metric = "recall@1"
min = 0.6

[[<rules]]
metric = "recall@5"
datasets = "parts"
models = "domain-*"
min = 0.8
condition = { view = "top", light = "dim" }
severity = "block"
confidence = 0.975
inconclusive = "warn"

# Of this one less is better.
[[<rules]]
metric = "fpr95"
worst_condition = "light"
max = 1
confidence = 0.51

[[<rules]]
metric = "mrr"
aggregate = "worst"
min = 0.4
[[<rules]]
metric = "mrr"
aggregate = "mean"
models = "lite0"
min = 0.5
severity = "warn"

[[<rules]]          # a share of what production reaches
metric = "map@20"
max_drop = { rel = 0.02 }
confidence = 0.95

[[<rules]]          # over every foundation model of the run
metric = "recall@1"
models = "domain-*"
require = { beats = "family:open", by = 0.05 }

[<budget]           # a bare number stands on the side of the cost
latency_p95_ms = 80
images_per_s = 20
bytes_per_vector = { max = 4096, severity = "warn" }

[[<waivers]]
metric = "recall@5"
datasets = "parts"
models = "domain-a"
min = 0.7
condition.view = "top"
condition.light = "dim"
reason = "new lamps, see the plan"
owner = "Größe & Söhne"
granted = 2026-01-01
expires = 2026-12-31

[[<waivers]]
metric = "fpr95"
worst_condition = "light"
max = 0.3
reason = "one day"
owner = "x"
granted = 2026-02-28
expires = 2026-02-28

[[<waivers]]
metric = "mrr"
aggregate = "mean"
min = 0.4
reason = "r"
owner = "o"
granted = 2026-01-01
expires = 2027-01-01

[[<waivers]]
metric = "recall@1"
max_drop = { abs = 0.05 }
reason = "r"
owner = "o"
granted = 2026-01-01
expires = 2027-01-01

[[<waivers]]
metric = "recall@1"
models = "domain-a"
require = { beats = "family:open", by = 0.01 }
reason = "first of its kind"
owner = "o"
granted = 2026-01-01
expires = 2026-12-31
"""


@everywhere
def test_every_key_of_a_rule_and_where_it_stands(tmp_path, place):
    sector = place.load(tmp_path, POLICY).sectors["diy"]

    def rule(line: int, key: str, metric: str, limit: float, **more: object) -> Rule:
        where = f"{place.file}:{line}: {place.keys}{key}"
        return Rule(metric=metric, sector="diy", limit=limit, where=where, **more)

    parts = {"datasets": "parts"}
    assert sector.rules == (
        rule(8, 'thresholds."recall@1"', "recall@1", 0.5),
        rule(8, 'thresholds."recall@1"', "recall@1", 0.01, bound="max_drop"),
        rule(9, "thresholds.eer", "eer", 0.1, bound="max", severity="info"),
        rule(
            5,
            'datasets.parts.thresholds."map@20"',
            "map@20",
            0.7,
            severity="warn",
            confidence=0.9,
            inconclusive="pass",
            **parts,
        ),
        rule(54, "budget.latency_p95_ms", "latency_p95_ms", 80.0, bound="max"),
        rule(55, "budget.images_per_s", "images_per_s", 20.0),
        rule(
            56, "budget.bytes_per_vector", "bytes_per_vector", 4096.0, bound="max", severity="warn"
        ),
        rule(11, "rules[0]", "recall@1", 0.6),
        rule(
            15,
            "rules[1]",
            "recall@5",
            0.8,
            models="domain-*",
            condition=(("light", "dim"), ("view", "top")),
            confidence=0.975,
            inconclusive="warn",
            **parts,
        ),
        rule(
            26,
            "rules[2]",
            "fpr95",
            1.0,
            bound="max",
            worst_condition="light",
            confidence=0.51,
            inconclusive="block",
        ),
        rule(32, "rules[3]", "mrr", 0.4, aggregate="worst"),
        rule(36, "rules[4]", "mrr", 0.5, aggregate="mean", models="lite0", severity="warn"),
        rule(43, "rules[5]", "map@20", 0.02, bound="max_drop", relative=True, confidence=0.95),
        rule(48, "rules[6]", "recall@1", 0.05, beats="family:open", models="domain-*"),
    )


@everywhere
def test_every_key_of_a_waiver_and_where_it_stands(tmp_path, place):
    sector = place.load(tmp_path, POLICY).sectors["diy"]
    lines = (58, 70, 79, 88, 96)
    wheres = [f"{place.file}:{line}: {place.keys}waivers[{i}]" for i, line in enumerate(lines)]
    assert sector.waivers == (
        Waiver(
            metric="recall@5",
            sector="diy",
            datasets="parts",
            models="domain-a",
            limit=0.7,
            condition=(("light", "dim"), ("view", "top")),
            reason="new lamps, see the plan",
            owner="Größe & Söhne",
            granted=dt.date(2026, 1, 1),
            expires=dt.date(2026, 12, 31),
            where=wheres[0],
        ),
        Waiver(
            metric="fpr95",
            sector="diy",
            limit=0.3,
            bound="max",
            worst_condition="light",
            reason="one day",
            owner="x",
            granted=dt.date(2026, 2, 28),
            expires=dt.date(2026, 2, 28),
            where=wheres[1],
        ),
        Waiver(
            metric="mrr",
            sector="diy",
            limit=0.4,
            aggregate="mean",
            reason="r",
            owner="o",
            granted=dt.date(2026, 1, 1),
            expires=dt.date(2027, 1, 1),
            where=wheres[2],
        ),
        Waiver(
            metric="recall@1",
            sector="diy",
            limit=0.05,
            bound="max_drop",
            reason="r",
            owner="o",
            granted=dt.date(2026, 1, 1),
            expires=dt.date(2027, 1, 1),
            where=wheres[3],
        ),
        Waiver(
            metric="recall@1",
            sector="diy",
            models="domain-a",
            limit=0.01,
            beats="family:open",
            reason="first of its kind",
            owner="o",
            granted=dt.date(2026, 1, 1),
            expires=dt.date(2026, 12, 31),
            where=wheres[4],
        ),
    )


def test_no_key_is_missing_above():
    rules, _, waivers = POLICY.partition("[[<waivers]]")
    for table, text in ((RuleTable, rules), (ThresholdTable, rules), (WaiverTable, waivers)):
        for key in table.model_fields:
            assert f"{key} = " in text or f"\n{key}." in text, (table.__name__, key)


@everywhere
def test_without_tables_there_are_none(tmp_path, place):
    sector = place.load(tmp_path, "[<datasets.parts]\npath = 'x'\n").sectors["diy"]
    assert (sector.rules, sector.waivers) == ((), ())


def test_a_condition_is_the_same_in_every_order_and_spelling(tmp_path):
    texts = ("condition = { b = '1', a = '2' }", "condition.a = '2'\ncondition.b = '1'")
    found = [
        suite_of(tmp_path / str(i), f"[[rules]]\nmetric = 'mrr'\nmin = 0.5\n{text}\n")
        for i, text in enumerate(texts)
    ]
    first, second = (suite.sectors["diy"].rules for suite in found)
    assert first == second
    assert first[0].condition == (("a", "2"), ("b", "1"))


WAIVER = {
    "metric": "'mrr'",
    "min": "0.5",
    "reason": "'r'",
    "owner": "'o'",
    "granted": "2026-01-01",
    "expires": "2026-02-01",
}


def rule(**keys: str) -> str:
    """A ``[[rules]]`` with a metric, a minimum and other keys; an empty text leaves one out."""
    return _array_table("rules", {"metric": "'mrr'", "min": "0.5"} | keys)


def waiver(**keys: str) -> str:
    """Likewise a ``[[waivers]]`` that would be accepted."""
    return _array_table("waivers", WAIVER | keys)


def _array_table(name: str, keys: dict[str, str]) -> str:
    return f"[[<{name}]]\n" + "".join(f"{key} = {text}\n" for key, text in keys.items() if text)


ONE_LIMIT = "expected one of min (more is better) and max (less is better), not both"
NO_LIMIT = "expected min (more is better), max (less is better) or max_drop"
ONE_WAY = "expected one of abs (in units of the metric) and rel (a share of the baseline's)"
WRONG = {
    "both limits": (rule(max="0.6"), "rules[0]", "'max': 0.6} (dict)", ONE_LIMIT),
    "no limit": (rule(min=""), "rules[0]", "{'metric': 'mrr'} (dict)", NO_LIMIT),
    "both limits of a threshold": (
        "[<thresholds]\nmrr = { min = 0.1, max = 0.2 }",
        "thresholds.mrr",
        "{'min': 0.1, 'max': 0.2} (dict)",
        ONE_LIMIT,
    ),
    "no limit of a threshold": (
        "[<thresholds]\nmrr = { severity = 'warn' }",
        "thresholds.mrr",
        "{'severity': 'warn'} (dict)",
        NO_LIMIT,
    ),
    "no number": (rule(min="'0.5'"), "rules[0].min", "'0.5' (str)", "expected a valid number"),
    "a truth": (rule(min="", max="true"), "rules[0].max", "True (bool)", "expected a valid number"),
    "nan": (rule(min="nan"), "rules[0].min", "nan (float)", "expected a finite number"),
    "inf": (rule(min="", max="inf"), "rules[0].max", "inf (float)", "expected a finite number"),
    "inconclusive of a value": (
        rule(inconclusive="'warn'"),
        "rules[0]",
        "'inconclusive': 'warn'} (dict)",
        "expected inconclusive only beside confidence",
    ),
    "inconclusive of a threshold": (
        "[<thresholds]\nmrr = { min = 0.1, inconclusive = 'pass' }",
        "thresholds.mrr",
        "{'min': 0.1, 'inconclusive': 'pass'} (dict)",
        "expected inconclusive only beside confidence",
    ),
    "inconclusive in other words": (
        rule(confidence="0.9", inconclusive="'ok'"),
        "rules[0].inconclusive",
        "'ok' (str)",
        "expected 'block', 'warn' or 'pass'",
    ),
    "the confidence of a coin": (
        rule(confidence="0.5"),
        "rules[0].confidence",
        "0.5 (float)",
        "expected greater than 0.5",
    ),
    "more confidence than is recorded": (
        rule(confidence="0.9751"),
        "rules[0].confidence",
        "0.9751 (float)",
        "expected less than or equal to 0.975",
    ),
    "confidence in percent": (
        rule(confidence="95"),
        "rules[0].confidence",
        "95 (int)",
        "expected less than or equal to 0.975",
    ),
    "confidence that is no number": (
        rule(confidence="nan"),
        "rules[0].confidence",
        "nan (float)",
        "expected",
    ),
    "a severity that is none": (
        rule(severity="'error'"),
        "rules[0].severity",
        "'error' (str)",
        "expected 'block', 'warn' or 'info'",
    ),
    "an aggregate that is none": (
        rule(aggregate="'median'"),
        "rules[0].aggregate",
        "'median' (str)",
        "expected 'mean' or 'worst'",
    ),
    "a condition and the worst one": (
        rule(condition="{ a = '1' }", worst_condition="'a'"),
        "rules[0]",
        "'condition': {'a': '1'}",
        "expected one of condition and worst_condition, not both",
    ),
    "an aggregate of one dataset": (
        rule(aggregate="'mean'", datasets="'parts'"),
        "rules[0]",
        "'aggregate': 'mean', 'datasets': 'parts'} (dict)",
        "expected an aggregate over all datasets of the sector, without datasets",
    ),
    "three columns": (
        rule(condition="{ a = '1', b = '2', c = '3' }"),
        "rules[0].condition",
        "{'a': '1', 'b': '2', 'c': '3'} (dict)",
        "expected at most two columns, each with one value",
    ),
    "a condition without a value": (
        rule(condition="'dim'"),
        "rules[0].condition",
        "'dim' (str)",
        "expected a valid dictionary",
    ),
    "a condition of several values": (
        rule(condition="{ light = ['dim', 'dark'] }"),
        "rules[0].condition.light",
        "['dim', 'dark'] (list)",
        "expected a valid string",
    ),
    "a list of models": (
        rule(models="['a', 'b']"),
        "rules[0].models",
        "['a', 'b'] (list)",
        "expected a valid string",
    ),
    "a table that is no array": (
        "[<rules]\nmetric = 'mrr'\nmin = 0.5",
        "rules",
        "{'metric': 'mrr', 'min': 0.5} (dict)",
        "expected a valid list",
    ),
    "the second of two": (
        rule() + rule(min="'x'"),
        "rules[1].min",
        "'x' (str)",
        "expected a valid number",
    ),
    "a day with a time": (
        waiver(expires="2026-02-01T00:00:00"),
        "waivers[0].expires",
        "2026-02-01T00:00:00 (datetime)",
        "expected a day, as 2027-03-31, without a time",
    ),
    "a day with a time and a zone": (
        waiver(granted="2026-01-01 08:00:00Z"),
        "waivers[0].granted",
        "2026-01-01T08:00:00+00:00 (datetime)",
        "expected a day, as 2027-03-31, without a time",
    ),
    "a time without a day": (
        waiver(expires="08:00:00"),
        "waivers[0].expires",
        "08:00:00 (time)",
        "expected a valid date",
    ),
    "a day in quotes": (
        waiver(expires="'2026-02-01'"),
        "waivers[0].expires",
        "'2026-02-01' (str)",
        "expected a valid date",
    ),
    "a day as a number": (
        waiver(granted="20260101"),
        "waivers[0].granted",
        "20260101 (int)",
        "expected a valid date",
    ),
    "the end before the beginning": (
        waiver(expires="2025-12-31"),
        "waivers[0]",
        "{'metric': 'mrr'",
        "expected expires (2025-12-31) on or after granted (2026-01-01)",
    ),
    "no reason": (waiver(reason="''"), "waivers[0].reason", "'' (str)", "expected some words"),
    "no owner": (waiver(owner="' '"), "waivers[0].owner", "' ' (str)", "expected some words"),
    "both limits of a waiver": (waiver(max="0.6"), "waivers[0]", "{'metric': 'mrr'", ONE_LIMIT),
    "no limit of a waiver": (waiver(min=""), "waivers[0]", "{'metric': 'mrr'", NO_LIMIT),
    "two limits of a waiver": (
        waiver(max_drop="0.1"),
        "waivers[0]",
        "{'metric': 'mrr'",
        "expected one limit a waiver: min, max or max_drop",
    ),
    "a drop of two kinds": (
        rule(max_drop="{ abs = 0.1, rel = 0.1 }"),
        "rules[0].max_drop",
        "{'abs': 0.1, 'rel': 0.1} (dict)",
        ONE_WAY,
    ),
    "a drop of no kind": (rule(max_drop="{}"), "rules[0].max_drop", "{} (dict)", ONE_WAY),
    "a drop that is no number": (
        rule(max_drop="'1 %'"),
        "rules[0].max_drop",
        "'1 %' (str)",
        "expected",
    ),
    "a drop that is a truth": (
        rule(max_drop="true"),
        "rules[0].max_drop",
        "True (bool)",
        "expected",
    ),
    "a drop that is nan": (
        rule(max_drop="nan"),
        "rules[0].max_drop.abs",
        "nan (float)",
        "expected a finite number",
    ),
    "a share that is nan": (
        rule(max_drop="{ rel = nan }"),
        "rules[0].max_drop.rel",
        "nan (float)",
        "expected a finite number",
    ),
    "a waiver of three columns": (
        waiver(condition="{ a = '1', b = '2', c = '3' }"),
        "waivers[0].condition",
        "{'a': '1', 'b': '2', 'c': '3'} (dict)",
        "expected at most two columns, each with one value",
    ),
    "a waiver of a condition and the worst one": (
        waiver(condition="{ a = '1' }", worst_condition="'a'"),
        "waivers[0]",
        "{'metric': 'mrr'",
        "expected one of condition and worst_condition, not both",
    ),
    "a waiver of an aggregate of one dataset": (
        waiver(aggregate="'worst'", datasets="'p*'"),
        "waivers[0]",
        "{'metric': 'mrr'",
        "expected an aggregate over all datasets of the sector, without datasets",
    ),
}


@everywhere
@pytest.mark.parametrize(("text", "key", "found", "expected"), WRONG.values(), ids=WRONG)
def test_a_wrong_table(tmp_path, place, text, key, found, expected):
    message = place.refused(tmp_path, text)
    said, _, rest = message.partition("; expected ")
    assert said.startswith(f"{place.file}: key '{place.keys}{key}' is ")
    assert found in said
    assert f"expected {rest}".startswith(expected)


@everywhere
@pytest.mark.parametrize(
    ("text", "said"),
    [
        (rule(severty="'warn'"), "unknown key '<rules[0].severty'; did you mean 'severity'?"),
        (rule(dataset="'parts'"), "unknown key '<rules[0].dataset'; did you mean 'datasets'?"),
        (rule(mx="1"), "unknown key '<rules[0].mx'; did you mean 'max'?"),
        (rule(reason="'r'"), "unknown key '<rules[0].reason'; known: aggregate, condition, conf"),
        (waiver(owners="'o'"), "unknown key '<waivers[0].owners'; did you mean 'owner'?"),
        (waiver(severity="'warn'"), "unknown key '<waivers[0].severity'; known: aggregate,"),
        (waiver(confidence="0.9"), "unknown key '<waivers[0].confidence'; "),
        (
            "[<thresholds]\nmrr = { min = 0.5, sevrity = 'warn' }",
            "unknown key '<thresholds.mrr.sevrity'; did you mean 'severity'?",
        ),
        (
            "[<thresholds]\nmrr = { min = 0.5, models = 'a' }",
            "unknown key '<thresholds.mrr.models'; known: confidence, inconclusive, max, max_drop, min",
        ),
        ("[[<rule]]\nmetric = 'mrr'\nmin = 1", "unknown key '<rule'; did you mean 'rules'?"),
        ("[[<waiver]]\nmin = 1", "unknown key '<waiver'; did you mean 'waivers'?"),
        (rule(metric=""), "key '<rules[0].metric' is missing"),
        *(
            (waiver(**{key: ""}), f"key '<waivers[0].{key}' is missing")
            for key in sorted(WAIVER.keys() - {"min"})
        ),
    ],
)
def test_an_unknown_or_missing_key(tmp_path, place, text, said):
    message = place.refused(tmp_path, text)
    assert message.startswith(f"{place.file}: {said.replace('<', place.keys)}")


def test_all_wrong_keys_of_all_tables_are_named_at_once(tmp_path):
    text = rule(severity="'x'") + rule(metric="3", mni="1") + waiver(expires="'x'", reason="''")
    message = PLACES[0].refused(tmp_path, text)
    keys = ("rules[0].severity", "rules[1].metric", "rules[1].mni", "waivers[0].expires")
    for key in (*keys, "waivers[0].reason"):
        assert f"'{key}'" in message


def _changed(suite: Suite, **fields: object) -> Suite:
    """The suite of the same files with another first waiver."""
    sector = suite.sectors["diy"]
    first, *others = sector.waivers
    waivers = (first.model_copy(update=fields), *others)
    return suite.model_copy(
        update={"sectors": {"diy": sector.model_copy(update={"waivers": waivers})}}
    )


@pytest.mark.parametrize(
    "change",
    [
        {"metric": "recall@10"},
        {"sector": "retail"},
        {"datasets": "*"},
        {"models": "*"},
        {"condition": ()},
        {"worst_condition": "light"},
        {"aggregate": "mean"},
        {"limit": 0.69},
        {"bound": "max"},
        {"relative": True},
        {"beats": "lite*"},
        {"reason": "another"},
        {"owner": "somebody else"},
        {"granted": dt.date(2026, 1, 2)},
        {"expires": dt.date(2027, 1, 1)},
    ],
    ids=lambda change: next(iter(change)),
)
def test_a_waiver_is_in_the_policy_digest(tmp_path, change):
    suite = PLACES[0].load(tmp_path, POLICY)
    assert policy_digest(_changed(suite, **change)) != policy_digest(suite)


def test_every_field_of_a_waiver_is_tried_above_and_its_place_does_not_count(tmp_path):
    suite = PLACES[0].load(tmp_path, POLICY)
    (mark,) = test_a_waiver_is_in_the_policy_digest.pytestmark
    assert {key for change in mark.args[1] for key in change} == set(Waiver.model_fields) - {
        "where"
    }
    assert policy_digest(_changed(suite, where="elsewhere")) == policy_digest(suite)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("expires = 2026-12-31", "expires = 2027-12-31"),
        ("min = 0.7\n", "min = 0.6\n"),
        ('reason = "one day"', 'reason = "two days"'),
    ],
)
def test_an_edited_waiver_changes_the_policy_digest(tmp_path, before, after):
    assert before in POLICY
    digests = {
        policy_digest(PLACES[0].load(tmp_path, text))
        for text in (POLICY, POLICY.replace(before, after))
    }
    assert len(digests) == 2


def test_a_waiver_more_or_less_changes_the_policy_digest(tmp_path):
    suite = PLACES[0].load(tmp_path, POLICY)
    sector = suite.sectors["diy"]
    without = sector.model_copy(update={"waivers": sector.waivers[:-1]})
    fewer = suite.model_copy(update={"sectors": {"diy": without}})
    assert policy_digest(fewer) != policy_digest(suite)


def test_the_line_is_that_of_the_file_and_not_of_the_table(tmp_path):
    text = dedent(
        '''
        owner = """
        [[rules]]
        of several lines
        """
        [datasets.parts]
        path = "x"
        # [[rules]]
        [[rules]]  # the first
        metric = "mrr"
        min = 0.5
        '''
    )
    (found,) = suite_of(tmp_path, text).sectors["diy"].rules
    assert found.where == "suites/diy/sector.toml:9: rules[0]"
