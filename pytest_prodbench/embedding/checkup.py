"""Does a model do what an embedding must? Asked of a few images, before a run rests on it."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import combinations
from typing import TYPE_CHECKING

from pytest_prodbench.embedding.batches import batch_of, kind
from pytest_prodbench.errors import ImageError
from pytest_prodbench.models.checkpoints import first_line

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL.Image import Image

    from pytest_prodbench.embedding.model import ModelHandle
    from pytest_prodbench.models import Features

_Embed = Callable[["Sequence[Features]"], "NDArray[np.float32]"]

SAME = 0.99999
"""Cosine from which two vectors of one image count as one: what the order of float32 sums can move."""

SAME_REDUCED = 0.999
"""The same in bfloat16 or float16."""

COLLAPSED = 0.999
"""Mean cosine of different images from which a model tells nothing apart."""

BATCH = 8
"""Images together when the throughput is measured."""

SHOWN = 3
"""Images of which it is said what their preprocessing raised."""

SEED = 20261127
SIDES = ((320, 320), (413, 155), (90, 391), (256, 256), (64, 48), (3, 2), (640, 480), (224, 224))
"""Width and height of the images that are drawn: square, wide, tall, tiny."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        name: what.
        passed: None: a number without a limit.
        found: what was found, in words.
        expected: what would have passed; empty for a number without a limit.
        next_step: what to do if it did not pass.
    """

    name: str
    passed: bool | None
    found: str
    expected: str = ""
    next_step: str = ""


def drawn_images() -> list[Image]:
    """Draw images that differ in all that images differ in, the same ones every time; upright RGB."""
    import numpy as np
    from PIL import Image as Images

    random = np.random.default_rng(SEED)
    found = []
    for place, (width, height) in enumerate(SIDES):
        y, x = np.mgrid[0:height, 0:width]
        waves = [
            np.sin(x / (7 + 3 * place + k)) * np.cos(y / (5 + 2 * k) + place) for k in range(3)
        ]
        noise = random.normal(0, 8, (height, width, 3))
        pixels = 127 + 70 * np.stack(waves, axis=-1) + noise
        # A bright shape in a corner that is each image's own.
        left, top = (place % 3) * width // 3, (place // 3) * height // 3
        pixels[top : top + height // 4, left : left + width // 4] = random.integers(0, 256, 3)
        found.append(Images.fromarray(pixels.clip(0, 255).astype(np.uint8)))
    return found


def checkup(model: ModelHandle, images: Sequence[Image], *, seconds: float = 2.0) -> list[Finding]:
    """Embed some images alone, together and again, and look at what comes out.

    Args:
        model: loaded if it is not yet.
        images: two or more, upright RGB, different from each other.
        seconds: how long to measure throughput.

    Raises:
        ModelError: it cannot be loaded.
    """
    embedder = model.load()
    features, refused, raised = [], 0, dict[str, None]()
    for image in images:
        try:
            features.append(embedder.preprocess(image))
        except ImageError:
            refused += 1  # a sliver; its message is for those who have such images
        except Exception as error:  # the user's code may raise anything
            raised[f"{image.width} x {image.height}: {_told(error)}"] = None
    findings = [_preprocessed(list(raised))] if raised else []
    if features:
        findings += _looked_at(model, features, seconds)
    elif refused:
        findings.append(
            Finding(
                "images",
                False,
                f"none of {len(images)} can be embedded, {refused} refused as too long and thin",
                "two or more that can",
                "look at other photos",
            )
        )
    counted = f"{len(features)} embedded" + (f", {refused} refused" if refused else "")
    return [*findings, Finding("images", None, counted)] if features else findings


def _looked_at(model: ModelHandle, features: Sequence[Features], seconds: float) -> list[Finding]:
    """What the forward pass does with images; a step that raises is a finding that fails."""
    import numpy as np

    embedder, embed = model.load(), partial(_embedded, model)
    try:
        alone = np.concatenate([embed([one]) for one in features])
        again = np.concatenate([embed([one]) for one in features])
    except Exception as error:  # the user's code may raise anything
        return [_fails("one image at a time", error)]
    findings = [_finite(alone, embedder.identity.dimension), _deterministic(alone, again)]
    if findings[0].passed:
        same = SAME if model.precision == "float32" else SAME_REDUCED
        try:
            together = _by_kind([kind(embedder, one) for one in features], features, embed)
            findings.append(_batch_invariant(alone, together, same))
        except Exception as error:
            findings.append(_fails("batch invariant", error))
        if len(features) > 1:
            findings += [_told_apart(alone), _sensitive(alone)]
    try:
        findings.append(_throughput(features[0], embed, seconds))
    except Exception as error:
        findings.append(_fails(f"batches of {BATCH}", error))
    return findings


def _preprocessed(raised: Sequence[str]) -> Finding:
    shown = "; ".join(raised[:SHOWN])
    return Finding(
        "preprocessing",
        False,
        shown if len(raised) <= SHOWN else f"{shown} … and {len(raised) - SHOWN} more",
        "a tensor of every image",
        "mend preprocess, or let it raise pytest_prodbench.errors.ImageError for what it cannot take",
    )


def _fails(name: str, error: Exception) -> Finding:
    return Finding(
        name,
        False,
        _told(error),
        "vectors, of one image and of several together",
        "mend the forward pass: the number of images is the first dimension, whatever it is",
    )


def _told(error: Exception) -> str:
    return f"{type(error).__name__}: {first_line(error)[:300]}"


def _embedded(model: ModelHandle, features: Sequence[Features]) -> NDArray[np.float32]:
    import torch

    embedder = model.load()
    with torch.inference_mode(), model.autocast():
        vectors = embedder.embed(batch_of(embedder, features, model.device))
    found: NDArray[np.float32] = vectors.float().cpu().numpy()
    return found


def _by_kind(
    kinds: Sequence[Hashable], features: Sequence[Features], embed: _Embed
) -> NDArray[np.float32]:
    """Vectors in the order of the images, embedded with all others of their kind, the last one first."""
    import numpy as np

    found: dict[int, NDArray[np.float32]] = {}
    for kind_ in dict.fromkeys(kinds):
        places = [i for i, one in enumerate(kinds) if one == kind_][::-1]
        found |= dict(zip(places, embed([features[i] for i in places]), strict=True))
    return np.stack([found[i] for i in range(len(features))])


def _finite(vectors: NDArray[np.float32], dimension: int) -> Finding:
    import numpy as np

    bad = int(np.count_nonzero(~np.isfinite(vectors).all(axis=1) | ~vectors.any(axis=1)))
    return Finding(
        "finite vectors",
        bad == 0,
        f"{len(vectors) - bad} of {len(vectors)} vectors of {dimension} numbers",
        "no NaN, no infinity, none that is all zero",
        "look for a division by zero, or an overflow in half precision",
    )


def _deterministic(first: NDArray[np.float32], again: NDArray[np.float32]) -> Finding:
    import numpy as np

    differ = int(np.count_nonzero((first.view(np.uint32) != again.view(np.uint32)).any(axis=1)))
    return Finding(
        "deterministic",
        differ == 0,
        f"{differ} of {len(first)} vectors differ the second time",
        "the same bits for the same image",
        "look for dropout, random masks or crops, and for layers in training mode",
    )


def _batch_invariant(
    alone: NDArray[np.float32], together: NDArray[np.float32], same: float
) -> Finding:
    worst = float(min(_cosine(a, b) for a, b in zip(alone, together, strict=True)))
    return Finding(
        "batch invariant",
        worst >= same,
        f"cosine of one image alone and in a batch at least {worst:.7f}",
        f"{same:g} or more",
        "look for batch statistics (batch normalisation in training mode), or padding that is not masked",
    )


def _told_apart(vectors: NDArray[np.float32]) -> Finding:
    import numpy as np

    similar = [_cosine(a, b) for a, b in combinations(vectors, 2)]
    mean = float(np.mean(similar))
    return Finding(
        "not collapsed",
        mean < COLLAPSED,
        f"mean cosine of different images {mean:.4f}, from {min(similar):.4f} to {max(similar):.4f}",
        f"below {COLLAPSED:g}",
        "the model gives all images one vector: look at its weights, its preprocessing and its pooling",
    )


def _sensitive(vectors: NDArray[np.float32]) -> Finding:
    equal = sum(bool((a == b).all()) for a, b in combinations(vectors, 2))
    return Finding(
        "input sensitive",
        equal == 0,
        f"{equal} pairs of different images with one and the same vector",
        "none",
        "the images do not reach the network: look at the input's name, its scale and its layout",
    )


def _throughput(features: Features, embed: _Embed, seconds: float) -> Finding:
    batch = [features] * BATCH
    embed(batch)
    started, images = time.perf_counter(), 0
    while (took := time.perf_counter() - started) < seconds:
        embed(batch)
        images += len(batch)
    return Finding(
        "throughput",
        None,
        f"{images / took:.1f} images/s, forward pass alone, batches of {len(batch)}",
    )


def _cosine(a: NDArray[np.float32], b: NDArray[np.float32]) -> float:
    import numpy as np

    a, b = a.astype(np.float64), b.astype(np.float64)
    return float(a @ b / max(float(np.linalg.norm(a) * np.linalg.norm(b)), 1e-300))
