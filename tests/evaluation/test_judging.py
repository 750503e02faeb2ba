"""Judged again from the evidence: what the run itself would have said."""

from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from remembered_suite import DROPS, PLAIN, fresh, policy_of

from pytest_prodbench.errors import EvidenceError, SettingsError
from pytest_prodbench.evaluation.judging import judge_again
from pytest_prodbench.evaluation.opponent import Opponent
from pytest_prodbench.evidence.baseline import Baseline
from pytest_prodbench.evidence.types import stable
from pytest_prodbench.gate import check_policy
from pytest_prodbench.settings.files import load_suite

WAYS = {
    "plain": {},
    "drops, slices, sectors and waivers": {"diy": DROPS},
    "a pair that failed": {"broken": True},
    "no rules": {"diy": "", "retail": ""},
    "missed": {"diy": '[thresholds]\n"recall@1" = 1.0\n'},
}


# --- by its own rules


@pytest.mark.parametrize("baseline", [False, True], ids=["first run", "baseline"])
@pytest.mark.parametrize("way", WAYS)
def test_judged_again_by_its_own_rules_nothing_changes(project, opponent, way, baseline):
    other = opponent if baseline else None
    record, tables = project.run(project.policy(**WAYS[way]), fresh(), other)
    assert any(pair.checks for pair in record.pairs) or way == "no rules"
    assert stable(judge_again(record, tables)) == stable(record)
    # Comparisons made again, from the stored queries.
    assert stable(judge_again(record, tables, opponent=other)) == stable(record)


def test_a_narrowed_run_stays_narrowed(project):
    record, tables = project.run(project.policy(), fresh(), models=("one",))
    again = judge_again(record, tables)
    assert stable(again) == stable(record)
    assert (again.verdict, again.partial) == ("incomplete", True)


@pytest.mark.parametrize("gate", ["report", "off"])
def test_a_run_that_was_held_against_nobody_is_judged(project, opponent, gate):
    suite = project.policy(diy=DROPS)
    enforced, _ = project.run(suite, fresh(), opponent)
    record, tables = project.run(suite, fresh(), opponent, gate=gate)
    judged = judge_again(record, tables, policy=policy_of(project, suite), opponent=opponent)
    if gate == "report":
        assert stable(judged) == stable(enforced)
    assert judged.gate == "enforce"
    assert judged.candidates == enforced.candidates


@pytest.mark.parametrize("gate", ["enforce", "report", "off"])
@pytest.mark.parametrize("diy", [PLAIN, '[thresholds]\n"recall@1" = 1.0\n'], ids=["met", "missed"])
def test_an_assertion_of_the_tests_own_outlives_every_other_policy(project, gate, diy):
    record, tables = project.run(project.policy(diy), fresh(), gate=gate, refused="one:bolts")
    assert record.pair("one:bolts").verdict == "reject"
    easy = policy_of(project, project.policy())
    judged = judge_again(record, tables, policy=easy)
    assert judged.pair("one:bolts").verdict == "reject"
    assert judged.candidates == {"one": "reject", "two": "accept"}


# --- by other rules: as if they had been there


metrics = st.sampled_from(["recall@1", "recall@5", "mrr", "map@20", "instance_gap"])


@st.composite
def tables_of(draw, kind):
    """A ``[[rules]]`` or ``[[waivers]]``, as text."""
    metric = draw(metrics)
    less = metric == "instance_gap"
    limit = draw(st.sampled_from(["0.05", "0.2", "0.5", "0.9"]))
    ways = [f"{'max' if less else 'min'} = {limit}", f"max_drop = {limit}"]
    ways.append(f"max_drop = {{ rel = {limit} }}")
    lines = [f"[[{kind}]]", f'metric = "{metric}"', draw(st.sampled_from(ways))]
    about = [
        *["", "", 'models = "two"', 'aggregate = "mean"', 'aggregate = "worst"'],
        *['worst_condition = "light"', 'condition = { light = "dim" }', 'datasets = "b*"'],
    ]
    lines.append(draw(st.sampled_from(about)))
    if kind == "rules":
        lines.append(draw(st.sampled_from(["", "", 'severity = "warn"'])))
        inconclusive = draw(st.sampled_from(["block", "warn", "pass"]))
        sure = f'confidence = 0.9\ninconclusive = "{inconclusive}"'
        lines.append(draw(st.sampled_from(["", sure])))
    else:
        lines.append('reason = "r"\nowner = "o"\ngranted = 2020-01-01\nexpires = 2999-12-31')
    return "\n".join(line for line in lines if line)


policies = st.tuples(
    st.sampled_from(["", PLAIN]),
    st.lists(tables_of("rules"), max_size=4),
    st.lists(tables_of("waivers"), max_size=1),
).map(lambda parts: "\n".join([parts[0], *parts[1], *parts[2]]))


