"""Each metric against its definition, written out slowly."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_prodbench.errors import SettingsError
from pytest_prodbench.metrics import default_metrics, parse_metric
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
