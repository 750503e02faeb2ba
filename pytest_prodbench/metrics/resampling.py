"""Weights of bootstrap resamples: how often each product is drawn, P draws out of P with replacement."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from pytest_prodbench.metrics.whole_weights import Asked, WholeWeights, remembered
from pytest_prodbench.threads import in_threads

if TYPE_CHECKING:
    from numpy.typing import NDArray

CELLS = 2**20
"""Weights drawn at once (9 bytes each). Part of what a seed means: another number draws others."""

KEPT = 32
"""Blocks of draws that are kept, a byte a weight: means and statistics of one dataset share them."""

CELLS_AT_ONCE = 2**22
"""Weights handed to a statistic at once (8 bytes each, and 5 for their narrow forms)."""

SLACK = 4.0
"""Standard deviations by which the first stage stays below P draws, so that it seldom overshoots."""


def resample_weights(products: int, *, resamples: int, seed: int) -> Iterator[NDArray[np.float64]]:
    """Yield the weights of all resamples in blocks of rows; each row is Multinomial(P; 1/P, …, 1/P).

    Exact, at a fifth of the time of drawing P indices and counting them. By the Poisson construction
    (Kingman, Poisson Processes, 1993, §2.4): independent Poisson counts, given their sum T, are a
    multinomial of T draws. So (1) every cell gets a Poisson count whose mean is a little below 1, by
    comparing random bytes with the distribution's steps; (2) the P − T draws that are missing are made
    one by one. A row with T > P (3 in 100,000) is emptied and drawn wholly by (2). What remains is a
    multinomial of P draws whatever T was.

    Every block has a stream of its own, PCG64 of (seed, number of the block), of which only raw words
    are used: those are the same in every version of numpy.

    Args:
        products: P.
        resamples: B.
        seed: not negative.

    Yields:
        float64 (b, P) of whole numbers, rows summing to P; b rows of B, b·P at most ``CELLS`` (or one
        row).
    """
    for first in range(0, _blocks(products, resamples), _at_once(products)):
        for block in _drawn(products, resamples, seed, first):
            yield block.astype(np.float64)


def for_each_block(
    work: Callable[[slice, NDArray[np.float64]], None], products: int, *, resamples: int, seed: int
) -> None:
    """Hand each block of :func:`resample_weights`, and which resamples it holds, to ``work``; in threads."""
    rows = _rows(products)

    def of(block: int) -> None:
        drawn = _nth(products, resamples, seed, block)
        work(slice(block * rows, block * rows + len(drawn)), drawn.astype(np.float64))

    in_threads(of, range(_blocks(products, resamples)))


def resample_batches(products: int, *, resamples: int, seed: int) -> Iterator[WholeWeights]:
    """Yield the weights of :func:`resample_weights` in larger portions, read only.

    Statistics are asked about many samples at once: each question costs some time of its own. The last
    portion is kept, so that statistics that ask for it one after the other share what was counted of it.
    """
    asked = Asked()
    for first in range(0, _blocks(products, resamples), _at_once(products)):
        batch = _batch(products, resamples, seed, first)
        batch.expect(asked)
        yield batch
        asked = batch.asked()


def _rows(products: int) -> int:
    return max(1, CELLS // max(1, products))


def _blocks(products: int, resamples: int) -> int:
    return -(-resamples // _rows(products))


def _at_once(products: int) -> int:
    return max(1, CELLS_AT_ONCE // max(1, _rows(products) * products))


@lru_cache(maxsize=1)
def _batch(products: int, resamples: int, seed: int, first: int) -> WholeWeights:
    rows = _rows(products)
    blocks = _together(products, resamples, first)
    size = min(len(blocks) * rows, resamples - first * rows)
    numbers = np.empty((size, products), np.uint8)
    weights, single = np.empty(numbers.shape), np.empty(numbers.shape, np.float32)

    def fill(block: int) -> None:
        part = slice((block - first) * rows, (block - first + 1) * rows)
        drawn = _nth(products, resamples, seed, block)
        for form in (numbers, weights, single):
            form[part] = drawn

    in_threads(fill, blocks)
    return remembered(numbers, weights, single)


def _drawn(products: int, resamples: int, seed: int, first: int) -> list[NDArray[np.uint8]]:
    """Blocks from one on, as many as are handed on at once."""
    blocks = _together(products, resamples, first)
    return in_threads(lambda block: _nth(products, resamples, seed, block), blocks)


def _together(products: int, resamples: int, first: int) -> range:
    return range(first, min(first + _at_once(products), _blocks(products, resamples)))


def _nth(products: int, resamples: int, seed: int, block: int) -> NDArray[np.uint8]:
    rows = _rows(products)
    return _block(min(rows, resamples - block * rows), products, seed, block)


@lru_cache(maxsize=KEPT)
def _block(rows: int, products: int, seed: int, block: int) -> NDArray[np.uint8]:
    """One block of draws, read only: it is given out again."""
    if products == 0:
        return np.zeros((rows, 0), np.uint8)
    bits = np.random.PCG64(np.random.SeedSequence([seed, block]))
    drawn = _multinomial(bits, rows, products)
    drawn.flags.writeable = False
    return drawn


def _multinomial(bits: np.random.PCG64, rows: int, products: int) -> NDArray[np.uint8]:
    # A count above 255 has a probability below 1 / 256!.
    weights = _poisson(bits, rows * products, 1.0 - SLACK / products**0.5)
    table = weights.reshape(rows, products)
    missing = products - table.sum(axis=1, dtype=np.int64)
    over = missing < 0
    table[over] = 0
    missing[over] = products
    cells = (_uniform(bits, int(missing.sum())) * products).astype(np.int64)
    np.add.at(weights, cells + np.repeat(np.arange(rows) * products, missing), np.uint8(1))
    return table


def _poisson(bits: np.random.PCG64, size: int, mean: float) -> NDArray[np.uint8]:
    """Independent Poisson counts; all zero where the mean is not positive.

    Of the 256 values of a byte, ⌊256 p_k⌋ mean count k; the few that are left over mean "draw again
    from what the others do not cover", so that no probability is rounded to a multiple of 1/256.
    """
    weights = np.zeros(size, np.uint8)
    if mean <= 0.0:
        return weights
    counts = np.arange(64)
    chances = np.exp(-mean) * np.cumprod(np.concatenate([[1.0], mean / counts[1:]]))
    share = np.floor(256.0 * chances)
    steps = np.cumsum(share[share > 0]).astype(np.int64)
    words = bits.random_raw(-(-size // 8)).astype("<u8", copy=False)
    byte = words.view(np.uint8)[:size]
    reached = np.empty(size, np.bool_)
    for threshold in steps[:-1]:
        np.greater_equal(byte, np.uint8(threshold), out=reached)
        np.add(weights, reached.view(np.uint8), out=weights)
    again = np.flatnonzero(np.greater_equal(byte, np.uint8(steps[-1]), out=reached))
    rest = np.cumsum(chances - share / 256.0)
    rest /= rest[-1]
    weights[again] = np.searchsorted(rest, _uniform(bits, len(again)), side="right")
    return weights


def _uniform(bits: np.random.PCG64, size: int) -> NDArray[np.float64]:
    """Multiples of 2^-53 in [0, 1)."""
    return np.asarray((bits.random_raw(size) >> np.uint64(11)) * 2.0**-53, np.float64)
