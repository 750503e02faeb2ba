"""The gap between family and product, and the table of confused products."""

import dataclasses
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ranking_oracle import cases, random_case, ranking_from_scores

from pytest_prodbench import evaluate_embeddings
from pytest_prodbench.metrics import parse_metric
from pytest_prodbench.metrics.confusion import confused_products
from pytest_prodbench.protocol import NO_RANK


def gap(ranking):
    metric, k = parse_metric("instance_gap", where="test")
    return metric.per_query(ranking, k)


def names(codes, prefix="p"):
    return [f"{prefix}{code}" if code >= 0 else "" for code in codes]


def table(case, ranking=None):
    return confused_products(
        case.ranking() if ranking is None else ranking,
        names(case.query_products),
        names(case.gallery_products),
        names(case.query_families, "f"),
        names(case.gallery_families, "f"),
    )


@settings(max_examples=100, deadline=None)
@given(cases())
def test_the_gap_is_one_where_the_family_is_right_and_the_product_wrong(case):
    ranking = case.ranking()
    for i, found in enumerate(gap(ranking)):
        may = ~case.excluded[i]
        kin = may & (case.gallery_families == case.query_families[i])
        mine = may & (case.gallery_products == case.query_products[i])
        if case.query_families[i] < 0 or not mine.any():
            assert np.isnan(found)
            continue
        scores = case.scores[i]
        family_first = all(scores[may & ~kin] < scores[kin].max())
        product_first = all(scores[may & ~mine] < scores[mine].max())
        assert found == family_first - product_first
        assert found in {0.0, 1.0}


def test_a_product_of_two_families_shows_as_a_negative_gap():
    ranking = ranking_from_scores(
        np.array([[0.9, 0.1]]), [1], [1, 2], query_families=[5], gallery_families=[6, 5]
    )
    assert gap(ranking).tolist() == [-1.0]


def test_without_families_there_is_no_gap():
    case = dataclasses.replace(random_case(1), query_families=None)
    assert np.isnan(gap(case.ranking())).all()


@settings(max_examples=150, deadline=None)
@given(cases())
def test_the_table_counts_every_missed_query_once(case):
    ranking = case.ranking()
    expected = Counter()
    for i in range(len(ranking.ranks)):
        if 1 < ranking.ranks[i] < NO_RANK:
            taken = case.gallery_products[ranking.top_indices[i, 0]]
            expected[f"p{case.query_products[i]}", f"p{taken}"] += 1
    pairs = table(case, ranking)
    assert {(pair.product, pair.taken_for): pair.count for pair in pairs} == dict(expected)
    assert len(pairs) == len(expected)
    order = [(-pair.count, pair.product, pair.taken_for) for pair in pairs]
    assert order == sorted(order)
    for pair in pairs:
        assert pair.product != pair.taken_for
        assert len(set(pair.rows)) == pair.count
        assert all(f"p{case.query_products[row]}" == pair.product for row in pair.rows)
        exact = [
            row for row in pair.rows if ranking.positive_scores[row] == ranking.negative_scores[row]
        ]
        assert pair.tied == len(exact)
        gaps = [ranking.negative_scores[row] - ranking.positive_scores[row] for row in pair.rows]
        assert gaps == sorted(gaps, reverse=True)
        family = {
            int(code) // 3 if int(code) % 9 != 1 else -1
            for code in (pair.product[1:], pair.taken_for[1:])
        }
        assert pair.same_family == (None if -1 in family else len(family) == 1)


@settings(max_examples=60, deadline=None)
@given(cases(), st.data())
def test_no_order_changes_the_table(case, data):
    q, n = case.scores.shape
    order = data.draw(st.permutations(range(q)))
    changed = case.gallery(data.draw(st.permutations(range(n)))).queries(order)

    def facts(pairs):
        return [
            (pair.product, pair.taken_for, pair.same_family, pair.count, pair.tied)
            for pair in pairs
        ]

    assert facts(table(changed)) == facts(table(case))
    rows = [sorted(order[row] for row in pair.rows) for pair in table(changed)]
    assert rows == [sorted(pair.rows) for pair in table(case)]


def test_families_are_optional_and_lists_are_not():
    ranking = random_case(3, absent=4).ranking(top=1)
    products = [f"{i}" for i in range(80)]
    pairs = confused_products(ranking, ["x"] * 40, products)
    assert pairs
    assert {pair.same_family for pair in pairs} == {None}
    assert (
        sum(pair.count for pair in pairs) == ((ranking.ranks > 1) & (ranking.ranks < NO_RANK)).sum()
    )
    bare = dataclasses.replace(ranking, top_indices=np.zeros((40, 0), np.int64))
    with pytest.raises(ValueError, match="at least one result"):
        confused_products(bare, ["x"] * 40, products)


def test_the_gap_is_taken_over_the_queries_that_define_both_numbers():
    """As docs/protocol.md says: it is their difference only where both count the same queries."""
    gallery = np.array([[1.0, 0.0], [0.6, 0.8], [0.0, 1.0]])
    families = (["f", ""], ["f", "", ""])
    found = evaluate_embeddings(np.eye(2), gallery, ["a", "b"], list("abc"), families=families)
    values = {name: found.metrics[name] for name in ("recall@1", "category_recall@1")}
    gap_found = found.metrics["instance_gap"]
    assert (values["recall@1"].n, values["category_recall@1"].n, gap_found.n) == (2, 1, 1)
    assert values["category_recall@1"].value - values["recall@1"].value == 0.5
    assert gap_found.value == 0.0


def test_an_absent_product_counts_in_category_recall_alone():
    gallery = np.array([[1.0, 0.0], [0.6, 0.8]])
    families = (["f", "f"], ["f", "f"])
    found = evaluate_embeddings(
        np.eye(2), gallery, ["a", "x"], ["a", "b"], families=families, open_set=True
    )
    assert found.metrics["recall@1"].n == 1
    assert found.metrics["instance_gap"].n == 1
    assert (found.metrics["category_recall@1"].n, found.metrics["category_recall@1"].value) == (
        2,
        1,
    )
