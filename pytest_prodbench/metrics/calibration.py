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
COARSE, COARSE_RUN = 256, 4
"""Runs of scores that stand for all of them at first, if they are of so many scores or more."""

LONGEST_STEP = 20.0
"""How far one step may move a logit."""

TOLERANCE = 1e-4
"""Newton's method has converged when no logit moved by more: the next step would be about its square."""


class Calibration:
    """The gaps of calibration of weighted samples of first results.

    *Halves*: a score belongs to a half by a hash of its 32 bits. It needs no order of queries or
    products, keeps copies of a query together, and tells nothing of the answer. Photos of one product
    may part; with two numbers fitted that matters little.

    *Map*: probability = 1 / (1 + exp(−(slope · score + intercept))), fitted on the other half with the
    targets (n₊ + 1) / (n₊ + 2) and 1 / (n₋ + 2) (Platt 1999) and a ridge of ``RIDGE``.

    *Bins*: queries in the order of their scores, ``BINS`` of equal weight; equal scores stay together,
    in the bin in which the middle of their weight lies.

    Attributes:
        columns: int64 (u,), the score that each column of weights belongs to: one half, then the other.
    """

    def __init__(
        self, scores: NDArray[np.float32], right: NDArray[np.intp], every: NDArray[np.intp]
    ) -> None:
        """Take all first results, of which the samples will be.

        Args:
            scores: float32 (u,), distinct, falling.
            right, every: int (u,), how many right first results have each score, and how many in all.
        """
        half = _half(scores)
        self.columns = np.argsort(half, kind="stable")
        self._falling = np.argsort(self.columns)
        first = int(np.count_nonzero(~half))
        self._halves = slice(first), slice(first, len(half))
        self._values = scores[self.columns].astype(np.float64)
        hits, counts = (n[None, self.columns].astype(np.float64) for n in (right, every))
        # Samples of the same queries have maps that are close to that of all of them.
        self._maps = [
            np.stack(platt(self._values[half], hits[:, half], counts[:, half]), axis=1)
            for half in self._halves[::-1]
        ]

    def gaps(self, right: NDArray[np.float64], every: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return (share of queries) · (mean probability − share right) of each bin of b samples.

        Args:
            right, every: float64 (b, u), weight of the right first results, and of all, with each score,
                in the order of ``columns``.

        Returns:
            float64 (b, BINS); NaN unless both halves count.
        """
        surplus = np.empty_like(every)
        defined = np.ones(len(every), np.bool_)
        for i, (mine, other) in enumerate((self._halves, self._halves[::-1])):
            fitted = every[:, other]
            defined &= fitted.sum(axis=1) > 0
            slope, intercept = platt(self._values[other], right[:, other], fitted, self._maps[i])
            chance = np.multiply(slope[:, None], self._values[mine], out=surplus[:, mine])
            chance += intercept[:, None]
            _sigmoid(chance)
            chance *= every[:, mine]
        surplus -= right
        whole = every.sum(axis=1)
        surplus, every = (np.take(a, self._falling, axis=1) for a in (surplus, every))
        gaps = _by_bin(surplus, every, whole) / np.maximum(whole, 1.0)[:, None]
        return np.where(defined[:, None], gaps, np.nan)


def _by_bin(
    surplus: NDArray[np.float64], every: NDArray[np.float64], whole: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Sum of the surplus in each bin, float64 (b, ``BINS``); scores falling."""
    # Half numbers over whole ones: which bin a middle is in is no matter of rounding.
    middle = np.cumsum(every, axis=1)
    middle -= every / 2.0
    middle *= BINS
    middle /= np.maximum(whole, 1.0)[:, None]
    bins = np.minimum(middle, BINS - 1, out=middle).astype(np.intp)
    bins += BINS * np.arange(len(every))[:, None]
    sums = np.bincount(bins.ravel(), surplus.ravel(), minlength=BINS * len(every))
    return np.asarray(sums.reshape(len(every), BINS))


def platt(
    values: NDArray[np.float64],
    right: NDArray[np.float64],
    every: NDArray[np.float64],
    start: NDArray[np.float64] | None = None,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Fit Platt's map to b samples by Newton's method; slope and intercept, float64 (b,) each.

    Newton's method goes over all scores once or twice if it begins near the end: there, where the map of
    ``COARSE`` runs of neighbouring scores lies, each run at its mean, which takes no time to find.
    It begins again at 0, and more carefully, where that does not lead to the end.

    Args:
        values: float64 (u,), distinct scores, sorted.
        right, every: float64 (b, u), weight of what is right, and of all, with each score.
        start: float64 (1, 2) or (b, 2), slope and intercept that are near, as of samples of the same
            queries; None to begin at 0.

    A sample without any weight keeps the start.
    """
    centre = values.mean() if len(values) else 0.0
    moved = values - centre
    hits, all_ = right.sum(axis=1), every.sum(axis=1)
    # aim = right · (n₊ + 1) / (n₊ + 2) + (every − right) / (n₋ + 2)
    high, low = (hits + 1.0) / (hits + 2.0), 1.0 / (all_ - hits + 2.0)
    aim = right * (high - low)[:, None]
    aim += every * low[:, None]
    at = np.zeros((len(every), 2))
    converged = np.zeros(len(every), np.bool_)
    if start is not None:
        at += start
        at[:, 1] += at[:, 0] * centre
        if len(moved) > COARSE * COARSE_RUN:
            edges = np.arange(0, len(moved), -(-len(moved) // COARSE))
            means = np.add.reduceat(moved, edges) / np.diff(edges, append=len(moved))
            at, _ = _newton(
                means,
                np.add.reduceat(every, edges, axis=1),
                np.add.reduceat(aim, edges, axis=1),
                at,
                careful=False,
            )
        at, converged = _newton(moved, every, aim, at, careful=False)
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
    powers = np.stack([moved**2, moved, np.ones(len(moved))], axis=1)
    active = np.flatnonzero(every.sum(axis=1) > 0)
    for _ in range(MAX_STEPS if careful else FEW_STEPS):
        if not len(active):
            break
        some = slice(None) if len(active) == len(every) else active  # all: nothing is copied
        weight, goal, here = every[some], aim[some], at[some]
        step = _newton_step(powers, weight, goal, here)
        change = np.abs(step[:, 0]) * reach + np.abs(step[:, 1])
        step *= np.minimum(1.0, LONGEST_STEP / np.maximum(change, LONGEST_STEP))[:, None]
        at[active] += _shorten(moved, weight, goal, here, step) if careful else step
        active = active[change > TOLERANCE]
    converged = np.ones(len(every), np.bool_)
    converged[active] = False
    return at, converged


def _newton_step(
    powers: NDArray[np.float64],
    weight: NDArray[np.float64],
    aim: NDArray[np.float64],
    at: NDArray[np.float64],
) -> NDArray[np.float64]:
    """``powers``: float64 (u, 3), square, value and 1 of each score."""
    chance = at[:, :1] * powers[:, 1]
    chance += at[:, 1:]
    _sigmoid(chance)
    expected = weight * chance
    gradient = (aim - expected) @ powers[:, 1:]
    gradient[:, 0] -= RIDGE * at[:, 0]
    chance *= expected
    expected -= chance
    bend = expected @ powers
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
    """1 / (1 + exp(−logits)), in place: half the time of ``tanh``."""
    with np.errstate(over="ignore"):  # 1 / inf is 0
        np.exp(np.negative(logits, out=logits), out=logits)
    logits += 1.0
    return np.divide(1.0, logits, out=logits)


def _half(scores: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Tell which half each score belongs to, bool (u,): one bit of the hash murmur3 ends with."""
    bits = (scores + np.float32(0.0)).view(np.uint32)  # −0 is 0
    bits = (bits ^ (bits >> np.uint32(16))) * np.uint32(0x85EBCA6B)
    bits = (bits ^ (bits >> np.uint32(13))) * np.uint32(0xC2B2AE35)
    return np.asarray((bits ^ (bits >> np.uint32(16))) & np.uint32(1), np.bool_)
