"""Metrics of all positives against loops over the list of results."""

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ranking_oracle import cases, ranking_from_scores

from pytest_prodbench.metrics import parse_metric

FAMILY = ("coverage", "precision", "map", "ndcg", "mmp")


def value(name, ranking):
    metric, k = parse_metric(name, where="test")
    return metric.per_query(ranking, k)


def relevance(ranking, i):
    """The whole list of a query as 0 and 1 (the ranking was made with a list that holds it all)."""
    return ranking.top_relevant[i].astype(int).tolist()


def precisions(listed, k):
    return sum(sum(listed[:i]) / i for i in range(1, min(k, len(listed)) + 1) if listed[i - 1])


@settings(max_examples=200, deadline=None)
@given(cases(), st.integers(1, 20))
def test_each_is_its_definition_on_the_list(case, k):
    ranking = case.ranking(top=20)
    for i in range(len(case.scores)):
        listed = relevance(ranking, i)
        positives = sum(listed)
        if positives == 0:
            for name in (*(f"{name}@{k}" for name in FAMILY), "map_at_r", "r_precision"):
                assert np.isnan(value(name, ranking)[i])
            continue
        reach = min(k, positives)
        gained = sum(1 / math.log2(1 + j) for j in range(1, k + 1) if listed[j - 1 : j] == [1])
        ideal = sum(1 / math.log2(1 + j) for j in range(1, reach + 1))
        expected = {
            f"coverage@{k}": sum(listed[:k]) / positives,
            f"precision@{k}": sum(listed[:k]) / k,
            f"map@{k}": precisions(listed, k) / reach,
            f"ndcg@{k}": gained / ideal,
            f"mmp@{k}": sum(listed[:reach]) / reach,
            "map_at_r": precisions(listed, positives) / positives,
            "r_precision": sum(listed[:positives]) / positives,
        }
        for name, wanted in expected.items():
            assert value(name, ranking)[i] == pytest.approx(wanted, abs=1e-12), name


@settings(max_examples=100, deadline=None)
@given(cases(), st.data())
def test_no_order_and_no_monotone_map_of_the_scores_changes_a_bit(case, data):
    ranking = case.ranking()
    q, n = case.scores.shape
    moved = case.gallery(data.draw(st.permutations(range(n)))).ranking()
    bent = case.mapped(lambda s: np.float32(0.25) * s**3 + s - np.float32(0.125)).ranking()
    order = data.draw(st.permutations(range(q)))
    shuffled = case.queries(order).ranking()
    for name in (*(f"{name}@3" for name in FAMILY), "map_at_r", "r_precision"):
        found = value(name, ranking)
        np.testing.assert_array_equal(value(name, moved), found)
        np.testing.assert_array_equal(value(name, bent), found)
        np.testing.assert_array_equal(value(name, shuffled), found[order])


@settings(max_examples=100, deadline=None)
@given(cases(absent=False))
def test_bounds_monotony_and_ties(case):
    ranking = case.ranking()
    every = ranking.every_positive
    optimistic = dataclasses.replace(
        ranking,
        ranks=ranking.ranks_optimistic,
        every_positive=dataclasses.replace(every, ranks=every.ranks_optimistic),
    )
    for name in (*(f"{name}@{k}" for name in FAMILY for k in (1, 3, 9)), "map_at_r", "r_precision"):
        low, high = value(name, ranking), value(name, optimistic)
        assert ((low >= 0) & (low <= high) & (high <= 1)).all(), name
    for k in range(1, 15):
        assert (value(f"coverage@{k}", ranking) <= value(f"coverage@{k + 1}", ranking)).all()
        assert (value(f"coverage@{k}", ranking) <= value(f"recall@{k}", ranking)).all()
    assert (value("map_at_r", ranking) <= value("r_precision", ranking) + 1e-12).all()
    at_one = value("recall@1", ranking)
    for name in ("precision@1", "map@1", "ndcg@1", "mmp@1"):
        np.testing.assert_array_equal(value(name, ranking), at_one)


@settings(max_examples=60, deadline=None)
@given(cases(absent=False), st.data())
def test_a_second_image_of_a_wrong_product_never_helps(case, data):
    n = case.scores.shape[1]
    column = data.draw(st.integers(0, n - 1))
    twice = case.gallery([*range(n), column])
    twice = dataclasses.replace(twice, gallery_order=np.append(case.gallery_order, n))
    wrong = case.query_products != case.gallery_products[column]
    for name in (*(f"{name}@3" for name in FAMILY), "map_at_r", "r_precision"):
        one, two = value(name, case.ranking()), value(name, twice.ranking())
        assert (one >= two)[wrong].all(), name


@settings(max_examples=60, deadline=None)
@given(cases(absent=False, gallery=(1, 10)))
def test_a_perfect_model_scores_one_however_large_k(case):
    ideal = dataclasses.replace(
        case,
        scores=(case.query_products[:, None] == case.gallery_products).astype(np.float32),
    ).ranking()
    for name in ("coverage", "map", "ndcg", "mmp"):
        assert (value(f"{name}@1000", ideal) == 1.0).all()
    for name in ("map@2", "ndcg@2", "mmp@2", "map_at_r", "r_precision"):
        assert (value(name, ideal) == 1.0).all()


def test_ap_divides_by_the_reachable_positives():
    """The list that other libraries score .75, .30 or .15 (hazards: AP@k normaliser)."""
    places = np.array([1, 4, 6, 7, 8, 9, 10, 11, 12, 13])
    scores = -np.arange(1, 14, dtype=np.float32)[None, :] / 16
    products = np.isin(np.arange(1, 14), places).astype(int)
    ranking = ranking_from_scores(scores, [1], products)
    assert value("map@5", ranking)[0] == pytest.approx((1 + 2 / 4) / 5)
    assert value("map@5", ranking)[0] == pytest.approx(0.30)


def test_the_ideal_list_of_ndcg_holds_all_positives_not_those_retrieved():
    """Two of ten positives in the first five; a divisor of those found alone would give .88."""
    products = np.array([1, 0, 0, 1, 0, 0, 0, 0] + [1] * 8)
    ranking = ranking_from_scores(-np.arange(16, dtype=np.float32)[None, :], [1], products)
    gained = 1 + 1 / math.log2(5)
    ideal = sum(1 / math.log2(1 + i) for i in range(1, 6))
    assert value("ndcg@5", ranking)[0] == pytest.approx(gained / ideal)
    assert value("ndcg@5", ranking)[0] < 0.5


def test_scores_below_zero_count_as_any_other():
    """torchmetrics 1.9 ignores positives with a score <= 0."""
    ranking = ranking_from_scores(np.array([[-0.1, -0.2, -0.3]], np.float32), [1], [1, 0, 1])
    assert value("precision@1", ranking)[0] == 1.0
    assert value("coverage@3", ranking)[0] == 1.0
