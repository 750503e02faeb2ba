"""The similarity of the protocol itself, which backends only approximate."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

RESOLUTION = 2.0**-30
"""Similarities are multiples of it: below 2⁻⁶ float32 is finer than float64 sums are certain."""

FINE = 2.0**-6
"""Below it a multiple of ``RESOLUTION`` is a float32 number; above it float32 is the coarser grid."""

PAIRS_AT_ONCE = 256
"""Vectors gathered at a time: so many, and their float64 copies, stay in a second-level cache."""

RUN = 6
"""Pairs of one query, on average, from which they are multiplied as a matrix and a vector."""


def exact_scores(
    queries: NDArray[np.float32],
    gallery: NDArray[np.float32],
    rows: NDArray[np.int64],
    columns: NDArray[np.int64],
) -> NDArray[np.float32]:
    """Similarity of p pairs of rows of unit vectors, float32 (p,): the exact inner product, rounded once.

    Rounded to the nearest float32 number, or to the nearest multiple of 2⁻³⁰ where that is coarser.
    The float64 sum decides wherever its error bound allows only one result, which is nearly always;
    the few sums that lie at the middle between two numbers are added up without error. So the result
    depends on the two vectors alone, and not on the order of summation.
    """
    sums = _added_up(queries, gallery, rows, columns)
    return from_sums(sums, queries, gallery, rows, columns)


def from_sums(
    sums: NDArray[np.float64],
    queries: NDArray[np.float32],
    gallery: NDArray[np.float32],
    rows: NDArray[np.int64],
    columns: NDArray[np.int64],
) -> NDArray[np.float32]:
    """Similarities of pairs from their float64 inner products (p,), added up in any order."""
    values, open_ = round_once(sums, queries.shape[1])
    for i in np.flatnonzero(open_):
        values[i] = _exactly(queries[rows[i]], gallery[columns[i]])
    return values


def _added_up(
    queries: NDArray[np.float32],
    gallery: NDArray[np.float32],
    rows: NDArray[np.int64],
    columns: NDArray[np.int64],
) -> NDArray[np.float64]:
    """float64 inner products of pairs (p,).

    In one thread: its steps are so short that several threads of Python took turns, and twice the time.
    """
    sums = np.empty(len(rows), np.float64)
    # The same memory again and again: fresh pages for each batch would take longer than the products.
    room = np.empty((PAIRS_AT_ONCE, queries.shape[1]), np.float32)
    wide, wide_left = np.empty(room.shape, np.float64), np.empty(room.shape, np.float64)
    for start in range(0, len(rows), PAIRS_AT_ONCE):
        part = slice(start, min(start + PAIRS_AT_ONCE, len(rows)))
        right = _widened(gallery, columns[part], room, wide)
        here = rows[part]
        ends = np.append(np.flatnonzero(np.diff(here)) + 1, len(here))
        if len(ends) * RUN > len(here):
            left = _widened(queries, here, room, wide_left)
            _products(left, right, sums[part])
            continue
        first = 0
        for last in ends.tolist():
            query = queries[here[first]].astype(np.float64)
            _products(right[first:last], query, sums[start + first : start + last])
            first = last
    return sums


def _products(
    left: NDArray[np.float64], right: NDArray[np.float64], out: NDArray[np.float64]
) -> None:
    """Inner products of rows, of (p, d) with (p, d) or with one vector (d,)."""
    if hasattr(np, "vecdot"):
        np.vecdot(left, right, out=out)
    else:  # numpy 1, at half the speed
        np.einsum("ij,ij->i" if right.ndim == 2 else "ij,j->i", left, right, out=out)


def exact_block(queries: NDArray[np.float32], gallery: NDArray[np.float32]) -> NDArray[np.float32]:
    """Similarity of every pair of r queries and w gallery vectors, float32 (r, w), as ``exact_scores``.

    One float64 product: for many pairs it is faster than one by one.
    """
    sums = queries.astype(np.float64) @ gallery.astype(np.float64).T
    values, open_ = round_once(sums, queries.shape[1])
    rows, columns = open_.nonzero()
    values[rows, columns] = exact_scores(queries, gallery, rows, columns)
    return values


def _widened(
    vectors: NDArray[np.float32],
    rows: NDArray[np.int64],
    room: NDArray[np.float32],
    wide: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Some rows as float64, in memory that is there already."""
    found, copy = room[: len(rows)], wide[: len(rows)]
    # "clip" checks no index; by default they are gathered elsewhere first, lest one be out of range.
    np.take(vectors, rows, axis=0, out=found, mode="clip")
    np.copyto(copy, found)
    return copy


def round_once(
    sums: NDArray[np.float64], dimension: int
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Round float64 inner products to similarities, and say which of them are in doubt.

    In doubt: the sum lies closer to the middle of two neighbouring numbers than its error bound
    γ_d ≈ d · 2⁻⁵³ (Higham, 2nd ed., §3.1), here doubled.
    """
    bound = dimension * 2.0**-52
    values = sums.astype(np.float32)
    upward = np.where(sums > values, np.float32(np.inf), np.float32(-np.inf))
    neighbour = np.nextafter(values, upward)
    middle = (values.astype(np.float64) + neighbour) / 2.0
    open_ = np.abs(sums - middle) <= bound
    small = np.abs(sums) < FINE
    if small.any():
        steps = sums[small] * (1.0 / RESOLUTION)
        nearest = np.rint(steps)
        # Adding 0 makes −0, whose sign is that of a rounding error, 0.
        values[small] = nearest * RESOLUTION + 0.0
        open_[small] = np.abs(np.abs(steps - nearest) - 0.5) <= bound / RESOLUTION
    return values, open_


def _exactly(left: NDArray[np.float32], right: NDArray[np.float32]) -> np.float32:
    # A product of two float32 numbers is exact in float64, and fsum adds without error.
    products = (left.astype(np.float64) * right.astype(np.float64)).tolist()
    total = math.fsum(products)
    # It rounds the sum to float64, though, perhaps to the very middle that it is beside. Rounded to
    # odd instead, it can be rounded again as if once (Boldo and Melquiond, 2008).
    rest = math.fsum([*products, -total])
    if rest and not np.float64(total).view(np.int64) & 1:
        total = math.nextafter(total, math.copysign(math.inf, rest))
    if abs(total) < FINE:
        return np.float32(round(total / RESOLUTION) * RESOLUTION)
    return np.float32(total)
