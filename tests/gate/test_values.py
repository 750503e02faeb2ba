"""What a rule looks at, and the intervals that are made again from those that are recorded."""

from __future__ import annotations

import math

import numpy as np
import pytest
from gate_builders import change, compared, demand, measured, rule
from hypothesis import given
from hypothesis import strategies as st

from pytest_prodbench.evidence.comparison import CrossedChanges
from pytest_prodbench.evidence.measured import Crossing
from pytest_prodbench.evidence.values import MetricValue
from pytest_prodbench.gate.checking import one_sided
from pytest_prodbench.gate.values import drops_of, exactly, lead_of, mean_of, slices_of, usable
from pytest_prodbench.metrics.proportions import wilson


def number(value, arm=0.1, n=30, method="percentile", detectable=0.05):
    return MetricValue.model_construct(
        value=value,
        low=value - arm,
        high=value + arm,
        n=n,
        products=n,
        method=method,
        detectable=detectable,
    )


# --- slices


def sliced(**columns):
    """``light={"dim": (value, n)}``."""
    return measured(30, recall_at_1=0.5).model_copy(
        update={
            "conditions": {
                column: {
                    part: {"recall@1": number(value, n=n)} for part, (value, n) in parts.items()
                }
                for column, parts in columns.items()
            }
        }
    )


def test_all_queries():
    assert slices_of(sliced(), rule())[""].value == 0.5
    assert slices_of(sliced(), rule("mrr")) is None


def test_one_value_of_a_column():
    whole = sliced(light={"dim": (0.3, 20), "hard": (0.4, 19)})
    assert slices_of(whole, rule(condition=(("light", "dim"),)))[""].value == 0.3
    assert slices_of(whole, rule(condition=(("light", "hard"),))) is None, "19 are too few"
    assert slices_of(whole, rule(condition=(("light", "gone"),))) is None
    assert slices_of(whole, rule(condition=(("view", "dim"),))) is None


def test_every_value_with_enough_queries():
    whole = sliced(light={"dim": (0.3, 20), "hard": (0.1, 19), "warm": (0.4, 99)})
    found = slices_of(whole, rule(worst_condition="light"))
    assert list(found) == ["dim", "warm"]
    assert not slices_of(whole, rule(worst_condition="view"))


@pytest.mark.parametrize(("n", "there"), [(19, False), (20, True)])
def test_two_columns(n, there):
    crossing = Crossing.model_construct(
        columns=("light", "view"),
        values=("dim", "top"),
        n=n,
        products=n,
        small=n < 20,
        metrics={"recall@1": number(0.2, n=n)},
    )
    whole = sliced().model_copy(update={"crossings": [crossing]})
    found = slices_of(whole, rule(condition=(("light", "dim"), ("view", "top"))))
    assert (found is not None) is there
    assert slices_of(whole, rule(condition=(("light", "dim"), ("view", "side")))) is None


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_no_number_is_nothing(value):
    assert usable(number(value)) is None
    assert usable(number(0.5, n=0)) is None
    assert usable(None) is None
    assert slices_of(measured(30, recall_at_1=value), rule()) is None


# --- drops and leads


def test_drops_of_all_and_of_slices():
    dim, hard = change(0.9, 0.8), change(0.9, 0.7)
    crossed = CrossedChanges.model_construct(
        columns=("light", "view"), values=("dim", "top"), changes={"recall@1": hard}
    )
    whole = compared(change(0.9, 0.85), light={"dim": dim, "hard": hard}, crossings=[crossed])
    drop = {"bound": "max_drop"}
    assert drops_of(whole, rule(**drop))[""].after == 0.85
    assert drops_of(whole, rule(condition=(("light", "dim"),), **drop))[""] is dim
    assert drops_of(whole, rule(worst_condition="light", **drop)) == {"dim": dim, "hard": hard}
    both = rule(condition=(("light", "dim"), ("view", "top")), **drop)
    assert drops_of(whole, both)[""] is hard
    for nothing in (
        rule("mrr", **drop),
        rule(condition=(("light", "gone"),), **drop),
        rule(worst_condition="view", **drop),
        rule(condition=(("light", "dim"), ("view", "side")), **drop),
    ):
        assert drops_of(whole, nothing) == {}


def test_a_drop_that_is_no_number_is_nothing():
    assert drops_of(compared(change(0.9, 0.8, drop=math.nan)), rule(bound="max_drop")) == {}
    assert drops_of(compared(change(0.9, 0.8, n=0)), rule(bound="max_drop")) == {}


