"""What the vectors themselves are like: size, spread, hubs, copies. No query's answer is looked at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

NEAR_IDENTICAL = 0.999
"""Cosine from which on two gallery images count as near-identical: 2.6 degrees apart."""

BLOCK = 8_192
"""Rows held in float64 at once."""


@dataclass(frozen=True, slots=True)
class EmbeddingSpace:
    """Facts of a gallery of n vectors (n, d).

    Attributes:
        dimension: d.
        bytes_per_vector: of a float32 vector, as it is searched.
        effective_rank: see :func:`effective_rank`.
        hubness: see :func:`hubness`.
        near_identical: share of the images looked at whose nearest other image has a cosine of at
            least ``NEAR_IDENTICAL``; NaN where none was looked at.
    """

    dimension: int
    bytes_per_vector: int
    effective_rank: float
    hubness: float
    near_identical: float


def embedding_space(
    gallery: NDArray[np.float32],
    top_indices: NDArray[np.int64],
    nearest_cosines: NDArray[np.float32],
) -> EmbeddingSpace:
    """Describe a gallery (n, d).

    Args:
        gallery: float32 (n, d), unit vectors.
        top_indices: int64 (q, 10), the first ten results of each query; −1 where there is none.
        nearest_cosines: float32 (s,), of each image looked at, to its nearest other image.
    """
    return EmbeddingSpace(
        dimension=gallery.shape[1],
        bytes_per_vector=4 * gallery.shape[1],
        effective_rank=effective_rank(gallery),
        hubness=hubness(top_indices, len(gallery)),
        near_identical=near_identical_share(nearest_cosines),
    )


def effective_rank(gallery: NDArray[np.float32]) -> float:
    """Return the participation ratio (Σ λ)² / Σ λ² of the eigenvalues λ of the covariance (d, d).

    How many directions the vectors of ``gallery`` (n, d) really use: d if all are used alike, 1 if they
    lie on a line (Gao et al., A theory of multineuronal dimensionality, 2017; not the entropy of Roy &
    Vetterli 2007, which bears that name too). Range 1 … min(d, n − 1); NaN for fewer than two
    different vectors. Higher means that more directions are used; whether that helps, the ranks say.

    Σ λ is the trace of the covariance and Σ λ² the sum of its squared entries, so that no eigenvalue
    is computed; the smaller of the d × d and the n × n products is taken, in float64.
    """
    count, dimension = gallery.shape
    if count < 2:
        return float("nan")
    # Distances from one vector first: the mean of equal vectors is then exact.
    origin = gallery[0].astype(np.float64)
    blocks = range(0, count, BLOCK)
    mean = sum((gallery[s : s + BLOCK] - origin).sum(axis=0) for s in blocks) / count + origin
    if count <= min(dimension, BLOCK):
        centred = gallery - mean
        product = centred @ centred.T
    else:
        product = np.zeros((dimension, dimension))
        for start in blocks:
            centred = gallery[start : start + BLOCK] - mean
            product += centred.T @ centred
    squares = float(np.sum(product * product))
    return float(np.trace(product)) ** 2 / squares if squares > 0 else float("nan")


def hubness(top_indices: NDArray[np.int64], size: int) -> float:
    """Return the skewness of how often each of ``size`` gallery images is in a result list.

    E[(N − μ)³] / σ³ over the gallery, N the number of lists (q, 10) that an image is in (N₁₀ of
    Radovanović, Nanopoulos & Ivanović, JMLR 2010). 0 is even; far above it a few hubs are in everyone's
    results. Any number; lower is better. NaN where every image is in as many lists as any other.
    """
    listed = top_indices[top_indices >= 0]
    times = np.bincount(listed, minlength=size).astype(np.float64)
    away = times - times.mean() if size else times
    spread = np.sqrt(np.mean(away**2)) if size else 0.0
    return float(np.mean(away**3) / spread**3) if spread > 0 else float("nan")


def near_identical_share(nearest_cosines: NDArray[np.float32]) -> float:
    """Return the share of cosines (s,) that are at least ``NEAR_IDENTICAL``; NaN of none.

    Such images cannot be told apart reliably: copies in the catalog, or a model that sees too little.
    Range 0 … 1, lower is better.
    """
    if not len(nearest_cosines):
        return float("nan")
    return float(np.mean(nearest_cosines >= np.float32(NEAR_IDENTICAL)))
