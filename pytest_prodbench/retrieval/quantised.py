"""A copy of a gallery in 8-bit integers, and by how much it differs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from pytest_prodbench import threads
from pytest_prodbench.retrieval.gallery import NORM_SLACK, Gallery
from pytest_prodbench.retrieval.integer_products import LARGEST

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    Floats = NDArray[np.float32]
    Doubles = NDArray[np.float64]

SEGMENT = 4096
"""Places that share a step."""

SMALLEST_STEP = np.float32(2.0**-60)
"""What is below 127 of them changes no similarity; a subnormal step would be off by more than float32 is."""

VANISHING = 2.0**-56
"""Norm, at most, that squares below 2⁻¹²⁶ hide, which float32 does not hold: √d · 2⁻⁶³."""

AVERAGED = 4096
"""Vectors, at least, that the mean is taken of; any other vector would be as right, and save fewer bits."""

CONVERTED_AT_ONCE = 1024
"""Rows of a thread that are converted at a time: with fewer, steps are so short that threads take turns."""


class Quantised:
    """Copy of a gallery in 8-bit integers, g ≈ μ + c · k, and by how much it differs.

    Vectors are laid out by their largest component, and each segment of them has a step c of its own, so
    that nearly all of them use their bits.

    Attributes:
        gallery: the vectors in this order.
        tensor: torch.int8 (n, d), the k.
        mean: float32 (d,), μ: what all images of a model share takes no bits.
        segment: places that share a step.
        steps: float64 (s,), c of each segment.
        residuals: float64 (s,), largest ‖(g − μ) − c · k‖ of a vector there.
        norms: float64 (s,), largest ‖g − μ‖.
    """

    def __init__(self, gallery: Gallery) -> None:
        self.segment = SEGMENT
        sample = gallery.vectors[:: max(1, len(gallery) // AVERAGED)]
        self.mean: Floats = sample.mean(axis=0, dtype=np.float64).astype(np.float32)
        parts = [
            range(*part.indices(len(gallery)))
            for part in threads.portions(len(gallery), self.segment)
        ]
        self._vectors = gallery.vectors
        largest = np.concatenate(threads.in_threads(self._largest, parts))
        order = np.argsort(largest, kind="stable")
        self.gallery = gallery.in_order(order)
        self._places = self.gallery.places()
        starts = np.arange(0, len(gallery), self.segment)
        most = np.maximum.reduceat(largest[order], starts) / np.float32(LARGEST)
        # Nothing is left of images that are all alike: any step is right.
        most[most < SMALLEST_STEP] = 1.0
        self.steps: Doubles = most.astype(np.float64)
        self._codes = np.empty((len(gallery), gallery.dimension), np.int8)
        self.tensor: Any = torch.from_numpy(self._codes)
        sizes = np.concatenate(threads.in_threads(self._convert, parts), axis=1)[:, order]
        self.norms, self.residuals = np.maximum.reduceat(sizes, starts, axis=1)

    def _centred(self, rows: range) -> Iterator[tuple[slice, Any]]:
        """Vectors less the mean, some rows at a time, in memory that is used again."""
        mean = torch.from_numpy(self.mean)
        # Where tensors are made else is the caller's to say (``torch.set_default_device``).
        shape = (CONVERTED_AT_ONCE, len(self.mean))
        room = torch.empty(shape, dtype=torch.float32, device="cpu")
        for start in range(rows.start, rows.stop, CONVERTED_AT_ONCE):
            some = slice(start, min(start + CONVERTED_AT_ONCE, rows.stop))
            part = torch.from_numpy(self._vectors[some])
            yield some, torch.sub(part, mean, out=room[: len(part)])

    def _largest(self, rows: range) -> Floats:
        """Largest component of each centred vector, without its sign."""
        ends = [
            torch.maximum(part.amax(dim=1), -part.amin(dim=1)) for _, part in self._centred(rows)
        ]
        found: Floats = torch.cat(ends).numpy()
        return found

    def _convert(self, rows: range) -> Doubles:
        """Fill ``tensor`` for some rows of the vectors; return their norms and residuals, (2, rows)."""
        found = []
        # Read in turn and written where they belong: an eighth of the memory that is read out of turn else.
        for some, part in self._centred(rows):
            at = self._places[some]
            steps = torch.from_numpy(self.steps[at // self.segment]).float()[:, None]
            codes, norms, residuals = quantise(part, steps)
            self._codes[at] = codes.to(torch.int8).numpy()
            found.append(np.stack([norms.numpy(), residuals.numpy()]))
        return np.concatenate(found, axis=1)


def quantise(vectors: Any, step: Any) -> tuple[Any, Any, Any]:
    """Round vectors to integers k of a step c.

    Args:
        vectors: torch.float32 (r, d), in whose place something else stands afterwards.
        step: torch.float32, of all, or (r, 1), of each; |x| <= 127 c.

    Returns:
        codes: torch.float32 (r, d), the k.
        norms, residuals: torch.float64 (r,), bounds on ‖x‖ and on ‖x − c · k‖.
    """
    # x / c in float32 is off by u |x| / c, and what was subtracted to get x by as much: 2⁻²² ‖x‖ in all.
    units = vectors.div_(step)
    size = step.double().reshape(-1) * NORM_SLACK
    norms = (torch.linalg.vector_norm(units, dim=1).double() + VANISHING) * size
    codes = units.round()
    residuals = (torch.linalg.vector_norm(units.sub_(codes), dim=1).double() + VANISHING) * size
    return codes, norms, residuals + 2.0**-22 * norms
