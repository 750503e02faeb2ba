"""Metrics of the first hit against the sorted list of results, written out query by query."""

import dataclasses
from types import SimpleNamespace
from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ranking_oracle import cases, random_case

from pytest_prodbench.metrics import first_hit, parse_metric
from pytest_prodbench.metrics.first_hit import cumulative_match, median_interval
from pytest_prodbench.metrics.intervals import resampled
from pytest_prodbench.metrics.metric import Sampling
from pytest_prodbench.metrics.proportions import wilson_clustered
from pytest_prodbench.protocol import NO_RANK

NAMES = ("recall@1", "recall@3", "product_recall@2", "category_recall@2", "mrr")


def value(name, ranking):
    metric, k = parse_metric(name, where="test")
    return metric.per_query(ranking, k)


def median(ranking, weights):
    metric, _ = parse_metric("median_rank", where="test")
    return metric.by_query(ranking, None)(np.atleast_2d(np.asarray(weights, float)))


def result_list(case, i, is_positive):
    """Columns of one query, best first, tied negatives before positives."""
    may = [j for j in range(case.scores.shape[1]) if not case.excluded[i, j]]
    return sorted(may, key=lambda j: (-case.scores[i, j], is_positive(j), case.gallery_order[j]))


@settings(max_examples=150, deadline=None)
@given(cases(), st.integers(1, 16))
def test_each_is_its_definition_on_the_list(case, k):
    ranking = case.ranking()
    for i, product in enumerate(case.query_products):
        listed = result_list(case, i, lambda j, p=product: case.gallery_products[j] == p)
        relevant = [case.gallery_products[j] == product for j in listed]
        if not any(relevant):
            for name in (f"recall@{k}", f"product_recall@{k}", "mrr"):
                assert np.isnan(value(name, ranking)[i])
            continue
        distinct = list(dict.fromkeys(case.gallery_products[j] for j in listed))
        assert value(f"recall@{k}", ranking)[i] == float(any(relevant[:k]))
        assert value(f"product_recall@{k}", ranking)[i] == float(product in distinct[:k])
        assert value("mrr", ranking)[i] == 1.0 / (relevant.index(True) + 1)


@settings(max_examples=100, deadline=None)
@given(cases(), st.integers(1, 16))
def test_category_recall_is_its_definition_on_the_list(case, k):
    found = value(f"category_recall@{k}", case.ranking())
    for i, family in enumerate(case.query_families):
        listed = result_list(case, i, lambda j, f=family: case.gallery_families[j] == f)
        kin = [case.gallery_families[j] == family and family >= 0 for j in listed]
        assert found[i] == float(any(kin[:k])) if any(kin) else np.isnan(found[i])


def test_without_families_category_recall_is_nowhere_defined():
    case = dataclasses.replace(random_case(1), query_families=None, gallery_families=None)
    assert np.isnan(value("category_recall@1", case.ranking())).all()


def test_no_order_and_no_monotone_map_of_the_scores_changes_a_value():
    defined = dict.fromkeys(NAMES, 0)

    @settings(max_examples=100, deadline=None)
    @given(cases(absent=False), st.data())
    def same(case, data):
        ranking = case.ranking()
        n, q = case.scores.shape[1], case.scores.shape[0]
        moved = case.gallery(data.draw(st.permutations(range(n)))).ranking()
        bent = case.mapped(lambda s: np.float32(0.25) * s**3 + s - np.float32(0.125)).ranking()
        order = data.draw(st.permutations(range(q)))
        shuffled = case.queries(order).ranking()
        for name in NAMES:
            found = value(name, ranking)
            np.testing.assert_array_equal(value(name, moved), found)
            np.testing.assert_array_equal(value(name, bent), found)
            np.testing.assert_array_equal(value(name, shuffled), found[order])
            defined[name] += bool((~np.isnan(found)).any())

    same()
    assert min(defined.values()) >= 50, defined


