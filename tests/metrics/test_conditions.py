"""Slices by condition, their spread, and rankings restricted to some queries."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ranking_oracle import cases

from pytest_prodbench.metrics.conditions import crossed_slices, restrict, single_slices, spread
from pytest_prodbench.metrics.estimates import Estimate
from pytest_prodbench.metrics.metric import Metric

CELLS = st.sampled_from(["", "a", "b", "c"])
COLUMNS = st.integers(1, 12).flatmap(
    lambda q: st.dictionaries(
        st.sampled_from(["light", "angle", "blur"]), st.lists(CELLS, min_size=q, max_size=q)
    )
)


@given(COLUMNS)
def test_slices_hold_each_stated_condition_and_each_pair_that_some_query_has(conditions):
    singles = single_slices(conditions)
    expected = {
        (column, value): [cell == value for cell in cells]
        for column, cells in conditions.items()
        for value in cells
        if value
    }
    assert {(*s.columns, *s.values): s.mask.tolist() for s in singles} == expected
    crossed = crossed_slices(singles)
    pairs = {
        (one, two, u, v): [x == u and y == v for x, y in zip(*cells, strict=True)]
        for one in conditions
        for two in conditions
        if one < two
        for cells in [(conditions[one], conditions[two])]
        for u, v in zip(*cells, strict=True)
        if u and v
    }
    found = [(*s.columns, *s.values) for s in crossed]
    assert {key: s.mask.tolist() for key, s in zip(found, crossed, strict=True)} == pairs
    assert found == sorted(found)


def same(left, right):
    for field in dataclasses.fields(left):
        one, two = getattr(left, field.name), getattr(right, field.name)
        if dataclasses.is_dataclass(one):
            same(one, two)
        elif one is None:
            assert two is None
        else:
            assert one.dtype == two.dtype
            assert np.array_equal(one, two, equal_nan=one.dtype.kind == "f"), field.name


@settings(max_examples=60, deadline=None)
@given(cases(), st.data())
def test_a_restricted_ranking_is_that_of_these_queries_alone(case, data):
    q = len(case.query_products)
    rows = np.array(data.draw(st.permutations(range(q)))[: data.draw(st.integers(0, q))], np.intp)
    some = restrict(case.ranking(verification=True), rows)
    alone = case.queries(rows).ranking(verification=True)
    same(
        dataclasses.replace(some, verification=None), dataclasses.replace(alone, verification=None)
    )
    pairs, expected = (
        sorted(zip(*(getattr(v, f.name).tolist() for f in dataclasses.fields(v)), strict=True))
        for v in (some.verification, alone.verification)
    )
    assert pairs == expected
    assert restrict(case.ranking(), rows).verification is None


def metric(*, higher_is_better):
    return Metric(
        name="m",
        per_query=lambda ranking, k: ranking.ranks,
        higher_is_better=higher_is_better,
        low=0.0,
        high=1.0,
        source="",
    )


def estimate(value, n=30):
    return Estimate(value, 0.0, 1.0, n, n, "bca", 0.1, 0.1)


@pytest.mark.parametrize(
    ("higher", "worst", "best"), [(True, "dim", "bright"), (False, "bright", "dim")]
)
def test_the_worst_is_worst_in_the_metrics_own_direction(higher, worst, best):
    estimates = {"dim": estimate(0.5), "mixed": estimate(0.7), "bright": estimate(0.9)}
    found = spread("light", "m", metric(higher_is_better=higher), estimates, smallest=20)
    assert (found.worst, found.best) == (worst, best)
    assert (found.worst_value, found.best_value) == (estimates[worst].value, estimates[best].value)
    assert found.spread == pytest.approx(0.4)
    assert found.small == ()


def test_values_with_few_queries_are_named_and_never_ranked():
    estimates = {"z": estimate(0.0, 19), "a": estimate(1.0, 3), "m": estimate(0.6, 20)}
    one = spread("light", "m", metric(higher_is_better=True), estimates, smallest=20)
    assert one.small == ("a", "z")
    assert (one.worst, one.best, one.worst_value, one.best_value, one.spread) == (None,) * 5
    estimates["n"] = estimate(0.6, 25)
    two = spread("light", "m", metric(higher_is_better=True), estimates, smallest=20)
    assert (two.worst, two.best, two.spread) == ("m", "m", 0.0)
    estimates["o"] = None  # no query defines it
    three = spread("light", "m", metric(higher_is_better=True), estimates, smallest=20)
    assert three.small == ("a", "o", "z")
