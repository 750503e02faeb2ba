"""The first pass in 8-bit integers where its numbers are extreme: of collapsed models, of few components."""

from unittest import mock

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st
from vector_problems import ways

from pytest_prodbench.retrieval import Gallery, int8, normalise, search
from pytest_prodbench.retrieval.bounds import NEVER
from pytest_prodbench.retrieval.int8 import EXCLUDED, Int8Backend, Int8Block


@given(
    st.integers(0, 2**32 - 1),
    st.floats(-18, 0),
    st.sampled_from([0.0, 1.0, -1.0, 0.3, 1e-9]),
    st.sampled_from([1, 10**4, 2 * 10**8]),
)
def test_a_limit_is_found_among_integers_however_many_of_them_are_one_score(
    seed, exponent, offset, largest
):
    """Of a collapsed model millions of integers in a row are; one by one it would take hours."""
    rng = np.random.default_rng(seed)
    integers = rng.integers(-largest, largest + 1, (6, 40)).astype(np.int32)
    scale = np.full(6, 10.0**exponent, np.float32)
    shift = np.full(6, offset, np.float32)
    scores = integers.astype(np.float32) * scale[:, None] + shift[:, None]
    limits = scores[:, 0].copy()
    limits[1] = np.nextafter(limits[1], np.float32(9))
    limits[2] = np.nextafter(limits[2], np.float32(-9))
    limits[3:] = rng.choice([NEVER, -2.0, -np.inf, np.inf, offset], 3)
    integers[:, 7] = EXCLUDED
    scores[:, 7] = np.nan
    block = Int8Block(torch.from_numpy(integers), 1, scale, shift)
    with mock.patch.object(
        Int8Block, "_floats", autospec=True, side_effect=Int8Block._floats
    ) as asked:
        exceeding = block._exceeding(np.arange(6), limits)
        reaching = block._reaching(np.arange(6), limits)
    np.testing.assert_array_equal(exceeding, scores > limits[:, None])
    np.testing.assert_array_equal(reaching, scores >= limits[:, None])
    assert asked.call_count < 300


def test_images_that_differ_by_subnormal_numbers_have_an_ordinary_step():
    vectors = np.zeros((300, 5), np.float32)
    vectors[:, 0] = 1.0
    vectors[:, 1:] = np.random.default_rng(3).integers(-200, 200, (300, 4)) * np.float32(1e-45)
    with mock.patch.object(int8, "SEGMENT", 8):
        backend = Int8Backend(Gallery(vectors))
        assert (backend.quantised.steps == 1.0).all()
        assert not backend.quantised.tensor.any()
        with ways("int8"):
            rows, scores = search(vectors[:5], vectors, 9)
    assert (rows == np.arange(9)).all()
    assert (scores == 1.0).all()


def test_the_callers_default_device_is_not_that_of_the_cpus_integers():
    unit = normalise(np.random.default_rng(4).normal(size=(300, 16)), str)
    with ways("exact"):
        expected = search(unit[:5], unit, 9)
    before = int8.are_exact()
    try:
        for ask in (int8.are_exact, int8._are_fast):
            ask.cache_clear()
        int8._proven.clear()
        with torch.device("meta"):
            assert int8.are_exact() == before
            int8._are_fast()
            with ways("int8"):
                found = search(unit[:5], unit, 9)
    finally:
        for ask in (int8.are_exact, int8._are_fast):
            ask.cache_clear()
    np.testing.assert_array_equal(found[0], expected[0])
    np.testing.assert_array_equal(found[1], expected[1])
