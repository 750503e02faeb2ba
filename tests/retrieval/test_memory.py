"""What is held does not grow with queries x gallery, even where nearly all scores are alike."""

import dataclasses
from unittest import mock

import numpy as np
import pytest
from vector_problems import KINDS, assert_same, large_problem

from pytest_prodbench.retrieval import families as families_module
from pytest_prodbench.retrieval import matching_pairs, normalise
from pytest_prodbench.retrieval import products as products_module
from pytest_prodbench.retrieval import sweep as sweep_module
from pytest_prodbench.retrieval.bounded_counts import BoundedCounts
from pytest_prodbench.retrieval.counting import OWN
from pytest_prodbench.retrieval.head import NEEDED, Head, ResultLists


def collapsed_problem(*, q, n, d, images, spread):
    """Vectors that are alike but for their last digits, and many images a product: many equal limits."""
    problem = large_problem(8, q=q, n=n, d=d)
    rng = np.random.default_rng(0)
    unit = normalise(1.0 + spread * rng.normal(size=(q + n, d)), str)
    labels = dataclasses.replace(
        problem.labels,
        query_products=np.arange(q) % (n // images),
        gallery_products=rng.permutation(np.arange(n) // images),
    )
    return dataclasses.replace(
        problem,
        queries=unit[:q],
        gallery=unit[q:],
        labels=labels,
        excluded=matching_pairs(np.full(q, -1), np.full(n, -1)),
    )


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in ("exact", "handed on")])
@pytest.mark.parametrize("spread", [1e-7, 1e-2])
def test_pairs_that_stay_open_are_bounded_a_query(kind, spread):
    """Not by a block: sixteen limits a query, each level with nearly every image."""
    q, n, images, top = 24, 3200, 16, 5
    problem = collapsed_problem(q=q, n=n, d=16, images=images, spread=spread)
    open_pairs, candidates, rooms = [], [], []

    def count(self, block, start, bounds, real=BoundedCounts.add):
        def room_of(low, high, room, ask=block.count):
            rooms.append(room)
            band = ask(low, high, room)
            assert (np.bincount(band.rows, minlength=len(room)) <= np.maximum(room, 0)).all()
            return band

        block.count = room_of
        real(self, block, start, bounds)
        open_pairs.append(sum(map(len, self._rows)))

    def collect(self, block, start, bounds, real=Head.add):
        real(self, block, start, bounds)
        if self._allowed < np.inf:
            candidates.append(self.size)

    with (
        mock.patch.object(BoundedCounts, "add", count),
        mock.patch.object(Head, "add", collect),
    ):
        found = problem.found(kind, top, gallery_block=1600)
    assert_same(found, problem.found("exact", top))
    allowed = sweep_module.OPEN_LEAST
    assert allowed > n * sweep_module.OPEN_SHARE
    assert rooms
    if spread > 1e-7:
        # Some queries stay just below what is allowed: the bound is not far off.
        assert max(open_pairs) > q * allowed
    # A family's best is one more limit.
    assert max(open_pairs) <= q * (allowed + OWN * (images + 1))
    assert max(candidates) <= q * (allowed + NEEDED * top)


@pytest.mark.parametrize("kind", KINDS)
def test_products_above_the_limits_are_counted_some_rows_at_a_time(kind):
    """Where ranks are bad, half of each block is above the limit."""
    problem = large_problem(12, q=30, n=900, products=300, spread=30.0)
    most, width = 2000, 400
    scanned = []

    def scan(mask, steps, real=products_module.gather_to_the_right):
        scanned.append(mask.size)
        return real(mask, steps)

    with (
        mock.patch.object(products_module, "SCANNED_AT_ONCE", most),
        mock.patch.object(products_module, "gather_to_the_right", scan),
    ):
        found = problem.found(kind, 20, gallery_block=width)
    assert_same(found, problem.found("exact", 20))
    # A device has the whole block and one mask of it.
    if kind != "device":
        assert sum(scanned) > 5 * most
        assert max(scanned) <= most


@pytest.mark.parametrize("spread", [0.0, 1e-8, 0.5])
def test_a_family_as_large_as_the_gallery_is_not_copied_whole(spread):
    problem = large_problem(13, q=20, n=500, d=8, products=40, spread=spread)
    labels = dataclasses.replace(
        problem.labels,
        query_families=problem.labels.query_products % 2,
        gallery_families=problem.labels.gallery_products % 2,
    )
    problem = dataclasses.replace(problem, labels=labels)
    if spread < 0.5:
        # Equal images of one family are in several parts, and the best part need not come first.
        near = 1.0 + spread * np.random.default_rng(1).integers(-9, 9, (500, 8))
        problem = dataclasses.replace(problem, gallery=normalise(near, str))
    parts = []

    def look(queries, some, gallery, members, *more, real=families_module._best_of):
        parts.append(len(members))
        return real(queries, some, gallery, members, *more)

    with (
        mock.patch.object(families_module, "MEMBERS_AT_ONCE", 60),
        mock.patch.object(families_module, "_best_of", look),
    ):
        found = problem.found("faiss", 5)
    assert len(parts) > 4
    assert max(parts) == 60
    assert_same(found, problem.expected(5))


def test_ties_beyond_the_list_are_not_kept_to_the_end():
    """A collapsed model, all of whose scores are one: memory that grew with q · n would be gone."""
    problem = large_problem(8, q=6, n=400, d=4, products=30, spread=0.0)
    alike = dataclasses.replace(problem, gallery=np.repeat(problem.queries[:1], 400, axis=0))
    given = []

    def settle(self, rows, columns, values, real=ResultLists.settle):
        given.append(len(rows))
        real(self, rows, columns, values)

    with (
        mock.patch.object(sweep_module, "TIES_AT_ONCE", 100),
        mock.patch.object(ResultLists, "settle", settle),
    ):
        found = alike.found("exact", 5, gallery_block=40)
    assert_same(found, alike.expected(5))
    assert max(given) <= 100 + 6 * 40