@settings(max_examples=100, deadline=None)
@given(cases())
def test_bounds_monotony_in_k_and_ties(case):
    ranking = case.ranking()
    known = ranking.ranks != NO_RANK
    optimistic = dataclasses.replace(
        ranking,
        ranks=ranking.ranks_optimistic,
        product_ranks=ranking.product_ranks_optimistic,
        family_ranks=ranking.family_ranks_optimistic,
    )
    for name in ("recall", "product_recall", "category_recall"):
        for k in range(1, 15):
            low, high = value(f"{name}@{k}", ranking), value(f"{name}@{k + 1}", ranking)
            assert (np.isnan(low) | ((low <= high) & np.isin(low, (0, 1)))).all()
            assert (np.isnan(low) | (low <= value(f"{name}@{k}", optimistic))).all()
    assert (value("recall@2", ranking) <= value("product_recall@2", ranking))[known].all()
    assert ((value("mrr", ranking) > 0) & (value("mrr", ranking) <= 1))[known].all()


@settings(max_examples=60, deadline=None)
@given(cases(absent=False), st.data())
def test_a_second_image_of_a_wrong_product_costs_no_place_among_products(case, data):
    n = case.scores.shape[1]
    column = data.draw(st.integers(0, n - 1))
    twice = case.gallery([*range(n), column])
    twice = dataclasses.replace(twice, gallery_order=np.append(case.gallery_order, n))
    one, two = case.ranking(), twice.ranking()
    wrong = case.query_products != case.gallery_products[column]
    np.testing.assert_array_equal(one.product_ranks[wrong], two.product_ranks[wrong])
    for k in (1, 2, 5):
        name = f"product_recall@{k}"
        np.testing.assert_array_equal(value(name, one)[wrong], value(name, two)[wrong])
        assert (value(f"recall@{k}", one) >= value(f"recall@{k}", two))[wrong].all()


