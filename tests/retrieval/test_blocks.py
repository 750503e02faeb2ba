"""What a block answers, against the plain comparison; what a bound promises, against arithmetic."""

import itertools
from fractions import Fraction
from unittest import mock

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from vector_problems import KINDS, SEARCHES, similarity, ways

from pytest_prodbench.retrieval import Gallery, matching_pairs, normalise, search
from pytest_prodbench.retrieval import products as products_module
from pytest_prodbench.retrieval.backends import (
    BFLOAT16_ROUNDOFF,
    FaissBackend,
    Float32Backend,
    backends_in_turn,
    choose_backend,
    gamma,
    score_error,
)
from pytest_prodbench.retrieval.bfloat16 import Bfloat16Block, codes_of, widen
from pytest_prodbench.retrieval.blocks import ArrayBlock, group_size
from pytest_prodbench.retrieval.bounds import NEVER, Bounds
from pytest_prodbench.retrieval.device_block import DeviceBlock
from pytest_prodbench.retrieval.exact import exact_scores
from pytest_prodbench.retrieval.int8 import Int8Backend, Int8Block
from pytest_prodbench.retrieval.torch_backends import DeviceBackend, ReducedBackend

special = st.sampled_from([0.0, -0.0, 1e-40, -1e-40, 0.5, -0.5, 1.0, -1.0])


def as_integers(values):
    """Integers near some scores, beyond what float32 tells apart too, and what makes scores of them again."""
    rows = np.arange(len(values), dtype=np.float32)[:, None]
    scale, offset = np.float32(0.3) / (3.0 ** (3 * rows)), np.float32(0.1) * rows
    return np.rint((values - offset) / scale).astype(np.int32), scale[:, 0], offset[:, 0]


def scores_of(kind, values):
    """Scores that a block of this kind can hold."""
    if kind != "int8":
        return torch.from_numpy(values).to(torch.bfloat16).float().numpy()
    integers, scale, offset = as_integers(values)
    return integers.astype(np.float32) * scale[:, None] + offset[:, None]


def block_of(kind, values, group):
    tensor = torch.from_numpy(values.copy())
    if kind == "bfloat16":
        return Bfloat16Block(tensor.to(torch.bfloat16), group)
    if kind == "device, bfloat16":
        return DeviceBlock(tensor.to(torch.bfloat16))
    if kind == "int8":
        integers, scale, offset = as_integers(values)
        return Int8Block(torch.from_numpy(integers), group, scale, offset)
    return {
        "array": lambda: ArrayBlock(values.copy(), group),
        "device": lambda: DeviceBlock(tensor),
    }[kind]()


def has_room(counts, room):
    return True if room is None else (counts <= room)[:, None]


@settings(max_examples=250, deadline=None)
@given(
    st.sampled_from(["array", "bfloat16", "device", "device, bfloat16", "int8"]),
    st.integers(0, 2**32 - 1),
    st.integers(1, 6),
    st.integers(1, 300),
    st.sampled_from([1, 2, 8, 64]),
    st.lists(special, min_size=6, max_size=6),
    st.sampled_from([0.002, 0.05, 3.0]),
    st.sampled_from([0.0, -1.0, -0.7, 0.7]),
)
def test_a_block_answers_as_the_plain_comparison_does(
    kind, seed, rows, width, group, odd, gap, middle
):
    rng = np.random.default_rng(seed)
    # Far below 0 no group has a positive score.
    values = rng.normal(middle, 0.4, (rows, width)).astype(np.float32)
    values[rng.random(values.shape) < 0.1] = rng.choice(odd)
    values = scores_of(kind, values)
    block = block_of(kind, values, group)
    out = rng.random(values.shape) < 0.05
    block.exclude(*out.nonzero())
    values[out] = -np.inf
    # Limits between, at, and far from the scores; also one that nothing reaches.
    low = np.array([rng.choice(values[i]) for i in range(rows)], np.float32)
    low = np.where(np.isfinite(low), low, np.float32(odd[0]))
    low = np.where(rng.random(rows) < 0.5, low, np.nextafter(low, np.float32(2)))
    low = np.where(rng.random(rows) < 0.1, NEVER, low)
    high = np.maximum(low, low + np.float32(gap) * (rng.random(rows) < 0.7)).astype(np.float32)
    np.testing.assert_array_equal(block.above(low), (values > low[:, None]).sum(axis=1))
    # Rows with room for all, for some, and with less than none.
    rooms = (None, rng.choice([-3.0, 0.0, 2.0, 20.0, np.inf], rows))
    for room in rooms:
        hits = block.at_least(low, room)
        reaching = values >= low[:, None]
        np.testing.assert_array_equal(hits.counts, reaching.sum(axis=1))
        expected = (reaching & has_room(hits.counts, room)).nonzero()
        np.testing.assert_array_equal(hits.rows, expected[0])
        np.testing.assert_array_equal(hits.columns, expected[1])
        np.testing.assert_array_equal(hits.scores, values[expected])
        band = block.count(low, high, room)
        np.testing.assert_array_equal(band.above, (values > high[:, None]).sum(axis=1))
        between = reaching & (values <= high[:, None])
        np.testing.assert_array_equal(band.counts, between.sum(axis=1))
        expected = (between & has_room(band.counts, room)).nonzero()
        assert sorted(zip(band.rows.tolist(), band.columns.tolist(), strict=True)) == list(
            zip(*(part.tolist() for part in expected), strict=True)
        )
    for m in (1, 5):
        largest = np.sort(block.largest(m), axis=1)[:, ::-1]
        truth = np.sort(values, axis=1)[:, ::-1][:, : largest.shape[1]]
        assert largest.shape[1] <= m
        assert (largest <= truth).all()
        np.testing.assert_array_equal(largest[:, :1], truth[:, :1])


