"""What a model may cost: held against what was measured or configured, and never instead of what it finds."""

from __future__ import annotations

import math

import pytest
from gate_builders import demand, measured, rule, sector, waiver
from hypothesis import given
from hypothesis import strategies as st
from test_policy import check

from pytest_prodbench.errors import SettingsError
from pytest_prodbench.evidence.measured import EmbeddingFacts
from pytest_prodbench.evidence.timing import Timing
from pytest_prodbench.gate import costs_of, judge_measurement, pair_demands
from pytest_prodbench.settings.policy import COSTS

RECALL = demand(limit=0.5)


def judged(*demands, costs=None, recall=0.9):
    return judge_measurement("lite0", "parts", measured(recall_at_1=recall), demands, None, costs)


def budget(name, limit, **more):
    return demand(name, limit, bound=COSTS[name][0], **more)


@pytest.mark.parametrize("name", COSTS)
def test_a_limit_is_inclusive_and_on_the_side_of_the_cost(name):
    worse = 11.0 if COSTS[name][0] == "max" else 9.0
    for value, verdict in ((10.0, "accept"), (worse, "reject"), (20.0 - worse, "accept")):
        checks, found = judged(RECALL, budget(name, 10.0), costs={name: value})
        assert found == verdict, value
        assert checks[1].value == value
        assert COSTS[name][1] in checks[1].message


@pytest.mark.parametrize("name", COSTS)
@pytest.mark.parametrize("costs", [None, {}, {"other": 1.0}])
def test_a_cost_that_is_not_known_is_no_pass(name, costs):
    checks, verdict = judged(RECALL, budget(name, 10.0), costs=costs)
    assert verdict == "incomplete"
    assert checks[1].outcome == "undecided"


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_cost_that_is_no_number_is_no_pass(value):
    for name in COSTS:
        assert judged(RECALL, budget(name, 10.0), costs={name: value})[1] == "incomplete"


def test_a_cheap_model_is_not_yet_one_that_finds_anything():
    cheap = budget("price_per_1000", 1.0)
    assert judged(cheap, costs={"price_per_1000": 0.1})[1] == "incomplete"
    assert judged(cheap, costs={"price_per_1000": 2.0})[1] == "reject"


@pytest.mark.parametrize("severity", ["warn", "info"])
def test_a_warning_on_a_cost_decides_nothing(severity):
    slow = budget("latency_p95_ms", 10.0, severity=severity)
    checks, verdict = judged(RECALL, slow, costs={"latency_p95_ms": 99.0})
    assert verdict == "accept"
    assert not checks[1].passed


def test_a_waiver_stands_in_for_a_budget():
    easier = waiver(20.0, "latency_p95_ms", bound="max")
    slow = budget("latency_p95_ms", 10.0, waiver=easier)
    checks, verdict = judged(RECALL, slow, costs={"latency_p95_ms": 15.0})
    assert verdict == "accept"
    assert checks[1].waiver.limit == 10.0
    assert "new lamps" in checks[1].message


@given(
    st.sampled_from(sorted(COSTS)), st.floats(0.1, 100.0), st.floats(0.1, 100.0), st.floats(0, 50)
)
def test_a_higher_cost_never_improves_a_verdict(name, limit, value, more):
    order = ["reject", "accept"]
    worse = value + more if COSTS[name][0] == "max" else max(value - more, 0.0)
    before, after = (
        judged(RECALL, budget(name, limit), costs={name: cost})[1] for cost in (value, worse)
    )
    assert order.index(after) <= order.index(before)


def test_costs_come_from_where_they_are_known():
    facts = EmbeddingFacts(
        dimension=4,
        bytes_per_vector=16,
        effective_rank=None,
        hubness=None,
        near_identical=None,
        near_identical_from=0.9999,
        near_identical_looked_at=1,
    )
    whole = measured(recall_at_1=0.5).model_copy(update={"embedding": facts})
    timing = Timing(costs={"latency_p95_ms": 3.0})
    assert costs_of(whole, timing, 0.25) == {
        "latency_p95_ms": 3.0,
        "bytes_per_vector": 16.0,
        "price_per_1000": 0.25,
    }
    assert "price_per_1000" not in costs_of(whole, timing, None)
    assert costs_of(whole, timing, 0.0)["price_per_1000"] == 0.0, "free is known"


@pytest.mark.parametrize("name", COSTS)
def test_budgets_that_make_sense(name):
    side = COSTS[name][0]
    check([sector(rule(limit=0.5), rule(name, 10.0, bound=side, models="domain-*"))])


@pytest.mark.parametrize("name", COSTS)
@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"limit": 0.0}, "more than 0"),
        ({"limit": -1.0}, "more than 0"),
        ({"condition": (("light", "dim"),)}, "a budget for each model"),
        ({"worst_condition": "light"}, "a budget for each model"),
        ({"aggregate": "mean"}, "a budget for each model"),
        ({"confidence": 0.9}, "a budget for each model"),
        ({"models": "gone"}, "match no pair"),
        ({"bound": "max_drop"}, "no drop can be paired"),
    ],
)
def test_budgets_that_make_none(name, fields, said):
    known = {"limit": 10.0, "bound": COSTS[name][0]} | fields
    with pytest.raises(SettingsError, match=said):
        check([sector(rule(name, **known))])


@pytest.mark.parametrize("name", COSTS)
def test_a_limit_on_the_wrong_side(name):
    wrong = "min" if COSTS[name][0] == "max" else "max"
    with pytest.raises(SettingsError, match="what costs the most"):
        check([sector(rule(name, 10.0, bound=wrong))])


@given(st.sampled_from(sorted(COSTS)), st.floats(0.1, 100), st.floats(0.1, 100), st.floats(0, 50))
def test_a_wider_budget_never_worsens_a_verdict(name, limit, value, more):
    order = ["reject", "accept"]
    wider = limit + more if COSTS[name][0] == "max" else max(limit - more, 1e-9)
    before, after = (
        judged(RECALL, budget(name, one), costs={name: value})[1] for one in (limit, wider)
    )
    assert order.index(after) >= order.index(before)


def test_the_most_specific_budget_holds():
    rules = [
        rule("price_per_1000", 0.5, bound="max"),
        rule("price_per_1000", 0.1, bound="max", models="api-*"),
    ]
    for model, limit in (("lite0", 0.5), ("api-x", 0.1)):
        (found,) = pair_demands(rules, (), "diy", model, "parts")
        assert found.limit == limit