@settings(max_examples=150, deadline=None)
@given(cases(), st.data())
def test_the_median_is_the_lower_median_of_the_weighted_queries(case, data):
    q = len(case.scores)
    rows = st.lists(st.integers(0, 3), min_size=q, max_size=q)
    weights = np.array(data.draw(st.lists(rows, min_size=1, max_size=5)), float)
    ranking = case.ranking()
    for found, row in zip(median(ranking, weights), weights, strict=True):
        ranks = sorted(
            rank
            for rank, weight in zip(ranking.ranks.tolist(), row, strict=True)
            for _ in range(int(weight))
            if rank != NO_RANK
        )
        if ranks:
            assert found == ranks[(len(ranks) - 1) // 2]
        else:
            assert np.isnan(found)


def test_the_median_of_many_samples_is_that_of_each_whatever_the_chunk(monkeypatch):
    ranking = random_case(3, q=300, n=400, products=60).ranking(top=1)
    weights = np.random.default_rng(0).integers(0, 4, (50, 300)).astype(float)
    found = median(ranking, weights)
    for row, one in zip(weights, found, strict=True):
        drawn = np.repeat(ranking.ranks, row.astype(int))
        assert one == np.quantile(drawn, 0.5, method="inverted_cdf")
    monkeypatch.setattr("pytest_prodbench.metrics.crossings.CHUNK", 20)
    np.testing.assert_array_equal(median(ranking, weights), found)


@settings(max_examples=60, deadline=None)
@given(cases())
def test_the_match_curve_is_recall_at_each_k(case):
    ranking = case.ranking()
    ks, values = cumulative_match(ranking)
    for k, share in zip(ks, values, strict=True):
        hits = value(f"recall@{k}", ranking)
        hits = hits[~np.isnan(hits)]
        assert share == hits.mean() if len(hits) else np.isnan(share)
    assert values[-1] == 1.0 or np.isnan(values).all()


@pytest.mark.parametrize("size", [1, 7, 20, 21, 1000, 123_456])
def test_the_match_curve_reaches_from_1_to_the_gallery(size):
    ranking = random_case(2, q=5).ranking()
    ranking = dataclasses.replace(ranking, candidates=np.full(5, size))
    ks, _ = cumulative_match(ranking)
    assert ks[: min(size, 20)].tolist() == list(range(1, min(size, 20) + 1))
    assert ks[-1] == size
    assert (np.diff(ks) > 0).all()
    assert len(ks) < 70


def interval(ranks, codes, candidates=1000):
    metric, _ = parse_metric("median_rank", where="test")
    ranks, codes = np.asarray(ranks, np.int64), np.asarray(codes, np.intp)
    ranking = SimpleNamespace(ranks=ranks, candidates=np.full(len(ranks), candidates))
    sampled = metric.of(ranking, None, codes)
    products = int(codes.max()) + 1

    def resample(of):
        return resampled(of, products, resamples=200, seed=0)

    value = float(sampled(np.ones((1, products)))[0])
    sampling = Sampling(
        ranking=ranking, k=None, codes=codes, value=value, sampled=sampled, resample=resample
    )
    low, high, error = median_interval(sampling)
    assert low <= value <= high
    assert error >= 0.0
    return low, high


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.tuples(st.integers(1, 30), st.integers(0, 12)), min_size=1, max_size=60),
    st.booleans(),
)
def test_the_interval_of_the_median_is_the_inversion_rank_by_rank(found, absent):
    ranks, codes = map(list, zip(*found, strict=True))
    if absent:
        ranks, codes = [*ranks, NO_RANK], [*codes, 0]
    products = max(codes) + 1

    def ends(rank):
        sums, counts = np.zeros((2, products, 1))
        for one, code in found:
            sums[code] += one <= rank
            counts[code] += 1
        return [float(end[0]) for end in wilson_clustered(sums, counts)]

    every = sorted(set(ranks) - {NO_RANK})
    possible = [rank for rank in every if ends(rank)[1] >= 0.5]
    uncertain = [rank for rank in every if ends(rank)[0] < 0.5]
    low, high = interval(ranks, codes)
    # Where not even no rank at all is shut out, the end is that of the range.
    assert low == (1.0 if ends(0)[1] >= 0.5 else possible[0])
    beyond = [rank for rank in every if not uncertain or rank > uncertain[-1]]
    assert high == (beyond[0] if beyond else 1000.0)


def test_resamples_that_agree_do_not_prove_a_median():
    """Three products, all first: a fourth may be anywhere, and with it half of all others."""
    assert interval([1] * 12, np.repeat(np.arange(3), 4)) == (1.0, 1000.0)
    assert interval([1] * 400, np.repeat(np.arange(100), 4)) == (1.0, 1.0)
    # Photos of one product are no more witnesses than one.
    assert interval([1] * 300 + [7], [0] * 300 + [1]) == (1.0, 1000.0)


@pytest.mark.parametrize("products", [30, 400])
def test_looking_at_some_ranks_only_never_narrows_the_interval(products):
    rng = np.random.default_rng(products)
    ranks = np.exp(rng.normal(4.0, 2.0, products * 4)).astype(int) + 1
    codes = np.repeat(np.arange(products), 4)
    low, high = interval(ranks, codes, 10**6)
    with mock.patch.object(first_hit, "RANKS", 10**9):
        inner = interval(ranks, codes, 10**6)
    assert low <= inner[0] <= inner[1] <= high
    assert high / low < 1.3 * inner[1] / inner[0]


def test_the_interval_of_the_median_holds_the_truth_of_correlated_photos():
    rng = np.random.default_rng(4)
    truth = 10  # ⌈exp(2.2)⌉
    held = 0
    for _ in range(120):
        z = rng.normal(size=(12, 1)) * 0.5**0.5 + rng.normal(size=(12, 4)) * 0.5**0.5
        low, high = interval(np.ceil(np.exp(2.2 + 1.5 * z)).astype(int).ravel(), np.arange(48) // 4)
        held += low <= truth <= high
    assert held >= 0.95 * 120
