"""A statistic knows no more than the smallest population that it speaks of."""

import dataclasses

import numpy as np
import pytest
from ranking_oracle import random_case

from pytest_prodbench.metrics import parse_metric
from pytest_prodbench.metrics.estimates import estimate_statistics
from pytest_prodbench.metrics.proportions import wilson, wilson_resampled
from pytest_prodbench.metrics.summary import summarise
from pytest_prodbench.metrics.witnesses import fewest_witnesses
from pytest_prodbench.protocol import NO_RANK, VerificationPairs

ROOM = 64


def open_set(known, unknown, right=None):
    """A ranking of which the top scores matter, and ranks: 1, or 3 where the first result is wrong."""
    q, k = len(known) + len(unknown), len(known)
    right = np.ones(k, bool) if right is None else right
    top = np.concatenate([known, unknown])
    positive = np.where(right, known, np.asarray(known) - 0.05)
    return dataclasses.replace(
        random_case(0, q=q, n=8, products=8).ranking(top=1),
        ranks=np.concatenate([np.where(right, 1, 3), np.full(q - k, NO_RANK)]),
        positive_scores=np.concatenate([positive, np.full(q - k, np.nan)]).astype(np.float32),
        negative_scores=np.where(np.append(right, np.zeros(q - k, bool)), top - 0.05, top).astype(
            np.float32
        ),
    )


def estimates(names, ranking, codes=None, resamples=300):
    codes = np.arange(len(ranking.ranks)) if codes is None else codes
    asked = [parse_metric(name, where="test") for name in names]
    found = estimate_statistics(asked, ranking, codes, resamples=resamples, seed=0)
    return dict(zip(names, found, strict=True))


def test_two_strangers_prove_no_false_accept_rate_of_one_percent():
    found = estimates(("auroc", "fpr95"), open_set(np.full(400, 0.9), np.array([0.2, 0.3])))
    for estimate in found.values():
        assert (estimate.n, estimate.products) == (2, 2)
    assert found["fpr95"].value == 0.0
    assert found["fpr95"].high == pytest.approx(float(wilson(0, 2)[1]))
    assert found["auroc"].value == 1.0
    assert found["auroc"].low == pytest.approx(float(wilson(2, 2)[0]))


def test_two_known_queries_among_many_strangers_are_two_witnesses():
    found = estimates(("fpr95",), open_set(np.array([0.9, 0.8]), np.full(300, 0.2)))["fpr95"]
    assert (found.n, found.products) == (2, 2)
    assert found.high > 0.6


def test_look_alikes_of_two_products_speak_for_two_products():
    products = 100
    rows = np.append(np.arange(products), [0, 1])
    genuine = rows >= 0
    genuine[products:] = False
    scores = np.append(np.full(products, 0.9), [0.2, 0.3]).astype(np.float32)
    pairs = VerificationPairs(rows, rows * 0, scores, genuine, ~genuine)
    ranking = dataclasses.replace(open_set(np.full(products, 0.9), []), verification=pairs)
    found = estimates(("eer", "eer_alike"), ranking)
    for estimate in found.values():
        assert (estimate.n, estimate.products) == (2, 2)
        assert estimate.high > 0.6


