"""A check passes only if it is proven to hold."""

from __future__ import annotations

import math
from fractions import Fraction
from pathlib import Path

import pytest
from gate_builders import demand, measured
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_prodbench.gate import judge_measurement
from pytest_prodbench.metrics import DIGITS

ORDER = {"reject": 0, "incomplete": 1, "accept": 2}
unit = st.floats(0, 1, allow_nan=False)


def verdict(value: float, limit: float) -> str:
    return judge_measurement("m", "d", measured(recall_at_1=value), [demand(limit=limit)])[1]


@pytest.mark.parametrize(
    "measurement",
    [
        measured(),
        measured(recall_at_5=1.0),
        measured(n=0, recall_at_1=1.0),
        measured(recall_at_1=math.nan),
        measured(recall_at_1=math.inf),
        measured(recall_at_1=-math.inf),
    ],
    ids=["nothing", "another metric", "no query", "nan", "inf", "-inf"],
)
def test_what_was_not_measured_is_undecided(measurement):
    (check,), found = judge_measurement("m", "d", measurement, [demand()])
    assert found == "incomplete"
    assert not check.passed
    assert check.value is None
    assert "has no value" in check.message


def test_no_rule_is_no_acceptance():
    assert judge_measurement("m", "d", measured(recall_at_1=1.0), []) == ([], "incomplete")


def test_a_miss_outweighs_what_is_missing():
    rules = [demand("mrr"), demand("recall@1", 0.6)]
    checks, found = judge_measurement("m", "d", measured(recall_at_1=0.5), rules)
    assert found == "reject"
    assert [check.passed for check in checks] == [False, False]


def test_one_missing_value_among_met_rules_is_incomplete():
    rules = [demand("mrr"), demand("recall@1", 0.5)]
    assert judge_measurement("m", "d", measured(recall_at_1=0.5), rules)[1] == "incomplete"


def test_equality_holds_and_the_next_number_below_does_not():
    assert verdict(0.7, 0.7) == "accept"
    assert verdict(round(0.7 - 10.0**-DIGITS, DIGITS), 0.7) == "reject"


@settings(deadline=None)
@given(st.integers(1, 2000), st.data())
def test_a_fraction_meets_its_own_limit_however_it_is_written(n, data):
    hits = data.draw(st.integers(1, n))
    value = round(hits / n, DIGITS)  # as metrics are recorded
    limits = [hits / n, value, *(round(hits / n, digits) for digits in (11, 12, 14))]
    # Cut off, not rounded: 0.333333333333 for one third.
    limits += [float(Fraction(int(Fraction(hits, n) * 10**d), 10**d)) for d in (10, 11, 12, 14)]
    for limit in limits:
        assert verdict(value, limit) == "accept", limit


@settings(deadline=None)
@given(st.integers(2, 2000), st.data())
def test_one_query_less_misses_it(n, data):
    hits = data.draw(st.integers(1, n))
    assert verdict(round((hits - 1) / n, DIGITS), hits / n) == "reject"


@settings(deadline=None)
@given(unit, unit, unit)
def test_lowering_a_value_never_improves_the_verdict(limit, one, other):
    low, high = sorted((one, other))
    assert ORDER[verdict(low, limit)] <= ORDER[verdict(high, limit)]


@settings(deadline=None)
@given(unit, unit, unit)
def test_raising_a_limit_never_improves_the_verdict(value, one, other):
    low, high = sorted((one, other))
    assert ORDER[verdict(value, high)] <= ORDER[verdict(value, low)]


@settings(deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["recall@1", "mrr", "map@20"]), unit), max_size=5))
def test_another_rule_never_improves_a_rejection_and_order_does_not_count(limits):
    measurement = measured(recall_at_1=0.5, mrr=0.5)
    rules = [demand(metric, limit) for metric, limit in limits]
    found = judge_measurement("m", "d", measurement, rules)[1]
    assert judge_measurement("m", "d", measurement, rules[::-1])[1] == found
    more = judge_measurement("m", "d", measurement, [*rules, demand("recall@1", 0.4)])[1]
    if rules:
        assert ORDER[more] <= ORDER[found]


def test_the_message_says_what_by_how_much_and_which_rule():
    (check,), _ = judge_measurement(
        "lite0", "parts", measured(recall_at_1=0.41), [demand(limit=0.5)]
    )
    assert check.message.splitlines() == [check.message]
    assert check.message.startswith("lite0:parts: recall@1 0.4100 < 0.5, short by 0.0900")
    assert "10 queries" in check.message
    assert 'suites/diy/sector.toml:8: thresholds."recall@1"' in check.message
    assert (check.limit, check.value) == (0.5, 0.41)


@pytest.mark.parametrize(
    ("value", "limit", "said"),
    [
        (0.69999, 0.7, "0.6999900000 < 0.7, short by 0.0000100000"),
        (0.7, 0.70000001, "0.7000000000 < 0.70000001, short by 0.0000000100"),
        (0.7, 0.7, "0.7000 >= 0.7"),
    ],
)
def test_a_small_difference_is_not_rounded_away_in_words(value, limit, said):
    (check,), _ = judge_measurement("m", "d", measured(recall_at_1=value), [demand(limit=limit)])
    assert said in check.message


@pytest.mark.parametrize(
    ("drop", "said"),
    [
        (0.2734, "could have seen a drop of 0.273"),
        (0.0004, "could have seen a drop of less than 0.001"),
        (None, "could have seen a drop of unknown size"),
    ],
)
@pytest.mark.parametrize("limit", [0.4, 0.6], ids=["holds", "is missed"])
def test_each_verdict_says_how_small_a_drop_it_could_have_seen(limit, drop, said):
    (check,), _ = judge_measurement(
        "m", "d", measured(detectable=drop, recall_at_1=0.5), [demand(limit=limit)]
    )
    assert check.message.count("drop") == 1
    assert said in check.message
    assert check.detectable == drop


def test_the_drop_is_that_of_the_metric_that_is_judged():
    measurement = measured(detectable=0.1, recall_at_1=0.5)
    measurement.metrics["mrr"] = measured(detectable=0.2, mrr=0.6).metrics["mrr"]
    checks, _ = judge_measurement("m", "d", measurement, [demand(), demand("mrr")])
    assert ["of 0.100)" in checks[0].message, "of 0.200)" in checks[1].message] == [True, True]


def test_what_has_no_value_has_no_drop():
    (check,), _ = judge_measurement("m", "d", measured(), [demand()])
    assert "drop" not in check.message


def test_the_anatomy_of_a_failure_in_the_guide_is_what_the_gate_writes():
    guide = (Path(__file__).parents[2] / "docs/thresholds.md").read_text(encoding="utf-8")
    measurement = measured(n=500, low=0.691, high=0.789, detectable=0.0916, recall_at_1=0.742)
    (check,), _ = judge_measurement("candidate", "bolts", measurement, [demand(limit=0.8)])
    assert f"```text\n{check.message}\n```\n" in guide
