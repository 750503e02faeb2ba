"""Margin, calibration error and the threshold of 99 % precision, against loops and a general optimiser."""

import dataclasses
import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ranking_oracle import cases, random_case
from scipy.optimize import minimize

from pytest_prodbench.metrics import calibration, parse_metric
from pytest_prodbench.metrics.calibration import BINS, RIDGE, Calibration, platt
from pytest_prodbench.protocol import NO_RANK

NAMES = ("ece", "threshold_p99", "answered_p99")


def value(name, ranking, weights=None):
    metric, k = parse_metric(name, where="test")
    if name == "margin":
        return metric.per_query(ranking, k)
    one = weights is None
    weights = np.ones((1, len(ranking.ranks))) if one else np.asarray(weights, float)
    found = metric.by_query(ranking, None)(weights)
    return found[0] if one else found


def first_results(ranking):
    """(score, right) of each query that has a first result."""
    return [
        (float(ranking.top_scores[i, 0]), bool(ranking.top_relevant[i, 0]))
        for i in range(len(ranking.ranks))
        if ranking.candidates[i] > 0
    ]


@settings(max_examples=100, deadline=None)
@given(cases())
def test_the_margin_is_above_nought_exactly_where_the_first_hit_is_right(case):
    ranking = case.ranking()
    found = value("margin", ranking)
    for i in range(len(found)):
        may = ~case.excluded[i]
        mine = may & (case.gallery_products == case.query_products[i])
        others = may & ~mine
        if mine.any() and others.any():
            best, rival = case.scores[i, mine].max(), case.scores[i, others].max()
            assert found[i] == float(best) - float(rival)
            assert (found[i] > 0) == (ranking.ranks[i] == 1)
            assert -2 <= found[i] <= 2
        else:
            assert np.isnan(found[i])


@settings(max_examples=60, deadline=None)
@given(cases(absent=False, gallery=(2, 10)), st.data())
def test_a_second_image_of_a_wrong_product_leaves_every_score_where_it_was(case, data):
    n = case.scores.shape[1]
    column = data.draw(st.integers(0, n - 1))
    twice = case.gallery([*range(n), column])
    twice = dataclasses.replace(twice, gallery_order=np.append(case.gallery_order, n))
    wrong = np.flatnonzero(case.query_products != case.gallery_products[column])
    one, two = case.queries(wrong).ranking(), twice.queries(wrong).ranking()
    for name in ("margin", *NAMES):
        weights = None if name == "margin" else np.ones((1, len(wrong)))
        np.testing.assert_array_equal(value(name, one, weights), value(name, two, weights))


@settings(max_examples=200, deadline=None)
@given(cases(queries=(1, 14), gallery=(1, 6)))
def test_the_threshold_is_the_lowest_at_which_99_percent_are_right(case):
    ranking = case.ranking()
    results = first_results(ranking)
    good = []
    for t, _ in results:
        accepted = [right for score, right in results if score >= t]
        if 100 * sum(accepted) >= 99 * len(accepted):
            good.append((t, len(accepted)))
    if good:
        assert (value("threshold_p99", ranking), value("answered_p99", ranking)) == (
            min(good)[0],
            min(good)[1] / len(ranking.ranks),
        )
    else:
        assert np.isnan(value("threshold_p99", ranking))
        assert value("answered_p99", ranking) == 0.0


def sure(right):
    """A ranking whose i-th query has top score falling with i, right or wrong as told."""
    count = len(right)
    scores = np.linspace(0.9, 0.1, count).astype(np.float32)
    ranking = random_case(0, q=count).ranking(top=1)
    right = np.asarray(right, bool)
    low = np.full(count, -0.5, np.float32)
    return dataclasses.replace(
        ranking,
        ranks=np.where(right, 1, 2),
        positive_scores=np.where(right, scores, low),
        negative_scores=np.where(right, low, scores),
    )


def test_one_wrong_in_a_hundred_is_99_percent_and_one_in_99_is_not():
    ranking = sure([True] * 98 + [False, True] + [False] * 100)
    assert value("answered_p99", ranking) == 100 / 200
    ranking = sure([True] * 97 + [False, True] + [False] * 100)
    assert value("answered_p99", ranking) == 97 / 199
    ranking = sure([False] + [True] * 99)
    assert value("answered_p99", ranking) == 1.0
    assert value("threshold_p99", ranking) == np.float32(0.1)


def test_an_unknown_query_that_is_accepted_is_wrong():
    ranking = sure([True] * 50)
    assert value("answered_p99", ranking) == 1.0
    ranks = ranking.ranks.copy()
    ranks[10] = NO_RANK
    assert value("answered_p99", dataclasses.replace(ranking, ranks=ranks)) == 10 / 50


