"""Open-set statistics against loops over every threshold, and against the Mann-Whitney test."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ranking_oracle import cases, random_case
from scipy.stats import mannwhitneyu

from pytest_prodbench.metrics import parse_metric
from pytest_prodbench.metrics.open_set import detection_and_identification, open_set_curve
from pytest_prodbench.protocol import NO_RANK

NAMES = ("auroc", "fpr95", "dir_far_1pct", "dir_far_01pct")


def value(name, ranking, weights=None):
    metric, k = parse_metric(name, where="test")
    assert k is None
    one = weights is None
    weights = np.ones((1, len(ranking.ranks))) if one else np.asarray(weights, float)
    found = metric.by_query(ranking, None)(weights)
    return found[0] if one else found


def identification(ranking, one_in):
    ones = np.ones((1, len(ranking.ranks)))
    return detection_and_identification(
        ranking, None, np.arange(len(ranking.ranks)), one_in=one_in
    )(ones)[0]


def kinds(ranking):
    """Top scores of known queries, whether each is right, and top scores of unknown ones."""
    scores = np.where(ranking.candidates > 0, ranking.top_scores[:, 0], -math.inf).tolist()
    rows = range(len(scores))
    known = [i for i in rows if ranking.ranks[i] != NO_RANK]
    right = [bool(ranking.top_relevant[i, 0]) for i in known]
    unknown = [scores[i] for i in rows if ranking.ranks[i] == NO_RANK]
    return [scores[i] for i in known], right, unknown


@settings(max_examples=200, deadline=None)
@given(cases(queries=(1, 14), gallery=(1, 6)), st.sampled_from([1, 2, 3, 100]))
def test_each_is_its_definition_over_every_threshold(case, one_in):
    ranking = case.ranking()
    known, right, unknown = kinds(ranking)
    if not known or not unknown:
        for name in NAMES:
            assert np.isnan(value(name, ranking))
        assert np.isnan(identification(ranking, one_in))
        return
    wins = sum((k > u) + (k == u) / 2 for k in known for u in unknown)
    assert value("auroc", ranking) == wins / (len(known) * len(unknown))

    enough = [t for t in known if sum(k >= t for k in known) >= 0.95 * len(known)]
    accepted = sum(u >= max(enough) for u in unknown)
    assert value("fpr95", ranking) == accepted / len(unknown)

    # Thresholds at, just above and far above each score.
    every = [t for s in {*known, *unknown} for t in (s, np.nextafter(s, np.inf))] + [math.inf]
    allowed = [t for t in every if sum(u >= t for u in unknown) * one_in <= len(unknown)]
    best = max(
        sum(k >= t and hit for k, hit in zip(known, right, strict=True))
        for t in allowed
        if t > -math.inf
    )
    assert identification(ranking, one_in) == best / len(known)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_auroc_is_the_statistic_of_mann_and_whitney(seed):
    ranking = random_case(seed, q=30, absent=12, ties=True).ranking()
    known, _, unknown = kinds(ranking)
    u = mannwhitneyu(known, unknown).statistic
    assert value("auroc", ranking) == pytest.approx(u / (len(known) * len(unknown)), abs=1e-12)


@settings(max_examples=100, deadline=None)
@given(cases(queries=(1, 10), gallery=(1, 6)), st.data())
def test_a_weight_of_two_is_the_query_twice_and_of_nought_is_none(case, data):
    q = len(case.scores)
    row = st.lists(st.integers(0, 3), min_size=q, max_size=q)
    weights = np.array(data.draw(st.lists(row, min_size=1, max_size=4)))
    for name in NAMES:
        found = value(name, case.ranking(), weights)
        for one, counts in zip(found, weights, strict=True):
            drawn = case.queries(np.repeat(np.arange(q), counts)).ranking()
            np.testing.assert_equal(one, value(name, drawn))


@settings(max_examples=60, deadline=None)
@given(cases(queries=(1, 10), gallery=(1, 6), families=False), st.data())
def test_no_order_and_no_monotone_map_changes_a_value(case, data):
    q, n = case.scores.shape
    order = data.draw(st.permutations(range(q)))
    changed = case.gallery(data.draw(st.permutations(range(n)))).queries(order)
    changed = changed.mapped(lambda s: np.float32(0.25) * s**3 + s - np.float32(0.125))
    for name in NAMES:
        found = value(name, case.ranking())
        np.testing.assert_equal(value(name, changed.ranking()), found)
        assert np.isnan(found) or 0 <= found <= 1


def test_a_stricter_false_accept_rate_identifies_no_more():
    ranking = random_case(5, q=400, n=60, products=20, absent=250).ranking(top=1)
    rates = [identification(ranking, one_in) for one_in in (1, 2, 5, 20, 100, 1000)]
    assert rates == sorted(rates, reverse=True)
    assert rates[0] == np.mean(ranking.ranks[ranking.ranks != NO_RANK] == 1)
    assert 0 < rates[-1] < rates[0]
    # 250 unknown queries: 1 in 1000 allows none.
    known, right, unknown = kinds(ranking)
    hits = sum(k > max(unknown) and hit for k, hit in zip(known, right, strict=True))
    assert rates[-1] == hits / 150


def test_many_samples_are_each_of_them_whatever_the_chunk(monkeypatch):
    case = random_case(6, q=200, n=50, products=20, absent=80, ties=True)
    weights = np.random.default_rng(1).integers(0, 3, (9, 200))
    found = {name: value(name, case.ranking(top=1), weights) for name in NAMES}
    for i, row in enumerate(weights):
        drawn = case.queries(np.repeat(np.arange(200), row)).ranking(top=1)
        for name in NAMES:
            assert found[name][i] == value(name, drawn)
    monkeypatch.setattr("pytest_prodbench.metrics.crossings.CHUNK", 30)
    for name in NAMES:
        np.testing.assert_array_equal(value(name, case.ranking(top=1), weights), found[name])


@settings(max_examples=60, deadline=None)
@given(cases(queries=(1, 10), gallery=(1, 6)))
def test_the_curve_is_what_each_threshold_does(case):
    ranking = case.ranking()
    known, right, unknown = kinds(ranking)
    curve = open_set_curve(ranking)
    if not known or not unknown:
        assert curve is None
        return
    for t, far, tpr, dir_ in zip(
        curve.thresholds, curve.false_accepts, curve.accepts, curve.identified, strict=True
    ):
        assert far == sum(u >= t for u in unknown) / len(unknown)
        assert tpr == sum(k >= t for k in known) / len(known)
        assert dir_ == sum(k >= t and hit for k, hit in zip(known, right, strict=True)) / len(known)
    assert curve.false_accepts[0] == curve.accepts[0] == 0.0
    assert (np.diff(curve.thresholds) < 0).all()


@pytest.mark.parametrize("largest", [1, 40, 3000])
@pytest.mark.parametrize("run", [1, 3, 500])
def test_the_area_is_exact_however_its_scores_are_cut_into_runs(monkeypatch, run, largest):
    """Where float32 would round the products, with the largest weights, float64 counts them."""
    monkeypatch.setattr("pytest_prodbench.metrics.open_set.RUN", run)
    case = random_case(3, q=90, n=40, products=15, absent=40, ties=True)
    ranking = case.ranking(top=1)
    weights = np.random.default_rng(2).integers(0, largest + 1, (5, 90))
    known, score = ranking.ranks != NO_RANK, ranking.top_scores[:, 0]
    for row, found in zip(weights.tolist(), value("auroc", ranking, weights), strict=True):
        twice = pairs = 0
        for i in np.flatnonzero(known):
            for j in np.flatnonzero(~known):
                pairs += row[i] * row[j]
                twice += row[i] * row[j] * (2 * (score[i] > score[j]) + (score[i] == score[j]))
        assert found == twice / (2 * pairs)
