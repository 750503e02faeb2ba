"""Where falling thresholds meet conditions, against loops over every threshold of every sample."""

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_array
from threadpoolctl import threadpool_limits

from pytest_prodbench import threads
from pytest_prodbench.metrics import crossings, resampling, whole_weights
from pytest_prodbench.metrics.crossings import First, Last
from pytest_prodbench.metrics.resampling import resample_batches, resample_weights
from pytest_prodbench.metrics.thresholds import FallingThreshold
from pytest_prodbench.metrics.whole_weights import Asked, FewOf, whole


def half(c):
    return 2 * c.hits >= c.all_hits


def one_in_five(c):
    return 5 * c.misses > c.all_misses


def precise(c):
    return c.hits >= 3 * c.misses


def maybe_precise(before, at):
    return at.hits >= 3 * before.misses


def naive(scores, units, hits, row, rule, *, last=False):
    """(place, hits and misses before, hits and misses at) of one sample; all of them where none meets it."""
    each = row[units]

    def passed(t):
        return each[(scores >= t) & hits].sum(), each[(scores >= t) & ~hits].sum()

    falling = sorted(set(scores.tolist()), reverse=True)
    totals = each[hits].sum(), each[~hits].sum()
    found = [
        place
        for place, t in enumerate(falling)
        if rule(crossings.Counts(*passed(t), *totals)) and (not last or each[scores == t].sum() > 0)
    ]
    if not found:
        return len(falling), *totals, *totals
    place = found[-1] if last else found[0]
    return place, *(passed(falling[place - 1]) if place else (0, 0)), *passed(falling[place])


def rows_of(crossing):
    before, at = crossing.before, crossing.counts
    columns = crossing.place, before.hits, before.misses, at.hits, at.misses
    return np.stack(columns, axis=1).tolist()