def naive_half(score):
    bits = int(np.array(score, np.float32).view(np.uint32)) if score else 0
    bits = ((bits ^ (bits >> 16)) * 0x85EBCA6B) % 2**32
    bits = ((bits ^ (bits >> 13)) * 0xC2B2AE35) % 2**32
    return (bits ^ (bits >> 16)) % 2


def naive_platt(results):
    """Slope and intercept by a general optimiser."""
    hits = sum(right for _, right in results)
    aims = [(hits + 1) / (hits + 2) if r else 1 / (len(results) - hits + 2) for _, r in results]
    x = np.array([score for score, _ in results])

    def loss(at):
        logits = at[0] * x + at[1]
        return (np.logaddexp(0, logits) - aims * logits).sum() + RIDGE / 2 * at[0] ** 2

    def slope(at):
        off = 1 / (1 + np.exp(-(at[0] * x + at[1]))) - aims
        return np.array([off @ x + RIDGE * at[0], off.sum()])

    return minimize(loss, [0.0, 0.0], jac=slope, method="BFGS", options={"gtol": 1e-9}).x


def naive_ece(results):
    halves = [[r for r in results if naive_half(r[0]) == side] for side in (0, 1)]
    if not halves[0] or not halves[1]:
        return math.nan
    maps = [naive_platt(half) for half in halves]
    off = [0.0] * 15
    for score, right in results:
        slope, intercept = maps[1 - naive_half(score)]
        above = sum(s > score for s, _ in results)
        level = sum(s == score for s, _ in results)
        place = min(math.floor(15 * (above + level / 2) / len(results)), 14)
        off[place] += 1 / (1 + math.exp(-(slope * score + intercept))) - right
    return sum(map(abs, off)) / len(results)


@pytest.mark.parametrize("seed", range(12))
def test_the_calibration_error_is_its_definition(seed):
    case = random_case(seed, q=60, n=40, products=12, absent=10, ties=seed % 2 == 0)
    ranking = case.ranking(top=1)
    found = value("ece", ranking)
    assert found == pytest.approx(naive_ece(first_results(ranking)), abs=2e-6)
    assert 0 < found < 0.5


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.tuples(st.floats(-1, 1, width=32), st.booleans()), min_size=1, max_size=12),
    st.integers(1, 50),
)
def test_platts_map_is_at_the_bottom_of_its_loss(results, times):
    """Also for one kind alone, one score alone and separable data."""
    values = np.array(sorted({score for score, _ in results}))
    right = np.array([[times * sum(r and s == v for s, r in results) for v in values]], float)
    every = np.array([[times * sum(s == v for s, _ in results) for v in values]], float)
    slope, intercept = platt(values, right, every)
    hits, misses = right.sum(), every.sum() - right.sum()
    chance = 0.5 + 0.5 * np.tanh((slope * values + intercept) / 2)
    aim = right * (hits + 1) / (hits + 2) + (every - right) / (misses + 2)
    pull = (every * chance - aim)[0]
    assert abs(pull.sum()) < 1e-6 * every.sum()
    assert abs(pull @ values + RIDGE * slope[0]) < 1e-6 * every.sum()


def test_calibration_is_not_discrimination():
    """A small error for a map that fits, and for scores that say nothing; a large one for no rising curve."""
    rng = np.random.default_rng(0)
    scores = np.linspace(0.9, 0.1, 6000)
    follows = rng.random(6000) < 1 / (1 + np.exp(-(8 * scores - 4)))
    assert value("ece", sure(follows)) < 0.03
    assert value("ece", sure(rng.random(6000) < 0.7)) < 0.03
    assert value("ece", sure(np.abs(scores - 0.5) > 0.2)) > 0.3


@settings(max_examples=60, deadline=None)
@given(cases(queries=(1, 10), gallery=(1, 6)), st.data())
def test_a_weight_of_two_is_the_query_twice_and_of_nought_is_none(case, data):
    q = len(case.scores)
    row = st.lists(st.integers(0, 3), min_size=q, max_size=q)
    weights = np.array(data.draw(st.lists(row, min_size=1, max_size=4)))
    for name in NAMES:
        found = value(name, case.ranking(), weights)
        for one, counts in zip(found, weights, strict=True):
            drawn = case.queries(np.repeat(np.arange(q), counts)).ranking()
            np.testing.assert_allclose(one, value(name, drawn), rtol=0, atol=1e-9)
            assert np.isnan(one) or -1 <= one <= 1


