"""Each metric against its definition, written out slowly; intervals against what they promise."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_prodbench.errors import SettingsError
from pytest_prodbench.metrics import default_metrics, list_length, parse_metric, summarise
from pytest_prodbench.metrics.intervals import cluster_bootstrap
from pytest_prodbench.protocol import NO_RANK
from pytest_prodbench.retrieval import Labels, matching_pairs, normalise, rank


def ranking_of(seed, q=12, n=30, products=9):
    rng = np.random.default_rng(seed)
    unit = normalise(rng.normal(size=(q + n, 6)), str)
    gallery_products = np.concatenate(
        [np.arange(products), rng.integers(0, products, n - products)]
    )
    query_products = rng.integers(0, products, q)
    labels = Labels(
        query_products, gallery_products, query_products // 3, gallery_products // 3, np.arange(n)
    )
    nothing = matching_pairs(np.full(q, -1), np.full(n, -1))
    scores = unit[:q].astype(np.float64) @ unit[q:].T.astype(np.float64)
    return rank(unit[:q], unit[q:], labels, nothing, top=20, backend="faiss"), labels, scores


def value(name, ranking):
    metric, k = parse_metric(name, where="test")
    return metric.per_query(ranking, k)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 20))
def test_each_metric_is_its_definition(seed, k):
    ranking, labels, scores = ranking_of(seed)
    for i, row in enumerate(scores):
        order = np.argsort(-row)
        relevant = (labels.gallery_products[order] == labels.query_products[i]).tolist()
        first = relevant.index(True) + 1
        distinct = list(dict.fromkeys(labels.gallery_products[order].tolist()))
        hits = [sum(relevant[:j]) / j for j in range(1, k + 1) if relevant[j - 1]]
        family = labels.gallery_families[order] == labels.query_families[i]
        assert value(f"recall@{k}", ranking)[i] == float(first <= k)
        assert value(f"product_recall@{k}", ranking)[i] == float(
            labels.query_products[i] in distinct[:k]
        )
        assert value(f"category_recall@{k}", ranking)[i] == float(family[:k].any())
        assert value("mrr", ranking)[i] == pytest.approx(1 / first)
        assert value(f"map@{k}", ranking)[i] == pytest.approx(sum(hits) / min(k, sum(relevant)))


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 19))
def test_bounds_and_monotony_in_k(seed, k):
    ranking, *_ = ranking_of(seed)
    for name in ("recall", "product_recall", "category_recall"):
        assert (value(f"{name}@{k}", ranking) <= value(f"{name}@{k + 1}", ranking)).all()
    for name in default_metrics():
        found = value(name, ranking)
        assert ((found >= 0) & (found <= 1)).all()
    assert (value("recall@1", ranking) <= value("category_recall@1", ranking)).all()


def test_ap_divides_by_the_reachable_positives():
    """The list that other libraries score .75, .30 or .15 (hazards: AP@k normaliser)."""
    ranking, *_ = ranking_of(0)
    relevant = np.zeros_like(ranking.top_relevant)
    relevant[0, [0, 3]] = True
    import dataclasses

    ranking = dataclasses.replace(
        ranking, top_relevant=relevant, positives=np.full_like(ranking.positives, 10)
    )
    assert value("map@5", ranking)[0] == pytest.approx((1 + 2 / 4) / 5)


def test_an_absent_product_is_counted_apart_never_as_a_hit_or_a_miss():
    ranking, *_ = ranking_of(1)
    ranking.ranks[0] = ranking.product_ranks[0] = NO_RANK
    ranking.positives[0] = 0
    overall, _ = summarise(ranking, ["p"] * 12, {}, default_metrics(), resamples=200, seed=0)
    assert overall["recall@1"].n == 11
    assert overall["map@20"].n == 11
    assert overall["mrr"].n == 11
    assert overall["mrr"].value > 1.0 / NO_RANK


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1), st.randoms(use_true_random=False))
def test_the_order_of_the_queries_changes_no_number(seed, random):
    ranking, labels, _ = ranking_of(seed)
    order = list(range(12))
    random.shuffle(order)
    import dataclasses

    shuffled = dataclasses.replace(
        ranking,
        **{
            field.name: getattr(ranking, field.name)[order] for field in dataclasses.fields(ranking)
        },
    )
    products = [f"p{code}" for code in labels.query_products]
    light = ["dim" if code % 2 else "" for code in labels.query_products]
    one = summarise(ranking, products, {"light": light}, default_metrics(), resamples=200, seed=3)
    two = summarise(
        shuffled,
        [products[i] for i in order],
        {"light": [light[i] for i in order]},
        default_metrics(),
        resamples=200,
        seed=3,
    )
    assert one == two
    assert set(one[1].get("light", {})) <= {"dim"}


def test_the_interval_covers_a_known_truth_with_correlated_photos():
    """Ten photos a product, all alike: the naive interval would be √10 too narrow."""
    rng = np.random.default_rng(5)
    covered = naive = 0
    trials = 300
    for trial in range(trials):
        hits = np.repeat(rng.random(60) < 0.6, 10).astype(float)
        sums = hits.reshape(60, 10).sum(axis=1, keepdims=True)
        low, high = cluster_bootstrap(sums, np.full((60, 1), 10.0), resamples=400, seed=trial)
        covered += low[0] <= 0.6 <= high[0]
        half = 1.96 * np.sqrt(hits.mean() * (1 - hits.mean()) / len(hits))
        naive += abs(hits.mean() - 0.6) <= half
    assert covered / trials > 0.90
    assert naive / trials < 0.60


def test_one_seed_one_interval():
    sums, counts = np.array([[1.0], [0.0], [2.0]]), np.array([[1.0], [1.0], [2.0]])
    one = cluster_bootstrap(sums, counts, resamples=500, seed=9)
    two = cluster_bootstrap(sums, counts, resamples=500, seed=9)
    assert one[0].tolist() == two[0].tolist()
    assert one[1].tolist() == two[1].tolist()
    assert one[0][0] <= 0.75 <= one[1][0]


def test_chunking_changes_no_draw(monkeypatch):
    sums = np.arange(20, dtype=float).reshape(20, 1) / 20
    whole = cluster_bootstrap(sums, np.ones((20, 1)), resamples=300, seed=1)
    monkeypatch.setattr("pytest_prodbench.metrics.intervals.CHUNK", 7 * 20)
    parts = cluster_bootstrap(sums, np.ones((20, 1)), resamples=300, seed=1)
    assert whole[0].tolist() == parts[0].tolist()
    assert whole[1].tolist() == parts[1].tolist()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("recal@1", "did you mean 'recall'"),
        ("recall", "recall@k with k from 1 to 1000"),
        ("recall@0", "recall@k with k from 1 to 1000"),
        ("recall@1001", "recall@k with k"),
        ("recall@x", "recall@k with k"),
        ("mrr@10", "without a k"),
    ],
)
def test_a_metric_that_does_not_exist_is_an_error(text, message):
    with pytest.raises(SettingsError, match=r"suites/x\.toml.*" + message):
        parse_metric(text, where="suites/x.toml: thresholds")


def test_the_list_is_as_long_as_the_metrics_read():
    assert list_length(default_metrics()) == 20
    assert list_length(["recall@100", "mrr"]) == 0
