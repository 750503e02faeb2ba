"""The first pass in 8-bit integers where its numbers are extreme: of collapsed models, of few components."""

from unittest import mock

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from vector_problems import ways

from pytest_prodbench.retrieval import (
    Gallery,
    int8,
    integer_products,
    normalise,
    quantised,
    search,
)
from pytest_prodbench.retrieval.blocks import ArrayBlock
from pytest_prodbench.retrieval.bounds import NEVER, Bounds
from pytest_prodbench.retrieval.head import Head
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
    with mock.patch.object(quantised, "SEGMENT", 8):
        backend = Int8Backend(Gallery(vectors))
        assert (backend.quantised.steps == 1.0).all()
        assert not backend.quantised.tensor.any()
        centred = vectors.astype(np.float64) - backend.quantised.mean
        most = np.linalg.norm(centred, axis=1).max()
        assert min(backend.quantised.norms.min(), backend.quantised.residuals.min()) >= most > 0.0
        with ways("int8"):
            rows, scores = search(vectors[:5], vectors, 9)
    assert (rows == np.arange(9)).all()
    assert (scores == 1.0).all()


def test_the_callers_default_device_is_not_that_of_the_cpus_integers():
    unit = normalise(np.random.default_rng(4).normal(size=(300, 16)), str)
    with ways("exact"):
        expected = search(unit[:5], unit, 9)
    before = integer_products.are_exact()
    try:
        for ask in (integer_products.are_exact, integer_products.are_fast):
            ask.cache_clear()
        integer_products._proven.clear()
        with torch.device("meta"):
            assert integer_products.are_exact() == before
            integer_products.are_fast()
            with ways("int8"):
                found = search(unit[:5], unit, 9)
    finally:
        for ask in (integer_products.are_exact, integer_products.are_fast):
            ask.cache_clear()
    np.testing.assert_array_equal(found[0], expected[0])
    np.testing.assert_array_equal(found[1], expected[1])


def vectors_of(kind, d, rng):
    """Vectors (40, d) of large or small residuals, norms or offsets, or unlike ones."""
    some = rng.normal(size=(40, d))
    if kind == "a step off in float32 alone":
        numbers = rng.integers(-126, 127, (20, d)).astype(np.float32)
        numbers[:, 0] = 127.0
        half = numbers * (np.float32(0.3) / np.float32(127.0))
        # Their mean is 0.
        return np.concatenate([half, -half])
    if kind == "rounded up":
        # Longer than they were, and beside them others that lose as much as may be.
        some[:20] = 0.51
        some[:20, 0] = 127.0
        some[20:] = 0.45 * np.sign(some[20:])
        some[np.arange(20, 40), np.arange(20) % d] = 127.0
    if kind == "of many sizes":
        some[:, 0] += rng.choice([0.0, 3.0, 300.0], 40)
    if kind == "nearly alike":
        some = some[:1] + 1e-6 * some
    return normalise(some, str)


@pytest.mark.parametrize("d", [1, 2, 16, 1000])
@pytest.mark.parametrize(
    "kind",
    ["a step off in float32 alone", "rounded up", "of many sizes", "nearly alike", "plain"],
)
def test_the_bound_is_no_less_than_the_sum_of_its_parts(kind, d):
    """Each part is measured in float64; a score alone would seldom need all of them."""
    vectors = vectors_of(kind, d, np.random.default_rng(d))
    with mock.patch.object(quantised, "SEGMENT", 8):
        backend = Int8Backend(Gallery(vectors))
        opened = backend.open(vectors)
        known = backend.quantised
        near = opened._steps[:, None] * opened._codes.double().numpy()
        left = np.linalg.norm(vectors - near, axis=1)
        size = np.linalg.norm(near, axis=1)
        offset = vectors.astype(np.float64) @ known.mean.astype(np.float64)
        np.testing.assert_allclose(opened._offset, offset, rtol=0, atol=1e-13)
        for segment, (start, stop) in enumerate(backend.blocks(8)):
            centred = backend.gallery.part(start, stop) - known.mean.astype(np.float64)
            copy = known.steps[segment] * known.tensor[start:stop].double().numpy()
            norm = np.linalg.norm(centred, axis=1).max()
            residual = np.linalg.norm(centred - copy, axis=1).max()
            assert known.norms[segment] >= norm
            assert known.residuals[segment] >= residual
            least = size * residual + left * norm
            roundings = 4 * size * np.linalg.norm(copy, axis=1).max() + 2 * np.abs(offset)
            room = 2.0**-24 * roundings + 2.0**-24 + 2.0**-31
            assert (opened.bounds(start).error >= least + room).all()


