"""Does another engine give torch's vectors? Shown on sample images that lie in this package.

The images of a dataset cannot be asked: which engine is in force is known before any of them is embedded,
because it is a part of the key that their vectors are kept under.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_prodbench.embedding.batches import collated, kind
from pytest_prodbench.embedding.engines.refusal import (
    EngineRefusedError,
    of_the_moment,
    with_reason,
)
from pytest_prodbench.embedding.engines.tensors import by_name, shapes_in

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL.Image import Image

    from pytest_prodbench.embedding.engines.passes import Pass
    from pytest_prodbench.embedding.engines.tensors import Shapes
    from pytest_prodbench.models import Embedder, Features

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


def sample_shapes(embedder: Embedder) -> Shapes:
    """Return the shapes of a sample's tensors, as they lie in a batch of the model.

    Raises:
        EngineRefusedError: as ``samples``; the images of a batch do not lie in its rows, each in one.
    """
    found = samples(embedder, 2)
    try:
        batch = collated(embedder, found)
    except Exception as error:  # the user's code may raise anything
        raise EngineRefusedError(
            with_reason("it does not put two sample images together", error),
            passing=of_the_moment(error),
        ) from error
    for name, tensor in by_name(batch).items():
        if len(tensor) != len(found):
            raise EngineRefusedError(
                f"{name} of {len(found)} images has {len(tensor)} rows, and an export takes one an image",
                next_step="write engine = 'torch'",
            )
    return shapes_in(batch)


def samples(embedder: Embedder, count: int | None = None) -> list[Features]:
    """Return the first ``count`` samples, or all, as a model takes them.

    Raises:
        EngineRefusedError: its input follows the shape of the image; an export has one shape.
    """
    found: list[Features] = []
    for path in _paths()[:count]:
        found.append(_features(embedder, path))
        unlike = kind(embedder, found[-1]) != kind(embedder, found[0])
        if unlike or _whole_shapes(found[-1]) != _whole_shapes(found[0]):
            raise EngineRefusedError(
                "the model has no fixed input size",
                next_step="state preprocess.size where the model takes it, or engine = 'torch'",
            )
    return found


def _whole_shapes(features: Features) -> dict[str, tuple[int, ...]]:
    return {name: tuple(tensor.shape) for name, tensor in by_name(features).items()}


def _features(embedder: Embedder, path: Path) -> Features:
    try:
        return embedder.preprocess(_image(path))
    except Exception as error:  # the user's code may raise anything
        raise EngineRefusedError(
            with_reason("it does not take a sample image", error), passing=of_the_moment(error)
        ) from error


def prove(images: Sequence[Features], reference: Pass, tried: Pass, *, reduced: bool) -> Proof:
    """Embed the samples in both ways and compare.

    Args:
        images: of ``samples``.
        reference: the model in torch and float32.
        tried: the same by the engine.
        reduced: whether the engine computes in less than float32.
    """
    import numpy as np

    expected, found = _vectors(images, reference), _vectors(images, tried)
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


def agrees(images: Sequence[Features], reference: Pass, tried: Pass, *, reduced: bool) -> bool:
    """Whether the cosines of some samples are within the bound of a proof; arguments as of ``prove``."""
    expected, found = (embed(images).double().numpy() for embed in (reference, tried))
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


def _vectors(images: Sequence[Features], embed: Pass) -> NDArray[np.float64]:
    import torch

    together, alone = images[:-1], images[-1:]
    starts = range(0, len(together), BATCH)
    parts = [*(together[start : start + BATCH] for start in starts), alone]
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
