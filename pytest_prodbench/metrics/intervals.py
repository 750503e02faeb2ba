"""Intervals by resampling products: photos of one product are correlated, products are not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pytest_prodbench.metrics.resampling import for_each_block, resample_batches

if TYPE_CHECKING:
    from numpy.typing import NDArray

HELD = 2**24
"""Resampled values held at once (8 bytes each)."""


@dataclass(frozen=True, slots=True, eq=False)
class Bootstrap:
    """Intervals of m columns; each float64 (m,), NaN for a column with no query.

    Attributes:
        percentile_low, percentile_high: quantiles of the resampled values.
        bca_low, bca_high: the same at levels corrected for bias and for acceleration.
        standard_error: standard deviation of the resampled values.
    """

    percentile_low: NDArray[np.float64]
    percentile_high: NDArray[np.float64]
    bca_low: NDArray[np.float64]
    bca_high: NDArray[np.float64]
    standard_error: NDArray[np.float64]


def cluster_bootstrap(
    sums: NDArray[np.float64],
    counts: NDArray[np.float64],
    *,
    resamples: int,
    seed: int,
    level: float = 0.95,
) -> Bootstrap:
    """Percentile and BCa intervals of m ratios Σ sums / Σ counts under resampling of P products.

    Each resample draws P products with replacement and takes the ratio over what was drawn: the cluster
    bootstrap (Davison & Hinkley, Bootstrap Methods, 1997, §3.8). All m columns share the draws. A
    resample in which a column has no query at all is left out of that column.

    BCa (Efron, Better bootstrap confidence intervals, 1987, §§2-4, 7) takes the quantiles at
    Φ(z₀ + (z₀ + z) / (1 − a (z₀ + z))), z = ±Φ⁻¹((1 + level)/2); z₀ = Φ⁻¹(share of resampled values
    below the estimate, those equal to it counted half); a = Σ d³ / (6 (Σ d²)^1.5), d the mean of the
    leave-one-product-out values minus each. Where z₀ is infinite (the estimate lies outside all resampled
    values) or 1 − a (z₀ + z) is not positive, BCa has no answer and the percentile interval stands in.
    Where all products are alike both have no width, which says nothing: use
    :func:`~pytest_prodbench.metrics.proportions.wilson_clustered`.

    The same bits from any BLAS, number of threads or order of columns: see :func:`_on_grid`.

    Args:
        sums: float64 (P, m), sum of the values of each product's queries.
        counts: float64 (P, m), how many queries those are.
        resamples: B.
        seed: of :func:`resample_weights`; the same seed gives the same intervals.
        level: coverage aimed at, between 0 and 1.
    """
    from scipy.special import ndtri

    columns = sums.shape[1]
    found = np.full((5, columns), np.nan)
    z = float(ndtri((1.0 + level) / 2.0))
    width = max(1, HELD // resamples)
    for start in range(0, columns, width):
        part = slice(start, start + width)
        on_grid = _on_grid(sums[:, part])
        ratios = _resampled_ratios(on_grid, counts[:, part], resamples, seed)
        found[:, part] = _intervals(ratios, on_grid, counts[:, part], z)
    return Bootstrap(*found)


def _on_grid(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    """Round each column to multiples of a power of two of which no resample holds more than 2^53.

    Every product and partial sum of whole weights and such numbers is then exact in float64, so that a
    matrix product has one result: whatever the order of summation, fused or not. 0/1 values are not
    changed at all; the mean of N others by at most P² / N · 2^-52 of the largest sum of a product, far less
    than the ten decimals that are kept.
    """
    most = np.abs(sums).max(axis=0, initial=0.0) * len(sums)
    grid = np.ldexp(1.0, np.frexp(most)[1] - 52)
    return np.asarray(np.rint(sums / grid) * grid)


def _resampled_ratios(
    sums: NDArray[np.float64], counts: NDArray[np.float64], resamples: int, seed: int
) -> NDArray[np.float64]:
    """float64 (m, B): the ratio of each column in each resample, NaN where it holds no query."""
    columns = sums.shape[1]
    # Most metrics are defined on the same queries: count each such set once.
    keys = [counts[:, m].tobytes() for m in range(columns)]
    first = {key: m for m, key in reversed(list(enumerate(keys)))}
    place = {key: columns + i for i, key in enumerate(first)}
    denominator = [place[key] for key in keys]
    both = np.concatenate([sums, counts[:, list(first.values())]], axis=1)
    ratios = np.empty((columns, resamples))

    def fill(drawn: slice, weights: NDArray[np.float64]) -> None:
        totals = (weights @ both).T
        with np.errstate(invalid="ignore"):  # 0 / 0 is the NaN that says: no query
            np.divide(totals[:columns], totals[denominator], out=ratios[:, drawn])

    for_each_block(fill, len(sums), resamples=resamples, seed=seed)
    return ratios


def _intervals(
    ratios: NDArray[np.float64], sums: NDArray[np.float64], counts: NDArray[np.float64], z: float
) -> NDArray[np.float64]:
    """float64 (5, m), in the order of the fields of ``Bootstrap``."""
    from scipy.special import ndtr, ndtri

    n = counts.sum(axis=0)
    estimate = np.divide(sums.sum(axis=0), n, out=np.full(len(n), np.nan), where=n > 0)
    drawn = (~np.isnan(ratios)).sum(axis=1)
    below = (ratios < estimate[:, None]).sum(axis=1) + (ratios == estimate[:, None]).sum(axis=1) / 2
    z0 = np.asarray(ndtri(below / np.maximum(drawn, 1)))
    usable = np.isfinite(z0)
    z0[~usable] = 0.0
    acceleration = _acceleration(sums, counts)
    plain, corrected = [], []
    for side in (-z, z):
        denominator = 1.0 - acceleration * (z0 + side)
        usable &= denominator > 0.0
        corrected.append(ndtr(z0 + (z0 + side) / np.where(denominator > 0.0, denominator, 1.0)))
        plain.append(np.full(len(n), ndtr(side)))
    ascending = np.sort(ratios, axis=1)  # NaN last
    levels = [*plain, *(np.where(usable, c, p) for c, p in zip(corrected, plain, strict=True))]
    quantiles = [_quantile(ascending, drawn, at) for at in levels]
    return np.stack([*quantiles, _standard_deviation(ratios, drawn)])


def _acceleration(sums: NDArray[np.float64], counts: NDArray[np.float64]) -> NDArray[np.float64]:
    """Efron's a by leave-one-product-out, float64 (m,); 0 where all are alike or one alone has queries."""
    left = counts.sum(axis=0) - counts
    used = (counts > 0) & (left > 0)
    without = np.divide(sums.sum(axis=0) - sums, left, out=np.zeros_like(sums), where=used)
    mean = without.sum(axis=0) / np.maximum(used.sum(axis=0), 1)
    d = np.where(used, mean - without, 0.0)
    scale = np.abs(d).max(axis=0, initial=0.0)
    some = scale > 1e-14  # else nothing but rounding
    d = np.divide(d, scale, out=np.zeros_like(d), where=some)
    square = np.square(d).sum(axis=0)
    cube = (np.square(d) * d).sum(axis=0)
    return np.asarray(np.divide(cube, 6.0 * square**1.5, out=np.zeros(len(square)), where=some))