@settings(max_examples=60, deadline=None)
@given(cases(queries=(1, 10), gallery=(1, 6)), st.data())
def test_no_order_changes_a_bit(case, data):
    q, n = case.scores.shape
    changed = case.gallery(data.draw(st.permutations(range(n))))
    changed = changed.queries(data.draw(st.permutations(range(q))))
    for name in NAMES:
        np.testing.assert_equal(value(name, changed.ranking()), value(name, case.ranking()))


@settings(max_examples=60, deadline=None)
@given(cases(queries=(1, 10), gallery=(1, 6)))
def test_a_monotone_map_moves_the_threshold_and_nothing_else(case):
    bent = case.mapped(lambda s: np.float32(0.25) * s**3 + s - np.float32(0.125))
    assert value("answered_p99", bent.ranking()) == value("answered_p99", case.ranking())
    t = np.float32(value("threshold_p99", case.ranking()))
    wanted = np.float32(0.25) * t**3 + t - np.float32(0.125)
    np.testing.assert_allclose(value("threshold_p99", bent.ranking()), wanted, rtol=1e-6)


def test_many_samples_are_each_of_them_whatever_the_chunk(monkeypatch):
    case = random_case(8, q=120, n=50, products=20, absent=20, ties=True)
    ranking = case.ranking(top=1)
    weights = np.random.default_rng(1).integers(0, 3, (6, 120))
    found = {name: value(name, ranking, weights) for name in NAMES}
    monkeypatch.setattr("pytest_prodbench.metrics.score_quality.IN_CACHE", 150)
    for name in NAMES:
        again = value(name, ranking, weights)
        np.testing.assert_allclose(again, found[name], rtol=0, atol=1e-9)
        for one, row in zip(again, weights, strict=True):
            assert one == pytest.approx(value(name, ranking, row[None])[0], abs=1e-9)


@settings(max_examples=100, deadline=None)
@given(st.integers(1, 60), st.integers(1, 4), st.integers(0, 2**32 - 1))
def test_each_score_is_in_the_bin_of_the_middle_of_its_weight(size, samples, seed):
    """Few scores (bins without any), weights of nought, middles that stand on an edge."""
    rng = np.random.default_rng(seed)
    scores = np.sort(rng.choice(2000, size, replace=False)).astype(np.float32)[::-1] / 1000
    found = Calibration(scores, np.zeros(size, int), np.ones(size, int))
    every = rng.integers(0, 4, (samples, size)).astype(float)
    every[0] *= rng.random(size) < 0.2
    surplus = rng.integers(-9, 10, (samples, size)) * (every > 0).astype(float)
    wanted = np.zeros((samples, BINS))
    for row in range(samples):
        whole, above = int(every[row].sum()), 0
        for column in sorted(range(size), key=lambda i: found.columns[i]):
            weight = int(every[row, column])
            if weight:
                place = math.floor(BINS * Fraction(2 * above + weight, 2 * whole))
                wanted[row, place] += surplus[row, column]
            above += weight
    np.testing.assert_array_equal(found._by_bin(surplus, every, every.sum(axis=1)), wanted)


@pytest.mark.parametrize("seed", range(6))
def test_the_map_of_runs_leads_to_the_map_of_all_in_a_step_or_two(monkeypatch, seed):
    rng = np.random.default_rng(seed)
    values = np.sort(rng.normal(0.5, 0.15, 4000))
    every = rng.poisson(1.0, (5, 4000)).astype(float)
    right = every * (rng.random(4000) < 1 / (1 + np.exp(-12 * (values - 0.45))))
    whole = np.stack(platt(values, right, every), axis=1)
    steps = []
    newton_step = calibration._newton_step
    monkeypatch.setattr(
        calibration, "_newton_step", lambda *a: steps.append(a[1].shape) or newton_step(*a)
    )
    # The map of all queries, a little off.
    start = whole.mean(axis=0)[None] * [[1.05, 0.97]]
    found = np.stack(platt(values, right, every, start), axis=1)
    np.testing.assert_allclose(found, whole, rtol=1e-7)
    assert sum(shape[1] == 4000 for shape in steps) <= 2


def test_one_score_in_a_half_has_the_chances_of_its_map_every_time():
    """Its chances stand apart in memory, where numpy's own negation in place goes wrong now and then."""
    rng = np.random.default_rng(3)
    for _ in range(2000):
        rows, width = rng.integers(1, 12), rng.integers(2, 10)
        logits = rng.normal(0.0, 2.0, (rows, width))
        expected = 1.0 / (1.0 + np.exp(-logits[:, -1:]))
        # The memory in between is another one each time.
        kept = [np.empty(int(size)) for size in rng.integers(1, 300, 2)]
        found = calibration._sigmoid(logits[:, -1:])
        np.testing.assert_allclose(found, expected, rtol=1e-14)
        del kept
