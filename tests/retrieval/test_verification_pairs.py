"""Which pairs are drawn for verification: by the stated rule, whatever the order of the rows."""

import dataclasses

import numpy as np
import pytest
from vector_problems import large_problem

from pytest_prodbench.retrieval import distinct_pairs, verification_pairs
from pytest_prodbench.retrieval.verification import DRAWS, GENUINE


def drawn(problem, seed=0):
    return verification_pairs(
        problem.queries, problem.gallery, problem.labels, problem.excluded, seed=seed
    )


def as_set(pairs, query_names, gallery_names):
    return {
        (query_names[i], gallery_names[j], float(s), bool(g), bool(a))
        for i, j, s, g, a in zip(
            pairs.rows, pairs.columns, pairs.scores, pairs.genuine, pairs.alike, strict=True
        )
    }


@pytest.mark.parametrize("products", [700, 20])
def test_pairs_follow_the_rule(products):
    problem = large_problem(1, n=900, products=products)
    labels, pairs = problem.labels, drawn(problem)
    same = labels.query_products[pairs.rows] == labels.gallery_products[pairs.columns]
    kin = labels.query_families[pairs.rows] == labels.gallery_families[pairs.columns]
    np.testing.assert_array_equal(pairs.genuine, same)
    np.testing.assert_array_equal(pairs.alike, kin & ~same)
    assert not problem.forbidden()[pairs.rows, pairs.columns].any()
    assert len(set(zip(pairs.rows.tolist(), pairs.columns.tolist(), strict=True))) == len(
        pairs.rows
    )
    positives = (
        (labels.query_products[:, None] == labels.gallery_products) & ~problem.forbidden()
    ).sum(axis=1)
    genuine = np.bincount(pairs.rows[pairs.genuine], minlength=len(positives))
    np.testing.assert_array_equal(genuine, np.minimum(positives, GENUINE))
    impostors = np.bincount(pairs.rows[~pairs.genuine], minlength=len(positives))
    assert impostors.max() <= 2 * DRAWS
    assert impostors.min() >= DRAWS // 2
    assert pairs.alike.any()


def test_what_answers_a_query_is_genuine_and_no_impostor():
    problem = large_problem(3, n=900, products=20)
    # Product p is answered by p + 1 and p + 2, and not by itself.
    rows = np.repeat(np.arange(20), 2)
    answers = distinct_pairs(20, rows, (rows + np.tile([1, 2], 20)) % 20)
    problem = dataclasses.replace(
        problem, labels=dataclasses.replace(problem.labels, answers=answers)
    )
    labels, pairs = problem.labels, drawn(problem)
    ahead = (labels.gallery_products[pairs.columns] - labels.query_products[pairs.rows]) % 20
    np.testing.assert_array_equal(pairs.genuine, (ahead == 1) | (ahead == 2))
    assert pairs.genuine.any()
    assert (ahead == 0).any()


def test_pairs_depend_on_contents_and_seed_and_not_on_the_order_of_rows():
    problem = large_problem(2, n=500)
    rng = np.random.default_rng(0)
    gallery_names, query_names = np.arange(500), np.arange(len(problem.queries))
    before = as_set(drawn(problem), query_names, gallery_names)
    order = rng.permutation(500)
    assert as_set(drawn(problem.reordered(order)), query_names, gallery_names[order]) == before
    rows = rng.permutation(len(problem.queries))
    labels = dataclasses.replace(
        problem.labels,
        query_products=problem.labels.query_products[rows],
        query_families=problem.labels.query_families[rows],
        query_order=problem.labels.query_order[rows],
    )
    from pytest_prodbench.retrieval.exclusion import select

    turned = dataclasses.replace(
        problem,
        queries=problem.queries[rows],
        labels=labels,
        excluded=select(problem.excluded, rows),
    )
    assert as_set(drawn(turned), query_names[rows], gallery_names) == before
    assert as_set(drawn(problem, seed=1), query_names, gallery_names) != before


def test_without_families_nothing_is_alike():
    problem = large_problem(3, n=300)
    plain = dataclasses.replace(
        problem,
        labels=dataclasses.replace(problem.labels, query_families=None, gallery_families=None),
    )
    pairs = drawn(plain)
    assert not pairs.alike.any()
    assert pairs.genuine.any()
    assert (~pairs.genuine).any()