@settings(max_examples=250, deadline=None)
@given(
    st.sampled_from(["array", "bfloat16", "device", "device, bfloat16", "int8"]),
    st.integers(0, 2**32 - 1),
    st.integers(1, 6),
    st.lists(st.integers(1, 40), min_size=1, max_size=20),
    st.sampled_from([0, 2, 32, 10**9]),
    st.sampled_from([1, 100, 10**6]),
)
def test_products_above_are_those_of_a_set(kind, seed, rows, lengths, listing, at_once):
    """Whether scores are listed or scanned, whatever the lengths of the runs."""
    rng = np.random.default_rng(seed)
    codes = np.repeat(np.sort(rng.choice(100, len(lengths), replace=False)), lengths)
    values = rng.normal(0.0, 0.4, (rows, len(codes))).astype(np.float32)
    values[rng.random(values.shape) < 0.2] = 0.0
    values = scores_of(kind, values)
    block = block_of(kind, values, 8)
    assert block.width == len(codes)
    limits = np.quantile(values, rng.choice([0.0, 0.5, 0.9, 1.0], rows), axis=None)
    limits = np.where(rng.random(rows) < 0.3, 0.0, limits).astype(np.float32)
    exceeding = values > limits[:, None]
    above = np.where(rng.random(rows) < 0.2, 0, exceeding.sum(axis=1))
    expected = [
        set(codes[mask].tolist()) if some else set()
        for mask, some in zip(exceeding, above, strict=True)
    ]
    pair_rows, columns = rng.integers(0, rows, 30), rng.integers(0, len(codes), 30)
    with (
        mock.patch.object(products_module, "LISTING", listing),
        mock.patch.object(products_module, "SCANNED_AT_ONCE", at_once),
    ):
        counts, counted = block.products(limits, above, codes, pair_rows, columns)
        none = np.empty(0, np.int64)
        assert block.products(limits, above, codes, none, none)[1].shape == (0,)
    assert counts.tolist() == [len(one) for one in expected]
    assert counted.tolist() == [
        codes[column] in expected[row] for row, column in zip(pair_rows, columns, strict=True)
    ]


@given(st.floats(-2, 2, width=32), st.booleans())
def test_bits_of_limits_are_the_neighbouring_bfloat16_numbers(limit, up):
    code = codes_of(np.array([limit], np.float32), up=up)
    found = float(widen(code.view(np.int16))[0])
    grid = widen(np.arange(-(2**15), 2**15, dtype=np.int16))
    grid = grid[np.isfinite(grid)]
    assert found == (grid[grid >= limit].min() if up else grid[grid <= limit].max())


@given(
    st.lists(st.floats(-1, 1, width=32), min_size=1, max_size=20),
    st.floats(0, 0.01),
    st.sampled_from([0.0, BFLOAT16_ROUNDOFF]),
    st.floats(-1, 1, width=32),
    st.integers(0, 2**32 - 1),
)
def test_limits_leave_no_doubt(exact, error, rounding, limit, seed):
    """Whatever errors within the bound do to the scores, what is outside the limits is decided."""
    rng = np.random.default_rng(seed)
    exact = np.array(exact, np.float32)
    noisy = exact.astype(np.float64) + rng.choice([-error, error, error / 3], len(exact))
    scores = noisy.astype(np.float32)
    if rounding:
        scores = torch.from_numpy(noisy).to(torch.bfloat16).float().numpy()
    room = error + 1e-7  # the float32 itself
    bounds = Bounds(np.array([room]), rounding)
    low, high = bounds.around(np.array([limit], np.float32))
    assert (exact[scores > high[0]] > limit).all()
    assert (exact[scores < low[0]] < limit).all()
    least, most = bounds.between(np.zeros(len(exact), np.int64), scores)
    assert ((least <= exact) & (exact <= most) & (least < most)).all()
    for m in range(1, len(exact) + 1):
        floor = bounds.around(np.sort(least)[-m:][:1])[0][0]
        assert (scores[exact >= np.sort(exact)[-m]] >= floor).all()


