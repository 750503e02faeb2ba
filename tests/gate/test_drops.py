"""Tolerated drops: what a candidate may lose against the model in production, on the same photos."""

from __future__ import annotations

import dataclasses
import math

import pytest
from gate_builders import (
    WHERE,
    change,
    compared,
    demand,
    measured,
    pair,
    rule,
    sector,
    waiver,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from test_policy import check, effective_rules

from pytest_prodbench.errors import SettingsError
from pytest_prodbench.evidence.comparison import CrossedChanges
from pytest_prodbench.gate import check_policy, judge_measurement, judge_pairs, pair_demands
from pytest_prodbench.gate.checking import check_model, check_pair

ORDER = {"reject": 0, "incomplete": 1, "accept": 2}
unit = st.floats(0, 1, allow_nan=False)
MEASURED = measured(recall_at_1=0.5)


def drop(limit=0.1, metric="recall@1", **more):
    return demand(metric, limit, bound="max_drop", **more)


def held(comparison, **given_rule):
    return check_pair("m", "d", MEASURED, drop(**given_rule), comparison)


def outcome(comparison, **given_rule):
    return held(comparison, **given_rule).outcome


def judged(comparison, *demands):
    return judge_measurement("m", "d", MEASURED, demands, comparison)[1]


# --- the tolerated drop, in units of the metric and as a share


@pytest.mark.parametrize(
    ("after", "wanted"),
    [(0.8, "holds"), (0.9, "holds"), (0.7, "holds"), (0.6999, "fails"), (0.2, "fails")],
)
def test_a_drop_in_units_of_the_metric(after, wanted):
    found = held(compared(change(0.8, after)), limit=0.1)
    assert (found.outcome, found.passed, found.limit) == (wanted, wanted == "holds", 0.1)
    assert found.value == pytest.approx(0.8 - after)


@pytest.mark.parametrize(
    ("after", "wanted"), [(0.8, "holds"), (0.72, "holds"), (0.7199, "fails"), (0.1, "fails")]
)
def test_a_drop_as_a_share_of_what_production_reaches(after, wanted):
    found = held(compared(change(0.8, after)), limit=0.1, relative=True)
    assert found.outcome == wanted
    assert found.limit == pytest.approx(0.08)


def test_a_share_of_nothing_tolerates_nothing():
    assert outcome(compared(change(0.0, 0.0)), relative=True) == "holds"
    assert outcome(compared(change(0.0, 0.0, drop=0.001)), relative=True) == "fails"


def test_a_tolerance_of_zero_lets_only_what_is_no_worse_pass():
    assert outcome(compared(change(0.8, 0.8)), limit=0.0) == "holds"
    assert outcome(compared(change(0.8, 0.79)), limit=0.0) == "fails"


def test_equality_holds_in_recorded_decimals():
    assert outcome(compared(change(0.8, 0.7, drop=0.1)), limit=0.1) == "holds"
    assert outcome(compared(change(0.8, 0.7, drop=0.1 + 1e-10)), limit=0.1) == "fails"


def test_the_message_says_both_values_and_which_rule():
    found = held(compared(change(0.8, 0.6, arm=0.05)), limit=0.1)
    assert found.message.startswith(
        "m:d: drop of recall@1 0.2000 (production 0.8000, candidate 0.6000) > 0.1, over by 0.1000 "
        "(95 % interval 0.1500 to 0.2500, could have seen a drop of 0.050, 30 queries)"
    )
    assert found.message.endswith(f"[{WHERE}]")
    share = held(compared(change(0.8, 0.6)), limit=0.1, relative=True)
    assert "> 0.0800 (0.1 of production's value)" in share.message


def test_of_a_metric_of_which_less_is_better_a_rise_is_a_drop():
    worse = compared(change(0.1, 0.3, less_is_better=True), metric="instance_gap")
    better = compared(change(0.3, 0.1, less_is_better=True), metric="instance_gap")
    assert outcome(worse, metric="instance_gap") == "fails"
    assert outcome(better, metric="instance_gap") == "holds"


# --- confidence


@pytest.mark.parametrize(
    ("after", "wanted"),
    [(0.85, "holds"), (0.75, "inconclusive"), (0.7, "inconclusive"), (0.5, "fails")],
)
def test_the_end_of_the_paired_interval_must_clear_the_tolerance(after, wanted):
    assert outcome(compared(change(0.8, after, arm=0.1)), confidence=0.975) == wanted


@pytest.mark.parametrize(
    ("inconclusive", "verdict", "passed"),
    [("block", "incomplete", False), ("warn", "accept", True), ("pass", "accept", True)],
)
def test_the_policy_says_whether_an_inconclusive_drop_blocks(inconclusive, verdict, passed):
    comparison = compared(change(0.8, 0.7, arm=0.1))
    ((found,), whole) = judge_measurement(
        "m", "d", MEASURED, [drop(confidence=0.95, inconclusive=inconclusive)], comparison
    )
    assert (found.outcome, found.passed, whole) == ("inconclusive", passed, verdict)
    assert "0.95 confidence that it is <= 0.1 is demanded" in found.message


def test_an_inconclusive_drop_that_passes_forgives_no_proven_one():
    rules = drop(confidence=0.95, inconclusive="pass")
    assert judged(compared(change(0.8, 0.5, arm=0.1)), rules) == "reject"


# --- slices


def test_the_worst_value_of_a_condition():
    comparison = compared(
        change(0.8, 0.8), light={"dim": change(0.8, 0.6), "hard": change(0.4, 0.39)}
    )
    found = held(comparison, worst_condition="light")
    assert (found.outcome, found.what) == ("fails", "drop of recall@1 at the worst light (dim)")
    assert outcome(comparison) == "holds"


def test_relative_limits_are_compared_value_by_value():
    """The larger drop is within its share, the smaller one is not: that one is the worst."""
    comparison = compared(
        change(0.8, 0.8), light={"dim": change(1.0, 0.92), "hard": change(0.2, 0.15)}
    )
    found = held(comparison, worst_condition="light", relative=True)
    assert (found.outcome, found.value) == ("fails", pytest.approx(0.05))
    assert "(hard)" in found.what


def test_a_condition_of_one_column_and_of_two():
    crossed = CrossedChanges.model_construct(
        columns=("angle", "light"),
        values=("side", "dim"),
        changes={"recall@1": change(0.8, 0.5)},
    )
    comparison = compared(change(0.8, 0.8), light={"dim": change(0.8, 0.6)}).model_copy(
        update={"crossings": [crossed]}
    )
    assert outcome(comparison, limit=0.2, condition=(("light", "dim"),)) == "holds"
    both = (("angle", "side"), ("light", "dim"))
    assert outcome(comparison, limit=0.2, condition=both) == "fails"
    assert outcome(comparison, limit=0.4, condition=both) == "holds"


@pytest.mark.parametrize(
    "about",
    [
        {"condition": (("light", "hard"),)},
        {"condition": (("blur", "dim"),)},
        {"condition": (("angle", "side"), ("light", "dim"))},
        {"worst_condition": "blur"},
        {"metric": "mrr"},
    ],
    ids=str,
)
def test_what_was_not_compared_is_undecided(about):
    comparison = compared(change(0.8, 0.8), light={"dim": change(0.8, 0.8)})
    found = held(comparison, **about)
    assert (found.outcome, found.passed, found.value) == ("undecided", False, None)
    assert "no such value, or too few queries" in found.message


@pytest.mark.parametrize(
    "bad",
    [change(0.8, 0.8, drop=math.nan), change(0.8, 0.8, drop=-math.inf), change(0.8, 0.8, n=0)],
    ids=["nan", "-inf", "no query"],
)
def test_a_drop_that_is_no_number_or_of_nothing_is_undecided(bad):
    assert outcome(compared(bad)) == "undecided"
    assert judged(compared(bad), drop()) == "incomplete"
    assert outcome(compared(change(0.8, 0.8), light={"dim": bad}), worst_condition="light") == (
        "undecided"
    )


# --- no baseline, and one that cannot be compared with


def test_before_there_is_a_baseline_a_drop_is_demanded_of_nobody():
    found = held(None)
    assert (found.outcome, found.passed, found.value) == ("no baseline", True, None)
    assert "no baseline yet, nothing to compare with; the rule tolerates 0.1" in found.message
    assert judged(None, demand(limit=0.4), drop()) == "accept"
    assert judged(None, demand(limit=0.6), drop()) == "reject"


def test_what_has_nothing_to_prove_it_is_not_accepted():
    """Nothing but drops, and nothing to drop from: a first run says nothing about the model."""
    assert judged(None, drop()) == "incomplete"
    assert judged(None, drop(), drop(metric="mrr")) == "incomplete"
    assert judged(None, drop(), demand(limit=0.4, severity="warn")) == "incomplete"


def test_a_refused_comparison_is_undecided_and_says_why():
    refused = compared(refused=["protocol version 2 in the baseline, now 3"])
    found = held(refused)
    assert (found.outcome, found.passed) == ("undecided", False)
    assert "not comparable with production: protocol version 2 in the baseline" in found.message
    assert judged(refused, demand(limit=0.4), drop()) == "incomplete"
    assert judged(refused, demand(limit=0.4), drop(inconclusive="pass", confidence=0.9)) == (
        "incomplete"
    )


def test_a_refused_comparison_does_not_touch_other_rules():
    refused = compared(refused=["x"])
    assert judged(refused, demand(limit=0.4)) == "accept"
    assert judged(refused, demand(limit=0.4), drop(severity="warn")) == "accept"


# --- waivers


def test_a_waiver_tolerates_a_larger_drop_for_a_time():
    comparison = compared(change(0.8, 0.6))
    granted = waiver(0.3, bound="max_drop")
    (found,), whole = judge_measurement("m", "d", MEASURED, [drop(waiver=granted)], comparison)
    assert (whole, found.limit, found.waiver.limit) == ("accept", 0.3, 0.1)
    assert "waived from 0.1 until 2026-12-31 by parts team" in found.message
    assert judged(compared(change(0.8, 0.4)), drop(waiver=granted)) == "reject"


def test_a_waiver_in_another_unit():
    comparison = compared(change(0.8, 0.6))
    share = waiver(0.5, bound="max_drop", relative=True)
    assert outcome(comparison, waiver=share) == "holds"
    assert held(comparison, waiver=share).limit == pytest.approx(0.4)


def test_a_waiver_is_for_the_drop_or_for_the_value():
    rules = [rule(limit=0.5), rule(limit=0.1, bound="max_drop")]
    of_drop, of_value = waiver(0.3, bound="max_drop"), waiver(0.4)
    for granted, limits in (((of_drop,), [0.5, 0.3]), ((of_value,), [0.4, 0.1])):
        found = pair_demands(rules, granted, "diy", "lite0", "parts")
        assert [one.limit for one in found] == limits


@pytest.mark.parametrize("limit", [0.1, 0.05, 0.0])
def test_a_waiver_that_tolerates_no_more_is_refused(limit):
    granted = (waiver(limit, bound="max_drop"),)
    with pytest.raises(SettingsError, match="makes no rule of this sector easier"):
        check([sector(rule(limit=0.1, bound="max_drop"), waivers=granted)])


# --- policy


@pytest.mark.parametrize("limit", [-0.01, 1.0, 1.5, 50.0])
@pytest.mark.parametrize("relative", [False, True])
def test_a_tolerance_outside_its_range(limit, relative):
    with pytest.raises(SettingsError, match="a max_drop of") as caught:
        check([sector(rule(limit=limit, bound="max_drop", relative=relative))])
    assert caught.value.where == WHERE
    assert "0 or more and less than 1" in str(caught.value)


@pytest.mark.parametrize("limit", [0.0, 0.01, 0.999])
@pytest.mark.parametrize("relative", [False, True])
def test_a_tolerance_within_its_range(limit, relative):
    check([sector(rule(limit=limit, bound="max_drop", relative=relative))])


@pytest.mark.parametrize("limit", [math.nan, math.inf, -math.inf])
def test_a_tolerance_that_is_no_number(limit):
    with pytest.raises(ValueError, match="finite"):
        rule(limit=limit, bound="max_drop")
    unchecked = rule(bound="max_drop").model_copy(update={"limit": limit})
    with pytest.raises(SettingsError, match="a max_drop of"):
        check([sector(unchecked)])


@pytest.mark.parametrize("metric", ["eer", "median_rank", "ece", "fpr95"])
def test_a_statistic_has_nothing_that_could_be_paired(metric):
    with pytest.raises(SettingsError, match="no value a query to be paired"):
        check([sector(rule(metric, 0.1, bound="max_drop"))])


@pytest.mark.parametrize("metric", ["recal@1", "recall", "mrr@5", "nothing"])
def test_a_drop_of_what_does_not_exist(metric):
    with pytest.raises(SettingsError):
        check([sector(rule(metric, 0.1, bound="max_drop"))])


def test_a_drop_of_a_metric_of_which_less_is_better():
    check([sector(rule("instance_gap", 0.1, bound="max_drop"))])


@pytest.mark.parametrize("scope", [{"models": "big-*"}, {"datasets": "part"}])
def test_a_tolerance_that_matches_no_pair(scope):
    with pytest.raises(SettingsError, match="match no pair"):
        check([sector(rule(limit=0.1, bound="max_drop", **scope))])


def test_two_tolerances_that_are_equally_specific():
    one = rule(limit=0.1, bound="max_drop", models="domain-a", where="first")
    other = rule(limit=0.2, bound="max_drop", relative=True, datasets="parts", where="second")
    with pytest.raises(SettingsError, match="equally specific"):
        check([sector(one, other)])


def test_a_limit_and_a_tolerance_do_not_compete():
    value, tolerated = rule(limit=0.5), rule(limit=0.1, bound="max_drop")
    named = rule(limit=0.2, bound="max_drop", models="domain-a")
    whole = sector(value, tolerated, named)
    check([whole])
    assert effective_rules(whole, "parts") == [value, tolerated]
    assert effective_rules(whole, "parts", "domain-a") == [value, named]


def test_a_tolerance_without_a_dataset():
    with pytest.raises(SettingsError, match="has no dataset"):
        check([sector(rule(limit=0.1, bound="max_drop"), datasets=())])


def test_waivers_of_drops_end_and_begin_like_all_others():
    import datetime as dt

    whole = sector(rule(limit=0.1, bound="max_drop"), waivers=(waiver(0.2, bound="max_drop"),))
    for today, said in ((dt.date(2027, 1, 1), "expired"), (dt.date(2025, 1, 1), "a clock")):
        with pytest.raises(SettingsError, match=said):
            check_policy([whole], ["lite0"], today)


# --- all datasets of a sector together


PLANNED = {"a:x": "diy", "a:y": "diy"}


def pairs(x, y):
    """Two pairs that their own rules accept, each with its comparison."""
    return [
        pair(f"a:{name}", measurement=MEASURED, comparison=found)
        for name, found in (("x", x), ("y", y))
    ]


def together(x, y, **given_rule):
    held_rule = rule(limit=0.1, bound="max_drop", **given_rule)
    return judge_pairs(PLANNED, pairs(x, y), [held_rule])


def test_the_mean_drop_over_the_datasets():
    small, large = compared(change(0.8, 0.78)), compared(change(0.8, 0.65))
    found = together(small, large, aggregate="mean")
    (check,) = found.checks["diy"]
    assert (check.outcome, check.dataset) == ("holds", None)
    assert check.value == pytest.approx(0.085)
    assert found.verdict == "accept"
    assert together(large, large, aggregate="mean").verdict == "reject"


def test_the_mean_of_shares():
    """Each dataset's share is of its own value: 0.1 × 0.8 and 0.1 × 0.4."""
    found = together(
        compared(change(0.8, 0.75)), compared(change(0.4, 0.35)), aggregate="mean", relative=True
    )
    (check,) = found.checks["diy"]
    assert check.limit == pytest.approx(0.06)
    assert check.outcome == "holds"


def test_the_worst_dataset_decides_and_is_named():
    small, large = compared(change(0.8, 0.9)), compared(change(0.8, 0.65))
    (check,) = together(small, large, aggregate="worst").checks["diy"]
    assert (check.outcome, check.what) == ("fails", "worst drop of recall@1 of the sector (y)")


def test_a_sector_before_its_baseline():
    found = together(None, None, aggregate="mean")
    (check,) = found.checks["diy"]
    assert (check.outcome, check.passed) == ("no baseline", True)
    # The pairs were accepted by rules of their own: a first run can become the baseline.
    assert (found.sectors, found.candidates) == ({"diy": "accept"}, {"a": "accept"})


@pytest.mark.parametrize("aggregate", ["mean", "worst"])
@pytest.mark.parametrize("hole", [None, compared(refused=["x"]), compared()], ids=str)
def test_one_dataset_without_a_comparison_leaves_all_together_undecided(aggregate, hole):
    found = together(compared(change(0.8, 0.8)), hole, aggregate=aggregate)
    (check,) = found.checks["diy"]
    assert (check.outcome, check.passed) == ("undecided", False)
    assert found.verdict == "incomplete"


def test_a_pair_that_was_not_measured_is_not_taken_for_a_first_run():
    check = check_model(
        "a", {"x": MEASURED, "y": None}, drop(aggregate="mean"), {"x": None, "y": None}
    )
    assert check.outcome == "undecided"


# --- candidates


def test_each_model_has_a_verdict_of_its_own():
    planned = {"a:x": "diy", "a:z": "retail", "b:x": "diy", "b:z": "retail"}
    reported = [
        pair("a:x"),
        pair("a:z", sector="retail"),
        pair("b:x"),
        pair("b:z", "reject", sector="retail"),
    ]
    found = judge_pairs(planned, reported)
    assert found.candidates == {"a": "accept", "b": "reject"}
    assert found.sectors == {"diy": "accept", "retail": "reject"}


def test_a_missing_pair_leaves_its_model_incomplete():
    found = judge_pairs({"a:x": "diy", "b:x": "diy"}, [pair("a:x")])
    assert found.candidates == {"a": "accept", "b": "incomplete"}


def test_a_rule_on_a_sector_counts_against_the_model_that_misses_it():
    planned = {"a:x": "diy", "b:x": "diy"}
    reported = [
        pair("a:x", comparison=compared(change(0.8, 0.4))),
        pair("b:x", comparison=compared(change(0.8, 0.8))),
    ]
    blocking = rule(limit=0.1, bound="max_drop", aggregate="worst")
    assert judge_pairs(planned, reported, [blocking]).candidates == {"a": "reject", "b": "accept"}
    warning = blocking.model_copy(update={"severity": "warn"})
    assert judge_pairs(planned, reported, [warning]).candidates == {"a": "accept", "b": "accept"}


def test_a_pair_that_nobody_planned_can_only_make_it_worse():
    found = judge_pairs({"a:x": "diy"}, [pair("a:x"), pair("a:new"), pair("c:x")])
    assert found.candidates == {"a": "incomplete", "c": "incomplete"}
    assert found.verdict == "incomplete"


# --- whatever the rule


rules = st.fixed_dictionaries(
    {
        "limit": unit,
        "relative": st.booleans(),
        "confidence": st.sampled_from([None, 0.8, 0.95, 0.975]),
        "inconclusive": st.sampled_from(["block", "warn", "pass"]),
        "severity": st.sampled_from(["block", "warn"]),
        "worst_condition": st.sampled_from([None, "light"]),
    }
)
results = st.lists(st.tuples(unit, unit), min_size=2, max_size=4)


def of(values, arm):
    """The first is over all queries, the others are slices; each (before, after)."""
    overall, *rest = [change(before, after, arm=arm) for before, after in values]
    return compared(overall, light={str(i): one for i, one in enumerate(rest)})


@settings(deadline=None, max_examples=150)
@given(rules, results, st.data(), st.floats(0, 0.5))
def test_a_larger_drop_never_improves_a_verdict(rule, values, data, arm):
    lower = [(before, data.draw(st.floats(0, after))) for before, after in values]
    demands = [drop(**rule), demand(limit=0.1)]
    assert ORDER[judged(of(lower, arm), *demands)] <= ORDER[judged(of(values, arm), *demands)]


@settings(deadline=None, max_examples=150)
@given(rules, results, unit, st.floats(0, 0.5))
def test_a_larger_tolerated_drop_never_worsens_a_verdict(rule, values, other, arm):
    small, large = sorted((rule["limit"], other))
    strict, easy = (drop(**{**rule, "limit": limit}) for limit in (small, large))
    comparison = of(values, arm)
    assert ORDER[judged(comparison, strict)] <= ORDER[judged(comparison, easy)]


@settings(deadline=None, max_examples=100)
@given(rules, results, st.floats(0, 0.5), st.floats(0, 0.5))
def test_a_wider_interval_never_accepts_what_a_narrow_one_did_not(rule, values, one, other):
    narrow, wide = sorted((one, other))
    strict = drop(**{**rule, "inconclusive": "block"})
    vaguer, surer = judged(of(values, wide), strict), judged(of(values, narrow), strict)
    assert vaguer != "accept" or surer == "accept"


@settings(deadline=None, max_examples=100)
@given(rules, results, st.floats(0, 0.5))
def test_a_comparison_that_is_refused_never_improves_a_verdict(rule, values, arm):
    demands = [drop(**rule), demand(limit=0.4)]
    refused = compared(refused=["the content of the dataset changed"])
    found = judged(of(values, arm), *demands)
    if found != "reject":
        assert ORDER[judged(refused, *demands)] <= ORDER[found]
    if rule["severity"] == "block":
        assert judged(refused, *demands) == "incomplete"


sector_rules = st.lists(
    st.fixed_dictionaries(
        {
            "limit": st.floats(0, 0.9),
            "bound": st.sampled_from(["min", "max_drop"]),
            "confidence": st.sampled_from([None, 0.95]),
            "inconclusive": st.sampled_from(["block", "pass"]),
            "severity": st.sampled_from(["block", "warn"]),
            "aggregate": st.sampled_from(["mean", "worst", None]),
        }
    ),
    min_size=1,
    max_size=4,
    unique_by=lambda rule: (rule["bound"], rule["severity"], rule["aggregate"]),
)
NAMES = ("a:x", "a:y", "b:x", "b:y")
SECTORS = {"a:x": "diy", "a:y": "diy", "b:x": "diy", "b:y": "diy"}


def whole_run(given_rules, befores, afters, arm):
    """Four pairs measured, judged and brought together, as a run does it."""
    demanded = [rule(**one) for one in given_rules]
    reported = []
    for name, before, after in zip(NAMES, befores, afters, strict=True):
        model, _, dataset = name.partition(":")
        measurement = measured(recall_at_1=after)
        comparison = None if before is None else compared(change(before, after, arm=arm))
        demands = pair_demands(demanded, (), "diy", model, dataset)
        checks, verdict = judge_measurement(model, dataset, measurement, demands, comparison)
        reported.append(
            pair(
                name,
                verdict,
                measurement=measurement,
                comparison=comparison,
                checks=checks,
            )
        )
    return reported, demanded


four = st.lists(unit, min_size=4, max_size=4)
maybe = st.lists(unit, min_size=4, max_size=4) | st.just([None] * 4)


def verdicts(judgement):
    return {
        "run": judgement.verdict,
        **{f"sector {name}": verdict for name, verdict in judgement.sectors.items()},
        **{f"model {name}": verdict for name, verdict in judgement.candidates.items()},
    }


@settings(deadline=None, max_examples=60)
@given(sector_rules, maybe, four, st.data(), st.floats(0, 0.3))
def test_lowering_any_value_never_improves_any_verdict(given_rules, befores, afters, data, arm):
    lower = [data.draw(st.floats(0, after)) for after in afters]
    better, worse = (
        verdicts(judge_pairs(SECTORS, *whole_run(given_rules, befores, values, arm)))
        for values in (afters, lower)
    )
    assert all(ORDER[worse[who]] <= ORDER[better[who]] for who in better)


@settings(deadline=None, max_examples=60)
@given(sector_rules, maybe, four, st.data(), st.floats(0, 0.3))
def test_making_any_rule_stricter_never_improves_any_verdict(
    given_rules, befores, afters, data, arm
):
    def stricter(one):
        ends = (one["limit"], 1.0) if one["bound"] == "min" else (0.0, one["limit"])
        return {**one, "limit": data.draw(st.floats(*ends))}

    easy, strict = (
        verdicts(judge_pairs(SECTORS, *whole_run(some, befores, afters, arm)))
        for some in (given_rules, [stricter(one) for one in given_rules])
    )
    assert all(ORDER[strict[who]] <= ORDER[easy[who]] for who in easy)


@settings(deadline=None, max_examples=60)
@given(sector_rules, maybe, four, st.sampled_from(NAMES))
def test_a_missing_pair_is_never_better_and_never_an_accept(given_rules, befores, afters, gone):
    reported, demanded = whole_run(given_rules, befores, afters, 0.05)
    left = [one for one in reported if one.name != gone]
    found = verdicts(judge_pairs(SECTORS, left, demanded))
    assert found["run"] != "accept"
    assert found[f"model {gone[0]}"] != "accept"


@settings(deadline=None, max_examples=60)
@given(sector_rules, maybe, four, st.randoms())
def test_the_order_of_pairs_is_irrelevant(given_rules, befores, afters, random):
    reported, demanded = whole_run(given_rules, befores, afters, 0.05)
    shuffled = random.sample(reported, len(reported))
    assert dataclasses.asdict(judge_pairs(SECTORS, shuffled, demanded)) == dataclasses.asdict(
        judge_pairs(SECTORS, reported, demanded)
    )
