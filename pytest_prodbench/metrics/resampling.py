"""Weights of bootstrap resamples: how often each product is drawn, P draws out of P with replacement."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

CELLS = 2**20
"""Weights drawn at once (9 bytes each). Part of what a seed means: another number draws others."""

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
    if products == 0:
        yield np.zeros((resamples, 0))
        return
    step = max(1, CELLS // products)
    for block, start in enumerate(range(0, resamples, step)):
        yield _block(min(step, resamples - start), products, seed, block)


@lru_cache(maxsize=2)  # several statistics of one slice ask for the same draws, one after the other
def _block(rows: int, products: int, seed: int, block: int) -> NDArray[np.float64]:
    """One block of weights, read only: it is given out again."""
    bits = np.random.PCG64(np.random.SeedSequence([seed, block]))
    weights = _multinomial(bits, rows, products).astype(np.float64)
    weights.flags.writeable = False
    return weights


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
