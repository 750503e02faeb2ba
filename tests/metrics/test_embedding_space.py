"""Facts of a matrix of vectors against eigenvalues and loops."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import skew

from pytest_prodbench.metrics.embedding_space import (
    NEAR_IDENTICAL,
    effective_rank,
    embedding_space,
    hubness,
    near_identical_share,
)


def vectors(seed, n, d, spread=1.0):
    rng = np.random.default_rng(seed)
    made = rng.normal(size=(n, d)) * spread ** np.arange(d) + 0.5
    return (made / np.linalg.norm(made, axis=1, keepdims=True)).astype(np.float32)


@settings(max_examples=80, deadline=None)
@given(
    st.integers(0, 2**32 - 1), st.integers(2, 40), st.integers(2, 40), st.sampled_from([1.0, 0.7])
)
def test_the_effective_rank_is_the_participation_ratio_of_the_eigenvalues(seed, n, d, spread):
    gallery = vectors(seed, n, d, spread)
    values = np.linalg.eigvalsh(np.cov(gallery.astype(np.float64), rowvar=False).reshape(d, d))
    found = effective_rank(gallery)
    assert found == pytest.approx(values.sum() ** 2 / (values**2).sum(), rel=1e-9)
    assert 1 - 1e-9 <= found <= min(d, n - 1) + 1e-9
    order = np.random.default_rng(seed).permutation(n)
    assert effective_rank(gallery[order]) == pytest.approx(found, rel=1e-12)
    assert effective_rank(np.concatenate([gallery, gallery])) == pytest.approx(found, rel=1e-12)


@pytest.mark.parametrize(("n", "d"), [(50, 8), (8, 50)])
def test_blocks_change_nothing(monkeypatch, n, d):
    gallery = vectors(1, n, d)
    whole = effective_rank(gallery)
    monkeypatch.setattr("pytest_prodbench.metrics.embedding_space.BLOCK", 3)
    assert effective_rank(gallery) == pytest.approx(whole, rel=1e-12)


def test_directions_used_alike_are_counted_and_a_line_is_one():
    cross = np.concatenate([np.eye(6), -np.eye(6)]).astype(np.float32)
    assert effective_rank(cross) == pytest.approx(6.0)
    line = np.outer(np.linspace(-1, 1, 9), np.ones(5)).astype(np.float32)
    assert effective_rank(line) == pytest.approx(1.0)


@pytest.mark.parametrize("n", [0, 1, 7, 300])
def test_equal_vectors_have_no_spread_to_speak_of(n):
    assert np.isnan(effective_rank(np.repeat(vectors(3, 1, 64), n, axis=0)))


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 30), st.integers(1, 20))
def test_hubness_is_the_skewness_of_the_counts(seed, n, q):
    rng = np.random.default_rng(seed)
    lists = np.stack([np.resize(rng.permutation(n), 10) for _ in range(q)])
    lists[:, n:] = -1
    times = [int((lists == column).sum()) for column in range(n)]
    found = hubness(lists, n)
    if len(set(times)) == 1:
        assert np.isnan(found)
    else:
        assert found == pytest.approx(skew(times), abs=1e-9)
        relabelled = rng.permutation(n)
        again = hubness(np.where(lists >= 0, relabelled[lists], -1), n)
        assert again == pytest.approx(found, abs=1e-9)


def test_a_hub_shows():
    rng = np.random.default_rng(0)
    even = rng.integers(0, 100, (200, 10))
    hub = even.copy()
    hub[:, 0] = 7
    assert abs(hubness(even, 100)) < 1
    assert hubness(hub, 100) > 5


def test_near_identical_counts_from_the_threshold_on():
    limit = np.float32(NEAR_IDENTICAL)
    below = np.nextafter(limit, np.float32(0))
    assert near_identical_share(np.array([1, limit, below, -1], np.float32)) == 0.5
    assert np.isnan(near_identical_share(np.zeros(0, np.float32)))


def test_all_facts_of_a_gallery():
    gallery = vectors(5, 30, 12)
    lists = np.random.default_rng(2).integers(0, 30, (9, 10))
    space = embedding_space(gallery, lists, np.array([0.5, 1.0], np.float32))
    assert (space.dimension, space.bytes_per_vector) == (12, gallery[0].nbytes)
    assert space.effective_rank == effective_rank(gallery)
    assert space.hubness == hubness(lists, 30)
    assert space.near_identical == 0.5
