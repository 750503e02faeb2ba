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

TOLERANCE, ROUGHLY = 1e-4, 5e-3
"""Newton's method has converged when no logit moved by more (with runs of scores: is near enough): the next
step would be about its square."""


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
        later = np.concatenate([[0], np.cumsum(half)])
        self._before = np.stack([np.arange(len(half) + 1) - later, first + later])
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
        gaps = self._by_bin(surplus, every, whole) / np.maximum(whole, 1.0)[:, None]
        return np.where(defined[:, None], gaps, np.nan)

    def _by_bin(
        self,
        surplus: NDArray[np.float64],
        every: NDArray[np.float64],
        whole: NDArray[np.float64],
    ) -> NDArray[np.float64]:
        """Sum of the surplus in each bin, float64 (b, ``BINS``)."""
        every = np.take(every, self._falling, axis=1)
        # Twice the middle of each score's weight: a whole number. In bin k or a later one are those from
        # 2 k whole / BINS on; equal ones and the next differ by a weight, so that they never fall.
        middle = np.cumsum(every, axis=1)
        middle *= 2.0
        middle -= every
        least = np.ceil(2.0 * np.arange(1, BINS) * whole[:, None] / BINS)
        cuts = np.zeros((len(every), BINS), np.intp)
        for row, ends in enumerate(least):
            cuts[row, 1:] = middle[row].searchsorted(ends)
        # Halves stand side by side in a row: so many of each come before a cut.
        starts = self._before[:, cuts].transpose(1, 0, 2)
        starts = (starts + every.shape[1] * np.arange(len(every))[:, None, None]).ravel()
        sums = np.add.reduceat(np.append(surplus, 0.0), starts)  # a start may be the very end
        sums[np.diff(starts, append=surplus.size) == 0] = 0.0
        return np.asarray(sums.reshape(len(every), 2, BINS).sum(axis=1))


