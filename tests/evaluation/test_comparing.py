"""Two models on the same photos, from evaluations; the statistics themselves are tested in tests/metrics."""

import numpy as np
import pytest

from pytest_prodbench import compare, compare_all, evaluate_embeddings
from pytest_prodbench.errors import EvidenceError, SettingsError

PRODUCTS = [f"p{i:02}" for i in range(30)]
QUERIES = [product for product in PRODUCTS for _ in range(4)]


def evaluation(noise, seed=0, order=None):
    rng = np.random.default_rng(seed)
    gallery = rng.normal(size=(30, 16))
    queries = np.repeat(gallery, 4, axis=0) + noise * rng.normal(size=(120, 16))
    order = np.arange(120) if order is None else order
    return evaluate_embeddings(
        queries[order], gallery, [QUERIES[i] for i in order], PRODUCTS, resamples=100
    )


def test_a_worse_model_is_seen_to_be_worse():
    good, bad = evaluation(0.5), evaluation(2.0)
    found = compare(good, bad)
    hits = (good.ranks == 1).astype(int), (bad.ranks == 1).astype(int)
    assert found.difference.value == pytest.approx(np.mean(hits[1] - hits[0]))
    assert found.difference.high < 0
    assert (found.difference.n, found.difference.products) == (120, 30)
    assert found.mcnemar.only_left == np.count_nonzero((hits[0] == 1) & (hits[1] == 0))
    assert found.mcnemar.only_right == np.count_nonzero((hits[0] == 0) & (hits[1] == 1))
    assert found.mcnemar.p_value < 1e-6
    back = compare(bad, good)
    assert back.difference.value == pytest.approx(-found.difference.value)
    assert compare(good, bad, "mrr").mcnemar is None
    assert compare(good, good).difference.value == 0.0
    assert compare(good, good).difference.detectable > 0


def test_several_sectors_are_corrected_for_their_number():
    pairs = {
        name: (evaluation(1.2, seed), evaluation(1.6, seed)) for name, seed in (("a", 1), ("b", 2))
    }
    found = compare_all(pairs)
    plain = {name: compare(*pair).mcnemar.p_value for name, pair in pairs.items()}
    least = min(plain, key=plain.get)
    assert found[least].adjusted_p == pytest.approx(min(1.0, 2 * plain[least]))
    assert all(found[name].adjusted_p >= plain[name] for name in plain)
    assert compare_all({"a": pairs["a"]})["a"].adjusted_p is None
    assert compare_all(pairs, "mrr")["a"].adjusted_p is None


def test_other_queries_are_refused():
    whole, turned = evaluation(0.5), evaluation(0.5, order=np.arange(120)[::-1])
    fewer = evaluation(0.5, order=np.arange(100))
    with pytest.raises(
        EvidenceError, match="120 queries and 100 queries, 20 of which only one has"
    ):
        compare(whole, fewer)
    # Bare vectors have no content to be joined by: rows in another order are other queries.
    with pytest.raises(EvidenceError, match="the same queries"):
        compare(whole, turned)


def test_metrics_without_a_value_a_query_are_refused():
    one = evaluation(0.5)
    with pytest.raises(SettingsError, match="median_rank, which has no value a query"):
        compare(one, one, "median_rank")
    with pytest.raises(SettingsError, match="did you mean 'recall'"):
        compare(one, one, "recal@1")
    with pytest.raises(EvidenceError, match="no query on which both models have a value"):
        compare(one, one, "category_recall@1")
