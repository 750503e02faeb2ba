"""Ranks against a naive oracle that is written from the definitions, from every backend."""

import dataclasses
from unittest import mock

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from vector_problems import KINDS, assert_same, large_problem, problems, ways

from pytest_prodbench.errors import EmbeddingError
from pytest_prodbench.retrieval import (
    Gallery,
    Labels,
    matching_pairs,
    normalise,
    rank,
    search,
    union,
)
from pytest_prodbench.retrieval import gallery as gallery_module
from pytest_prodbench.retrieval.backends import ExactBackend, near_tie_distance, score_error
from pytest_prodbench.retrieval.exclusion import difference
from pytest_prodbench.retrieval.torch_backends import ReducedBackend

LISTED = ("indices", "scores", "relevant")


@settings(max_examples=200, deadline=None)
@given(problems(), st.sampled_from(KINDS), st.integers(1, 5), st.integers(1, 9), st.integers(0, 30))
def test_every_backend_and_block_size_agrees_with_the_definition(
    problem, kind, query_block, gallery_block, top
):
    found = problem.found(kind, top, query_block=query_block, gallery_block=gallery_block)
    assert_same(found, problem.expected(top))
    assert (found.ranks_optimistic <= found.ranks).all()
    assert (found.product_ranks <= found.ranks).all()
    assert (found.product_ranks_optimistic <= found.product_ranks).all()
    every = found.every_positive
    assert (every.ranks_optimistic <= every.ranks).all()
    within = np.diff(every.rows) == 0
    assert (np.diff(every.ranks)[within] > 0).all()


@settings(max_examples=80, deadline=None)
@given(problems(), st.randoms(use_true_random=False), st.sampled_from(KINDS))
def test_gallery_order_changes_nothing(problem, random, kind):
    order = list(range(len(problem.gallery)))
    random.shuffle(order)
    one, two = problem.found("faiss", 5), problem.reordered(order).found(kind, 5)
    back = np.asarray(order)
    every = dataclasses.replace(
        two.every_positive, columns=back[two.every_positive.columns].astype(np.int64)
    )
    assert_same(
        dataclasses.replace(
            two,
            every_positive=every,
            top_indices=np.where(two.top_indices < 0, -1, back[two.top_indices]),
        ),
        one,
    )


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("spread", [0.3, 2.0])
def test_several_blocks_many_groups_and_queries_that_are_handed_on(kind, spread):
    """Above the size at which blocks have groups of columns; ranks from the first to the last place."""
    problem = large_problem(3, spread=spread)
    exact = problem.found("exact", 20)
    found = problem.found(kind, 20, gallery_block=1100, query_block=50)
    assert_same(found, exact)
    assert found.ranks.min() == 1
    assert found.ranks.max() > (1000 if spread > 1 else 1)


def test_the_exact_backend_agrees_with_the_definition_on_a_larger_problem():
    problem = large_problem(4, q=25, n=400, products=60, spread=1.0)
    assert_same(problem.found("exact", 20), problem.expected(20))


@pytest.mark.parametrize("kind", KINDS)
def test_a_collapsed_model_ranks_by_the_definition(kind):
    """All vectors nearly or wholly alike: nothing is settled by a bound, and nothing may hang or differ."""
    problem = large_problem(5, q=12, n=300, d=8, products=40, spread=1e-8)
    vectors = np.repeat(problem.queries[:1], 300, axis=0)
    vectors[::3] = np.nextafter(vectors[::3], np.float32(2))
    collapsed = dataclasses.replace(problem, gallery=vectors)
    assert_same(collapsed.found(kind, 20), collapsed.expected(20))


@pytest.mark.parametrize("kind", KINDS)
def test_a_list_of_positives_alone_still_finds_the_best_negative(kind):
    problem = large_problem(6, q=10, n=200, products=2, spread=0.1)
    found, expected = problem.found(kind, 5), problem.expected(5)
    assert found.top_relevant.all(axis=1).any()
    np.testing.assert_array_equal(found.negative_scores, expected.negative_scores)


def test_a_gallery_made_ready_serves_several_searches():
    problem = large_problem(7)
    ready = Gallery(problem.gallery, problem.labels.gallery_products)
    for _ in range(2):
        found = rank(problem.queries, ready, problem.labels, problem.excluded)
        assert_same(found, problem.found("faiss"))


