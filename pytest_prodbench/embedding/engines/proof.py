"""Does another engine give torch's vectors? Shown on sample images that lie in this package.

The images of a dataset cannot be asked: which engine is in force is known before any of them is embedded,
because it is a part of the key that their vectors are kept under.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_prodbench.embedding.engines.refusal import (
    EngineRefusedError,
    of_the_moment,
    with_reason,
)

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray
    from PIL.Image import Image

    from pytest_prodbench.models import Embedder

Embed = Callable[["torch.Tensor"], "torch.Tensor"]

SAMPLES = Path(__file__).parent / "samples"
"""``<product>-<n>.jpg``, three views of each product, of three shapes (fixtures/proof_samples.py)."""

BOUND = 1e-5
"""Largest 1 − cosine of an engine in float32 to torch in float32: what the order of sums can move."""

BOUND_REDUCED = 1e-2
"""The same in a reduced precision, which is another model: that it is still this network, no more."""

DECIMALS = 7
"""Of the cosine that is recorded. The digits behind differ from one processor to the next."""

BATCH = 4
"""Images together; the last one is embedded alone, so that a batch size baked into a file is seen."""


@dataclass(frozen=True, slots=True)
class Proof:
    """What a comparison with torch in float32 found.

    Attributes:
        worst_cosine: smallest over the samples, in float64, to seven decimals.
        changed_ranks: samples whose first hit among the others, or rank of best positive, is another.
        refused: why the engine must not be used; empty: it may.
    """

    worst_cosine: float | None
    changed_ranks: int | None
    refused: str = ""


@cache
def samples_digest() -> str:
    """Return the sha256 (hex) over names and bytes of the samples."""
    digest = hashlib.sha256()
    for path in _paths():
        data = path.read_bytes()
        digest.update(f"{path.name} {len(data)}\n".encode())
        digest.update(data)
    return digest.hexdigest()


def first_sample() -> Image:
    """Return the first of the samples, RGB."""
    return _image(_paths()[0])


def sample_shape(embedder: Embedder) -> tuple[int, ...]:
    """Return the shape (3, h, w) of one sample as a model takes it.

    Raises:
        EngineRefusedError: the model takes several tensors.
    """
    return tuple(_tensor(embedder, _paths()[0]).shape)


def sample_tensors(embedder: Embedder, count: int | None = None) -> torch.Tensor:
    """Return the first ``count`` samples, or all, as a model takes them: float32 (n, 3, h, w).

    Raises:
        EngineRefusedError: it takes several tensors, or its input follows the shape of the image; an export
            has one input of one shape.
    """
    import torch

    tensors = [_tensor(embedder, path) for path in _paths()[:count]]
    if len({tensor.shape for tensor in tensors}) > 1 or tensors[0].ndim != 3:
        raise EngineRefusedError(
            "the model has no fixed input size",
            next_step="state preprocess.size, or engine = 'torch'",
        )
    return torch.stack(tensors)


def _tensor(embedder: Embedder, path: Path) -> torch.Tensor:
    try:
        features = embedder.preprocess(_image(path))
    except Exception as error:  # the user's code may raise anything
        raise EngineRefusedError(
            with_reason("it does not take a sample image", error), passing=of_the_moment(error)
        ) from error
    if isinstance(features, Mapping):
        raise EngineRefusedError(
            f"the model takes several tensors ({', '.join(features)})",
            next_step="engine = 'torch'",
        )
    return features


def prove(tensors: torch.Tensor, reference: Embed, tried: Embed, *, reduced: bool) -> Proof:
    """Embed the samples in both ways and compare.

    Args:
        tensors: of ``sample_tensors``.
        reference: the model in torch and float32.
        tried: the same by the engine.
        reduced: whether the engine computes in less than float32.
    """
    import numpy as np

    expected, found = _vectors(tensors, reference), _vectors(tensors, tried)
    if found.shape != expected.shape or not np.isfinite(found).all():
        return Proof(None, None, "its vectors have another shape, or are not finite")
    expected, found = _unit(expected), _unit(found)
    worst = float((expected * found).sum(axis=1).min())
    products = [path.stem.rpartition("-")[0] for path in _paths()]
    changed = sum(
        before != after
        for before, after in zip(
            hits(expected @ expected.T, products), hits(found @ found.T, products), strict=True
        )
    )
    bound = BOUND_REDUCED if reduced else BOUND
    refused = ""
    if 1.0 - worst > bound:
        refused = f"1 − cosine to torch in float32 is above {bound:g} on sample images"
    elif changed and not reduced:
        refused = f"the ranks of {changed} of {len(products)} sample images are not torch's"
    return Proof(round(worst, DECIMALS), changed, refused)


def agrees(tensors: torch.Tensor, reference: Embed, tried: Embed, *, reduced: bool) -> bool:
    """Whether the cosines of some samples are within the bound of a proof; arguments as of ``prove``."""
    expected, found = (embed(tensors).double().numpy() for embed in (reference, tried))
    if found.shape != expected.shape:
        return False
    cosines = (_unit(expected) * _unit(found)).sum(axis=1)
    # Not a number is within no bound.
    return bool((1.0 - cosines <= (BOUND_REDUCED if reduced else BOUND)).all())


def hits(similar: NDArray[np.float64], products: Sequence[str]) -> list[tuple[int, int]]:
    """Return for each image which other one comes first, and the pessimistic rank of its best positive.

    Args:
        similar: similarity of each image to each (n, n).
        products: of each image (n,); every product has two images or more.
    """
    import numpy as np

    names = np.asarray(products)
    found = []
    for row, scores in enumerate(similar):
        others = np.arange(len(names)) != row
        positive = others & (names == names[row])
        first = int(np.argmax(np.where(others, scores, -np.inf)))
        negatives = scores[others & ~positive]
        found.append((first, 1 + int((negatives >= scores[positive].max()).sum())))
    return found


def _vectors(tensors: torch.Tensor, embed: Embed) -> NDArray[np.float64]:
    import torch

    parts = [*torch.split(tensors[:-1], BATCH), tensors[-1:]]
    vectors: NDArray[np.float64] = torch.cat([embed(part).double() for part in parts]).numpy()
    return vectors


def _unit(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    import numpy as np

    lengths: NDArray[np.float64] = np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors / np.maximum(lengths, np.finfo(np.float64).tiny)


def _paths() -> list[Path]:
    return sorted(SAMPLES.glob("*.jpg"))


def _image(path: Path) -> Image:
    from PIL import Image as Images

    with Images.open(path) as image:
        return image.convert("RGB")
