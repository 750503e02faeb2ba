"""The same ranks from a GPU as from the CPU, by float32 and by the first pass in bfloat16."""

import dataclasses
from unittest import mock

import numpy as np
import pytest
import torch
from vector_problems import assert_same, large_problem, ways

from pytest_prodbench.retrieval import Gallery, normalise, rank, search
from pytest_prodbench.retrieval.backends import ExactBackend
from pytest_prodbench.retrieval.torch_backends import ReducedBackend

GPU = "cuda"
KINDS = ("torch", "reduced", "handed on")

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")


@pytest.fixture(params=[False, True], ids=["float32", "TF32 allowed"], autouse=True)
def _tf32(request):
    """Also where the process allows TF32 for its own products."""
    before = torch.backends.cuda.matmul.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = request.param
    yield
    torch.backends.cuda.matmul.allow_tf32 = before


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("spread", [0.3, 2.0, 30.0])
@pytest.mark.parametrize("blocks", [{}, {"gallery_block": 1100, "query_block": 50}])
def test_ranks_are_those_of_the_cpu(kind, spread, blocks):
    problem = large_problem(3, spread=spread)
    found = problem.found(kind, 20, device=GPU, **blocks)
    assert_same(found, problem.found("exact", 20))


@pytest.mark.parametrize("kind", KINDS)
def test_a_collapsed_model_is_ranked_as_on_the_cpu(kind):
    problem = large_problem(5, q=12, n=3000, d=8, products=40, spread=1e-8)
    vectors = np.repeat(problem.queries[:1], 3000, axis=0)
    vectors[::3] = np.nextafter(vectors[::3], np.float32(2))
    collapsed = dataclasses.replace(problem, gallery=vectors)
    assert_same(collapsed.found(kind, 20, device=GPU), collapsed.found("exact", 20))


@pytest.mark.parametrize("kind", ["torch", "reduced"])
def test_the_gpu_settles_ordinary_vectors_by_itself(kind):
    """Otherwise equal ranks would say nothing about it: the exact backend behind it runs on the CPU."""
    problem = large_problem(14, q=60, n=4000, d=256, spread=1.0)
    expected = problem.found("exact", 20)
    with mock.patch.object(ExactBackend, "open", side_effect=AssertionError):
        found = problem.found(kind, 20, device=GPU)
    assert_same(found, expected)


@pytest.mark.parametrize("kind", ["torch", "reduced"])
@pytest.mark.parametrize("k", [1, 10, 200])
def test_search_gives_the_lists_of_the_cpu(kind, k):
    rng = np.random.default_rng(k)
    unit = normalise(rng.normal(size=(5000, 64)), str)
    with ways(kind):
        rows, scores = search(unit[:90], unit[90:], k, device=GPU)
    with ways("exact"):
        expected_rows, expected_scores = search(unit[:90], unit[90:], k)
    np.testing.assert_array_equal(rows, expected_rows)
    np.testing.assert_array_equal(scores, expected_scores)


def test_the_first_pass_is_chosen_and_its_copy_kept_on_the_gpu():
    if not ReducedBackend.suits(GPU):
        pytest.skip("this GPU has no bfloat16 of its own")
    problem = large_problem(11, q=80, n=600)
    ready = Gallery(problem.gallery, problem.labels.gallery_products)
    with mock.patch("pytest_prodbench.retrieval.backends.WORTH_REDUCING", 1.0):
        found = rank(problem.queries, ready, problem.labels, problem.excluded, device=GPU)
    assert_same(found, problem.found("exact", 20))
    assert ready.reduced(GPU).tensor.device.type == GPU
