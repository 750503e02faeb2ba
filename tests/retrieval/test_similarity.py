"""The similarity of the protocol: the exact inner product, rounded once, whatever sums come before."""

import contextlib
from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from vector_problems import similarity

from pytest_prodbench.retrieval import Gallery, normalise
from pytest_prodbench.retrieval import similarities as similarities_module
from pytest_prodbench.retrieval.backends import ExactBackend
from pytest_prodbench.retrieval.exact import exact_scores
from pytest_prodbench.retrieval.similarities import Similarities


@settings(deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 9), st.integers(1, 30))
def test_similarities_are_rounded_once(seed, d, pairs):
    rng = np.random.default_rng(seed)
    raw = rng.choice([rng.normal(size=(40, d)), rng.integers(-2, 3, (40, d))])
    raw[~raw.any(axis=1)] = 1.0
    unit = normalise(raw.astype(np.float32), str)
    rows = np.sort(rng.integers(0, 3, pairs))
    columns = rng.integers(0, 40, pairs)
    found = exact_scores(unit, unit, rows, columns)
    expected = [similarity(unit[i], unit[j]) for i, j in zip(rows, columns, strict=True)]
    np.testing.assert_array_equal(found, expected)


def test_a_sum_at_the_middle_between_two_numbers_is_decided_exactly():
    """2⁻³¹ and a last bit: float64 sums in some orders lose the bit and round the other way."""
    tiny = np.float32(2.0**-60)
    for sign, expected in ((1, 2.0**-30), (-1, 0.0)):
        left = np.array([[2.0**-31, tiny * sign, 1.0]], np.float32)
        right = np.array([[1.0, 1.0, 0.0]], np.float32)
        assert exact_scores(left, right, np.array([0]), np.array([0])).tolist() == [expected]


@pytest.mark.parametrize(
    ("low", "gap"), [(0.0, 2.0**-30), (2.0**-30, 2.0**-30), (0.5, 2.0**-24), (-0.25, 2.0**-26)]
)
@pytest.mark.parametrize("beside", [-1.0, 1.0])
def test_what_no_float64_can_tell_from_the_middle_is_rounded_once_too(low, gap, beside):
    """2⁻¹⁰⁰ beside the middle: rounded to float64 first, it would be the middle itself."""
    left = np.array([[low, gap / 2, beside * 2.0**-50]], np.float32)
    right = np.array([[1.0, 1.0, 2.0**-50]], np.float32)
    found = exact_scores(left, right, np.array([0]), np.array([0]))
    assert found.tolist() == [low if beside < 0 else low + gap]
    assert found[0] == similarity(left[0], right[0])


@pytest.mark.parametrize("d", [2, 768])
def test_a_similarity_of_nothing_has_no_sign(d):
    """−0 would come and go with the order of summation, and change the bytes of the evidence."""
    left, right = np.zeros((1, d), np.float32), np.zeros((1, d), np.float32)
    left[0, 0], right[0, 0] = -(2.0**-40), 1.0
    for found in (
        exact_scores(left, right, np.zeros(9, np.int64), np.zeros(9, np.int64)),
        ExactBackend(Gallery(right)).open(left).block(0, 1, 1).largest(1)[0],
    ):
        assert not found.any()
        assert not np.signbit(found).any()


def test_the_exact_backend_gives_similarities():
    rng = np.random.default_rng(0)
    unit = normalise(rng.integers(-1, 2, (70, 5)).astype(np.float32) + np.float32(0.001), str)
    opened = ExactBackend(Gallery(unit)).open(unit[:9])
    hits = opened.block(0, 70, 1).at_least(np.full(9, -2, np.float32))
    np.testing.assert_array_equal(hits.scores, exact_scores(unit, unit, hits.rows, hits.columns))


@pytest.mark.parametrize("numpy_1", [False, True])
@settings(deadline=None, max_examples=25)
@given(
    st.integers(0, 2**32 - 1),
    st.integers(1, 9),
    st.lists(st.integers(0, 600), min_size=3, max_size=3),
)
def test_whoever_adds_up_the_similarities_are_the_same(numpy_1, seed, d, runs):
    """On a device, or by another function of numpy; in any order of the gallery."""
    rng = np.random.default_rng(seed)
    unit = normalise(rng.integers(-2, 3, (40, d)).astype(np.float32) + np.float32(0.125), str)
    rows = np.repeat(np.arange(3), runs)
    columns = rng.integers(0, 40, len(rows))
    expected = exact_scores(unit, unit, rows, columns)
    gallery = Gallery(unit, rng.integers(0, 9, 40))
    with contextlib.ExitStack() as stack:
        stack.enter_context(mock.patch.object(similarities_module, "ON_DEVICE_AT_ONCE", 7))
        if numpy_1 and hasattr(np, "vecdot"):
            stack.enter_context(mock.patch.object(np, "vecdot"))
            del np.vecdot
        # By its other name the CPU is a device like others.
        for device in ("cpu", "cpu:0"):
            of = Similarities(unit, gallery, device=device)
            np.testing.assert_array_equal(of(rows, columns), expected)
            some = np.array([2, 0])
            where = np.flatnonzero(rows != 1)
            again = of.of(some)(np.where(rows[where] == 2, 0, 1), columns[where])
            np.testing.assert_array_equal(again, expected[where])
