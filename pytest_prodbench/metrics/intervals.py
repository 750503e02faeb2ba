"""Intervals by resampling products: photos of one product are correlated, products are not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

CHUNK = 4_000_000
"""Draws held at once (8 bytes each)."""


def cluster_bootstrap(
    sums: NDArray[np.float64],
    counts: NDArray[np.float64],
    *,
    resamples: int,
    seed: int,
    level: float = 0.95,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Percentile interval of m ratios Σ sums / Σ counts under resampling of P products.

    Each resample draws P products with replacement and takes the ratio over what was drawn: the cluster
    bootstrap (Davison & Hinkley, Bootstrap Methods, 1997, §3.8). All m columns share the draws. A
    resample in which a column has no query at all is left out of that column.

    Args:
        sums: float64 (P, m), sum of the values of each product's queries.
        counts: float64 (P, m), how many queries those are.
        resamples: B.
        seed: of PCG64; the same seed gives the same interval.
        level: coverage aimed at, between 0 and 1.

    Returns:
        low, high: float64 (m,); NaN for a column with no query at all.
    """
    products, columns = sums.shape
    generator = np.random.Generator(np.random.PCG64(seed))
    ratios = np.full((resamples, columns), np.nan)
    step = max(1, CHUNK // max(1, products))
    for start in range(0, resamples, step):
        size = min(step, resamples - start)
        drawn = generator.integers(0, products, (size, products))
        drawn += np.arange(size)[:, None] * products
        weights = np.bincount(drawn.ravel(), minlength=size * products)
        weights = weights.reshape(size, products).astype(np.float64)
        total = weights @ counts
        np.divide(weights @ sums, total, out=ratios[start : start + size], where=total > 0)
    low, high = np.full(columns, np.nan), np.full(columns, np.nan)
    some = counts.sum(axis=0) > 0
    if some.any():
        tail = (1.0 - level) / 2.0
        # nanquantile sorts column by column in Python; plain quantile is enough where nothing is NaN.
        whole = some & ~np.isnan(ratios).any(axis=0)
        for mask, quantile in ((whole, np.quantile), (some & ~whole, np.nanquantile)):
            if mask.any():
                low[mask], high[mask] = quantile(ratios[:, mask], [tail, 1.0 - tail], axis=0)
    return low, high
