"""Slices, worst conditions, confidence, severities and waivers: what one rule says of one pair."""

from __future__ import annotations

import math

import numpy as np
import pytest
from gate_builders import demand, measured, waiver
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import ndtri

from pytest_prodbench.evidence.measured import Crossing
from pytest_prodbench.evidence.values import MetricValue
from pytest_prodbench.gate import judge_measurement
from pytest_prodbench.gate.checking import Z95, check_pair, one_sided
from pytest_prodbench.metrics.proportions import wilson, wilson_clustered

ORDER = {"reject": 0, "incomplete": 1, "accept": 2}
unit = st.floats(0, 1, allow_nan=False)


def number(value, *, arm=0.0, n=30, low=None, high=None, method="percentile"):
    return MetricValue.model_construct(
        value=value,
        low=value - arm if low is None else low,
        high=value + arm if high is None else high,
        n=n,
        products=n,
        method=method,
        detectable=None,
    )


def sliced(overall=0.9, **columns):
    """``light={"dim": number(0.4)}``: recall@1 by condition."""
    found = measured(recall_at_1=overall)
    conditions = {
        column: {value: {"recall@1": one} for value, one in values.items()}
        for column, values in columns.items()
    }
    return found.model_copy(update={"conditions": conditions})


def crossed(value, n=30):
    columns, values = ("angle", "light"), ("side", "dim")
    crossing = Crossing.model_construct(
        columns=columns, values=values, n=n, products=n, small=False, metrics={"recall@1": value}
    )
    return measured(recall_at_1=0.9).model_copy(update={"crossings": [crossing]})


def outcome(measurement, **rule):
    return check_pair("m", "d", measurement, demand(**rule)).outcome


def judged(measurement, *demands):
    return judge_measurement("m", "d", measurement, demands)[1]


# --- slices


def test_a_rule_on_a_slice_looks_at_that_slice_alone():
    measurement = sliced(light={"dim": number(0.4), "hard": number(0.8)})
    for light, wanted in (("dim", "fails"), ("hard", "holds")):
        assert outcome(measurement, limit=0.5, condition=(("light", light),)) == wanted
    assert outcome(measurement, limit=0.9) == "holds"


def test_a_rule_on_two_conditions_at_once():
    both = (("angle", "side"), ("light", "dim"))
    assert outcome(crossed(number(0.6)), limit=0.5, condition=both) == "holds"
    assert outcome(crossed(number(0.4)), limit=0.5, condition=both) == "fails"
    other = (("angle", "side"), ("light", "hard"))
    assert outcome(crossed(number(0.6)), limit=0.5, condition=other) == "undecided"


@pytest.mark.parametrize(
    "condition",
    [
        (("light", "dark"),),
        (("blur", "dim"),),
        (("angle", "side"), ("light", "dim")),
    ],
)
def test_a_slice_that_was_not_measured_is_undecided(condition):
    measurement = sliced(light={"dim": number(0.4)})
    check = check_pair("m", "d", measurement, demand(condition=condition))
    assert (check.outcome, check.passed, check.value) == ("undecided", False, None)
    assert "where" in check.message
    assert judged(measurement, demand(condition=condition)) == "incomplete"


@pytest.mark.parametrize(
    "bad", [number(math.nan), number(0.9, n=0), number(math.inf), number(0.9, n=19)]
)
def test_a_slice_without_a_usable_number_is_undecided(bad):
    measurement = sliced(light={"dim": bad})
    assert outcome(measurement, condition=(("light", "dim"),)) == "undecided"


# --- the worst value of a condition


def test_the_worst_value_decides_and_is_named():
    measurement = sliced(
        light={"dim": number(0.45), "hard": number(0.8)}, angle={"side": number(0.1)}
    )
    check = check_pair("m", "d", measurement, demand(limit=0.5, worst_condition="light"))
    assert check.outcome == "fails"
    assert check.what == "recall@1 at the worst light (dim)"
    assert check.value == 0.45
    assert "recall@1 at the worst light (dim) 0.4500 < 0.5" in check.message


def test_values_with_few_queries_are_not_ranked():
    measurement = sliced(light={"dim": number(0.1, n=19), "hard": number(0.8, n=20)})
    assert outcome(measurement, limit=0.5, worst_condition="light") == "holds"
    small = sliced(light={"dim": number(0.9, n=19)})
    check = check_pair("m", "d", small, demand(limit=0.5, worst_condition="light"))
    assert check.outcome == "undecided"
    assert "no value of condition 'light' has 20 queries" in check.message


