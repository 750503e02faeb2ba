"""Rules on all datasets of a sector together: the mean, the worst, and what is missing."""

from __future__ import annotations

import dataclasses
import math

import pytest
from gate_builders import measured, pair, rule, waiver
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_prodbench.evidence.values import MetricValue
from pytest_prodbench.gate import judge_pairs
from pytest_prodbench.gate.values import mean_of

ORDER = {"reject": 0, "incomplete": 1, "accept": 2}
PLANNED = {"a:x": "diy", "a:y": "diy", "b:x": "diy", "b:y": "diy", "a:z": "retail"}
unit = st.floats(0, 1, allow_nan=False)


def reported(**values):
    """``a_x=0.5``: recall@1 of ``a:x``; every pair is accepted by its own rules."""
    found = {name.replace(":", "_"): 0.9 for name in PLANNED} | values
    return [
        pair(
            name.replace("_", ":"),
            sector=PLANNED[name.replace("_", ":")],
            measurement=measured(recall_at_1=value),
        )
        for name, value in found.items()
    ]


def judge(pairs, *rules, waivers=()):
    return judge_pairs(PLANNED, pairs, rules, waivers)


def test_the_mean_over_the_datasets_of_each_model():
    found = judge(reported(a_x=0.4, a_y=0.7, b_x=0.5, b_y=0.4), rule(aggregate="mean"))
    assert found.verdict == "reject"
    assert found.sectors == {"diy": "reject", "retail": "accept"}
    by_model = {check.model: check for check in found.checks["diy"]}
    assert by_model["a"].outcome == "holds"
    assert by_model["a"].value == pytest.approx(0.55)
    assert by_model["a"].dataset is None
    assert by_model["b"].outcome == "fails"
    assert "b: mean recall@1 of the sector 0.4500 < 0.5" in by_model["b"].message


def test_the_worst_dataset_is_named():
    found = judge(reported(a_x=0.4, a_y=0.7), rule(aggregate="worst"))
    by_model = {check.model: check for check in found.checks["diy"]}
    assert by_model["a"].outcome == "fails"
    assert by_model["a"].value == 0.4
    assert "worst recall@1 of the sector (x) 0.4000 < 0.5" in by_model["a"].message
    assert by_model["b"].outcome == "holds"


def test_a_rule_for_some_models_and_a_waiver_for_one():
    pairs = reported(a_x=0.4, a_y=0.4, b_x=0.4, b_y=0.4)
    only_b = judge(pairs, rule(aggregate="mean", models="b"))
    assert [check.model for check in only_b.checks["diy"]] == ["b"]
    waived = judge(
        pairs,
        rule(aggregate="mean", models="b"),
        waivers=(waiver(0.3, aggregate="mean", models="b"),),
    )
    assert waived.sectors["diy"] == "accept"
    assert waived.checks["diy"][0].waiver is not None


@pytest.mark.parametrize("aggregate", ["mean", "worst"])
@pytest.mark.parametrize(
    "hole",
    [
        pair("a:x", "incomplete", status="lost", measurement=None),
        pair("a:x", "incomplete", status="not run", measurement=None),
        pair("a:x", measurement=measured()),
        pair("a:x", measurement=measured(recall_at_1=math.nan)),
        pair("a:x", measurement=measured(n=0, recall_at_1=1.0)),
        None,
    ],
    ids=["lost", "not run", "without the metric", "nan", "no query", "missing"],
)
def test_what_is_missing_is_never_left_out_of_the_aggregate(aggregate, hole):
    pairs = [found for found in reported() if found.name != "a:x"]
    found = judge([*pairs, *([] if hole is None else [hole])], rule(aggregate=aggregate))
    of_a = next(check for check in found.checks["diy"] if check.model == "a")
    assert (of_a.outcome, of_a.passed) == ("undecided", False)
    assert "a:x has no such value" in of_a.message
    assert found.sectors["diy"] == "incomplete"


def test_two_reports_on_one_pair_leave_the_aggregate_undecided():
    pairs = [*reported(), pair("a:x", measurement=measured(recall_at_1=1.0))]
    found = judge(pairs, rule(aggregate="mean"))
    assert next(check for check in found.checks["diy"] if check.model == "a").outcome == "undecided"


def test_a_warning_on_a_sector_decides_nothing():
    found = judge(reported(a_x=0.1), rule(aggregate="worst", severity="warn"))
    assert found.verdict == "accept"
    assert [check.passed for check in found.checks["diy"]] == [False, True]


def test_a_sector_without_rules_on_it_has_no_checks():
    found = judge(reported(), rule())
    assert found.checks == {}
    assert found.verdict == "accept"


def test_a_rule_of_one_sector_says_nothing_of_another():
    found = judge(reported(a_z=0.1), rule(aggregate="mean"))
    assert found.sectors == {"diy": "accept", "retail": "accept"}


@settings(deadline=None)
@given(
    st.sampled_from(["mean", "worst"]),
    st.sampled_from([None, 0.95]),
    st.lists(unit, min_size=4, max_size=4),
    st.data(),
)
def test_lowering_any_value_never_improves_a_sector(aggregate, confidence, values, data):
    names = ("a_x", "a_y", "b_x", "b_y")
    lower = [data.draw(st.floats(0, value)) for value in values]
    held = rule(aggregate=aggregate, confidence=confidence)
    better = judge(reported(**dict(zip(names, values, strict=True))), held)
    worse = judge(reported(**dict(zip(names, lower, strict=True))), held)
    assert ORDER[worse.verdict] <= ORDER[better.verdict]


@settings(deadline=None)
@given(st.randoms(), st.lists(unit, min_size=4, max_size=4))
def test_the_order_of_pairs_is_irrelevant(random, values):
    pairs = reported(**dict(zip(("a_x", "a_y", "b_x", "b_y"), values, strict=True)))
    rules = [rule(aggregate="mean"), rule(aggregate="worst")]
    found = judge(pairs, *rules)
    again = judge(random.sample(pairs, len(pairs)), *rules)
    assert dataclasses.asdict(again) == dataclasses.asdict(found)


def value(at, low, high, drop=None):
    return MetricValue(
        value=at, low=low, high=high, n=10, products=5, method="wilson", detectable=drop
    )


def test_the_interval_of_a_mean_recovers_the_variances():
    """Of k datasets with the same arm the mean's is 1/√k of it."""
    found = mean_of([value(0.5, 0.4, 0.6, 0.2)] * 4)
    assert found.value == 0.5
    assert (found.low, found.high) == (pytest.approx(0.45), pytest.approx(0.55))
    assert found.detectable == pytest.approx(0.1)
    assert (found.n, found.products) == (40, 20)
    lopsided = mean_of([value(1.0, 0.8, 1.0), value(0.0, 0.0, 0.6)])
    assert lopsided.value == 0.5
    assert lopsided.low == pytest.approx(0.4)
    assert lopsided.high == pytest.approx(0.8)
    assert lopsided.detectable is None


@settings(deadline=None)
@given(st.lists(st.tuples(unit, unit, unit), min_size=1, max_size=6))
def test_the_mean_lies_in_its_interval(triples):
    values = [value(*(sorted(triple)[i] for i in (1, 0, 2))) for triple in triples]
    found = mean_of(values)
    assert found.low <= found.value <= found.high
    assert min(v.low for v in values) - 1e-12 <= found.low
    assert found.high <= max(v.high for v in values) + 1e-12
