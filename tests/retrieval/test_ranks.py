"""Ranks against a naive oracle that is written from the definition, one pair at a time."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_prodbench.errors import EmbeddingError
from pytest_prodbench.protocol import NO_RANK
from pytest_prodbench.retrieval import Labels, matching_pairs, normalise, rank, union
from pytest_prodbench.retrieval.backends import score_error
from pytest_prodbench.retrieval.exclusion import difference


def oracle(queries, gallery, query_products, gallery_products, families, excluded):
    """(rank, optimistic, product rank, family rank, R) of each query, from the definition."""

    def score(i, j):
        return np.float32(
            math.fsum(float(a) * float(b) for a, b in zip(queries[i], gallery[j], strict=True))
        )

    results = []
    for i in range(len(queries)):
        allowed = [j for j in range(len(gallery)) if (i, j) not in excluded]
        scores = {j: score(i, j) for j in allowed}
        positives = [j for j in allowed if gallery_products[j] == query_products[i]]
        if not positives:
            results.append((NO_RANK,) * 3 + (family_rank(i, allowed, scores, families), 0))
            continue
        best = max(scores[j] for j in positives)
        negatives = [j for j in allowed if j not in positives]
        ahead = {gallery_products[j] for j in negatives if scores[j] >= best}
        results.append(
            (
                1 + sum(scores[j] >= best for j in negatives),
                1 + sum(scores[j] > best for j in negatives),
                1 + len(ahead),
                family_rank(i, allowed, scores, families),
                len(positives),
            )
        )
    return results


def family_rank(i, allowed, scores, families):
    query_families, gallery_families = families
    same = [j for j in allowed if gallery_families[j] == query_families[i]]
    if not same:
        return NO_RANK
    best = max(scores[j] for j in same)
    return 1 + sum(scores[j] >= best for j in allowed if j not in same)


@st.composite
def problems(draw):
    """Few directions, so that exact ties, duplicates and near ties are common."""
    seed = draw(st.integers(0, 2**32 - 1))
    q, n = draw(st.integers(1, 9)), draw(st.integers(1, 25))
    d = draw(st.sampled_from([1, 2, 3, 16]))
    kind = draw(st.sampled_from(["coarse", "random", "near"]))
    rng = np.random.default_rng(seed)
    vectors = rng.integers(-1, 2, (q + n, d)).astype(np.float64)
    if kind == "random":
        vectors = rng.normal(size=(q + n, d))
    if kind == "near":
        vectors = vectors + rng.normal(size=vectors.shape) * 1e-7
    vectors[~vectors.any(axis=1)] = 1.0
    unit = normalise(vectors.astype(np.float32), str)
    products = rng.integers(0, draw(st.integers(1, 8)), q + n)
    families = products // 2
    keys = rng.integers(-1, 6, q + n)
    return (
        unit[:q],
        unit[q:],
        products[:q],
        products[q:],
        families[:q],
        families[q:],
        keys[:q],
        keys[q:],
    )


def labels_of(problem):
    _, gallery, qp, gp, qf, gf, _, _ = problem
    return Labels(qp, gp, qf, gf, np.arange(len(gallery)))


@settings(max_examples=150, deadline=None)
@given(problems(), st.sampled_from(["torch", "faiss"]), st.integers(1, 5), st.integers(1, 9))
def test_ranks_agree_with_the_definition(problem, backend, query_block, gallery_block):
    queries, gallery, qp, gp, qf, gf, qk, gk = problem
    excluded = matching_pairs(qk, gk)
    pairs = set(zip(excluded.rows.tolist(), excluded.columns.tolist(), strict=True))
    result = rank(
        queries,
        gallery,
        labels_of(problem),
        excluded,
        top=4,
        backend=backend,
        query_block=query_block,
        gallery_block=gallery_block,
    )
    expected = oracle(queries, gallery, qp, gp, (qf, gf), pairs)
    assert result.family_ranks is not None
    found = list(
        zip(
            result.ranks.tolist(),
            result.ranks_optimistic.tolist(),
            result.product_ranks.tolist(),
            result.family_ranks.tolist(),
            result.positives.tolist(),
            strict=True,
        )
    )
    assert found == expected
    assert (result.ranks_optimistic <= result.ranks).all()
    assert (result.product_ranks <= result.ranks).all()


@settings(max_examples=80, deadline=None)
@given(problems(), st.randoms(use_true_random=False))
def test_gallery_order_changes_nothing(problem, random):
    queries, gallery, qp, gp, qf, gf, qk, gk = problem
    order = list(range(len(gallery)))
    random.shuffle(order)
    one = rank(queries, gallery, labels_of(problem), matching_pairs(qk, gk), top=5, backend="faiss")
    shuffled = Labels(qp, gp[order], qf, gf[order], np.arange(len(gallery))[order])
    two = rank(
        queries, gallery[order], shuffled, matching_pairs(qk, gk[order]), top=5, backend="torch"
    )
    for name in ("ranks", "ranks_optimistic", "product_ranks", "family_ranks", "positives"):
        np.testing.assert_array_equal(getattr(one, name), getattr(two, name))
    np.testing.assert_array_equal(one.top_scores, two.top_scores)
    back = np.where(two.top_indices < 0, -1, np.asarray(order)[two.top_indices])
    np.testing.assert_array_equal(one.top_indices, back)


@settings(max_examples=80, deadline=None)
@given(problems(), st.integers(1, 30))
def test_the_list_and_the_count_tell_the_same_story(problem, top):
    queries, gallery, *_, qk, gk = problem
    excluded = matching_pairs(qk, gk)
    result = rank(queries, gallery, labels_of(problem), excluded, top=top, backend="faiss")
    for i in range(len(queries)):
        hits = np.flatnonzero(result.top_relevant[i])
        if result.ranks[i] <= top:
            assert hits[0] + 1 == result.ranks[i]
        else:
            assert not len(hits)
        listed = result.top_indices[i][result.top_indices[i] >= 0]
        assert len(set(listed.tolist())) == len(listed) == min(top, result.candidates[i])
        scores = result.top_scores[i][: len(listed)]
        assert (np.diff(scores) <= 0).all()
        assert not set(listed.tolist()) & set(
            excluded.columns[excluded.starts[i] : excluded.starts[i + 1]].tolist()
        )


def test_the_query_itself_is_excluded_by_identity_and_its_duplicate_product_stays():
    """Dropping 'the first hit' would drop the true positive here, or not, by insertion order."""
    photo = np.array([[1.0, 0.0]], np.float32)
    gallery = np.array([[1.0, 0.0], [1.0, 0.0], [0.6, 0.8]], np.float32)
    for order in ([0, 1, 2], [1, 0, 2]):
        products = np.array([7, 7, 8])[order]
        keys = np.array([100, 101, 102])[order]
        labels = Labels(np.array([7]), products, None, None, np.arange(3))
        result = rank(photo, gallery[order], labels, matching_pairs(np.array([100]), keys))
        assert result.ranks.tolist() == [1]
        assert result.positives.tolist() == [1]
        assert result.candidates.tolist() == [2]


def test_ties_are_pessimistic_and_shown():
    gallery = np.array([[1.0, 0.0]] * 3, np.float32)
    labels = Labels(np.array([1]), np.array([0, 1, 2]), None, None, np.arange(3))
    result = rank(gallery[:1], gallery, labels, matching_pairs(np.array([-1]), np.full(3, -1)))
    assert (result.ranks.tolist(), result.ranks_optimistic.tolist()) == ([3], [1])
    assert result.top_relevant.tolist()[0][:3] == [False, False, True]


def test_negative_scores_rank_like_others():
    gallery = np.array([[-1.0, 0.0], [-0.8, -0.6]], np.float32)
    labels = Labels(np.array([1]), np.array([0, 1]), None, None, np.arange(2))
    result = rank(
        np.array([[1.0, 0.0]], np.float32),
        gallery,
        labels,
        matching_pairs(np.array([-1]), np.full(2, -1)),
    )
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


def test_near_ties_are_the_same_from_every_backend_and_block():
    """A score at the edge of the float32 error is on either side of it, as the backend rounds."""
    rng = np.random.default_rng(5)
    error = score_error(3)
    for _ in range(20):
        near = np.tile(rng.normal(size=3), (60, 1)) + rng.normal(size=(60, 3)) * 1e-7
        unit = normalise(near, str)
        queries, gallery = unit[:10], unit[10:]
        products = rng.integers(0, 6, 60)
        labels = Labels(products[:10], products[10:], None, None, np.arange(50))
        nothing = matching_pairs(np.full(10, -1), np.full(50, -1))
        exact = (queries.astype(np.float64) @ gallery.astype(np.float64).T).astype(np.float32)
        positive = products[:10, None] == products[None, 10:]
        best = np.where(positive, exact, -np.inf).max(axis=1, keepdims=True).astype(np.float64)
        expected = ((np.abs(exact - best) <= error) & ~positive).sum(axis=1)
        for backend in ("faiss", "torch"):
            for blocks in ((1, 2), (3, 7), (256, 1000)):
                found = rank(
                    queries,
                    gallery,
                    labels,
                    nothing,
                    backend=backend,
                    query_block=blocks[0],
                    gallery_block=blocks[1],
                )
                np.testing.assert_array_equal(found.near_ties, expected)