def _quantile(
    ascending: NDArray[np.float64], drawn: NDArray[np.int64], level: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Linear interpolation between the first ``drawn`` values of each row (numpy's default quantile)."""
    at = np.maximum(drawn - 1, 0) * level
    floor = np.floor(at).astype(np.int64)
    ceiling = np.minimum(floor + 1, np.maximum(drawn - 1, 0))
    rows = np.arange(len(ascending))
    low, high = ascending[rows, floor], ascending[rows, ceiling]
    return np.asarray(low + (high - low) * (at - floor))


def _standard_deviation(
    values: NDArray[np.float64], drawn: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Of each row (divided by n − 1), NaN left out; NaN for a row with fewer than two values."""
    if drawn.min(initial=values.shape[1]) == values.shape[1]:  # the usual case needs no mask
        mean = values.sum(axis=1) / max(values.shape[1], 1)
        squares = np.square(values - mean[:, None]).sum(axis=1)
    else:
        some = ~np.isnan(values)
        mean = np.where(some, values, 0.0).sum(axis=1) / np.maximum(drawn, 1)
        squares = np.square(np.where(some, values - mean[:, None], 0.0)).sum(axis=1)
    variance = np.divide(squares, drawn - 1, out=np.full(len(drawn), np.nan), where=drawn > 1)
    return np.asarray(np.sqrt(variance))


def resampled(
    of: Callable[[NDArray[np.float64]], NDArray[np.float64]],
    products: int,
    *,
    resamples: int,
    seed: int,
) -> NDArray[np.float64]:
    """Return what a function says of B resamples of P products, float64 (B, …).

    The draws are those of :func:`cluster_bootstrap`; all queries of a product weigh what it weighs.

    Args:
        of: weights of products, float64 (b, P) → float64 (b, …).
        products: P.
        resamples: B.
        seed: of :func:`resample_weights`.
    """
    batches = resample_batches(products, resamples=resamples, seed=seed)
    return np.concatenate([of(batch.weights) for batch in batches])


def percentile_intervals(
    values: NDArray[np.float64], *, level: float = 0.95
) -> NDArray[np.float64]:
    """Return percentile interval and standard error of each row of resampled values, float64 (s, 3).

    A resample that does not define a statistic (NaN) is left out of it; NaN where none does (the
    standard error: fewer than two).
    """
    from scipy.special import ndtr, ndtri

    drawn = (~np.isnan(values)).sum(axis=1)
    ascending = np.sort(values, axis=1)  # NaN last
    z = ndtri((1.0 + level) / 2.0)
    low, high = (_quantile(ascending, drawn, np.full(len(drawn), ndtr(side))) for side in (-z, z))
    return np.stack([low, high, _standard_deviation(values, drawn)], axis=1)


def standard_error(values: NDArray[np.float64]) -> float:
    """Standard deviation of resampled values (b,), NaN left out; NaN for fewer than two."""
    some = ~np.isnan(values)
    return float(_standard_deviation(values[None], np.array([np.count_nonzero(some)]))[0])
