"""Pairs → products: the positives of each query are exactly the pairs, whichever way they are kept."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pytest_prodbench.datasets.qrels import Related, relate


def related(queries: list[str], documents: list[str], pairs: set[tuple[str, str]]) -> Related:
    rows = sorted((queries.index(query), documents.index(document)) for query, document in pairs)
    left = np.array([row for row, _ in rows], np.int64)
    right = np.array([row for _, row in rows], np.int64)
    return relate(queries, documents, left, right)


def positives(found: Related, queries: list[str], documents: list[str]) -> set[tuple[str, str]]:
    """What ranking will take for positives, by the plain definition."""
    return {
        (query, document)
        for query, product, group in zip(
            queries, found.query_products, found.query_groups, strict=True
        )
        for document, other, theirs in zip(
            documents, found.document_products, found.document_groups, strict=True
        )
        if other in found.answers.get(product, (product,)) and not (group and group == theirs)
    }


IDS = [str(number) for number in range(6)]


@given(
    st.sets(st.tuples(st.sampled_from(IDS), st.sampled_from(IDS))), st.sets(st.sampled_from(IDS))
)
def test_positives_are_the_pairs(pairs: set[tuple[str, str]], more: set[str]) -> None:
    queries = sorted({query for query, _ in pairs} | more)
    found = related(queries, IDS, pairs)
    assert positives(found, queries, IDS) == pairs


@given(st.lists(st.integers(0, 3), min_size=6, max_size=6), st.booleans(), st.booleans())
def test_classes_become_products(labels: list[int], with_self: bool, other_ids: bool) -> None:
    """Each image queries all of its class, with or without itself: never a list of answers."""
    queries = [f"q{i}" for i in IDS] if other_ids and with_self else IDS
    pairs = {
        (queries[i], IDS[j])
        for i in range(6)
        for j in range(6)
        if labels[i] == labels[j] and (with_self or i != j)
    }
    asked = sorted({query for query, _ in pairs})
    found = related(asked, IDS, pairs)
    assert not found.answers
    assert positives(found, asked, IDS) == pairs
    classes = {label for label in labels if with_self or labels.count(label) > 1}
    assert len(set(found.query_products)) == len(classes)


def test_the_own_image_of_a_query() -> None:
    ids = ["a", "b", "c", "x"]
    pairs = {(q, d) for q in "abc" for d in "abc" if q != d}
    found = related(["a", "b", "c"], ids, pairs)
    assert found.query_products == ("query:a",) * 3
    assert found.document_products == ("query:a",) * 3 + ("corpus:x",)
    assert found.query_groups == ("query:a", "query:b", "query:c")
    assert found.document_groups == ("query:a", "query:b", "query:c", "")


def test_two_images_of_a_class_are_one_product() -> None:
    """Their pairs share no id; that they are symmetric says that the ids name the same images."""
    found = related(["a", "b"], ["a", "b"], {("a", "b"), ("b", "a")})
    assert found.query_products == found.document_products == ("query:a", "query:a")
    assert found.query_groups == found.document_groups == ("query:a", "query:b")


def test_one_pair_without_its_mirror_and_equal_ids_say_nothing() -> None:
    pairs = {("a", "b"), ("b", "a"), ("c", "a")}
    found = related(["a", "b", "c"], ["a", "b", "c"], pairs)
    assert found.query_groups == ("", "", "")
    assert positives(found, ["a", "b", "c"], ["a", "b", "c"]) == pairs


def test_no_equivalence() -> None:
    found = related(["1", "2", "3"], ["1", "2", "3"], {("1", "1"), ("1", "2"), ("2", "2")})
    assert found.query_products == ("query:1", "query:2", "query:3")
    assert found.document_products == ("corpus:1", "corpus:2", "corpus:3")
    assert found.answers == {
        "query:1": ("corpus:1", "corpus:2"),
        "query:2": ("corpus:2",),
        "query:3": (),
    }


def test_equal_ids_need_not_be_equal_things() -> None:
    """Query 2 is asked for document 1; document 2 is another thing, and no product of query 2."""
    found = related(["2"], ["1", "2"], {("2", "1")})
    assert found.document_products == ("query:2", "corpus:2")
    assert found.query_groups == ("",)
    assert found.document_groups == ("", "")
    assert not found.answers
