"""Statistics that are estimated together: what they share changes nothing, nor does who computes it."""

import gc
import weakref

import numpy as np
import pytest
from ranking_oracle import random_case

from pytest_prodbench import threads
from pytest_prodbench.metrics import Statistic, default_metrics, parse_metric
from pytest_prodbench.metrics.estimates import estimate_statistics
from pytest_prodbench.metrics.once import once

PARSED = [parse_metric(name, where="test") for name in default_metrics()]
STATISTICS = [(metric, k) for metric, k in PARSED if isinstance(metric, Statistic)]


def case_and_codes(seed):
    case = random_case(seed, q=120, products=30, absent=25, ties=seed % 2 == 1)
    return case.ranking(top=1, verification=True), case.query_products.astype(np.intp)


@pytest.mark.parametrize("seed", range(3))
def test_together_is_each_alone(seed):
    ranking, codes = case_and_codes(seed)
    together = estimate_statistics(STATISTICS, ranking, codes, resamples=450, seed=seed)
    for one, found in zip(STATISTICS, together, strict=True):
        (alone,) = estimate_statistics([one], ranking, codes, resamples=450, seed=seed)
        assert found == alone
    # 25 unknown queries do not resolve a false accept rate of 1 %.
    missing = {one.name for (one, _), found in zip(STATISTICS, together, strict=True) if not found}
    assert missing == {"dir_far_1pct", "dir_far_01pct"}


def test_the_number_of_threads_changes_nothing(monkeypatch):
    monkeypatch.setattr("pytest_prodbench.metrics.score_quality.IN_CACHE", 2000)
    monkeypatch.setattr("pytest_prodbench.metrics.whole_weights.TURNED", 2000)
    monkeypatch.setattr("pytest_prodbench.metrics.whole_weights.AT_ONCE", 100)
    monkeypatch.setattr("pytest_prodbench.metrics.resampling.CELLS", 4000)
    monkeypatch.setattr("pytest_prodbench.metrics.resampling.CELLS_AT_ONCE", 8000)
    ranking, codes = case_and_codes(0)
    found = []
    for allowed in (1, 3):
        monkeypatch.setattr(threads, "allowed", lambda allowed=allowed: allowed)
        found.append(estimate_statistics(STATISTICS, ranking, codes, resamples=450, seed=0))
    assert found[0] == found[1]


def statistic(of):
    return Statistic(name="x", of=of, higher_is_better=True, low=-9.0, high=9.0, source="test")


def test_a_statistic_of_somebody_else_is_given_whole_numbers_in_float64():
    given = []

    def of(ranking, k, units):
        def mean_code(weights):
            given.append(weights)
            return weights @ np.arange(weights.shape[1]) / weights.sum(axis=1) / 10

        return mean_code

    ranking, codes = case_and_codes(1)
    (found,) = estimate_statistics([(statistic(of), None)], ranking, codes, resamples=50, seed=0)
    products = len(np.unique(codes))
    assert found.value == pytest.approx((products - 1) / 20)
    assert [weights.shape for weights in given] == [(1, products), (50, products)]
    assert all(weights.dtype == np.float64 for weights in given)
    assert (given[1].sum(axis=1) == products).all()
    with pytest.raises(ValueError, match="read-only"):
        given[1][0, 0] = 2.0


def test_what_is_but_the_order_of_a_sum_is_no_drop_that_could_be_seen():
    """Evidence must not say None or 0.0 by how many samples were asked for at once."""
    ranking, codes = case_and_codes(0)
    for noise in (0.0, 1e-17, 1e-13):

        def interval(sampling, noise=noise):
            return sampling.value - noise, sampling.value, noise

        own = Statistic(
            name="x",
            of=lambda *_: lambda weights: np.full(len(weights), 0.3),
            interval=interval,
            higher_is_better=True,
            low=0.0,
            high=1.0,
            source="test",
        )
        (found,) = estimate_statistics([(own, None)], ranking, codes, resamples=50, seed=0)
        assert (found.standard_error, found.detectable) == (0.0, None)


def test_auroc_of_weights_that_float32_does_not_hold():
    """Products of weights pass 2^24 long before the weights do."""
    case = random_case(4, q=40, absent=15, ties=True)
    ranking = case.ranking(top=1)
    metric, _ = parse_metric("auroc", where="test")
    weights = np.random.default_rng(0).integers(0, 5, (6, 40)).astype(float)
    weights[0, :3] = 3
    auroc = metric.by_query(ranking, None)
    for scale in (1, 63, 1000, 2**22):
        np.testing.assert_array_equal(auroc(weights * scale), auroc(weights))
    for one in auroc(weights + 2.0**24):
        assert 0 < one < 1


def test_what_is_made_once_is_shared_by_the_same_arrays_alone_and_freed_with_them():
    made = []

    class Made:
        pass

    @once
    def make(ranking, units):
        made.append(units)
        return Made()

    ranking, units = case_and_codes(0)
    assert make(ranking, units) is not make(ranking, units)  # they could have changed
    units.flags.writeable = False
    shared = make(ranking, units)
    assert make(ranking, units) is shared
    other = units.copy()
    other.flags.writeable = False
    assert make(ranking, other) is not shared
    assert make(random_case(1).ranking(), other) is not make(ranking, other)
    kept = weakref.ref(make(ranking, other))
    assert kept() is not None
    del ranking
    gc.collect()
    assert kept() is None