@given(st.floats(-1, 1), st.floats(0, 0.5))
def test_a_lead_is_a_drop_turned_over(drop, arm):
    one = change(0.5, 0.5, drop=drop, arm=arm)
    found = lead_of(one)
    assert (found.value, found.low, found.high) == (0 - drop, 0 - (drop + arm), 0 - (drop - arm))
    assert found.low <= found.value <= found.high
    assert (found.n, found.method) == (one.drop.n, one.drop.method)
    assert math.copysign(1, lead_of(change(0.5, 0.5)).value) == 1, "no lead of minus nothing"


@given(st.floats(0, 1e9))
def test_a_cost_has_no_interval(value):
    found = exactly(value)
    assert (found.value, found.low, found.high, found.n) == (value, value, value, 1)


# --- the mean of datasets


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 0.3)), min_size=1, max_size=6))
def test_the_mean_and_its_interval_by_hand(parts):
    found = mean_of([number(value, arm) for value, arm in parts])
    k = len(parts)
    assert found.value == pytest.approx(sum(value for value, _ in parts) / k)
    half = math.sqrt(sum(arm**2 for _, arm in parts)) / k
    assert found.low == pytest.approx(found.value - half)
    assert found.high == pytest.approx(found.value + half)
    assert found.n == 30 * k
    assert found.detectable == pytest.approx(math.sqrt(k * 0.05**2) / k)


def test_the_mean_of_one_is_that_one():
    one = number(0.4, 0.2)
    found = mean_of([one])
    assert (found.value, found.n) == (one.value, one.n)
    assert found.low == pytest.approx(one.low)
    assert found.high == pytest.approx(one.high)


def test_what_one_dataset_could_not_have_seen_nobody_could():
    assert mean_of([number(0.4), number(0.5, detectable=None)]).detectable is None


def test_the_interval_of_a_mean_covers_the_truth():
    """Two datasets of 60 photos, hit with 0.7 and 0.9; the mean is 0.8."""
    rng = np.random.default_rng(0)
    hits = rng.binomial(60, [0.7, 0.9], size=(2000, 2))
    covered = 0
    for row in hits:
        low, high = wilson(row, np.full(2, 60))
        parts = [
            number(share, 0.0).model_copy(update={"low": a, "high": b})
            for share, a, b in zip(row / 60, low, high, strict=True)
        ]
        found = mean_of(parts)
        covered += found.low <= 0.8 <= found.high
    assert 0.93 <= covered / 2000 <= 0.99


# --- one-sided intervals of other confidences


@given(st.integers(0, 200), st.integers(1, 200), st.sampled_from([0.6, 0.8, 0.9, 0.95, 0.975]))
def test_wilsons_interval_is_made_again_exactly(hits, n, confidence):
    hits = min(hits, n)
    low, high = (float(end) for end in wilson(hits, n))
    recorded = number(hits / n, method="wilson").model_copy(update={"low": low, "high": high})
    made = demand(limit=0.5, confidence=confidence).rule
    worse, better = one_sided(recorded, made)
    a, b = (float(end) for end in wilson(hits, n, level=2 * confidence - 1))
    assert worse == pytest.approx(a, abs=1e-9)
    assert better == pytest.approx(b, abs=1e-9)


@given(st.floats(0.2, 0.8), st.floats(0, 0.2), st.floats(0.51, 0.974), st.floats(0.001, 0.4))
def test_more_confidence_is_a_wider_interval(value, arm, confidence, more):
    higher = min(confidence + more, 0.975)
    for method in ("percentile", "bca", "own"):
        one = number(value, arm, method=method)
        narrow = one_sided(one, rule(confidence=confidence))
        wide = one_sided(one, rule(confidence=higher))
        assert wide[0] <= narrow[0] <= value <= narrow[1] <= wide[1]
        assert one_sided(one, rule(confidence=0.975)) == pytest.approx((one.low, one.high))


@given(st.floats(0.2, 0.8), st.floats(0, 0.2), st.floats(0.51, 0.975))
def test_the_worse_end_is_that_of_the_direction(value, arm, confidence):
    one = number(value, arm)
    least = one_sided(one, rule("recall@1", confidence=confidence))
    greatest = one_sided(one, rule("eer", bound="max", confidence=confidence))
    assert least == greatest[::-1]
    drop = one_sided(one, rule("recall@1", bound="max_drop", confidence=confidence))
    assert drop == greatest, "a drop is the worse the greater it is"
