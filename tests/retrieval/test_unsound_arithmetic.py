"""Machines that do not compute as the bounds say: right results, a warning, or an error; no wrong rank."""

from unittest import mock

import numpy as np
import pytest
import torch
from vector_problems import KINDS, VectorProblem, large_problem, ways

from pytest_prodbench.retrieval import (
    Gallery,
    Labels,
    backends,
    integer_products,
    matching_pairs,
    normalise,
    search,
)
from pytest_prodbench.retrieval.bounds import Bounds
from pytest_prodbench.retrieval.int8 import Int8Backend
from pytest_prodbench.retrieval.torch_backends import ReducedBackend


def assert_same_ranks(found, expected):
    for name in ("ranks", "ranks_optimistic", "product_ranks", "product_ranks_optimistic"):
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name), name)
    np.testing.assert_array_equal(found.top_indices, expected.top_indices)
    np.testing.assert_array_equal(found.every_positive.ranks, expected.every_positive.ranks)


@pytest.mark.parametrize(("kind", "backend"), [("reduced", ReducedBackend), ("int8", Int8Backend)])
def test_a_machine_whose_scores_miss_the_bound_gets_right_results_and_a_warning(kind, backend):
    """As if bfloat16 sums were added up in bfloat16: noticed where candidates are scored again."""
    rng = np.random.default_rng(1)
    unit = normalise(rng.normal(size=(300, 16)).astype(np.float32), str)
    expected = search(unit[:20], unit[20:], 5, backend="faiss")
    real = backend.open

    def too_sure(self, queries):
        opened = real(self, queries)
        bounds = opened.bounds
        opened.bounds = lambda start: Bounds(bounds(start).error * 1e-3, 0.0)
        return opened

    with (
        ways(kind),
        mock.patch.object(backend, "open", too_sure),
        pytest.warns(RuntimeWarning, match="no result is affected"),
    ):
        found = search(unit[:20], unit[20:], 5)
    np.testing.assert_array_equal(found[0], expected[0])
    np.testing.assert_array_equal(found[1], expected[1])


def test_a_product_of_integers_that_torch_does_not_make_is_made_otherwise():
    """Of vectors of one number torch leaves the result as it was; some other size may be next."""
    for r, d, w in ((5, 1, 7), (1, 1, 1), (4, 20, 9)):
        queries, gallery = (
            torch.from_numpy(np.random.default_rng(d).integers(-127, 128, size).astype(np.int8))
            for size in ((r, d), (w, d))
        )
        for real in (torch._int_mm, lambda *_, out: out):
            integer_products._proven.clear()
            with mock.patch.object(torch, "_int_mm", real):
                for left in (99, -(2**31)):
                    out = torch.full((r, w), left, dtype=torch.int32)
                    integer_products.multiply(queries, gallery, out)
                    assert torch.equal(out.long(), queries.long() @ gallery.long().T)
    integer_products._proven.clear()


def adds_pairs_in_16_bits(queries, gallery, out):
    """Unsigned by signed, as processors without VNNI do."""
    out.zero_()
    for first in range(0, queries.shape[1], 2):
        both = slice(first, first + 2)
        out += ((queries[:, both].int() + 128) @ gallery[both].int()).clamp(-(2**15), 2**15 - 1)
    out -= 128 * gallery.int().sum(0)


def test_products_of_integers_that_overflow_are_not_taken_for_exact():
    integer_products.are_exact.cache_clear()
    integer_products._proven.clear()
    try:
        with mock.patch.object(torch, "_int_mm", side_effect=adds_pairs_in_16_bits):
            assert not integer_products.are_exact()
            # The first product of a size overflows nowhere, the second one everywhere.
            for number in (1, 127):
                queries, gallery = (torch.full((4, 20), number, dtype=torch.int8) for _ in range(2))
                out = torch.empty((4, 4), dtype=torch.int32)
                integer_products.multiply(queries, gallery, out)
                assert (out == 20 * number**2).all()
            # Of few numbers none may overflow where a size is proved.
            rng = np.random.default_rng(0)
            for r, d, w in ((1, 3, 6), (1, 2, 1), (2, 3, 2)) * 20:
                queries, gallery = (
                    torch.from_numpy(rng.integers(100, 128, size).astype(np.int8))
                    for size in ((r, d), (w, d))
                )
                out = torch.empty((r, w), dtype=torch.int32)
                integer_products.multiply(queries, gallery, out)
                assert torch.equal(out.long(), queries.long() @ gallery.long().T)
    finally:
        integer_products.are_exact.cache_clear()
        integer_products._proven.clear()


