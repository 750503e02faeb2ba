"""Intervals against scipy, against their formulas written out, and against exact binomial quantiles."""

import itertools
import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from pytest_prodbench.metrics import intervals
from pytest_prodbench.metrics.intervals import (
    Bootstrap,
    cluster_bootstrap,
    percentile_intervals,
    resampled,
    standard_error,
)
from pytest_prodbench.metrics.proportions import wilson, wilson_clustered
from pytest_prodbench.metrics.resampling import CELLS, resample_weights


def fields(found: Bootstrap) -> np.ndarray:
    return np.stack([getattr(found, name) for name in Bootstrap.__slots__])


def some_clusters(seed, products=30, columns=3):
    rng = np.random.default_rng(seed)
    counts = rng.integers(1, 6, (products, columns)).astype(float)
    return counts * rng.random((products, columns)), counts


@given(st.integers(1, 5000), st.data(), st.sampled_from([0.8, 0.95, 0.99]))
def test_wilson_is_scipys(n, data, level):
    hits = data.draw(st.integers(0, n))
    low, high = wilson(hits, n, level=level)
    theirs = stats.binomtest(hits, n).proportion_ci(level, method="wilson")
    assert (float(low), float(high)) == pytest.approx((theirs.low, theirs.high), abs=1e-12)
    assert low < high
    assert 0 <= low <= hits / n <= high <= 1


def test_wilson_takes_arrays_and_has_no_answer_without_trials():
    low, high = wilson([0, 5, 10], [10, 10, 10])
    assert low[0] == 0
    assert high[2] == 1
    assert low[1] == pytest.approx(1 - high[1])
    assert np.isnan(wilson(0, 0)).all()


def effective(hits, photos):
    """The effective number of photos in loops, and whether the variance over products was used."""
    used = [(y, c) for y, c in zip(hits, photos, strict=True) if c]
    p, n = sum(y for y, _ in used) / sum(c for _, c in used), sum(c for _, c in used)

    def kish(sizes):
        return sum(sizes) ** 2 / sum(c * c for c in sizes) if sizes else 0

    copies = kish([c for _, c in used])
    few = min(kish([c for y, c in used if y > 0]), kish([c for y, c in used if y < c]))
    if n == len(used):
        return p, n, False
    if few == 0 or len(used) == 1:
        return p, copies, False
    v = sum((y - p * c) ** 2 for y, c in used) / n**2 * len(used) / (len(used) - 1)
    measured = min(n, p * (1 - p) / v) if v > 1e-18 else n
    return p, 1 / (1 / (1 + few) / copies + few / (1 + few) / measured), True


@settings(max_examples=300)
@given(st.lists(st.integers(0, 6).flatmap(lambda c: st.tuples(st.integers(0, c), st.just(c)))))
def test_the_clustered_interval_is_wilsons_formula_at_the_effective_number(products):
    hits, photos = ([pair[i] for pair in products] for i in (0, 1))
    low, high = wilson_clustered(
        np.array(hits, float).reshape(-1, 1), np.array(photos, float).reshape(-1, 1)
    )
    if not sum(photos):
        assert np.isnan(low).all()
        assert np.isnan(high).all()
        return
    p, n, estimated = effective(hits, photos)
    present = sum(c > 0 for c in photos)
    quantile = stats.t(present - 1).ppf(0.975) if estimated else stats.norm.ppf(0.975)
    for end in (float(low[0]), float(high[0])):
        if 0 < end < 1:
            assert abs(p - end) == pytest.approx(
                quantile * math.sqrt(end * (1 - end) / n), rel=1e-7, abs=1e-9
            )
    assert low[0] < high[0]
    assert low[0] <= p <= high[0]


