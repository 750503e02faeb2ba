"""What a check says, to the letter: who, what, by how much, how sure, which rule, which waiver."""

from __future__ import annotations

import pytest
from gate_builders import WHERE, change, compared, demand, measured, waiver
from hypothesis import given
from hypothesis import strategies as st

from pytest_prodbench.evidence.comparison import Contest
from pytest_prodbench.gate.checking import check_lead, check_model, check_pair

SEEN = "could have seen a drop of"


def said(value=0.7, low=None, high=None, n=500, detectable=0.092, costs=None, against=None, **rule):
    whole = measured(n, low=low, high=high, detectable=detectable, recall_at_1=value)
    made = demand("recall@1", **({"limit": 0.8} | rule))
    return check_pair("candidate", "bolts", whole, made, against, costs).message


def test_a_value_that_misses():
    assert said(0.742, 0.691, 0.789) == (
        "candidate:bolts: recall@1 0.7420 < 0.8, short by 0.0580 (95 % interval 0.6910 to 0.7890, "
        f"{SEEN} 0.092, 500 queries) [{WHERE}]"
    )


def test_a_value_that_holds():
    assert said(0.842, detectable=0.071) == (
        f"candidate:bolts: recall@1 0.8420 >= 0.8 ({SEEN} 0.071) [{WHERE}]"
    )


@pytest.mark.parametrize(
    ("detectable", "words"),
    [(None, "of unknown size"), (0.0, "of less than 0.001"), (0.0004, "of less than 0.001")],
)
def test_how_small_a_drop_could_have_been_seen(detectable, words):
    assert f"could have seen a drop {words}" in said(0.9, detectable=detectable)


def test_more_decimals_where_four_would_hide_the_difference():
    assert "recall@1 0.7999999999 < 0.8, short by 0.0000000001" in said(0.7999999999)
    assert "recall@1 0.8000 >= 0.8 " in said(0.8)


def test_a_confidence_that_is_not_reached():
    assert said(0.82, 0.78, 0.86, confidence=0.95) == (
        "candidate:bolts: recall@1 0.8200 is inconclusive: 0.95 confidence that it is >= 0.8 is demanded "
        f"(95 % interval 0.7800 to 0.8600, {SEEN} 0.092, 500 queries) [{WHERE}]"
    )


def test_a_confidence_that_is_refuted():
    assert said(0.7, 0.68, 0.72, confidence=0.95) == (
        "candidate:bolts: recall@1 0.7000: not >= 0.8 at any confidence of 0.95 "
        f"(95 % interval 0.6800 to 0.7200, {SEEN} 0.092, 500 queries) [{WHERE}]"
    )


def test_less_is_better():
    whole = measured(50, detectable=0.03, eer=0.25)
    made = demand("eer", 0.2, bound="max")
    assert check_pair("candidate", "bolts", whole, made).message == (
        "candidate:bolts: eer 0.2500 > 0.2, over by 0.0500 (95 % interval 0.2500 to 0.2500, "
        f"could have seen a rise of 0.030, 50 queries) [{WHERE}]"
    )


@pytest.mark.parametrize(
    ("rule", "why"),
    [
        ({}, "no query of this dataset defines it, or too few do"),
        (
            {"condition": (("light", "dim"),)},
            "it was not measured on such a slice, or fewer than 20 of its queries define it",
        ),
        (
            {"worst_condition": "light"},
            "no value of condition 'light' has 20 queries that define it",
        ),
    ],
)
def test_why_there_is_no_value(rule, why):
    made = demand("mrr", 0.5, **rule)
    message = check_pair("candidate", "bolts", measured(recall_at_1=0.9), made).message
    assert f"has no value ({why}), the rule demands >= 0.5 [{WHERE}]" in message


def test_a_slice_is_named():
    whole = measured(recall_at_1=0.9)
    slices = {
        "dim": measured(30, recall_at_1=0.4).metrics,
        "hard": measured(30, recall_at_1=0.6).metrics,
    }
    whole = whole.model_copy(update={"conditions": {"light": slices}})
    worst = check_pair("candidate", "bolts", whole, demand(limit=0.5, worst_condition="light"))
    assert worst.message.startswith(
        "candidate:bolts: recall@1 at the worst light (dim) 0.4000 < 0.5, short by 0.1000 ("
    )
    one = check_pair("candidate", "bolts", whole, demand(limit=0.5, condition=(("light", "hard"),)))
    assert one.message.startswith("candidate:bolts: recall@1 where light = hard 0.6000 >= 0.5 (")


