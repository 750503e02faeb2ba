"""Queries that are ranked in several threads at once: the same results as in one."""

import threading
from concurrent.futures import ThreadPoolExecutor
from unittest import mock

import numpy as np
import pytest
import torch
from vector_problems import assert_same, large_problem, ways

from pytest_prodbench import threads
from pytest_prodbench.retrieval import normalise, search
from pytest_prodbench.retrieval import sweep as sweep_module
from pytest_prodbench.retrieval.backends import BlockMemory, Float32Backend


@pytest.fixture(params=[2, 3])
def _threads(request):
    """As many as on a machine of so many processors, whatever this one and this process have."""
    with mock.patch.object(threads, "allowed", return_value=request.param):
        yield


@pytest.mark.usefixtures("_threads")
@pytest.mark.parametrize("kind", ["torch", "exact", "reduced", "handed on", "faiss"])
@pytest.mark.parametrize("spread", [0.3, 30.0])
def test_ranks_do_not_depend_on_threads(kind, spread):
    problem = large_problem(21, q=90, n=700, d=24, spread=spread)
    with mock.patch.object(threads, "allowed", return_value=1):
        expected = problem.found("exact", 12)
    assert_same(problem.found(kind, 12, query_block=7, gallery_block=150), expected)


@pytest.mark.usefixtures("_threads")
def test_queries_that_are_handed_on_are_all_answered():
    """Of a collapsed model float32 settles nothing, and is given up while other threads still try."""
    problem = large_problem(22, q=80, n=900, d=8, spread=1e-9)
    with mock.patch.object(threads, "allowed", return_value=1):
        expected = problem.found("exact", 5)
    assert_same(problem.found("torch", 5, query_block=4), expected)


@pytest.mark.usefixtures("_threads")
@pytest.mark.parametrize("kind", ["torch", "reduced", "int8"])
def test_products_are_really_made_in_several_threads(kind):
    rng = np.random.default_rng(2)
    unit = normalise(rng.normal(size=(4000, 64)).astype(np.float32), str)
    names, real = set(), BlockMemory.of

    def of(self, rows, columns):
        names.add(threading.current_thread().name)
        return real(self, rows, columns)

    with (
        ways(kind),
        mock.patch.object(BlockMemory, "of", of),
        mock.patch.object(sweep_module, "LEAST_QUERIES", 16),
    ):
        rows, _ = search(unit[:900], unit, 3)
    assert rows[:, 0].tolist() == list(range(900))
    assert len(names) > 1
    assert all(name.startswith(threads.NAME) for name in names)


def test_every_thread_gets_queries_but_none_too_few():
    backend = Float32Backend(None)
    for allowed, queries, rows in (
        (1, 5000, 1000),
        (1, 300, 300),
        (2, 1000, 500),
        (2, 5000, 834),
        (2, 8192, 1024),
        (4, 1000, 250),
        (16, 1000, 128),
        (2, 10, 128),
    ):
        with mock.patch.object(threads, "allowed", return_value=allowed):
            assert sweep_module._rows_of_a_pass(backend, queries) == rows


@pytest.mark.usefixtures("_threads")
def test_torch_has_one_thread_meanwhile_and_as_many_as_before_afterwards():
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(3)
        assert threads.in_threads(lambda _: torch.get_num_threads(), range(8)) == [1] * 8
        with pytest.raises(ZeroDivisionError):
            threads.in_threads(lambda part: 1 // part, range(8))
        assert torch.get_num_threads() == 3
        with ThreadPoolExecutor(1) as pool:
            assert pool.submit(torch.get_num_threads).result() == 3
    finally:
        torch.set_num_threads(before)