@pytest.mark.parametrize(("hits", "products"), [(0, 12), (5, 12), (12, 12), (1, 1)])
def test_with_one_photo_a_product_it_is_wilsons_own(hits, products):
    sums = (np.arange(products) < hits).astype(float)[:, None]
    clustered = wilson_clustered(sums, np.ones((products, 1)))
    assert np.ravel(clustered) == pytest.approx(np.ravel(wilson(hits, products)))


@pytest.mark.parametrize("photos", [1, 4, 50])
def test_where_all_are_hits_the_products_are_the_witnesses_not_the_photos(photos):
    counts = np.full((20, 1), float(photos))
    assert np.ravel(wilson_clustered(counts, counts)) == pytest.approx(np.ravel(wilson(20, 20)))


def test_a_single_miss_does_not_make_every_photo_a_witness():
    """The variance over products alone would say 399 witnesses for one miss in 400, and none for none."""
    counts = np.full((100, 1), 4.0)
    first = (np.arange(100) == 0)[:, None]
    none, photo, product = (
        wilson_clustered(counts - missed, counts) for missed in (0.0 * first, first, 4.0 * first)
    )
    assert none[0] < photo[0] < wilson(399, 400)[0]
    assert product[0] < none[0]


@pytest.mark.parametrize("products", [1, 2, 16, 17, 24, 300, 5000])
def test_a_resample_draws_as_many_products_as_there_are(products):
    blocks = list(resample_weights(products, resamples=700, seed=2))
    weights = np.concatenate(blocks)
    assert weights.shape == (700, products)
    assert (weights == np.rint(weights)).all()
    assert (weights >= 0).all()
    assert (weights.sum(axis=1) == products).all()
    assert all(block.size <= max(CELLS, products) for block in blocks)
    assert next(iter(resample_weights(0, resamples=3, seed=0))).shape == (3, 0)


@pytest.mark.parametrize("products", [3, 17, 40, 400])
def test_draws_are_those_of_the_multinomial(products):
    """Frequencies of each count in a cell, and of each sum of two cells, by Pearson's test."""
    resamples = 400_000 // products
    weights = np.concatenate(list(resample_weights(products, resamples=resamples, seed=5)))
    # Cells of a row depend on one another; the first cell of every row does not on the other rows.
    pooled = np.concatenate(list(resample_weights(products, resamples=20_000, seed=6)))
    for values, share in ((pooled[:, 0], 1), (pooled[:, :2].sum(axis=1), 2)):
        expected = 20_000 * stats.binom(products, share / products).pmf(np.arange(products + 1))
        seen = np.bincount(values.astype(int), minlength=products + 1)
        enough = expected > 5
        f_obs = [*seen[enough], seen[~enough].sum()]
        f_exp = [*expected[enough], expected[~enough].sum()]
        if f_exp[-1] < 1e-9:
            assert f_obs.pop() == 0
            f_exp.pop()
        assert stats.chisquare(f_obs, f_exp, sum_check=False).pvalue > 1e-3
    # No cell is favoured: the total of each is Binomial(B·P, 1/P).
    totals = weights.sum(axis=0)
    error = math.sqrt(resamples * (1 - 1 / products))
    assert np.abs(totals - resamples).max() < 5 * error
    assert weights.var() == pytest.approx(1 - 1 / products, rel=0.02)


def test_every_outcome_of_a_small_urn_comes_as_often_as_it_should():
    rows = np.concatenate(list(resample_weights(3, resamples=27_000, seed=1))).astype(int)
    seen = {row: 0 for row in itertools.product(range(4), repeat=3) if sum(row) == 3}
    for row in map(tuple, rows.tolist()):
        seen[row] += 1
    expected = [1000 * math.factorial(3) / math.prod(map(math.factorial, row)) for row in seen]
    assert stats.chisquare(list(seen.values()), expected).pvalue > 1e-3