def test_photos_of_strangers_are_no_witnesses_of_their_own():
    """Forty photos of four strangers: as sure as four, not as forty."""
    codes = np.append(np.arange(200), 200 + np.arange(40) // 10)
    found = estimates(("fpr95",), open_set(np.full(200, 0.9), np.full(40, 0.2)), codes)["fpr95"]
    assert (found.n, found.products) == (40, 4)
    assert found.high == pytest.approx(float(wilson(0, 4)[1]))


@pytest.mark.parametrize(("strangers", "above"), [(3, 2.5), (10, 1.5), (20, 2.5)])
def test_with_few_strangers_the_intervals_hold_the_truth(strangers, above):
    """Percentiles alone, or all products taken for witnesses, hold it in 60 to 90 %."""
    from scipy.special import ndtr, ndtri

    truth = {"auroc": ndtr(above / 2**0.5), "fpr95": ndtr(-(above + ndtri(0.05)))}
    covered = dict.fromkeys(truth, 0)
    for seed in range(ROOM):
        rng = np.random.default_rng(seed)
        known = 0.1 * rng.normal(above, 1, 100)
        ranking = open_set(known, 0.1 * rng.normal(0, 1, strangers), rng.random(100) < 0.9)
        for name, found in estimates(tuple(truth), ranking, resamples=100).items():
            covered[name] += found.low <= truth[name] <= found.high
    assert min(covered.values()) >= 0.92 * ROOM


def test_a_slice_of_strangers_is_not_ranked_by_the_rank_of_its_one_known_query():
    ranks = np.array([1] * 30 + [7] + [NO_RANK] * 24)
    ranking = dataclasses.replace(random_case(0, q=55, n=8, products=8).ranking(top=1), ranks=ranks)
    light = ["day"] * 30 + ["night"] * 25
    products = [f"p{i}" for i in range(55)]
    found = summarise(ranking, products, {"light": light}, ["median_rank"], resamples=20, seed=0)
    night = found.conditions["light"]["night"]["median_rank"]
    assert (night.value, night.n, night.products) == (7.0, 1, 1)
    assert found.overall["median_rank"].n == 31
    (spread,) = found.spreads
    assert (spread.small, spread.worst) == (("night",), None)


def test_the_smallest_population_counts_by_its_products():
    codes = np.array([0, 0, 0, 0, 1, 2, 3])
    many = np.array([True] * 4 + [False] * 3)
    found = fewest_witnesses((many, ~many), codes)
    assert (found.n, found.products, found.effective) == (4, 1, 1.0)
    found = fewest_witnesses((many | ~many,), codes)
    assert (found.n, found.products, found.effective) == (7, 4, pytest.approx(49 / 19))
    assert fewest_witnesses((many & ~many, many), codes).effective == 0.0


def test_the_interval_of_a_rate_knows_few_errors_from_many():
    assert wilson_resampled(1.0, 0.0, 30) == pytest.approx(tuple(map(float, wilson(30, 30))))
    # The bootstrap measured nothing: one error of 100, and it lay in no resample.
    low, high = wilson_resampled(0.01, 0.0, 100)
    assert low < 0.01
    assert high > 0.035
    # Many errors: the measured spread decides.
    low, high = wilson_resampled(0.5, 0.02, 4000)
    assert (0.5 - low, high - 0.5) == pytest.approx((1.96 * 0.02, 1.96 * 0.02), rel=0.05)


@pytest.mark.parametrize("one_in", [100, 1000])
def test_a_false_accept_rate_that_no_stranger_resolves_is_not_stated(one_in):
    name = {100: "dir_far_1pct", 1000: "dir_far_01pct"}[one_in]
    rng = np.random.default_rng(0)
    for strangers, stated in ((one_in - 1, False), (one_in, True)):
        ranking = open_set(rng.normal(0.5, 0.1, 30), rng.normal(0.2, 0.1, strangers))
        found = estimates((name, "auroc"), ranking, resamples=20)
        assert (found[name] is not None) == stated
        assert found["auroc"] is not None


@pytest.mark.parametrize("alike", ["", "_alike"])
def test_a_false_accept_rate_that_no_impostor_resolves_is_not_stated(alike):
    for impostors, stated in ((99, False), (100, True)):
        rows = np.append(np.arange(50), np.arange(impostors) % 50)
        genuine = np.arange(len(rows)) < 50
        scores = np.where(genuine, 0.9, 0.1).astype(np.float32)
        pairs = VerificationPairs(rows, rows * 0, scores, genuine, ~genuine)
        ranking = dataclasses.replace(open_set(np.full(50, 0.9), []), verification=pairs)
        names = (f"tar_far_1pct{alike}", f"tar_far_01pct{alike}", f"eer{alike}")
        found = estimates(names, ranking, resamples=20)
        assert [one is not None for one in found.values()] == [stated, False, True]
