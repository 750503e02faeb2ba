"""Differences of two models, tests and what could have been shown, against their definitions."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from pytest_prodbench.metrics.comparison import (
    detectable_drop,
    detectable_drop_alone,
    holm,
    mcnemar_exact,
    paired_difference,
)
from pytest_prodbench.metrics.intervals import cluster_bootstrap

HITS = st.lists(
    st.tuples(st.integers(0, 1), st.integers(0, 1), st.integers(0, 6)), min_size=1, max_size=40
)


def columns(rows, kind=float):
    left, right, codes = zip(*rows, strict=True)
    return np.array(left, kind), np.array(right, kind), np.array(codes)


def adjusted(left, right, codes):
    """Half a product of gain, half of loss, one of neither; a t interval of the ratio; in loops."""
    groups = [
        (sum(right[codes == p] - left[codes == p]), float(sum(codes == p)))
        for p in sorted({*codes})
    ]
    size = sum(n for _, n in groups) / len(groups)
    weighted = [(1.0, *group) for group in groups]
    weighted += [(0.5, size, size), (0.5, -size, size), (1.0, 0.0, size)]
    total = sum(w * n for w, _, n in weighted)
    mean = sum(w * d for w, d, _ in weighted) / total
    products = sum(w for w, _, _ in weighted)
    squares = sum(w * (d - mean * n) ** 2 for w, d, n in weighted)
    error = math.sqrt(squares * products / (products - 1)) / total
    quantile = stats.t(max(len(groups) - 1, 1)).ppf(0.975)
    return mean - quantile * error, mean + quantile * error, error


@settings(max_examples=200, deadline=None)
@given(HITS)
def test_hits_are_compared_by_the_adjusted_interval(rows):
    left, right, codes = columns(rows)
    found = paired_difference(left, right, codes, resamples=1, seed=0)
    low, high, error = adjusted(left, right, codes)
    assert found.value == pytest.approx(np.mean(right) - np.mean(left))
    assert found.low == pytest.approx(min(max(low, -1.0), found.value))
    assert found.high == pytest.approx(max(min(high, 1.0), found.value))
    assert found.standard_error == pytest.approx(error)
    assert found.low < found.high
    assert found.method == "adjusted"
    assert (found.n, found.products, found.left_out) == (len(rows), len({*codes}), 0)
    # Exchanging the models turns the sign, and nothing else.
    turned = paired_difference(right, left, codes, resamples=1, seed=0)
    assert (turned.value, turned.low, turned.high) == pytest.approx(
        (-found.value, -found.high, -found.low)
    )


def test_other_values_get_the_percentile_interval_of_their_differences_and_never_less_than_the_adjusted():
    rng = np.random.default_rng(0)
    codes = np.repeat(np.arange(30), 4)
    for spread in (0.0, 0.1, 1.0, 9.0):
        left, right = spread * rng.random(120), spread * rng.random(120)
        # Photos of a product alike: so far apart that the percentiles are the wider ones.
        right = right + spread * np.repeat(rng.normal(size=30), 4)
        found = paired_difference(left, right, codes, resamples=800, seed=5)
        sums = np.bincount(codes, right - left)[:, None]
        theirs = cluster_bootstrap(sums, np.full((30, 1), 4.0), resamples=800, seed=5)
        low, high, error = adjusted(left, right, codes)
        low, high = max(low, -1.0), min(high, 1.0)
        assert found.method == ("percentile" if spread else "adjusted")
        assert (found.low, found.high, found.standard_error) == pytest.approx(
            (
                min(low, theirs.percentile_low[0]),
                max(high, theirs.percentile_high[0]),
                max(error, theirs.standard_error[0]),
            )
        )
        least = 2.4865**2 / (30 + 2.4865**2)
        assert found.detectable == pytest.approx(
            max(2.4865 * found.standard_error, least), rel=1e-4
        )


def test_the_smallest_change_of_one_reciprocal_rank_leaves_the_doubt_as_it_was():
    left = np.ones(400)
    left[0] = 1 / 50
    right = left.copy()
    right[0] = 1 / 51
    changed, same = (
        paired_difference(left, other, np.arange(400), resamples=500, seed=0)
        for other in (right, left)
    )
    for ends in ("low", "high", "standard_error", "detectable"):
        assert getattr(changed, ends) == pytest.approx(getattr(same, ends), abs=1e-5)
    assert same.low < -0.004


@pytest.mark.parametrize(("products", "lost"), [(100, 0.01), (400, 0.0025)])
def test_rare_losses_of_reciprocal_ranks_are_not_ruled_out(products, lost):
    """Percentiles alone held the truth in little more than half of these datasets."""
    rng = np.random.default_rng(products)
    truth = -lost * (1 - np.mean(1 / np.arange(20, 60)))
    covered, trials = 0, 150
    for _ in range(trials):
        # One hard product of both models moves a little, as some always does.
        left = np.append(1.0 / rng.integers(20, 60), np.ones(products - 1))
        right = np.where(rng.random(products) < lost, 1.0 / rng.integers(20, 60, products), left)
        right[0] = 1.0 / rng.integers(20, 60)
        found = paired_difference(left, right, np.arange(products), resamples=60, seed=0)
        covered += found.low <= truth <= found.high
        assert found.detectable > 4 * lost
    assert covered >= 0.93 * trials


@pytest.mark.parametrize("value", [1.0, 0.3])
def test_models_that_never_differ_are_not_proven_equal(value):
    """Twenty products without a change do not rule out a change in one of twenty."""
    same = np.full(80, value)
    found = paired_difference(same, same, np.arange(80) // 4, resamples=200, seed=0)
    assert found.value == 0.0
    assert found.low < -0.05
    assert found.high > 0.05
    assert found.standard_error > 0
    assert found.detectable > 0.2
    assert found.method == "adjusted"


def test_a_metric_with_a_wider_range_needs_wider_proof():
    same = np.zeros(20)
    narrow, wide = (
        paired_difference(same + 0.3, same + 0.3, np.arange(20), resamples=9, seed=0, span=span)
        for span in (1.0, 2.0)
    )
    assert wide.low == pytest.approx(2 * narrow.low)
    assert wide.detectable == pytest.approx(2 * narrow.detectable)


def test_queries_that_one_model_has_no_value_for_are_left_out_and_counted():
    left = np.array([1.0, np.nan, 0.0, 1.0])
    right = np.array([0.0, 1.0, np.nan, 1.0])
    found = paired_difference(left, right, np.array([0, 1, 2, 5]), resamples=9, seed=0)
    assert (found.value, found.n, found.products, found.left_out) == (-0.5, 2, 2, 2)
    assert paired_difference(left[1:2], right[1:2], np.array([0]), resamples=9, seed=0) is None


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_the_order_of_queries_changes_no_bit(seed):
    rng = np.random.default_rng(seed)
    left, right, codes = rng.random(50), rng.random(50), rng.integers(0, 12, 50)
    order = rng.permutation(50)
    one = paired_difference(left, right, codes, resamples=100, seed=1)
    two = paired_difference(left[order], right[order], codes[order], resamples=100, seed=1)
    assert one == two


@given(HITS)
def test_mcnemar_counts_splits_at_least_as_uneven(rows):
    left, right, _ = columns(rows, bool)
    found = mcnemar_exact(left, right)
    b, c = int((left & ~right).sum()), int((right & ~left).sum())
    assert (found.only_left, found.only_right) == (b, c)
    uneven = [math.comb(b + c, i) for i in range(b + c + 1) if abs(2 * i - b - c) >= abs(b - c)]
    assert found.p_value == pytest.approx(sum(uneven) / 2 ** (b + c))


def test_mcnemar_leaves_out_what_is_undefined_and_says_nothing_without_a_difference():
    found = mcnemar_exact(np.array([1.0, np.nan, 0.0]), np.array([1.0, 1.0, np.nan]))
    assert (found.only_left, found.only_right, found.p_value) == (0, 0, 1.0)


P_VALUES = st.lists(st.floats(0, 1), max_size=7)


@given(P_VALUES, st.floats(0.001, 0.999))
def test_holm_rejects_what_the_stepwise_procedure_rejects(p_values, alpha):
    """Holm's own words: in ascending order, go on while p <= α / (m − i + 1)."""
    rejected = set()
    order = sorted(range(len(p_values)), key=lambda i: p_values[i])
    for place, i in enumerate(order):
        if p_values[i] * (len(p_values) - place) > alpha:
            break
        rejected.add(i)
    adjusted_values = holm(p_values)
    assert {i for i, p in enumerate(adjusted_values) if p <= alpha} == rejected
    assert all(p <= q <= 1 for p, q in zip(p_values, adjusted_values, strict=True))
    for i, j in itertools.combinations(range(len(p_values)), 2):
        if p_values[i] <= p_values[j]:
            assert adjusted_values[i] <= adjusted_values[j]


def test_holm_by_hand_and_a_nan_is_never_significant():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([math.nan, 0.001]) == [1.0, 0.002]


def test_a_drop_of_the_detectable_size_is_detected_four_times_of_five():
    rng = np.random.default_rng(0)
    error = 0.02
    drop = detectable_drop(error)
    seen = rng.normal(-drop, error, 20_000)
    shown = seen + stats.norm.ppf(0.95) * error < 0
    assert shown.mean() == pytest.approx(0.8, abs=0.01)
    assert detectable_drop_alone(error) == pytest.approx(math.sqrt(2) * drop)
    assert detectable_drop(error, power=0.5) == pytest.approx(stats.norm.ppf(0.95) * error)


def test_pairing_makes_a_smaller_drop_visible():
    """Both models fail on the same hard photos: together they show more than either suggests alone."""
    rng = np.random.default_rng(1)
    codes = np.arange(400)
    left = (rng.random(400) < 0.8).astype(float)
    right = np.where(rng.random(400) < 0.05, 1 - left, left)
    paired = paired_difference(left, right, codes, resamples=1, seed=0).detectable
    alone = detectable_drop_alone(left.std() / 20)
    assert paired < 0.7 * alone