PINNED = [
    [2, 0, 0, 2, 1, 2, 1, 0, 1, 1, 2, 1, 2, 0, 0, 2, 0, 1, 0, 2],
    [2, 0, 0, 2, 2, 1, 0, 1, 0, 2, 2, 0, 2, 1, 1, 0, 2, 1, 1, 0],
    [0, 2, 1, 1, 0, 0, 1, 3, 0, 0, 2, 3, 2, 1, 0, 0, 1, 1, 1, 1],
]


def test_what_a_seed_means_stays_as_it_is():
    """Evidence says ``seed``: another stream under the same number would be another interval."""
    weights = np.concatenate(list(resample_weights(20, resamples=3, seed=7)))
    assert weights.astype(int).tolist() == PINNED
    other = np.concatenate(list(resample_weights(20, resamples=3, seed=8)))
    assert (weights != other).any()


@pytest.mark.parametrize("hits", [2, 20, 33])
def test_a_percentile_interval_is_that_of_the_binomial(hits):
    """0/1 values, one a product: a resample's hits are Binomial(P, p̂), exactly."""
    sums = (np.arange(40) < hits).astype(float)[:, None]
    found = cluster_bootstrap(sums, np.ones((40, 1)), resamples=40_000, seed=3)
    exact = stats.binom(40, hits / 40)
    # The quantile of the resamples may be one step beside where the distribution is nearly flat at 2.5 %.
    for end, level in ((found.percentile_low[0], 0.025), (found.percentile_high[0], 0.975)):
        step = round(end * 40)
        assert end * 40 == pytest.approx(step)
        assert exact.cdf(step - 1) < level + 0.004
        assert exact.cdf(step) > level - 0.004
    assert found.standard_error[0] == pytest.approx(exact.std() / 40, rel=0.02)


@pytest.mark.parametrize("seed", range(4))
def test_bca_is_scipys_on_the_same_resamples(seed):
    """One query a product, several a product, ties; scipy is given our resamples to judge."""
    rng = np.random.default_rng(seed)
    products = 25
    counts = np.ones(products) if seed % 2 else rng.integers(1, 5, products).astype(float)
    sums = rng.binomial(counts.astype(int), 0.8).astype(float)
    if seed >= 2:
        sums = rng.random(products) ** 4 * counts
    weights = np.concatenate(list(resample_weights(products, resamples=3000, seed=seed)))
    ours = cluster_bootstrap(sums[:, None], counts[:, None], resamples=3000, seed=seed)

    class Drawn:
        bootstrap_distribution = (weights @ sums) / (weights @ counts)

    def ratio(y, n, axis=-1):
        return y.sum(axis=axis) / n.sum(axis=axis)

    for method, low, high in (
        ("BCa", ours.bca_low, ours.bca_high),
        ("percentile", ours.percentile_low, ours.percentile_high),
    ):
        theirs = stats.bootstrap(
            (sums, counts),
            ratio,
            paired=True,
            n_resamples=0,
            bootstrap_result=Drawn,
            method=method,
            vectorized=True,
        )
        interval = theirs.confidence_interval
        assert (low[0], high[0]) == pytest.approx((interval.low, interval.high), abs=1e-9)
        assert ours.standard_error[0] == pytest.approx(theirs.standard_error, rel=1e-9)


def test_scipys_own_resamples_give_nearly_the_same_interval():
    values = np.random.default_rng(0).random(60) ** 3
    ours = cluster_bootstrap(values[:, None], np.ones((60, 1)), resamples=20_000, seed=0)
    theirs = stats.bootstrap((values,), np.mean, n_resamples=20_000, method="BCa", rng=1)
    interval = theirs.confidence_interval
    error = theirs.standard_error
    assert ours.bca_low[0] == pytest.approx(interval.low, abs=0.1 * error)
    assert ours.bca_high[0] == pytest.approx(interval.high, abs=0.1 * error)