def test_an_interval_is_hardly_wider_than_the_bound():
    rows, scores = np.array([1, 1, 0]), np.float32([[0.5, -np.inf], [0.25, 0.75], [-0.5, 0.0]])
    low, high = Bounds(np.array([1e-3, 1e-2]), 0.0).between(rows, scores)
    assert low.shape == high.shape == scores.shape
    assert low[0, 1] == -np.inf
    for found, sign in ((low, -1), (high, 1)):
        np.testing.assert_allclose(
            found[1:, 0], [0.25 + sign * 1e-2, -0.5 + sign * 1e-3], rtol=1e-6
        )
        assert found[0, 0] == pytest.approx(0.5 + sign * 1e-2, rel=1e-6)


@pytest.mark.parametrize("d", [1, 3, 64, 512, 1000])
@pytest.mark.parametrize("backend", ["faiss", "torch", "device", "reduced", "int8"])
def test_no_score_of_a_backend_is_farther_off_than_it_says(backend, d):
    rng = np.random.default_rng(d)
    vectors = rng.normal(size=(260, d)) * rng.choice([1, 1e-3, 50], (260, d)) + 0.3
    unit = normalise(vectors.astype(np.float32), str)
    queries, gallery = unit[:60], Gallery(unit[60:])
    engine = {
        "faiss": lambda: FaissBackend(gallery, 1),
        "torch": lambda: Float32Backend(gallery),
        "device": lambda: DeviceBackend(gallery, "cpu"),
        "reduced": lambda: ReducedBackend(gallery, "cpu"),
        "int8": lambda: Int8Backend(gallery),
    }[backend]
    seen = 0
    with mock.patch("pytest_prodbench.retrieval.quantised.SEGMENT", 64):
        engine = engine()
        opened = engine.open(queries)
        for start, stop in engine.blocks(100):
            hits = opened.block(start, stop, 8).at_least(np.full(60, -2, np.float32))
            rows = engine.gallery.rows(hits.columns + start)
            exact = exact_scores(queries, gallery.vectors, hits.rows, rows)
            low, high = opened.bounds(start).between(hits.rows, hits.scores)
            assert ((low <= exact) & (exact <= high)).all()
            assert (high - low).max() < {"reduced": 0.05, "int8": 0.09}.get(backend, 4e-4)
            seen += len(rows)
    assert seen == 60 * 200


def test_the_first_bound_has_room_for_the_rounding_of_the_similarity():
    """Vectors that bfloat16 holds without error leave no residual to hide it in."""
    gallery = Gallery(np.eye(4, dtype=np.float32))
    error = ReducedBackend(gallery, "cpu").open(gallery.vectors).bounds(0).error
    assert (error >= gamma(8) + 2.0**-24 + 2.0**-31).all()
    error = Int8Backend(gallery).open(gallery.vectors).bounds(0).error
    assert (error >= 2.0**-24 + 2.0**-31).all()


@given(st.lists(st.integers(0, 6), min_size=1, max_size=40), st.integers(1, 9))
def test_blocks_cover_the_gallery_once_and_never_part_a_product(codes, size):
    products = np.array(codes)
    gallery = Gallery(np.ones((len(codes), 2), np.float32), products)
    blocks = gallery.blocks(size)
    assert [start for start, _ in blocks] == [0, *[stop for _, stop in blocks[:-1]]]
    assert blocks[-1][1] == len(codes)
    seen = [products[gallery.rows(np.arange(start, stop))].tolist() for start, stop in blocks]
    for i, part in enumerate(seen):
        assert len(part) <= size or len(set(part)) == 1
        assert all(not set(part) & set(other) for other in seen[i + 1 :])
    places = gallery.places()
    assert gallery.rows(places[np.arange(len(codes))]).tolist() == list(range(len(codes)))


