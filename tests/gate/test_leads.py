"""One model must lead others of its run: by the smallest lead, on every dataset, or it is not proven."""

from __future__ import annotations

import fnmatch

import pytest
from gate_builders import change, measured, pair, rule, sector, waiver
from hypothesis import given
from hypothesis import strategies as st
from test_policy import check

from pytest_prodbench.errors import SettingsError
from pytest_prodbench.evidence.comparison import Contest, CrossedChanges
from pytest_prodbench.gate import judge_pairs, lead_demands, pair_demands, rivals

PLANNED = {f"{model}:parts": "diy" for model in ("domain-a", "lite0", "lite1")}
FAMILIES = {"domain-a": "domain", "lite0": "open", "lite1": "open"}


def lead(limit=0.05, beats="lite*", **more):
    return rule(limit=limit, beats=beats, models=more.pop("models", "domain-*"), **more)


def contest(other, before, after, model="domain-a", dataset="parts", **more):
    one = change(before, after, arm=more.pop("arm", 0.0))
    return Contest.model_construct(
        model=model,
        other=other,
        dataset=dataset,
        refused=[],
        changes={"recall@1": one},
        conditions=more.pop("conditions", {}),
        crossings=more.pop("crossings", []),
    )


def judged(rules, contests, planned=PLANNED, families=FAMILIES, waivers=()):
    pairs = [pair(name, measurement=measured(recall_at_1=0.5)) for name in planned]
    return judge_pairs(planned, pairs, rules, waivers, contests, families)


def held(lite0=0.80, lite1=0.80, own=0.90, **more):
    return [contest("lite0", lite0, own, **more), contest("lite1", lite1, own, **more)]


def test_a_lead_over_each_is_an_accept():
    found = judged([lead()], held())
    assert found.verdict == "accept"
    (made,) = found.checks["diy"]
    assert made.outcome == "holds"
    assert made.value == pytest.approx(0.10)
    assert made.model == "domain-a"
    assert made.dataset == "parts"
    assert "lead in recall@1 over lite*" in made.message


def test_the_smallest_lead_decides_and_is_named():
    found = judged([lead()], held(lite1=0.88))
    assert found.verdict == "reject"
    (made,) = found.checks["diy"]
    assert made.value == pytest.approx(0.02)
    assert "(lite1)" in made.message
    assert "other model 0.8800" in made.message
    assert found.candidates == {"domain-a": "reject", "lite0": "accept", "lite1": "accept"}


@pytest.mark.parametrize("by", [0.1, -0.1])
def test_the_least_lead_is_inclusive_and_may_be_negative(by):
    exact = held(lite0=0.9 - by, lite1=0.9 - by)
    assert judged([lead(by)], exact).verdict == "accept"
    assert judged([lead(by + 1e-6)], exact).verdict == "reject"


@pytest.mark.parametrize("contests", [[], [contest("lite0", 0.1, 0.9)]])
def test_a_contest_that_was_not_held_is_no_pass(contests):
    found = judged([lead()], contests)
    assert found.verdict == "incomplete"
    assert found.candidates["domain-a"] == "incomplete"
    assert "was not compared with lite" in found.checks["diy"][0].message


def test_nobody_to_lead_is_no_pass():
    alone = {"domain-a:parts": "diy"}
    assert judged([lead()], [], planned=alone).verdict == "incomplete"


def test_a_contest_on_another_dataset_proves_nothing():
    elsewhere = [contest(other, 0.1, 0.9, dataset="bolts") for other in ("lite0", "lite1")]
    assert judged([lead()], elsewhere).verdict == "incomplete"


def test_a_family_is_led_as_a_whole():
    found = judged([lead(beats="family:open")], held())
    assert found.verdict == "accept"
    api = {**FAMILIES, "lite1": "api"}
    assert rivals(lead(beats="family:open"), PLANNED, "domain-a", "parts", api) == ["lite0"]


def test_a_model_whose_family_nobody_knows_must_be_led():
    known = {"domain-a": "domain", "lite0": "open"}
    found = judged([lead(beats="family:open")], held()[:1], families=known)
    assert found.verdict == "incomplete"
    assert "lite1" in found.checks["diy"][0].message


def test_no_model_leads_itself():
    everyone = lead(beats="*", models="lite0")
    assert rivals(everyone, PLANNED, "lite0", "parts", FAMILIES) == ["domain-a", "lite1"]


def test_confidence_demands_proof():
    """Arms of 0.2 around a lead of 0.1: neither shown nor refuted."""
    wide = held(arm=0.2)
    sure = {"confidence": 0.95}
    assert judged([lead(**sure)], wide).verdict == "incomplete"
    assert judged([lead(**sure, inconclusive="warn")], wide).verdict == "accept"
    assert judged([lead(**sure)], held(arm=0.01)).verdict == "accept"
    assert judged([lead(**sure)], held(own=0.5, arm=0.01)).verdict == "reject"