def test_a_gallery_laid_out_for_other_products_is_refused():
    problem = large_problem(7, n=300)
    for products in (None, problem.labels.gallery_products // 2, np.arange(300)):
        other = Gallery(problem.gallery, products)
        with pytest.raises(ValueError, match="laid out by the products of the labels"):
            rank(problem.queries, other, problem.labels, problem.excluded)
    renamed = Gallery(problem.gallery, 9_000 - problem.labels.gallery_products)
    found = rank(problem.queries, renamed, problem.labels, problem.excluded)
    assert_same(found, problem.found("faiss"))


def test_products_without_a_code_match_nothing():
    axes = np.eye(2, dtype=np.float32)
    nothing = matching_pairs(np.array([-1]), np.full(2, -1))
    found = rank(axes[:1], axes, labels_for([-1], [-1, 0]), nothing)
    assert not found.top_relevant.any()
    assert found.positives.tolist() == [0]


@settings(max_examples=25, deadline=None)
@given(problems(), st.sampled_from(KINDS))
def test_ranks_alone_are_those_beside_lists(problem, kind):
    """No list is kept; every rank and score is that of a search with lists."""
    alone, beside = problem.found(kind, 0), problem.found(kind, 10)
    assert alone.top_indices.shape == (len(problem.queries), 0)
    nothing = {f"top_{what}": getattr(alone, f"top_{what}") for what in LISTED}
    assert_same(alone, dataclasses.replace(beside, **nothing))


def test_a_list_of_less_than_nothing_is_refused():
    axes = np.eye(2, dtype=np.float32)
    nothing = matching_pairs(np.array([-1]), np.full(2, -1))
    with pytest.raises(ValueError, match="top is -1; expected the length"):
        rank(axes[:1], axes, labels_for([0], [0, 1]), nothing, top=-1)


@settings(max_examples=80, deadline=None)
@given(problems(), st.integers(1, 30))
def test_the_list_and_the_count_tell_the_same_story(problem, top):
    result = problem.found("faiss", top)
    excluded = problem.excluded
    for i in range(len(problem.queries)):
        hits = np.flatnonzero(result.top_relevant[i])
        every = result.every_positive
        ranks = every.ranks[every.starts[i] : every.starts[i + 1]]
        assert (hits + 1).tolist() == ranks[ranks <= top].tolist()
        listed = result.top_indices[i][result.top_indices[i] >= 0]
        assert len(set(listed.tolist())) == len(listed) == min(top, result.candidates[i])
        assert (np.diff(result.top_scores[i][: len(listed)]) <= 0).all()
        assert not set(listed.tolist()) & set(
            excluded.columns[excluded.starts[i] : excluded.starts[i + 1]].tolist()
        )


def labels_for(query_products, gallery_products):
    return Labels(
        np.array(query_products),
        np.array(gallery_products),
        None,
        None,
        np.arange(len(gallery_products)),
        np.arange(len(query_products)),
    )


def test_the_query_itself_is_excluded_by_identity_and_its_duplicate_product_stays():
    """Dropping 'the first hit' would drop the true positive here, or not, by insertion order."""
    photo = np.array([[1.0, 0.0]], np.float32)
    gallery = np.array([[1.0, 0.0], [1.0, 0.0], [0.6, 0.8]], np.float32)
    for order in ([0, 1, 2], [1, 0, 2]):
        keys = np.array([100, 101, 102])[order]
        labels = labels_for([7], np.array([7, 7, 8])[order])
        result = rank(photo, gallery[order], labels, matching_pairs(np.array([100]), keys))
        assert result.ranks.tolist() == [1]
        assert result.positives.tolist() == [1]
        assert result.candidates.tolist() == [2]


def test_ties_are_pessimistic_and_shown():
    gallery = np.array([[1.0, 0.0]] * 3, np.float32)
    nothing = matching_pairs(np.array([-1]), np.full(3, -1))
    result = rank(gallery[:1], gallery, labels_for([1], [0, 1, 2]), nothing)
    assert (result.ranks.tolist(), result.ranks_optimistic.tolist()) == ([3], [1])
    assert result.top_relevant.tolist()[0][:3] == [False, False, True]


def test_negative_scores_rank_like_others():
    gallery = np.array([[-1.0, 0.0], [-0.8, -0.6]], np.float32)
    nothing = matching_pairs(np.array([-1]), np.full(2, -1))
    query = np.array([[1.0, 0.0]], np.float32)
    result = rank(query, gallery, labels_for([1], [0, 1]), nothing)
    assert result.ranks.tolist() == [1]
    assert result.positive_scores[0] < 0


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_vector_that_is_not_finite_is_an_error_that_names_the_image(bad):
    vectors = np.ones((3, 4), np.float32)
    vectors[1, 2] = bad
    with pytest.raises(EmbeddingError, match=r"image b\.jpg.*not finite"):
        normalise(vectors, ["a.jpg", "b.jpg", "c.jpg"].__getitem__)


def test_a_zero_vector_is_an_error_that_names_the_image():
    vectors = np.ones((3, 4), np.float32)
    vectors[2] = 0
    with pytest.raises(EmbeddingError, match=r"image c\.jpg.*all zero"):
        normalise(vectors, ["a.jpg", "b.jpg", "c.jpg"].__getitem__)


@given(st.floats(1e-300, 1e300), st.integers(1, 8))
def test_length_one_whatever_the_scale(scale, d):
    unit = normalise(np.full((1, d), scale), str)
    np.testing.assert_allclose(np.linalg.norm(unit), 1.0, rtol=1e-6)


@given(
    st.lists(st.integers(-1, 4), min_size=1, max_size=8),
    st.lists(st.integers(-1, 4), min_size=1, max_size=8),
    st.lists(st.integers(-1, 4), min_size=8, max_size=8),
)
def test_pairs_are_sets(left, right, other):
    def as_set(pairs):
        return set(zip(pairs.rows.tolist(), pairs.columns.tolist(), strict=True))

    first = matching_pairs(np.array(left), np.array(right))
    second = matching_pairs(np.array(other[: len(left)]), np.array(right))
    wanted = {(i, j) for i, a in enumerate(left) for j, b in enumerate(right) if a == b != -1}
    assert as_set(first) == wanted
    assert as_set(union(first, second)) == as_set(first) | as_set(second)
    assert as_set(difference(first, second)) == as_set(first) - as_set(second)


@pytest.mark.parametrize("kind", KINDS)
def test_near_ties_are_the_same_from_every_backend_and_block(kind):
    """A score at the edge of the distance is on either side of it, as the backend rounds."""
    rng = np.random.default_rng(5)
    seen = set()
    for _ in range(10):
        problem = large_problem(0, q=10, n=50, d=3)
        # A few float32 steps wide: some pairs are nearer than the distance, some are not.
        near = np.tile(rng.normal(size=3), (60, 1)) + rng.normal(size=(60, 3)) * 3e-4
        unit = normalise(near, str)
        products = rng.integers(0, 6, 60)
        problem = dataclasses.replace(
            problem,
            queries=unit[:10],
            gallery=unit[10:],
            labels=labels_for(products[:10], products[10:]),
            excluded=matching_pairs(np.full(10, -1), np.full(50, -1)),
        )
        expected = problem.expected().near_ties
        seen |= set(expected.tolist())
        for blocks in ((1, 2), (3, 7), (256, 1000)):
            found = problem.found(kind, query_block=blocks[0], gallery_block=blocks[1])
            np.testing.assert_array_equal(found.near_ties, expected)
    assert len(seen) > 10


def test_a_near_tie_is_within_twice_the_error_of_one_score():
    """One score too low and the other too high, each by the error: so far apart two may be and still swap."""
    d = 64
    assert near_tie_distance(d) == 2 * score_error(d)
    cosines = 0.6 - score_error(d) * np.array([0.0, 1.8, 2.2])
    vectors = np.zeros((3, d))
    vectors[:, 0], vectors[:, 1] = cosines, np.sqrt(1 - cosines**2)
    query = np.eye(1, d, dtype=np.float32)
    nothing = matching_pairs(np.array([-1]), np.full(3, -1))
    found = rank(query, normalise(vectors, str), labels_for([0], [0, 1, 2]), nothing)
    assert found.near_ties.tolist() == [1]


@pytest.mark.parametrize("kind", ["faiss", "reduced"])
def test_a_large_family_of_a_collapsed_model_is_ranked_by_the_definition(kind):
    """More images near the family's best than are worth scoring one by one."""
    problem = large_problem(8, q=6, n=300, d=8, products=60, spread=1e-8)
    rng = np.random.default_rng(0)
    near = np.repeat(problem.queries[:1], 300, axis=0) + 1e-7 * rng.normal(size=(300, 8))
    labels = dataclasses.replace(
        problem.labels,
        query_families=problem.labels.query_products % 2,
        gallery_families=problem.labels.gallery_products % 2,
    )
    collapsed = dataclasses.replace(problem, gallery=normalise(near, str), labels=labels)
    assert_same(collapsed.found(kind, 20), collapsed.expected(20))


def test_a_product_with_hundreds_of_images_does_not_need_the_exact_backend():
    problem = large_problem(9, q=8, n=3000, products=5, spread=0.5)
    with ways("torch"), mock.patch.object(ExactBackend, "open", side_effect=AssertionError):
        found = rank(problem.queries, problem.gallery, problem.labels, problem.excluded)
    assert found.positives.min() > 400
    assert_same(found, problem.found("exact"))


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("kind", ["faiss", "torch", "reduced"])
def test_the_number_of_threads_changes_nothing(kind, threads):
    problem = large_problem(10, spread=1.0)
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        found = problem.found(kind, 20, threads=threads)
    finally:
        torch.set_num_threads(before)
    assert_same(found, problem.found("exact"))


def test_the_reduced_copy_of_a_gallery_is_made_once():
    """Made anew in every call, it would eat up what the first pass in bfloat16 wins."""
    problem = large_problem(11, q=80, n=600)
    expected = problem.found("exact", 20)
    ready = Gallery(problem.gallery, problem.labels.gallery_products)
    made, used = [], []

    def make(gallery, device, real=gallery_module.Reduced):
        made.append(device)
        return real(gallery, device)

    def opened(self, queries, real=ReducedBackend.open):
        used.append(len(queries))
        return real(self, queries)

    with (
        mock.patch("pytest_prodbench.retrieval.backends.WORTH_REDUCING", 1.0),
        mock.patch.object(ReducedBackend, "suits", return_value=True),
        mock.patch.object(ReducedBackend, "open", opened),
        mock.patch.object(gallery_module, "Reduced", make),
    ):
        first = rank(problem.queries, ready, problem.labels, problem.excluded)
        search(problem.queries, ready, 5)
        again = rank(problem.queries, ready, problem.labels, problem.excluded)
    assert made == ["cpu"]
    assert used[:3] == [80] * 3
    assert_same(first, expected)
    assert_same(again, expected)
