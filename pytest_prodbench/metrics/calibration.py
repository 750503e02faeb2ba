"""Probability that a first result is right, from its similarity, and how far off it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

BINS = 15
RIDGE = 1e-6
"""Penalty on the square of the slope (per unit of similarity), halved: it bounds a fit on one score."""

MAX_STEPS = 100
FEW_STEPS = 8
LONGEST_STEP = 20.0
"""How far one step may move a logit."""

TOLERANCE = 1e-10
"""Newton's method has converged when no logit moves by more."""


def calibration_error(
    scores: NDArray[np.float32], right: NDArray[np.float64], every: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the expected calibration error of b samples, float64 (b,); NaN unless both halves count.

    *Halves*: a score belongs to a half by a hash of its 32 bits. It needs no order of queries or
    products, keeps copies of a query together, and tells nothing of the answer. Photos of one product
    may part; with two numbers fitted that matters little.

    *Map*: probability = 1 / (1 + exp(−(slope · score + intercept))), fitted on the other half with the
    targets (n₊ + 1) / (n₊ + 2) and 1 / (n₋ + 2) (Platt 1999) and a ridge of ``RIDGE``.

    *Bins*: queries in the order of their scores, ``BINS`` of equal weight; equal scores stay together,
    in the bin in which the middle of their weight lies.

    Args:
        scores: float32 (u,), distinct, falling.
        right, every: float64 (b, u), weight of the right first results, and of all, with each score.
    """
    half = _half(scores)
    values = scores.astype(np.float64)
    probability = np.empty_like(every)
    defined = np.ones(len(every), np.bool_)
    for side in (False, True):
        other = half != side
        defined &= every[:, other].sum(axis=1) > 0
        slope, intercept = platt(values[other], right[:, other], every[:, other])
        logits = slope[:, None] * values[~other] + intercept[:, None]
        probability[:, ~other] = _sigmoid(logits)
    whole = every.sum(axis=1, keepdims=True)
    middle = np.cumsum(every, axis=1) - every / 2.0
    bins = np.minimum(BINS * middle / np.maximum(whole, 1.0), BINS - 1).astype(np.intp)
    bins += BINS * np.arange(len(every))[:, None]
    surplus = np.bincount(
        bins.ravel(), (every * probability - right).ravel(), minlength=BINS * len(every)
    )
    off = np.abs(surplus).reshape(len(every), BINS).sum(axis=1)
    return np.where(defined, off / np.maximum(whole[:, 0], 1.0), np.nan)


def platt(
    values: NDArray[np.float64], right: NDArray[np.float64], every: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Fit Platt's map to b samples by Newton's method; slope and intercept, float64 (b,) each.

    Resamples of the same queries have maps close to that of their mean, so that Newton's method
    begins there; it begins again, and more carefully, where that does not lead to the end.

    Args:
        values: float64 (u,), distinct scores.
        right, every: float64 (b, u), weight of what is right, and of all, with each score.

    A sample without any weight gets the map of the mean.
    """
    centre = values.mean() if len(values) else 0.0
    moved = values - centre
    hits, all_ = right.sum(axis=1), every.sum(axis=1)
    aim = right * ((hits + 1.0) / (hits + 2.0))[:, None]
    aim += (every - right) / (all_ - hits + 2.0)[:, None]
    middle, _ = _newton(
        moved, every.mean(axis=0)[None], aim.mean(axis=0)[None], np.zeros((1, 2)), careful=True
    )
    at, converged = _newton(moved, every, aim, np.repeat(middle, len(every), axis=0), careful=False)
    again = np.flatnonzero(~converged & (all_ > 0))
    if len(again):
        at[again], _ = _newton(
            moved, every[again], aim[again], np.zeros((len(again), 2)), careful=True
        )
    return at[:, 0], at[:, 1] - at[:, 0] * centre


def _newton(
    moved: NDArray[np.float64],
    every: NDArray[np.float64],
    aim: NDArray[np.float64],
    at: NDArray[np.float64],
    *,
    careful: bool,
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Slope and intercept (b, 2), and which have converged; ``careful``: no step may raise the loss."""
    reach = np.abs(moved).max(initial=0.0)
    active = np.flatnonzero(every.sum(axis=1) > 0)
    for _ in range(MAX_STEPS if careful else FEW_STEPS):
        if not len(active):
            break
        weight, goal, here = every[active], aim[active], at[active]
        step = _newton_step(moved, weight, goal, here)
        change = np.abs(step[:, 0]) * reach + np.abs(step[:, 1])
        step *= np.minimum(1.0, LONGEST_STEP / np.maximum(change, LONGEST_STEP))[:, None]
        at[active] += _shorten(moved, weight, goal, here, step) if careful else step
        active = active[change > TOLERANCE]
    converged = np.ones(len(every), np.bool_)
    converged[active] = False
    return at, converged


def _newton_step(
    moved: NDArray[np.float64],
    weight: NDArray[np.float64],
    aim: NDArray[np.float64],
    at: NDArray[np.float64],
) -> NDArray[np.float64]:
    chance = _sigmoid(at[:, :1] * moved + at[:, 1:])
    expected = weight * chance
    sides = np.stack([moved, np.ones(len(moved))], axis=1)
    gradient = (aim - expected) @ sides
    gradient[:, 0] -= RIDGE * at[:, 0]
    expected -= expected * chance
    bend = expected @ np.stack([moved**2, moved, np.ones(len(moved))], axis=1)
    # Where all logits are extreme the curvature vanishes; the floor keeps the step finite.
    square, mixed, plain = bend[:, 0] + RIDGE, bend[:, 1], np.maximum(bend[:, 2], 1e-12)
    determinant = np.maximum(square * plain - mixed**2, 1e-3 * RIDGE * plain)
    return np.stack(
        [
            (plain * gradient[:, 0] - mixed * gradient[:, 1]) / determinant,
            (square * gradient[:, 1] - mixed * gradient[:, 0]) / determinant,
        ],
        axis=1,
    )


def _shorten(
    moved: NDArray[np.float64],
    weight: NDArray[np.float64],
    aim: NDArray[np.float64],
    at: NDArray[np.float64],
    step: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Halve each step until it does not raise the loss: Newton's method overshoots on separable data."""
    step = step.copy()
    before = _loss(moved, weight, aim, at)
    allowed = before + 1e-9 * (1.0 + np.abs(before))
    for _ in range(40):
        worse = np.flatnonzero(~(_loss(moved, weight, aim, at + step) <= allowed))
        if not len(worse):
            break
        step[worse] /= 2.0
    return step


def _loss(
    moved: NDArray[np.float64],
    weight: NDArray[np.float64],
    aim: NDArray[np.float64],
    at: NDArray[np.float64],
) -> NDArray[np.float64]:
    logits = at[:, :1] * moved + at[:, 1:]
    loss = weight * np.logaddexp(0.0, logits) - aim * logits
    return np.asarray(loss.sum(axis=1) + RIDGE / 2.0 * at[:, 0] ** 2)


def _sigmoid(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    return 0.5 + 0.5 * np.tanh(logits / 2.0)


def _half(scores: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Tell which half each score belongs to, bool (u,): one bit of the hash murmur3 ends with."""
    bits = (scores + np.float32(0.0)).view(np.uint32)  # −0 is 0
    bits = (bits ^ (bits >> np.uint32(16))) * np.uint32(0x85EBCA6B)
    bits = (bits ^ (bits >> np.uint32(13))) * np.uint32(0xC2B2AE35)
    return np.asarray((bits ^ (bits >> np.uint32(16))) & np.uint32(1), np.bool_)