def test_a_product_is_not_proved_by_what_memory_holds_from_the_one_before():
    """Blocks of d = 1 are often alike, up to signs; torch writes none of them."""
    integer_products._proven.clear()
    queries = torch.full((5, 1), 127, dtype=torch.int8)
    out = torch.full((5, 7), 127**2, dtype=torch.int32)
    for number in (127, 5):
        integer_products.multiply(queries, torch.full((7, 1), number, dtype=torch.int8), out)
        assert (out == 127 * number).all()


def test_counts_that_miss_the_bound_are_noticed_below_the_lists_too():
    """The first results are as exact as was said, and only the positives' own scores are not."""
    problem = large_problem(9, q=20, n=400, d=8, spread=1.5)
    expected = problem.found("exact", 1)
    real = backends._Float32Queries.block

    def too_low(self, start, stop, group):
        found = real(self, start, stop, group)
        found._values[found._values < 0.5] -= 0.01
        return found

    with (
        mock.patch.object(backends._Float32Queries, "block", too_low),
        pytest.warns(RuntimeWarning, match="no result is affected"),
    ):
        found = problem.found("torch", 1)
    assert_same_ranks(found, expected)


def test_no_rank_is_given_where_even_float64_contradicts_itself():
    with (
        mock.patch(
            "pytest_prodbench.retrieval.exact_counts._next", lambda limits, _towards: limits
        ),
        pytest.raises(RuntimeError, match="could not be ranked"),
    ):
        large_problem(9, q=5, n=100).found("exact", 1)


@pytest.mark.parametrize("kind", KINDS)
def test_a_process_that_flushes_subnormal_numbers_ranks_alike(kind):
    """Unrelated images of similarity 0, as of sparse vectors: the number beside 0 is subnormal."""
    axes = np.eye(6, dtype=np.float32)
    problem = VectorProblem(
        axes[:3],
        np.repeat(axes, 3, axis=0),
        Labels(
            np.array([3, 4, 5]), np.repeat(np.arange(6), 3), None, None, np.arange(18), np.arange(3)
        ),
        matching_pairs(np.full(3, -1), np.full(18, -1)),
    )
    expected = problem.expected()
    assert expected.ranks.tolist() == [16] * 3
    torch.set_flush_denormal(True)
    try:
        found = problem.found(kind)
    finally:
        torch.set_flush_denormal(False)
    assert_same_ranks(found, expected)


@pytest.mark.parametrize("default", [torch.float32, torch.bfloat16, torch.float16, torch.float64])
def test_the_bounds_of_a_reduced_gallery_hold_whatever_the_default_dtype(default):
    """What differs from its copy is measured in float32, though torch's default dtype be another."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(default)
    try:
        for seed in range(20):
            some = np.random.default_rng(seed).normal(size=(64, 256)).astype(np.float32)
            unit = normalise(some, str)
            reduced = Gallery(unit).reduced("cpu")
            quantised = Gallery(unit).quantised()
            copy = torch.from_numpy(unit).bfloat16().double().numpy()
            assert reduced.residual >= np.linalg.norm(unit - copy, axis=1).max()
            assert reduced.norm >= np.linalg.norm(unit.astype(np.float64), axis=1).max()
            centred = unit[quantised.gallery.order].astype(np.float64) - quantised.mean
            left = centred - quantised.steps[0] * quantised.tensor.double().numpy()
            assert quantised.residuals[0] >= np.linalg.norm(left, axis=1).max()
            assert quantised.norms[0] >= np.linalg.norm(centred, axis=1).max()
    finally:
        torch.set_default_dtype(before)
