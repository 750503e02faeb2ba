"""Vectors that somebody already has: same numbers as by definition, clear words where they are none."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest
import torch
from evaluation_builders import by_definition
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_prodbench import evaluate_embeddings
from pytest_prodbench.errors import DatasetError, EmbeddingError
from pytest_prodbench.protocol import NO_RANK


def vectors(n, d=6, seed=0):
    return np.random.default_rng(seed).normal(size=(n, d)).astype(np.float32)


def value(found, name):
    return found.metrics[name].value


def agree(found, expected, ranks):
    assert [None if r == NO_RANK else r for r in found.ranks.tolist()] == ranks
    assert set(expected) <= set(found.metrics)
    for name, number in expected.items():
        assert value(found, name) == pytest.approx(number, abs=1e-9), name


labels = st.sampled_from(["a", "b", "c", "007", "7"])
rows = st.tuples(labels, st.integers(0, 3), st.sampled_from([None, 1, 2, 3]))  # product, axis, key


@settings(max_examples=60, deadline=None)
@given(
    queries=st.lists(rows, min_size=1, max_size=6),
    gallery=st.lists(rows, min_size=1, max_size=12),
    ties=st.booleans(),
    seed=st.integers(0, 99),
)
def test_as_by_definition(queries, gallery, ties, seed):
    """With one-hot vectors nearly everything is tied; with random ones nothing is."""
    if ties:
        left = np.eye(4)[[row[1] for row in queries]]
        right = np.eye(4)[[row[1] for row in gallery]]
    else:
        left, right = vectors(len(queries), seed=seed), vectors(len(gallery), seed=seed + 100)
    products = [row[0] for row in queries], [row[0] for row in gallery]
    keys = {"query_keys": [row[2] for row in queries], "gallery_keys": [row[2] for row in gallery]}
    families = tuple([{"a": "x", "b": "x", "c": "y"}.get(p, "") for p in side] for side in products)
    found = evaluate_embeddings(
        left, right, *products, **keys, families=families, open_set=True, resamples=100
    )
    agree(found, *by_definition(left, right, *products, **keys, families=families))
    for name, metric in found.metrics.items():
        assert metric.low <= metric.value <= metric.high
        if name not in {"median_rank", "margin", "threshold_p99", "instance_gap"}:
            assert 0 <= metric.low <= metric.high <= 1


def test_the_identical_image_is_no_hit():
    query = vectors(1)
    near, far = query + 0.01, -query
    gallery = np.concatenate([query, far, near])
    products = ["a"], ["a", "b", "a"]
    plain = evaluate_embeddings(query, gallery, *products, resamples=100)
    keyed = evaluate_embeddings(
        query,
        gallery,
        *products,
        query_keys=["q.jpg"],
        gallery_keys=["q.jpg", "x", "y"],
        resamples=100,
    )
    assert keyed.measurement.excluded == 1
    assert plain.measurement.excluded == 0
    assert keyed.queries["top_images"].to_pylist() == [["gallery-2", "gallery-1"]]
    with pytest.raises(DatasetError, match=r"1 queries without a positive.*query-0 \(product a\)"):
        evaluate_embeddings(
            query, gallery[:2], ["a"], ["a", "b"], query_keys=["q"], gallery_keys=["q", None]
        )


def test_none_matches_nothing():
    found = evaluate_embeddings(
        vectors(1), vectors(2), ["a"], ["a", "a"], query_keys=[None], gallery_keys=[None, None]
    )
    assert found.measurement.excluded == 0


def test_keys_may_be_an_array():
    keys = np.array(["k0", "k1"])
    found = evaluate_embeddings(
        vectors(2), vectors(2), ["a", "b"], ["b", "a"], query_keys=keys, gallery_keys=keys
    )
    assert found.measurement.excluded == 2


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16])
def test_tensors(dtype):
    queries, gallery = torch.tensor(vectors(3)), torch.tensor(vectors(5, seed=1))
    rounded = queries.to(dtype), gallery.to(dtype)
    wanted = [part.clone().requires_grad_() for part in rounded]
    products = ["a", "b", "c"], ["c", "b", "a", "x", "y"]
    found = evaluate_embeddings(*wanted, *products, resamples=100)
    agree(found, *by_definition(*(part.double().numpy() for part in rounded), *products))


def test_lists_of_lists_and_lengths_do_not_matter():
    left, right = vectors(3), vectors(4, seed=1)
    products = ["a", "b", "c"], ["c", "b", "a", "x"]
    plain = evaluate_embeddings(left, right, *products).to_dict()
    assert evaluate_embeddings(left.tolist(), right.tolist(), *products).to_dict() == plain
    # By powers of two, which change no digit of a vector.
    scaled = evaluate_embeddings(left * 2.0**-99, right.astype(np.float64) * 2.0**650, *products)
    assert scaled.to_dict() == plain


ONE, TWO = vectors(1), vectors(2)


@pytest.mark.parametrize(
    ("arguments", "error", "said"),
    [
        ((np.ones((1, 6), int), TWO, ["a"], ["a", "b"]), EmbeddingError, "dtype int64"),
        (
            (torch.ones(1, 6, dtype=torch.int64), TWO, ["a"], ["a", "b"]),
            EmbeddingError,
            "dtype int64",
        ),
        ((ONE.astype(complex), TWO, ["a"], ["a", "b"]), EmbeddingError, "dtype complex128"),
        ((ONE[0], TWO, ["a"], ["a", "b"]), EmbeddingError, r"shape \(6,\)"),
        ((ONE[:, :0], TWO, ["a"], ["a", "b"]), EmbeddingError, r"shape \(1, 0\)"),
        ((ONE[:, :4], TWO, ["a"], ["a", "b"]), ValueError, "4 dimensions, gallery vectors 6"),
        (
            (ONE * np.nan, TWO, ["a"], ["a", "b"]),
            EmbeddingError,
            "query 0: a vector that is not fin",
        ),
        (
            (ONE, TWO * [[1], [np.inf]], ["a"], ["a", "b"]),
            EmbeddingError,
            "gallery 1: .* not finite",
        ),
        ((ONE, TWO * [[1], [0]], ["a"], ["a", "b"]), EmbeddingError, "gallery 1: .* all zero"),
        ((ONE[:0], TWO, [], ["a", "b"]), ValueError, "no query or no gallery image"),
        ((ONE, TWO[:0], ["a"], []), ValueError, "no query or no gallery image"),
        ((ONE, TWO, ["a", "b"], ["a", "b"]), ValueError, "2 query products for 1 query vectors"),
        ((ONE, TWO, ["a"], ["a"]), ValueError, "1 gallery products for 2 gallery vectors"),
        ((ONE, TWO, ["a"], ["a", 7]), TypeError, r"gallery product 1 is 7 \(int\)"),
        ((ONE, TWO, [4006381333931.0], ["a", "b"]), TypeError, r"query product 0 .*\(float\)"),
        ((ONE, TWO, ["a"], ["a", None]), TypeError, "gallery product 1 is None"),
        ((ONE, TWO, ["a"], np.array([1, 2])), TypeError, "gallery product 0"),
        ((ONE, TWO, "a", ["a", "b"]), TypeError, "query products are one string"),
        ((ONE, TWO, ["z"], ["a", "b"]), DatasetError, r"query-0 \(product z\)"),
    ],
)
def test_what_is_refused(arguments, error, said):
    with pytest.raises(error, match=said):
        evaluate_embeddings(*arguments)


@pytest.mark.parametrize(
    ("keywords", "said"),
    [
        ({"query_keys": ["k"]}, "give both or neither"),
        ({"gallery_keys": ["k", "l"]}, "give both or neither"),
        ({"query_keys": ["k", "l"], "gallery_keys": ["k", "l"]}, "query_keys has 2 values for 1"),
        ({"query_keys": ["k"], "gallery_keys": ["k"]}, "gallery_keys has 1 values for 2"),
        ({"families": (["x"], ["x"])}, "gallery families: expected 2 values"),
        ({"families": (["x"], ["x", "y"], ["z"])}, "families has 3 parts"),
        ({"families": ("x", "xy")}, "query families: expected 1 values"),
        ({"conditions": {"light": ["dim", "dim"]}}, "query conditions 'light': expected 1 values"),
    ],
)
def test_what_does_not_belong_together(keywords, said):
    with pytest.raises(ValueError, match=said):
        evaluate_embeddings(ONE, TWO, ["a"], ["a", "b"], **keywords)


@pytest.mark.parametrize(
    ("products", "keywords", "said"),
    [
        (["\ud800"], {}, r"query product 0 '\\ud800' is not valid"),
        (["a"], {"families": {"a": "\udfff"}}, "query families, value 0 "),
        (["a"], {"conditions": {"light": ["\ud800x"]}}, "query conditions 'light', value 0 "),
    ],
)
def test_text_that_cannot_be_written_is_named(products, keywords, said):
    with pytest.raises(ValueError, match=said) as caught:
        evaluate_embeddings(ONE, TWO, products, ["a", "b"], open_set=True, **keywords)
    assert not isinstance(caught.value, UnicodeError)


@pytest.mark.parametrize("scale", ["1e4000", "1e-4000"])
def test_numbers_that_float64_cannot_hold_have_a_direction(scale):
    if np.finfo(np.longdouble).max <= np.finfo(np.float64).max:
        pytest.skip("long double is float64 on this machine")
    far = np.array([[0.6, 0.8]], np.longdouble) * np.longdouble(scale)
    gallery = np.array([[0.6, 0.8], [0.8, 0.6]])
    assert evaluate_embeddings(far, gallery, ["a"], ["a", "b"]).ranks.tolist() == [1]
    assert evaluate_embeddings(gallery[:1], far, ["a"], ["a"]).ranking.top_scores[0, 0] == 1.0


def test_families_as_mapping_or_columns():
    left, right = vectors(4), vectors(6, seed=2)
    products = list("abcd"), list("abcdxy")
    mapping = {"a": "f", "b": "f", "c": "g", "x": "g"}
    columns = tuple([mapping.get(p, "") for p in side] for side in products)
    one = evaluate_embeddings(left, right, *products, families=mapping)
    two = evaluate_embeddings(left, right, *products, families=columns)
    assert one.to_dict() == two.to_dict()
    assert one.metrics["category_recall@1"].n == 3
    agree(one, *by_definition(left, right, *products, families=columns))
    assert "category_recall@1" not in evaluate_embeddings(left, right, *products).metrics


def test_an_absent_product_is_never_a_hit_and_never_dropped_in_silence():
    left = vectors(3)
    products = ["a", "gone", "b"], ["a", "b"]
    with pytest.raises(DatasetError, match="query-1"):
        evaluate_embeddings(left, left[[0, 2]], *products)
    found = evaluate_embeddings(left, left[[0, 2]], *products, open_set=True, k=(1, 1000))
    assert found.ranks.tolist() == [1, NO_RANK, 1]
    for name in ("recall@1", "recall@1000", "mrr", "map@20", "product_recall@1"):
        assert (found.metrics[name].n, found.metrics[name].products) == (2, 2)
    assert found.queries["rank"].to_pylist() == [1, None, 1]


def test_only_absent_products_give_no_number():
    found = evaluate_embeddings(ONE, TWO, ["z"], ["a", "b"], open_set=True)
    # But one: of queries without a right answer, none can be answered with a precision of 99 %.
    assert {name: metric.value for name, metric in found.metrics.items()} == {"answered_p99": 0.0}


@pytest.mark.parametrize(
    ("own", "other"),
    [
        ("007", "7"),
        ("4006381333931", "4006381333932"),  # EAN-13 neighbours, one number in float32
        ("a", "a "),
        ("a", "a\0"),
        ("a", "A"),
        ("é", "e\u0301"),
        ("1", "1.0"),
        ("", "0"),
    ],
)
def test_ids_that_look_alike_are_two_products(own, other):
    query = vectors(1)
    gallery = np.concatenate([query, query + 0.5])
    found = evaluate_embeddings(query, gallery, [own], [other, own])
    assert found.ranks.tolist() == [2]
    assert found.queries["product_id"].to_pylist() == [own]
    assert found.queries["top_products"].to_pylist() == [[other, own]]


def test_without_positive_twenty_are_named_and_the_rest_counted():
    with pytest.raises(DatasetError, match=r"25 queries .* and 5 more") as caught:
        evaluate_embeddings(vectors(25), TWO, ["z"] * 25, ["a", "b"])
    assert str(caught.value).count("(product z)") == 20


def test_k_is_the_callers():
    found = evaluate_embeddings(ONE, TWO, ["a"], ["a", "b"], k=(2, 3))
    assert {name for name in found.metrics if name.startswith("recall")} == {"recall@2", "recall@3"}


def test_conditions():
    left = vectors(4)
    found = evaluate_embeddings(
        left, left, list("abcd"), list("abdc"), conditions={"light": ["dim", "dim", "sun", ""]}
    )
    by_light = found.measurement.conditions["light"]
    assert by_light["dim"]["recall@1"].value == 1.0
    assert by_light["sun"]["recall@1"].value == 0.0
    assert (by_light["dim"]["recall@1"].n, by_light["sun"]["recall@1"].n) == (2, 1)
    assert set(by_light) == {"dim", "sun"}


@settings(max_examples=25, deadline=None)
@given(st.permutations(range(6)), st.permutations(range(9)))
def test_order_changes_no_number(left_order, right_order):
    left, right = vectors(6), np.repeat(vectors(3, seed=1), 3, axis=0)  # ties of three
    products = list("aabbcc"), list("abcabcabc")
    plain = evaluate_embeddings(left, right, *products, resamples=100)
    turned = evaluate_embeddings(
        left[list(left_order)],
        right[list(right_order)],
        [products[0][i] for i in left_order],
        [products[1][j] for j in right_order],
        resamples=100,
    )
    one, two = turned.to_dict(), plain.to_dict()
    for found in (one, two):
        # Images of bare vectors are named by their row.
        for confused in found["measurement"]["confusions"]:
            del confused["queries"]
    assert one == two
    assert turned.ranks.tolist() == plain.ranks[list(left_order)].tolist()
    assert (plain.ranks >= plain.ranks_optimistic).all()


def test_to_dict_is_json_without_times():
    found = evaluate_embeddings(ONE, TWO, ["a"], ["a", "b"])
    text = json.dumps(found.to_dict(), allow_nan=False)
    assert json.loads(text) == found.to_dict()
    assert not {"total_s", "rank_s", "seconds", "timing"} & set(re.findall(r'"(\w+)":', text))
    assert found.model is None
    assert found.dataset is None


def test_order_changes_no_number_of_equal_queries_in_different_conditions():
    """Who draws which pairs is decided by labels where contents are equal, and by rows nowhere."""
    rng = np.random.default_rng(6)
    products = [f"{product:02d}" for product in rng.integers(0, 12, 90)]
    gallery = rng.normal(size=(90, 3))
    queries = np.repeat(gallery[:15], 2, axis=0)
    asked = np.repeat(products[:15], 2).tolist()
    light = np.tile(["day", "night"], 15)
    measured = []
    for order in (np.arange(30), np.arange(30)[::-1]):
        found = evaluate_embeddings(
            queries[order],
            gallery,
            [asked[i] for i in order],
            products,
            families={product: product[0] for product in products},
            conditions={"light": light[order].tolist()},
            resamples=100,
        )
        measured.append(found.measurement.conditions)
    assert measured[0] == measured[1]


@settings(max_examples=40, deadline=None)
@given(
    queries=st.lists(rows, min_size=1, max_size=6),
    gallery=st.lists(st.tuples(rows, st.booleans()), min_size=1, max_size=12),
    seed=st.integers(0, 99),
)
def test_a_product_under_two_names_is_answered_by_both(queries, gallery, seed):
    """The catalog calls some images ``a``, others ``a+``: what answers "a" is both, as if it were one."""
    left, right = vectors(len(queries), seed=seed), vectors(len(gallery), seed=seed + 100)
    asked = [row[0] for row in queries]
    plain = [row[0] for row, _ in gallery]
    named = [product + "+" * other for product, (_, other) in zip(plain, gallery, strict=True)]
    options = {"open_set": True, "resamples": 100, "query_keys": [row[2] for row in queries]}
    options["gallery_keys"] = [row[2] for row, _ in gallery]
    expected = evaluate_embeddings(left, right, asked, plain, **options)
    answers = {product: (product, f"{product}+") for product in set(asked)}
    found = evaluate_embeddings(left, right, asked, named, answers=answers, **options)
    np.testing.assert_array_equal(found.ranks, expected.ranks)
    assert found.metrics.keys() == expected.metrics.keys()
    for name in {"recall@1", "recall@5", "map@20"} & expected.metrics.keys():
        assert value(found, name) == value(expected, name), name


def test_what_answers_replaces_the_product_itself():
    """Candidates of a query: images 0 and 2 answer "q", image 1 bears its name and does not."""
    queries, gallery = np.eye(3)[:1], np.eye(3)
    found = evaluate_embeddings(
        queries,
        gallery[[1, 0, 2]],
        ["q"],
        ["d0", "q", "d2"],
        answers={"q": ("d0", "d2")},
        resamples=100,
    )
    assert found.ranks.tolist() == [2]
    assert value(found, "recall@1") == 0
    with pytest.raises(DatasetError, match="1 queries without a positive"):
        evaluate_embeddings(queries, gallery, ["q"], ["q"] * 3, answers={"q": ("gone",)})
