"""Verification statistics against loops over every threshold."""

import dataclasses
import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ranking_oracle import cases, random_case

from pytest_prodbench.metrics import parse_metric
from pytest_prodbench.metrics.verification import true_accept_rate, verification_curve

NAMES = tuple(
    f"{name}{suffix}"
    for name in ("eer", "tar_far_1pct", "tar_far_01pct")
    for suffix in ("", "_alike")
)


def value(name, ranking, weights=None):
    metric, k = parse_metric(name, where="test")
    assert k is None
    one = weights is None
    weights = np.ones((1, len(ranking.ranks))) if one else np.asarray(weights, float)
    found = metric.by_query(ranking, None)(weights)
    return found[0] if one else found


def kinds(ranking, alike):
    pairs = ranking.verification
    impostors = pairs.alike if alike else ~pairs.genuine
    return pairs.scores[pairs.genuine].tolist(), pairs.scores[impostors].tolist()


def slow_eer(genuine, impostors):
    """Walk the points (FAR, FRR) from (0, 1) in exact fractions and meet the diagonal."""
    points = [(Fraction(0), Fraction(1))]
    for t in sorted({*genuine, *impostors}, reverse=True):
        far = Fraction(sum(s >= t for s in impostors), len(impostors))
        frr = Fraction(sum(s < t for s in genuine), len(genuine))
        (far0, frr0) = points[-1]
        if far >= frr:
            # far0 + x (far - far0) = frr0 + x (frr - frr0)
            x = (frr0 - far0) / ((far - far0) - (frr - frr0))
            return float(far0 + x * (far - far0))
        points.append((far, frr))
    raise AssertionError


@settings(max_examples=200, deadline=None)
@given(cases(), st.booleans(), st.sampled_from([1, 2, 3, 5, 100]))
def test_each_is_its_definition_over_every_threshold(case, alike, one_in):
    ranking = case.ranking(top=1, verification=True)
    genuine, impostors = kinds(ranking, alike)
    ones = np.ones((1, len(ranking.ranks)))
    tar = true_accept_rate(
        ranking, None, np.arange(len(ranking.ranks)), one_in=one_in, alike=alike
    )(ones)[0]
    eer = value("eer_alike" if alike else "eer", ranking)
    if not genuine or not impostors:
        assert np.isnan(tar)
        assert np.isnan(eer)
        return
    assert eer == pytest.approx(slow_eer(genuine, impostors), abs=1e-12)
    every = [t for s in {*genuine, *impostors} for t in (s, math.nextafter(s, math.inf))]
    allowed = [t for t in every if sum(s >= t for s in impostors) * one_in <= len(impostors)]
    assert tar == max(sum(s >= t for s in genuine) for t in allowed) / len(genuine)


def test_without_pairs_nothing_is_defined():
    ranking = random_case(1).ranking()
    for name in NAMES:
        assert np.isnan(value(name, ranking, np.ones((3, 40)))).all()
    assert verification_curve(ranking) is None


@settings(max_examples=80, deadline=None)
@given(cases(), st.data())
def test_a_weight_of_two_is_the_query_twice_and_of_nought_is_none(case, data):
    q = len(case.scores)
    row = st.lists(st.integers(0, 3), min_size=q, max_size=q)
    weights = np.array(data.draw(st.lists(row, min_size=1, max_size=4)))
    ranking = case.ranking(top=1, verification=True)
    for name in NAMES:
        for one, counts in zip(value(name, ranking, weights), weights, strict=True):
            drawn = case.queries(np.repeat(np.arange(q), counts)).ranking(top=1, verification=True)
            np.testing.assert_equal(one, value(name, drawn))


@settings(max_examples=60, deadline=None)
@given(cases(), st.data())
def test_no_order_and_no_monotone_map_changes_a_value(case, data):
    q, n = case.scores.shape
    changed = case.gallery(data.draw(st.permutations(range(n))))
    changed = changed.queries(data.draw(st.permutations(range(q))))
    changed = changed.mapped(lambda s: np.float32(0.25) * s**3 + s - np.float32(0.125))
    for name in NAMES:
        found = value(name, case.ranking(top=1, verification=True))
        np.testing.assert_equal(value(name, changed.ranking(top=1, verification=True)), found)
        assert np.isnan(found) or 0 <= found <= 1


def test_the_two_ends_and_the_middle():
    case = random_case(2, q=20, n=40)
    same = case.query_products[:, None] == case.gallery_products
    for scores, eer, tar in ((same, 0.0, 1.0), (~same, 1.0, 0.0), (same * 0, 0.5, 0.0)):
        made = dataclasses.replace(case, scores=scores.astype(np.float32))
        ranking = made.ranking(top=1, verification=True)
        assert value("eer", ranking) == eer
        assert value("tar_far_1pct", ranking) == tar


def test_many_samples_are_each_of_them_whatever_the_chunk(monkeypatch):
    case = random_case(7, q=60, n=50, products=20, ties=True)
    ranking = case.ranking(top=1, verification=True)
    weights = np.random.default_rng(1).integers(0, 3, (7, 60))
    found = {name: value(name, ranking, weights) for name in NAMES}
    for i, row in enumerate(weights):
        drawn = case.queries(np.repeat(np.arange(60), row)).ranking(top=1, verification=True)
        for name in NAMES:
            assert found[name][i] == value(name, drawn)
    monkeypatch.setattr("pytest_prodbench.metrics.crossings.CHUNK", 100)
    for name in NAMES:
        np.testing.assert_array_equal(value(name, ranking, weights), found[name])


@settings(max_examples=60, deadline=None)
@given(cases(), st.booleans())
def test_the_curve_is_what_each_threshold_does(case, alike):
    ranking = case.ranking(top=1, verification=True)
    genuine, impostors = kinds(ranking, alike)
    curve = verification_curve(ranking, alike=alike)
    if not genuine or not impostors:
        assert curve is None
        return
    assert curve.thresholds[0] == math.inf
    for t, far, tar in zip(curve.thresholds, curve.false_accepts, curve.true_accepts, strict=True):
        assert far == sum(s >= t for s in impostors) / len(impostors)
        assert tar == sum(s >= t for s in genuine) / len(genuine)
    assert curve.false_accepts[-1] == curve.true_accepts[-1] == 1.0