def test_slices():
    dim = change(0.5, 0.51)
    hard = change(0.5, 0.9)
    light = {"conditions": {"light": {"dim": {"recall@1": dim}, "hard": {"recall@1": hard}}}}
    both = CrossedChanges.model_construct(
        columns=("ground", "light"), values=("wood", "dim"), changes={"recall@1": hard}
    )
    contests = held(**light, crossings=[both])
    assert judged([lead(condition=(("light", "hard"),))], contests).verdict == "accept"
    assert judged([lead(condition=(("light", "dim"),))], contests).verdict == "reject"
    assert judged([lead(worst_condition="light")], contests).verdict == "reject"
    crossed = lead(condition=(("ground", "wood"), ("light", "dim")))
    assert judged([crossed], contests).verdict == "accept"
    assert judged([lead(condition=(("light", "gone"),))], contests).verdict == "incomplete"


def test_a_waiver_lowers_the_lead():
    easier = waiver(0.01, beats="lite*", models="domain-a")
    found = judged([lead()], held(lite1=0.88), waivers=(easier,))
    assert found.verdict == "accept"
    assert found.checks["diy"][0].waiver.limit == 0.05


@pytest.mark.parametrize("severity", ["warn", "info"])
def test_a_warning_decides_nothing(severity):
    assert judged([lead(severity=severity)], held(own=0.1)).verdict == "accept"
    assert judged([lead(severity=severity)], []).verdict == "accept"


def test_a_lead_and_a_minimum_do_not_compete():
    rules = (rule(limit=0.5), lead(models="*"))
    assert [d.rule for d in pair_demands(rules, (), "diy", "lite0", "parts")] == [rules[0]]
    assert [d.rule for d in lead_demands(rules, (), "diy", "lite0", "parts")] == [rules[1]]


@given(st.floats(0, 1), st.floats(0, 1), st.floats(0, 1), st.floats(-0.9, 0.9), st.floats(0, 0.5))
def test_what_is_worse_never_improves_a_verdict(own, first, second, by, more):
    order = ["reject", "incomplete", "accept"]

    def verdict(own, by, rules=None):
        return order.index(judged([lead(by)], held(first, second, own)).verdict)

    assert verdict(max(own - more, 0.0), by) <= verdict(own, by)
    assert verdict(own, min(by + more, 0.99)) <= verdict(own, by)


@given(st.permutations(held(lite1=0.88)), st.permutations(sorted(PLANNED)))
def test_no_order_matters(contests, names):
    planned = {name: PLANNED[name] for name in names}
    assert judged([lead()], contests, planned) == judged([lead()], held(lite1=0.88))


def test_rules_that_make_sense():
    check([sector(rule(limit=0.5), lead())])
    check([sector(rule(limit=0.5), lead(-0.5, beats="lite0"))])


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (lead(beats="gone"), "is no other model"),
        (lead(beats="domain-a", models="domain-a"), "is no other model"),
        (lead(1.0), "a lead of 1.0"),
        (lead(-1.0), "a lead of -1.0"),
        (lead(models="gone"), "match no pair"),
        (lead(metric="median_rank"), "no value a query"),
        (lead(metric="recal@1"), "did you mean"),
    ],
)
def test_rules_that_make_none(made, said):
    with pytest.raises(SettingsError, match=said):
        check([sector(rule(limit=0.5), made)])


@given(
    st.text("lite01*?-", min_size=1, max_size=6),
    st.sets(st.sampled_from(["lite0", "lite1", "l", "domain-a", "LITE0"]), min_size=1),
)
def test_rivals_are_the_other_models_that_the_pattern_names(pattern, models):
    planned = [f"{model}:{dataset}" for model in models for dataset in ("parts", "bolts")]
    for model in models:
        found = rivals(lead(beats=pattern), planned, model, "parts", {})
        assert found == sorted(m for m in models - {model} if fnmatch.fnmatchcase(m, pattern))


@given(
    st.dictionaries(
        st.sampled_from(["lite0", "lite1", "api-x"]), st.sampled_from(["open", "api", "domain"])
    )
)
def test_of_a_family_is_who_belongs_to_it_and_who_may(families):
    planned = [f"{model}:parts" for model in ("lite0", "lite1", "api-x")]
    found = rivals(lead(beats="family:api"), planned, "domain-a", "parts", families)
    assert found == sorted(
        m for m in ("lite0", "lite1", "api-x") if families.get(m, "api") == "api"
    )


def test_a_pattern_may_hold_a_colon_that_is_no_family():
    assert rivals(lead(beats="group:*"), PLANNED, "domain-a", "parts", FAMILIES) == []