def test_the_bound_has_room_for_each_rounding_where_there_is_no_residual():
    alike = np.tile(np.eye(1, 4, dtype=np.float32), (9, 1))
    opened = Int8Backend(Gallery(alike)).open(np.eye(2, 4, dtype=np.float32))
    similarity = 2.0**-24 + 2.0**-31
    found, least = opened.bounds(0).error, np.array([2.0**-21 + similarity, similarity])
    assert (found >= least).all()
    np.testing.assert_allclose(found, least, rtol=1e-8)
    nothing = Int8Backend(Gallery(alike)).open(np.zeros((1, 4), np.float32))
    assert nothing.bounds(0).error.tolist() == pytest.approx([similarity])


def test_the_mean_is_multiplied_in_float64():
    vectors = normalise(np.random.default_rng(7).random((50, 4096)) + 1.0, str)
    backend = Int8Backend(Gallery(vectors))
    exact = vectors.astype(np.float64) @ backend.quantised.mean.astype(np.float64)
    np.testing.assert_allclose(backend.open(vectors)._offset, exact, rtol=1e-13)


def test_an_interval_is_rounded_outwards():
    bounds = Bounds(np.array([2.0**-40]), 0.0)
    low, high = bounds.between(np.zeros(2, np.int64), np.float32([0.5, -0.25]))
    assert (low.astype(np.float64) <= np.array([0.5, -0.25]) - 2.0**-40).all()
    assert (high.astype(np.float64) >= np.array([0.5, -0.25]) + 2.0**-40).all()


@pytest.mark.parametrize("shift", [-0.3, 0.3])
def test_scores_off_to_either_side_are_noticed(shift):
    unit = normalise(np.random.default_rng(8).normal(size=(300, 16)), str)
    with ways("exact"):
        expected = search(unit[:20], unit, 5)
    real = int8._Int8Queries.block

    def off(self, start, stop, group):
        found = real(self, start, stop, group)
        found._offset = found._offset + np.float32(shift)
        return found

    with (
        ways("int8"),
        mock.patch.object(int8._Int8Queries, "block", off),
        pytest.warns(RuntimeWarning, match="no result is affected"),
    ):
        found = search(unit[:20], unit, 5)
    np.testing.assert_array_equal(found[0], expected[0])


@pytest.mark.parametrize("more", [0, 1])
@pytest.mark.parametrize("parts", [[40], [39, 1], [1, 39]])
def test_candidates_are_kept_as_long_as_there_is_room_for_the_last_of_them(parts, more):
    """One more, and none of that block is: the query is handed on, not listed in part."""
    exact = np.full((1, sum(parts) + more), 0.5, np.float32)
    parts = [*parts[:-1], parts[-1] + more]
    with mock.patch("pytest_prodbench.retrieval.head.NEEDED", 32):
        head = Head(1, 1, 8.0, lambda rows, places: exact[rows, places])
        start = 0
        for width in parts:
            block = ArrayBlock(exact[:, start : start + width].copy(), 1)
            head.add(block, start, Bounds(np.array([1e-3]), 0.0))
            start += width
    assert head.open_scores.tolist() == [8 + more]
    assert head.size == (sum(parts[:-1]) if more else 40)
    if not more:
        assert head.settled()[1].tolist() == list(range(40))


def test_integers_are_chosen_where_they_are_exact_fast_and_of_a_dimension_that_is_bounded():
    for exact, fast in ((True, True), (True, False), (False, True)):
        with (
            mock.patch.object(int8, "are_exact", return_value=exact),
            mock.patch.object(int8, "are_fast", return_value=fast),
        ):
            assert Int8Backend.suits(int8.LARGEST_DIMENSION) == (exact and fast)
            assert not Int8Backend.suits(int8.LARGEST_DIMENSION + 1)
    vnni, amx = {"avx512_vnni": True}, {"avx512_vnni": True, "amx_bf16": True}
    for able, seconds, fast in (
        (vnni, [1.0, 1.5, 1.5], True),
        ({"avx_vnni": True}, [1.0, 1.5, 1.5], True),
        (vnni, [1.0, 1.5, 1.3], False),
        (vnni, [1.0, 1.3, 1.5], False),
        (amx, [1.0, 1.5, 1.5], False),
        ({"neon": True}, [1.0, 1.5, 1.5], False),
    ):
        with (
            mock.patch.object(torch.cpu, "get_capabilities", return_value=able, create=True),
            mock.patch.object(integer_products, "_seconds", side_effect=seconds),
        ):
            assert integer_products.are_fast.__wrapped__() == fast
    with mock.patch.object(torch.cpu, "get_capabilities", None, create=True):
        assert not integer_products.are_fast.__wrapped__()