def platt(
    values: NDArray[np.float64],
    right: NDArray[np.float64],
    every: NDArray[np.float64],
    start: NDArray[np.float64] | None = None,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Fit Platt's map to b samples by Newton's method; slope and intercept, float64 (b,) each.

    Newton's method goes over all scores once or twice if it begins near the end: there, where the map of
    ``COARSE`` runs of neighbouring scores lies, each known by its weight, mean and variance, which takes
    no time to find. It begins again at 0, and more carefully, where that does not lead to the end.

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
    # Of the targets only these two sums are needed: with each score, and with 1.
    high, low = (hits + 1.0) / (hits + 2.0), 1.0 / (all_ - hits + 2.0)
    aim = np.stack(
        [
            (high - low) * (right @ moved) + low * (every @ moved),
            (high - low) * hits + low * all_,
        ],
        axis=1,
    )
    at = np.zeros((len(every), 2))
    converged = np.zeros(len(every), np.bool_)
    if start is not None:
        at += start
        at[:, 1] += at[:, 0] * centre
        if len(moved) > COARSE * COARSE_RUN:
            edges = np.arange(0, len(moved), -(-len(moved) // COARSE))
            weight = np.add.reduceat(every, edges, axis=1)
            first = every * moved
            means = np.add.reduceat(first, edges, axis=1) / np.maximum(weight, 1.0)
            first *= moved
            spread = np.add.reduceat(first, edges, axis=1) / np.maximum(weight, 1.0) - means**2
            at, _ = _newton(means, weight, aim, at, spread=spread)
        at, converged = _newton(moved, every, aim, at)
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
    spread: NDArray[np.float64] | None = None,
    careful: bool = False,
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return slope and intercept (b, 2), and which have converged.

    Args:
        moved: float64 (u,); or (b, u), means of runs of scores.
        every: float64 (b, u), their weight.
        aim: float64 (b, 2), of the targets the sum with each score, and with 1.
        at: float64 (b, 2), where to begin.
        spread: float64 (b, u), variance within each run; the map is bent there by no more than a square.
        careful: no step may raise the loss.
    """
    reach = np.broadcast_to(np.abs(moved).max(axis=-1, initial=0.0), len(every))
    enough = TOLERANCE if spread is None else ROUGHLY
    active = np.flatnonzero(every.sum(axis=1) > 0)
    for _ in range(MAX_STEPS if careful else FEW_STEPS):
        if not len(active):
            break
        some = slice(None) if len(active) == len(every) else active  # all: nothing is copied
        scores = moved[some] if moved.ndim > 1 else moved
        within = None if spread is None else spread[some]
        weight, goal, here = every[some], aim[some], at[some]
        step = _newton_step(scores, weight, goal, here, within)
        change = np.abs(step[:, 0]) * reach[some] + np.abs(step[:, 1])
        step *= np.minimum(1.0, LONGEST_STEP / np.maximum(change, LONGEST_STEP))[:, None]
        at[active] += _shorten(scores, weight, goal, here, step) if careful else step
        active = active[change > enough]
    converged = np.ones(len(every), np.bool_)
    converged[active] = False
    return at, converged


def _newton_step(
    moved: NDArray[np.float64],
    weight: NDArray[np.float64],
    aim: NDArray[np.float64],
    at: NDArray[np.float64],
    spread: NDArray[np.float64] | None,
) -> NDArray[np.float64]:
    chance = at[:, :1] * moved
    chance += at[:, 1:]
    _sigmoid(chance)
    expected = weight * chance
    gradient = aim - np.stack([_dot(expected, moved), expected.sum(axis=1)], axis=1)
    gradient[:, 0] -= RIDGE * at[:, 0]
    bend = np.multiply(expected, chance)
    np.subtract(expected, bend, out=bend)
    # Where all logits are extreme the curvature vanishes; the floor keeps the step finite.
    square, plain = _dot(bend, moved**2) + RIDGE, np.maximum(bend.sum(axis=1), 1e-12)
    mixed = _dot(bend, moved)
    if spread is not None:
        # Of a run the chances have the mean p + p'' slope² spread / 2, and grow by p' slope with its scores.
        bend *= spread
        grown = bend.sum(axis=1)
        square += grown
        bend *= (0.5 - chance) * at[:, :1] ** 2
        gradient[:, 0] -= at[:, 0] * grown + _dot(bend, moved)
        gradient[:, 1] -= bend.sum(axis=1)
    determinant = np.maximum(square * plain - mixed**2, 1e-3 * RIDGE * plain)
    return np.stack(
        [
            (plain * gradient[:, 0] - mixed * gradient[:, 1]) / determinant,
            (square * gradient[:, 1] - mixed * gradient[:, 0]) / determinant,
        ],
        axis=1,
    )


def _dot(rows: NDArray[np.float64], scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """``scores``: of all rows, or of each."""
    if scores.ndim == 1:
        return np.asarray(rows @ scores)
    return np.asarray(np.einsum("ij,ij->i", rows, scores))


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
    loss = weight * np.logaddexp(0.0, at[:, :1] * moved + at[:, 1:])
    return np.asarray(loss.sum(axis=1) - (aim * at).sum(axis=1) + RIDGE / 2.0 * at[:, 0] ** 2)


def _sigmoid(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    """1 / (1 + exp(−logits)), in place: half the time of ``tanh``."""
    with np.errstate(over="ignore"):  # 1 / inf is 0
        # Not ``np.negative``: into memory with gaps, as a half with one score has it in the matrix of both,
        # numpy 2.4 writes wrong numbers now and then (seen with AVX-512).
        np.exp(np.multiply(logits, -1.0, out=logits), out=logits)
    logits += 1.0
    return np.divide(1.0, logits, out=logits)


def _half(scores: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Tell which half each score belongs to, bool (u,): one bit of the hash murmur3 ends with."""
    bits = (scores + np.float32(0.0)).view(np.uint32)  # −0 is 0
    bits = (bits ^ (bits >> np.uint32(16))) * np.uint32(0x85EBCA6B)
    bits = (bits ^ (bits >> np.uint32(13))) * np.uint32(0xC2B2AE35)
    return np.asarray((bits ^ (bits >> np.uint32(16))) & np.uint32(1), np.bool_)