def test_a_condition_that_the_dataset_does_not_state_is_undecided():
    assert outcome(sliced(), worst_condition="light") == "undecided"


def test_the_worst_is_the_greatest_where_less_is_better():
    found = measured(eer=0.1)
    conditions = {"light": {"dim": {"eer": number(0.3)}, "hard": {"eer": number(0.1)}}}
    found = found.model_copy(update={"conditions": conditions})
    check = check_pair("m", "d", found, demand("eer", 0.2, bound="max", worst_condition="light"))
    assert (check.outcome, check.value) == ("fails", 0.3)
    assert "0.3000 > 0.2, over by 0.1000" in check.message


def test_with_a_confidence_every_value_must_clear_the_limit():
    """The lowest value is sure, another with a wide interval is not: that one is the worst."""
    measurement = sliced(light={"dim": number(0.6, arm=0.01), "hard": number(0.7, arm=0.4)})
    check = check_pair(
        "m", "d", measurement, demand(limit=0.5, worst_condition="light", confidence=0.95)
    )
    assert check.outcome == "inconclusive"
    assert "(hard)" in check.what


# --- confidence


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        (0.7, "holds"),
        (0.62, "holds"),
        (0.55, "inconclusive"),
        (0.5, "inconclusive"),
        (0.3, "fails"),
    ],
)
def test_the_end_of_the_one_sided_interval_must_clear_the_limit(value, wanted):
    measurement = measured().model_copy(update={"metrics": {"recall@1": number(value, arm=0.1)}})
    assert outcome(measurement, limit=0.5, confidence=0.975) == wanted
    assert outcome(measurement, limit=0.5) == ("holds" if value >= 0.5 else "fails")


@pytest.mark.parametrize(
    ("inconclusive", "verdict", "passed"),
    [("block", "incomplete", False), ("warn", "accept", True), ("pass", "accept", True)],
)
def test_the_policy_says_whether_inconclusive_blocks(inconclusive, verdict, passed):
    measurement = measured().model_copy(update={"metrics": {"recall@1": number(0.5, arm=0.1)}})
    rule = demand(limit=0.5, confidence=0.95, inconclusive=inconclusive)
    (check,), found = judge_measurement("m", "d", measurement, [rule])
    assert (check.outcome, check.passed, found) == ("inconclusive", passed, verdict)
    assert "is inconclusive: 0.95 confidence that it is >= 0.5 is demanded" in check.message


def test_tolerance_does_not_reach_a_proven_miss_or_a_missing_value():
    measurement = measured().model_copy(update={"metrics": {"recall@1": number(0.3, arm=0.1)}})
    rule = demand(limit=0.5, confidence=0.95, inconclusive="pass")
    assert judged(measurement, rule) == "reject"
    assert judged(measured(), rule) == "incomplete"


@pytest.mark.parametrize("confidence", [0.6, 0.8, 0.9, 0.95, 0.975])
@pytest.mark.parametrize(("hits", "n"), [(50, 60), (60, 60), (0, 60), (3, 60), (9, 10), (30, 60)])
def test_wilsons_interval_is_made_again_for_the_confidence(confidence, hits, n):
    low, high = (float(end) for end in wilson(hits, n))
    value = number(hits / n, low=low, high=high, method="wilson")
    own = [float(end) for end in wilson(hits, n, level=2 * confidence - 1)]
    assert one_sided(value, demand(confidence=confidence).rule) == pytest.approx(own, abs=1e-12)
    as_maximum = demand("eer", confidence=confidence, bound="max").rule
    assert one_sided(value, as_maximum) == pytest.approx(own[::-1], abs=1e-12)


@pytest.mark.parametrize("confidence", [0.6, 0.9, 0.95])
@pytest.mark.parametrize("hits", [70, 90, 99, 100, 5])
def test_with_clusters_it_errs_on_the_wide_side(confidence, hits):
    """Their quantile is that of t, whose tails shrink faster."""
    sums, counts = np.zeros((25, 1)), np.full((25, 1), 4.0)
    sums[:, 0] = np.diff(np.minimum(np.arange(26) * 4, hits))
    low, high = (float(end[0]) for end in wilson_clustered(sums, counts))
    value = number(hits / 100, low=low, high=high, method="wilson")
    worse, better = one_sided(value, demand(confidence=confidence).rule)
    own = wilson_clustered(sums, counts, level=2 * confidence - 1)
    assert worse <= own[0][0] + 1e-12
    assert better >= own[1][0] - 1e-12


