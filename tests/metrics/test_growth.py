"""The growth curve against brute-force subsampling, exact arithmetic and recall@k itself."""

import dataclasses
from itertools import combinations
from math import comb

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ranking_oracle import cases, random_case

from pytest_prodbench.metrics.first_hit import recall
from pytest_prodbench.metrics.growth import expected_recall, growth_curve, growth_sizes
from pytest_prodbench.protocol import NO_RANK


def one_query(better, negatives, positives=1):
    """A ranking of which only the counts matter."""
    ranking = random_case(0, q=1).ranking()
    return dataclasses.replace(
        ranking,
        ranks=np.array([better + 1]),
        positives=np.array([positives]),
        candidates=np.array([negatives + positives]),
    )


def exactly(k, negatives, better, drawn):
    return sum(
        comb(better, x) * comb(negatives - better, drawn - x) for x in range(min(k, drawn + 1))
    ) / comb(negatives, drawn)


@settings(max_examples=60, deadline=None)
@given(cases(queries=(1, 3), gallery=(1, 8)), st.integers(1, 4), st.integers(0, 9))
def test_it_is_the_mean_over_every_smaller_gallery(case, k, size):
    ranking = case.ranking()
    found = expected_recall(ranking, k, size)
    for i in range(len(case.scores)):
        may = [j for j in range(case.scores.shape[1]) if not case.excluded[i, j]]
        mine = [j for j in may if case.gallery_products[j] == case.query_products[i]]
        others = [j for j in may if j not in mine]
        if not mine:
            assert np.isnan(found[i])
            continue
        draws = min(max(size - len(mine), 0), len(others))
        hits = [
            float(sum(case.scores[i, j] >= max(case.scores[i, mine]) for j in drawn) < k)
            for drawn in combinations(others, draws)
        ]
        assert found[i] == pytest.approx(np.mean(hits), abs=1e-12)


def test_random_subsamples_of_a_larger_gallery_agree():
    case = random_case(4, q=60, n=300, products=50)
    rng = np.random.default_rng(0)
    size, k, rounds = 80, 2, 400
    total = np.zeros(60)
    for _ in range(rounds):
        for i in range(60):
            mine = case.gallery_products == case.query_products[i]
            others = rng.permutation(np.flatnonzero(~mine))[: size - int(mine.sum())]
            total[i] += (case.scores[i, others] >= case.scores[i, mine].max()).sum() < k
    expected = expected_recall(case.ranking(top=1), k, size)
    # A mean of 400 draws is off by at most five of its standard errors.
    error = np.sqrt(expected * (1 - expected) / rounds)
    assert (np.abs(total / rounds - expected) <= 5 * error + 1e-9).all()
    assert expected.std() > 0.1


@settings(max_examples=80, deadline=None)
@given(cases(), st.integers(1, 5))
def test_at_the_full_size_it_is_recall_and_it_never_rises_with_size(case, k):
    ranking = case.ranking()
    full = case.scores.shape[1]
    np.testing.assert_array_equal(expected_recall(ranking, k, full), recall(ranking, k))
    np.testing.assert_array_equal(expected_recall(ranking, k, 10 * full), recall(ranking, k))
    values = np.array([expected_recall(ranking, k, size) for size in range(full + 1)])
    assert (np.isnan(values) | ((values >= 0) & (values <= 1))).all()
    assert (np.isnan(values[1:]) | (np.diff(values, axis=0) <= 1e-12)).all()
    more = expected_recall(ranking, k + 1, 5)
    assert (np.isnan(more) | (more >= expected_recall(ranking, k, 5) - 1e-12)).all()
    assert np.isnan(values[0]).tolist() == (ranking.ranks == NO_RANK).tolist()


@pytest.mark.parametrize(
    ("better", "negatives", "drawn", "k"),
    [
        (1, 10**6, 100, 1),
        (3, 10**6, 999_999, 1),
        (3, 10**6, 999_998, 3),
        (100, 10**6, 10_000, 1),
        (100, 10**6, 10_000, 5),
        (5_000, 10**6, 100, 10),
        (40_000, 10**6, 1_000, 40),
        (999_990, 10**6, 12, 11),
        (2_000, 4_000, 2_000, 1_000),
        (2_000, 4_000, 2_000, 900),
        (3_000, 4_000, 2_000, 1_400),
    ],
)
def test_large_galleries_agree_with_exact_whole_numbers(better, negatives, drawn, k):
    found = expected_recall(one_query(better, negatives), k, drawn + 1)[0]
    assert found == pytest.approx(exactly(k, negatives, better, drawn), rel=3e-8, abs=1e-12)


@pytest.mark.parametrize(
    ("full", "sizes"),
    [
        (0, []),
        (7, [7]),
        (100, [100]),
        (101, [100, 101]),
        (1000, [100, 178, 316, 562, 1000]),
        (1500, [100, 178, 316, 562, 1000, 1500]),
    ],
)
def test_sizes_rise_to_the_full_gallery(full, sizes):
    assert growth_sizes(one_query(0, full, positives=0)).tolist() == sizes


def test_the_curve_has_a_value_for_each_query_and_size():
    ranking = random_case(5, q=30, n=400, products=60, absent=3).ranking(top=1)
    sizes, values = growth_curve(ranking, 1)
    assert values.shape == (len(sizes), 30)
    np.testing.assert_array_equal(values[-1], recall(ranking, 1))
    for size, row in zip(sizes, values, strict=True):
        np.testing.assert_array_equal(row, expected_recall(ranking, 1, int(size)))