@pytest.mark.parametrize("kind", SEARCHES)
@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 60), st.integers(1, 50))
def test_search_is_the_sorted_list(kind, seed, n, k):
    rng = np.random.default_rng(seed)
    unit = normalise(rng.integers(-2, 3, (n + 4, 3)).astype(np.float32) + np.float32(0.1), str)
    queries, gallery = unit[:4], unit[4:]
    with ways(kind):
        rows, scores = search(queries, gallery, k, gallery_block=17, query_block=3)
    for i, query in enumerate(queries):
        exact = [similarity(query, other) for other in gallery]
        expected = sorted(range(n), key=lambda j: (-exact[j], j))[:k]
        assert rows[i].tolist() == expected + [-1] * (k - len(expected))
        np.testing.assert_array_equal(scores[i][: len(expected)], np.array(exact)[expected])
        assert np.isnan(scores[i][len(expected) :]).all()


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "handed on"])
def test_nothing_is_found_in_an_empty_gallery(kind):
    """Integers are for large ones."""
    queries = normalise(np.ones((3, 4), np.float32), str)
    with ways(kind):
        rows, scores = search(queries, np.empty((0, 4), np.float32), 2)
    assert (rows == -1).all()
    assert np.isnan(scores).all()
    assert rows.shape == scores.shape == (3, 2)


@pytest.mark.parametrize("backend", ["int8", "reduced"])
@pytest.mark.parametrize("spread", [0.0, 1e-9, 1e-3, 0.3, 3.0])
@pytest.mark.parametrize("shared", [0.0, 2.0])
def test_lists_of_a_larger_gallery_are_those_of_exact_scores(backend, spread, shared):
    """Products with several images, one component that all share, and exact copies."""
    rng = np.random.default_rng(5)
    centres = rng.normal(size=(60, 40))
    vectors = centres[rng.integers(0, 60, 2600)] + spread * rng.normal(size=(2600, 40))
    vectors[:, 7] += 5.0 * shared
    unit = normalise(vectors.astype(np.float32), str)
    unit[::100] = unit[1]
    queries, gallery = unit[:300], unit[300:]
    excluded = matching_pairs(rng.integers(0, 30, 300), rng.integers(0, 30, 2300))
    with ways("exact"):
        expected = search(queries, gallery, 10, excluded=excluded)
    with ways(backend):
        found = search(queries, gallery, 10, excluded=excluded)
    np.testing.assert_array_equal(found[0], expected[0])
    np.testing.assert_array_equal(found[1], expected[1])


def test_what_all_images_share_takes_no_bits_of_the_integers():
    rng = np.random.default_rng(6)
    vectors = rng.normal(size=(900, 64)).astype(np.float32)
    plain = Gallery(normalise(vectors, str)).quantised()
    vectors[:, 3] += 40.0
    shared = Gallery(normalise(vectors, str)).quantised()
    assert shared.residuals.max() < plain.residuals.max() / 3


def names_of(backend, gallery, queries, **more):
    found = backends_in_turn(backend, gallery, queries, device="cpu", threads=1, **more)
    return [make().name for make in found]


def test_the_first_pass_is_chosen_by_size_and_processor():
    small = Gallery(np.ones((10, 4), np.float32))
    assert names_of("torch", small, 5) == ["torch", "exact"]
    int8, bfloat16 = ["torch, int8 first"], ["torch, bfloat16 first"]
    plain = ["torch", "exact"]
    for able, integers in itertools.product([True, False], repeat=2):
        with (
            mock.patch.object(ReducedBackend, "suits", return_value=able),
            mock.patch.object(Int8Backend, "suits", return_value=integers),
            mock.patch("pytest_prodbench.retrieval.backends.WORTH_REDUCING", 1.0),
            mock.patch("pytest_prodbench.retrieval.backends.WORTH_QUANTISING", 1.0),
        ):
            first = bfloat16 * able
            assert names_of("torch", small, 64) == [*first, *plain]
            assert names_of("torch", small, 63) == plain
            # In integers lists alone are found, of moderate length, and for many queries.
            assert names_of("torch", small, 256, listed=20) == [*int8 * integers, *first, *plain]
            assert names_of("torch", small, 256, listed=21) == [*first, *plain]
            assert names_of("torch", small, 255, listed=20) == [*first, *plain]
            assert names_of("torch", small, 256) == [*first, *plain]
    assert names_of("faiss", small, 5) == ["faiss", "exact"]
    with pytest.raises(ValueError, match="unknown backend"):
        names_of("annoy", small, 5)
    assert choose_backend("auto", "cuda", 1.0) == "torch"
    assert choose_backend("faiss", "cuda", 1e15) == "faiss"


def test_groups_are_small_where_many_results_are_asked_of_few_columns():
    assert group_size(8192, 10) == 64
    assert group_size(8192, 100) == 8
    assert group_size(5, 20) == 1
    assert group_size(8192, 0) == 64


def test_the_bound_knows_the_dimension():
    assert score_error(768) == pytest.approx(Fraction(768, 2**24), rel=1e-2)