def test_other_arms_are_in_proportion_to_the_normal_quantile():
    value = number(0.5, arm=Z95 * 0.1, method="bca")
    worse, better = one_sided(value, demand("mrr", confidence=0.9).rule)
    assert worse == pytest.approx(0.5 - 0.1 * ndtri(0.9))
    assert better == pytest.approx(0.5 + 0.1 * ndtri(0.9))


# --- severity


@pytest.mark.parametrize("severity", ["warn", "info"])
def test_what_does_not_block_decides_nothing(severity):
    measurement = measured(recall_at_1=0.5)
    soft = demand(limit=0.9, severity=severity)
    (check, _), found = judge_measurement("m", "d", measurement, [soft, demand(limit=0.4)])
    assert found == "accept"
    assert (check.outcome, check.passed, check.blocks) == ("fails", False, False)
    # A pair of which nothing is demanded that could block it is not accepted.
    assert judged(measurement, demand(limit=0.4, severity=severity)) == "incomplete"


# --- waivers


def test_a_waiver_lowers_the_limit_and_stands_beside_the_check():
    measurement = measured(recall_at_1=0.45)
    (check,), found = judge_measurement("m", "d", measurement, [demand(waiver=waiver(0.4))])
    assert found == "accept"
    assert check.limit == 0.4
    assert check.waiver is not None
    assert (check.waiver.limit, check.waiver.owner, check.waiver.expires) == (
        *(0.5, "parts team", "2026-12-31"),
    )
    assert "waived from 0.5 until 2026-12-31 by parts team (new lamps)" in check.message
    assert judged(measured(recall_at_1=0.39), demand(waiver=waiver(0.4))) == "reject"


# --- whatever the rule


rules = st.fixed_dictionaries(
    {
        "limit": unit,
        "confidence": st.sampled_from([None, 0.8, 0.95, 0.975]),
        "inconclusive": st.sampled_from(["block", "warn", "pass"]),
        "severity": st.sampled_from(["block", "warn"]),
        "worst_condition": st.sampled_from([None, "light"]),
    }
)
several = st.lists(unit, min_size=2, max_size=4)


def of(values, arm):
    """The first value is over all queries, the others are slices."""
    found = sliced(light={str(i): number(value, arm=arm) for i, value in enumerate(values[1:])})
    return found.model_copy(update={"metrics": {"recall@1": number(values[0], arm=arm)}})


@settings(deadline=None, max_examples=300)
@given(rules, several, st.data(), st.floats(0, 0.5))
def test_lowering_any_value_never_improves_a_verdict(rule, values, data, arm):
    lower = [data.draw(st.floats(0, value)) for value in values]
    demands = [demand(**rule), demand(limit=0.1)]
    assert ORDER[judged(of(lower, arm), *demands)] <= ORDER[judged(of(values, arm), *demands)]


@settings(deadline=None, max_examples=300)
@given(rules, several, unit, st.floats(0, 0.5))
def test_raising_a_limit_never_improves_a_verdict(rule, values, other, arm):
    low, high = sorted((rule["limit"], other))
    easy, hard = (demand(**{**rule, "limit": limit}) for limit in (low, high))
    measurement = of(values, arm)
    assert ORDER[judged(measurement, hard)] <= ORDER[judged(measurement, easy)]


@settings(deadline=None, max_examples=200)
@given(rules, several, st.floats(0, 0.5), st.floats(0, 0.5))
def test_a_wider_interval_never_improves_a_blocking_verdict(rule, values, one, other):
    narrow, wide = sorted((one, other))
    strict = demand(**{**rule, "inconclusive": "block"})
    surer, vaguer = judged(of(values, narrow), strict), judged(of(values, wide), strict)
    # It may turn a proven miss into one that is not proven; never anything into an accept.
    assert vaguer != "accept" or surer == "accept"


@settings(deadline=None, max_examples=200)
@given(st.lists(rules, min_size=1, max_size=4), several, st.randoms())
def test_the_order_of_rules_changes_no_verdict(given_rules, values, random):
    demands = [demand(**rule) for rule in given_rules]
    shuffled = random.sample(demands, len(demands))
    measurement = of(values, 0.1)
    assert judged(measurement, *shuffled) == judged(measurement, *demands)