def test_columns_do_not_touch_one_another(monkeypatch):
    """Alone, in another order, or in blocks: the same bits."""
    sums, counts = some_clusters(4, columns=5)
    counts[:, 3] = counts[:, 1]
    whole = fields(cluster_bootstrap(sums, counts, resamples=300, seed=1))
    turned = fields(cluster_bootstrap(sums[:, ::-1], counts[:, ::-1], resamples=300, seed=1))
    assert turned[:, ::-1].tolist() == whole.tolist()
    monkeypatch.setattr(intervals, "HELD", 700)
    blocks = fields(cluster_bootstrap(sums, counts, resamples=300, seed=1))
    assert blocks.tolist() == whole.tolist()
    other = fields(cluster_bootstrap(sums, counts, resamples=300, seed=2))
    assert (other != whole).any()


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([1e-6, 1.0, 3.7, 1e6]))
def test_resampled_sums_are_exact_in_any_order_of_summation(seed, scale):
    """So that BLAS, its threads and fused multiply-add cannot change a bit."""
    sums, _ = some_clusters(seed, products=50, columns=1)
    on_grid = intervals._on_grid(sums * scale)
    assert on_grid == pytest.approx(sums * scale, rel=0, abs=1e-12 * scale)
    order = np.random.default_rng(seed).permutation(50)
    for row in next(resample_weights(50, resamples=5, seed=seed % 1000)):
        exact = sum(
            (Fraction(w) * Fraction(s) for w, s in zip(row, on_grid[:, 0], strict=True)),
            Fraction(0),
        )
        assert Fraction(float(row @ on_grid[:, 0])) == exact
        assert Fraction(float(row[order] @ on_grid[order, 0])) == exact
    hits = np.rint(sums)
    assert intervals._on_grid(hits).tolist() == hits.tolist()


def test_a_column_of_one_value_has_no_width_and_one_without_queries_no_number():
    sums = np.array([[2.0, 0.0, 3.0], [1.0, 0.0, 0.0], [4.0, 0.0, 0.0]])
    counts = np.array([[2.0, 0.0, 4.0], [1.0, 0.0, 0.0], [4.0, 0.0, 0.0]])
    found = fields(cluster_bootstrap(sums, counts, resamples=200, seed=0))
    assert found[:, 0].tolist() == [1.0, 1.0, 1.0, 1.0, 0.0]
    assert np.isnan(found[:, 1]).all()
    # One product: the resamples that miss it are left out, in the others it is alone.
    assert found[:, 2].tolist() == [0.75, 0.75, 0.75, 0.75, 0.0]


def test_a_statistic_that_is_a_mean_gets_the_percentile_interval_of_the_mean():
    rng = np.random.default_rng(2)
    codes = rng.permutation(np.repeat(np.arange(20), 3))
    values = rng.random(60)

    def mean_of(weights):
        return weights[:, codes] @ values / weights[:, codes].sum(axis=1)

    draws = resampled(mean_of, 20, resamples=500, seed=4)
    ((low, high, error),) = percentile_intervals(draws[None])
    sums = np.bincount(codes, values)[:, None]
    mean = cluster_bootstrap(sums, np.full((20, 1), 3.0), resamples=500, seed=4)
    expected = mean.percentile_low[0], mean.percentile_high[0], mean.standard_error[0]
    assert (low, high, error) == pytest.approx(expected, abs=1e-12)


def test_a_resample_that_does_not_define_the_statistic_is_left_out():
    def first_or_nothing(weights):
        return np.where(weights[:, 0] > 0, weights[:, 0], np.nan)

    weights = np.concatenate(list(resample_weights(4, resamples=400, seed=0)))
    some = weights[weights[:, 0] > 0, 0]
    draws = resampled(first_or_nothing, 4, resamples=400, seed=0)
    (low, high, error), never = percentile_intervals(np.stack([draws, np.full(400, np.nan)]))
    assert len(some) < 400
    assert (low, high) == pytest.approx(np.quantile(some, [0.025, 0.975]))
    assert error == pytest.approx(some.std(ddof=1)) == standard_error(draws)
    assert np.isnan(never).all()