def test_a_sector_and_its_datasets():
    parts = {"bolts": measured(recall_at_1=0.4), "nuts": measured(recall_at_1=0.8)}
    mean = check_model("candidate", parts, demand(limit=0.5, aggregate="mean"))
    assert mean.message.startswith("candidate: mean recall@1 of the sector 0.6000 >= 0.5 (")
    worst = check_model("candidate", parts, demand(limit=0.5, aggregate="worst"))
    assert worst.message.startswith(
        "candidate: worst recall@1 of the sector (bolts) 0.4000 < 0.5, "
    )
    missing = check_model("candidate", {**parts, "nuts": None}, demand(aggregate="mean"))
    assert "has no value (candidate:nuts has no such value)" in missing.message


def test_a_drop():
    found = said(against=compared(change(0.9, 0.8, arm=0.02)), limit=0.05, bound="max_drop")
    assert found == (
        "candidate:bolts: drop of recall@1 0.1000 (production 0.9000, candidate 0.8000) > 0.05, over by "
        f"0.0500 (95 % interval 0.0800 to 0.1200, {SEEN} 0.050, 30 queries) [{WHERE}]"
    )


def test_a_drop_in_shares_of_what_production_reaches():
    rule = {"limit": 0.1, "bound": "max_drop", "relative": True}
    found = said(against=compared(change(0.8, 0.76)), **rule)
    assert found == (
        "candidate:bolts: drop of recall@1 0.0400 (production 0.8000, candidate 0.7600) <= 0.0800 "
        f"(0.1 of production's value) ({SEEN} 0.050) [{WHERE}]"
    )
    assert "tolerates 0.1 of production's value" in said(against=None, **rule)


def test_no_baseline_yet():
    assert said(limit=0.02, bound="max_drop") == (
        "candidate:bolts: drop of recall@1 no baseline yet, nothing to compare with; the rule tolerates "
        f"0.02 [{WHERE}]"
    )


def test_what_cannot_be_compared():
    rule = {"limit": 0.02, "bound": "max_drop"}
    refused = said(against=compared(refused=["protocol 2, now 3", "no query is in both"]), **rule)
    assert (
        "has no value (not comparable with production: protocol 2, now 3; no query is in both), the rule "
        "demands <= 0.02" in refused
    )
    assert "too few queries for it" in said(against=compared(), **rule)


def test_a_lead():
    made = demand(limit=0.05, beats="lite*")
    held = Contest.model_construct(
        model="candidate",
        other="lite0",
        dataset="bolts",
        refused=[],
        changes={"recall@1": change(0.8, 0.9)},
        conditions={},
        crossings=[],
    )
    assert check_lead("candidate", "bolts", made, {"lite0": held}).message == (
        "candidate:bolts: lead in recall@1 over lite* (lite0) 0.1000 (other model 0.8000, candidate 0.9000) "
        f">= 0.05 ({SEEN} 0.050) [{WHERE}]"
    )
    assert (
        "it was not compared with lite1"
        in check_lead("candidate", "bolts", made, {"lite0": held, "lite1": None}).message
    )
    assert "there is no other model to lead" in check_lead("candidate", "bolts", made, {}).message


@pytest.mark.parametrize(
    ("name", "side", "value", "words"),
    [
        ("latency_p95_ms", "max", 81.25, "latency_p95_ms 81.25 ms > 80"),
        ("latency_p95_ms", "max", 79.5, "latency_p95_ms 79.5 ms <= 80"),
        ("images_per_s", "min", 79.5, "images_per_s 79.5 images/s < 80"),
        ("images_per_s", "min", 80.0, "images_per_s 80 images/s >= 80"),
    ],
)
def test_a_budget(name, side, value, words):
    made = demand(name, 80.0, bound=side)
    found = check_pair("candidate", "bolts", measured(), made, None, {name: value}).message
    assert found == f"candidate:bolts: {words} [{WHERE}]"


def test_a_budget_on_what_is_not_known():
    made = demand("price_per_1000", 0.5, bound="max")
    assert check_pair("candidate", "bolts", measured(), made).message == (
        "candidate:bolts: price_per_1000 has no value (it is not known of this model), the rule demands "
        f"<= 0.5 [{WHERE}]"
    )


@pytest.mark.parametrize("value", [0.75, 0.65])
def test_a_waiver_is_told_whatever_comes_out(value):
    found = said(value, waiver=waiver(0.7))
    assert found.endswith(f"; waived from 0.8 until 2026-12-31 by parts team (new lamps) [{WHERE}]")
    assert ("0.7500 >= 0.7 " in found) or ("0.6500 < 0.7, short by 0.0500" in found)


@given(
    st.floats(0, 1), st.floats(0.01, 1), st.sampled_from([None, 0.9]), st.none() | st.floats(0, 1)
)
def test_every_message_names_pair_metric_and_rule(value, limit, confidence, detectable):
    found = said(
        value,
        max(value - 0.1, 0),
        min(value + 0.1, 1),
        9,
        detectable,
        limit=limit,
        confidence=confidence,
    )
    assert found.startswith("candidate:bolts: recall@1 ")
    assert found.endswith(f" [{WHERE}]")
    assert "\n" not in found
    assert "nan" not in found