@settings(
    deadline=None,
    max_examples=25,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(policies, st.booleans(), st.booleans())
def test_other_rules_say_what_they_would_have_said_in_the_run(
    project, opponent, policy, baseline, narrowed
):
    other = opponent if baseline else None
    options = {"sectors": ("diy",)} if narrowed else {}
    record, tables = project.run(project.policy(), fresh(), **options)
    suite = project.policy(diy=policy)
    try:
        check_policy(suite.sectors.values(), ["one", "two"], dt.date(2026, 1, 1))
    except SettingsError:
        return
    wanted, _ = project.run(suite, fresh(), other, **options)
    judged = judge_again(record, tables, policy=policy_of(project, suite), opponent=other)
    # Only that it says so: such a run is no baseline.
    assert judged.overridden is (judged.policy_digest != record.policy_digest)
    assert stable(judged) | {"overridden": False} == stable(wanted)


def test_a_rule_on_what_was_not_measured_is_undecided_and_never_a_pass(project):
    record, tables = project.run(project.policy(), fresh())
    suite = project.policy(diy='[thresholds]\n"recall@7" = 0.01\n')
    judged = judge_again(record, tables, policy=policy_of(project, suite))
    assert judged.sectors == {"diy": "incomplete", "retail": "accept"}


def test_a_dataset_that_only_the_new_policy_has_is_not_run(project):
    record, tables = project.run(project.policy(), fresh())
    suite = project.policy(broken=True)
    judged = judge_again(record, tables, policy=policy_of(project, suite))
    assert judged.pair("one:gone").status == "not run"
    assert (judged.verdict, judged.partial) == ("incomplete", True)


def test_a_dataset_that_only_the_run_has_can_only_make_it_worse(project):
    record, tables = project.run(project.policy(), fresh())
    (project.path / "suites/diy/sector.toml").write_text(
        f'[datasets.bolts]\npath = "../../bolts/manifest.csv"\n{PLAIN}'
    )
    suite = load_suite([project.path / "suites"], project.path)
    judged = judge_again(record, tables, policy=policy_of(project, suite))
    assert "one:nuts" not in judged.planned
    assert judged.verdict != "accept"


def test_other_rules_change_nothing_that_was_measured(project):
    record, tables = project.run(project.policy(), fresh())
    suite = project.policy(diy='[thresholds]\n"recall@1" = 1.0\n')
    judged = judge_again(record, tables, policy=policy_of(project, suite))
    for before, after in zip(record.pairs, judged.pairs, strict=True):
        assert after.measurement == before.measurement
        assert after.queries_digest == before.queries_digest
    assert judged.host == record.host
    assert judged.rules != record.rules


def test_a_comparison_needs_the_queries(project, opponent):
    record, tables = project.run(project.policy(), fresh())
    tables.pop("two:bolts")
    with pytest.raises(EvidenceError, match=r"pair two:bolts .*no record of its queries"):
        judge_again(record, tables, opponent=opponent)


def test_a_baseline_of_another_protocol_accepts_nothing_that_must_not_drop(project, opponent):
    record, tables = project.run(project.policy(diy=DROPS), fresh(), opponent)
    old = opponent.baseline.record.model_copy(update={"protocol_version": 1})
    other = Opponent(
        Baseline(old, "e" * 64, opponent.baseline.tables), opponent.datasets, opponent.models
    )
    judged = judge_again(record, tables, opponent=other)
    assert judged.sectors["diy"] in {"incomplete", "reject"}
    assert judged.pair("one:bolts").comparison.refused


def test_a_dataset_under_a_new_name_is_no_first_run(project, opponent):
    """The baseline has "nuts", the suite has it no more and has a dataset that the baseline lacks."""
    record, tables = project.run(project.policy(diy=DROPS), fresh())
    entries = opponent.baseline.record.datasets
    renamed = {("older" if name == "nuts" else name): entry for name, entry in entries.items()}
    baseline = Baseline(
        opponent.baseline.record.model_copy(update={"datasets": renamed}),
        "e" * 64,
        {("older" if n == "nuts" else n): t for n, t in opponent.baseline.tables.items()},
    )
    other = Opponent(baseline, opponent.datasets, opponent.models)
    assert other.stale == {"older": "diy"}
    judged = judge_again(record, tables, opponent=other)
    assert "renamed?" in judged.pair("one:nuts").comparison.refused[0]
    assert judged.pair("one:nuts").verdict != "accept"
    assert judged.baseline.stale == [
        "dataset 'older' of sector 'diy', which the suite has no more; accept a run anew"
    ]


def test_a_dataset_that_is_new_is_a_first_run(project, opponent):
    record, tables = project.run(project.policy(diy=DROPS), fresh())
    entries = dict(opponent.baseline.record.datasets)
    entries.pop("nuts")
    baseline = Baseline(
        opponent.baseline.record.model_copy(update={"datasets": entries}),
        "e" * 64,
        {n: t for n, t in opponent.baseline.tables.items() if n != "nuts"},
    )
    judged = judge_again(
        record, tables, opponent=Opponent(baseline, opponent.datasets, opponent.models)
    )
    pair = judged.pair("one:nuts")
    assert pair.comparison is None
    assert {check.outcome for check in pair.checks if check.bound == "max_drop"} == {"no baseline"}