@st.composite
def problems(draw):
    """Few or many distinct scores, units that have no score, kinds that are missing, weights of all sizes."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n, units = draw(st.integers(0, 120)), draw(st.integers(1, 12))
    levels = draw(st.sampled_from([1, 2, 7, 1000]))
    scores = rng.integers(0, levels, n) / 8
    crowd = rng.random(n) < draw(st.sampled_from([0.0, 0.6]))
    scores[crowd] = levels // 2 / 8
    hits = rng.random(n) < draw(st.sampled_from([0.0, 0.3, 0.8, 1.0]))
    largest = draw(st.sampled_from([1, 3, 300, 10**6]))
    weights = rng.integers(0, largest + 1, (draw(st.integers(1, 90)), units + 2)).astype(float)
    return scores, rng.integers(0, units, n), hits, weights


@settings(max_examples=80, deadline=None)
@given(problems(), st.sampled_from([3, 40, 10**6]), st.sampled_from([1, 10**9]))
def test_every_search_finds_what_a_loop_finds(problem, chunk, worth):
    """Whatever is fetched at once, and whether or not cells are made where the samples are."""
    scores, units, hits, weights = problem
    falling = FallingThreshold(scores, units, hits)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(crossings, "CHUNK", chunk)
        patch.setattr(crossings, "WORTH", worth)
        searches = [
            (First(falling, half), half, False),
            (First(falling, one_in_five), one_in_five, False),
            (Last(falling, precise, maybe_precise), precise, True),
        ]
        for part in (weights[:1], weights, weights[::-1]):
            for search, rule, last in searches:
                expected = [naive(scores, units, hits, row, rule, last=last) for row in part]
                if not len(scores):
                    expected = [(0, 0, 0, 0, 0)] * len(part)
                assert rows_of(search(part)) == [list(row) for row in expected]


def test_samples_that_lie_elsewhere_than_the_first_ones_are_found_as_well(monkeypatch):
    """Cells are made for the first sixteen; the others are spread over all thresholds."""
    monkeypatch.setattr(crossings, "WORTH", 1)
    rng = np.random.default_rng(3)
    scores, units = rng.permutation(3000) / 7, np.arange(3000) % 300
    weights = np.zeros((200, 300))
    weights[:, :] = rng.random((200, 300)) < rng.random((200, 1)) ** 3
    weights[:16] = 1
    hits = rng.random(3000) < 0.5 + 0.4 * (scores > 200)
    search = First(FallingThreshold(scores, units, hits), one_in_five)
    for _ in range(2):
        found = rows_of(search(weights))
        for row, one in zip(weights[::9], found[::9], strict=True):
            assert one == list(naive(scores, units, hits, row, one_in_five))


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([2, 2**8, 2**12, 2**20, 2**24]))
def test_products_of_whole_numbers_are_exact_however_large(seed, largest):
    rng = np.random.default_rng(seed)
    weights = rng.integers(0, largest, (5, 9)).astype(float)
    counts = rng.integers(0, 50, (7, 4))
    expected = weights[:, :7].astype(int) @ counts
    assert whole(weights).times(counts.astype(np.float32)).tolist() == expected.tolist()


def test_a_sum_that_float32_would_round_is_not_left_to_it():
    """2^24 + 1 is the first whole number that float32 does not hold."""
    weights = np.array([[2.0**24, 1.0], [2.0**23, 1.0]])
    found = whole(weights).times(np.ones((2, 1), np.float32))
    assert found.tolist() == [[2**24 + 1], [2**23 + 1]]


@pytest.mark.parametrize("largest", [4, 255, 256, 10**9])
def test_by_unit_is_the_transpose(monkeypatch, largest):
    monkeypatch.setattr(whole_weights, "IN_CACHE", 3)
    weights = np.random.default_rng(0).integers(0, largest + 1, (10, 6)).astype(float)
    weights[0, 0] = largest
    drawn = whole(weights)
    assert drawn.numbers.dtype == (np.uint8 if largest < 256 else np.int64)
    assert drawn.by_unit(slice(2, 9)).tolist() == weights[2:9].T.tolist()


def test_only_draws_that_nobody_can_change_are_remembered():
    (batch,) = resample_batches(7, resamples=20, seed=1)
    assert whole(batch.weights) is batch
    assert not batch.weights.flags.writeable
    assert not batch.numbers.flags.writeable
    own = batch.weights.copy()
    before = whole(own)
    own[:] = 3
    assert whole(own) is not before
    assert (whole(own).numbers == 3).all()


@pytest.mark.parametrize(("products", "resamples"), [(0, 3), (5, 40), (300_000, 17)])
def test_batches_hold_the_draws_of_the_blocks(products, resamples):
    batches = list(resample_batches(products, resamples=resamples, seed=4))
    blocks = list(resample_weights(products, resamples=resamples, seed=4))
    assert len(batches) <= len(blocks)
    np.testing.assert_array_equal(
        np.concatenate([batch.weights for batch in batches]), np.concatenate(blocks)
    )
    for batch in batches:
        np.testing.assert_array_equal(batch.numbers, batch.weights)


@pytest.mark.parametrize("allowed", [1, 2, 5])
def test_work_is_handed_back_in_order_whoever_does_it(monkeypatch, allowed):
    monkeypatch.setattr(threads, "allowed", lambda: allowed)
    assert threads.in_threads(lambda part: part * 10, range(7)) == [0, 10, 20, 30, 40, 50, 60]
    assert threads.in_threads(str, []) == []


@pytest.mark.parametrize(("rows", "at_once"), [(0, 4), (1, 0), (7, 3), (8, 4)])
def test_portions_are_every_row_once(rows, at_once):
    parts = threads.portions(rows, at_once)
    covered = [row for part in parts for row in range(rows)[part]]
    assert covered == list(range(rows))
    assert parts


def test_products_have_one_thread_while_threads_work_and_theirs_again_after(monkeypatch):
    with threadpool_limits(2, user_api="blas"):
        assert threads.allowed() == 2
        seen = threads.in_threads(lambda _: (threads._of_products(), threads.allowed()), range(3))
        assert seen == [(1, 2)] * 3
        assert threads._of_products() == 2
        with pytest.raises(ZeroDivisionError):
            threads.in_threads(lambda part: 1 / part, [1, 0])
        assert threads._of_products() == threads.allowed() == 2
        with threads._single_products, threads._single_products:
            pass
        assert threads._of_products() == 2


def test_what_took_longest_begins_first_and_stands_in_its_place(monkeypatch):
    monkeypatch.setattr(threads, "allowed", lambda: 1)
    begun = []

    def work(part, asked):
        begun.append(part)
        stop = time.thread_time() + part / 100
        while time.thread_time() < stop:
            pass
        return part * asked

    again = threads.Again(work, [1, 3, 2])
    assert again(10) == [10, 30, 20]
    assert again(2) == [2, 6, 4]
    assert begun == [1, 3, 2, 3, 2, 1]


@pytest.mark.parametrize("at_once", [3, 1000])
def test_products_that_were_expected_are_those_that_are_asked_for(monkeypatch, at_once):
    """Of other units and widths, one beyond float32, one that nobody expected; each but once."""
    monkeypatch.setattr(whole_weights, "AT_ONCE", at_once)
    rng = np.random.default_rng(0)
    weights = rng.integers(0, 6, (10, 8)).astype(float)
    matrices = [rng.integers(0, 9, shape).astype(np.float32) for shape in [(8, 3), (5, 1), (8, 4)]]
    matrices[2][0] = 2.0**24 - 1
    before = whole(weights[:2])
    for counts in [*matrices[:2], matrices[1]]:
        before.times(counts)
    asked = before.asked()
    assert [any(a is m for m in matrices[:2]) for a in asked.products] == [True, True]
    assert not asked.turned
    assert before.asked() == Asked([], turned=False)
    drawn = whole(weights)
    drawn.expect(Asked([*asked.products, matrices[2]], turned=True))
    assert drawn.asked().turned
    drawn.expect(Asked([*asked.products, matrices[2]]))
    for counts in [*matrices, matrices[0].copy()]:
        expected = weights[:, : len(counts)] @ counts.astype(float)
        np.testing.assert_array_equal(drawn.times(counts), expected)
        assert drawn.times(counts).flags.owndata


def test_later_batches_expect_what_the_first_was_asked(monkeypatch):
    monkeypatch.setattr(resampling, "CELLS", 70)
    monkeypatch.setattr(resampling, "CELLS_AT_ONCE", 140)
    expected = []
    expect = whole_weights.WholeWeights.expect
    monkeypatch.setattr(
        whole_weights.WholeWeights,
        "expect",
        lambda self, asked: expected.append(len(asked.products)) or expect(self, asked),
    )
    counts = [np.ones((7, 2), np.float32), np.ones((6, 1), np.float32)]
    for batch in resample_batches(7, resamples=50, seed=11):
        for asked in counts:
            product = batch.weights[:, : len(asked)] @ asked
            np.testing.assert_array_equal(whole(batch.weights).times(asked), product)
    assert expected == [0, 2, 2]


@pytest.mark.parametrize(
    ("times", "largest"), [(1, 3), (1, 255), (1, 256), (300, 255), (40_000, 1)]
)
def test_sums_of_few_weights_are_exact(monkeypatch, times, largest):
    """Sums that int16 holds, those that it does not, and factors that it does not."""
    monkeypatch.setattr(whole_weights, "TURNED", 21)
    rng = np.random.default_rng(0)
    counts = (rng.random((4, 5)) < 0.5) * times
    weights = rng.integers(0, largest + 1, (10, 7)).astype(float)
    weights[0] = largest
    few, drawn = FewOf(csr_array(counts.astype(np.float32))), whole(weights)
    parts = few.by_unit(drawn)
    assert [part for part, _ in parts] == threads.portions(10, 3)
    short = counts.sum(axis=1).max() * largest < 2**15
    assert {by_unit.dtype for _, by_unit in parts} == {np.dtype(np.int16 if short else np.float64)}
    found = np.concatenate([few.of(by_unit) for _, by_unit in parts], axis=1)
    np.testing.assert_array_equal(found, (weights[:, :5] @ counts.T).T)


@pytest.mark.parametrize("few", [1, 6, 10**9])
def test_narrow_and_wide_cells_are_counted_alike(monkeypatch, few):
    """All cells by sums, none, or some; thresholds are those of a loop."""
    monkeypatch.setattr("pytest_prodbench.metrics.thresholds.FEW", few)
    rng = np.random.default_rng(few % 97)
    scores, units = rng.normal(size=3000), rng.integers(0, 300, 3000)
    hits = rng.random(3000) < 0.3
    search = First(FallingThreshold(scores, units, hits), one_in_five)
    for _ in range(2):
        weights = rng.integers(0, 4, (100, 300)).astype(float)
        found = rows_of(search(weights))
        for i in range(0, 100, 33):
            assert tuple(found[i]) == naive(scores, units, hits, weights[i], one_in_five)
