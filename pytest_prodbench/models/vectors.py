"""From what a network of unknown make gives to one vector an image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch

from pytest_prodbench.models.checkpoints import model_error
from pytest_prodbench.models.pooling import gem_pool, map_to_tokens, mean_pool

if TYPE_CHECKING:
    from pytest_prodbench.settings.types import ModelSpec


def one_output(spec: ModelSpec, outputs: Any, wanted: str | int | None) -> torch.Tensor:
    """Return the output that holds the vectors: the one that is named, else the only one.

    Args:
        spec: the model, for messages.
        outputs: a tensor, or several in a mapping or a sequence.
        wanted: name or place of one.

    Raises:
        ModelError: there is no such output, or none is named among several.
    """
    named: Mapping[str | int, Any]
    if isinstance(outputs, Mapping):
        named = outputs
    elif isinstance(outputs, Sequence):
        named = dict(enumerate(outputs))
    else:
        named = {0: outputs}
    if wanted is None and len(named) == 1:
        found = next(iter(named.values()))
    elif wanted is not None and wanted in named:
        found = named[wanted]
    else:
        raise model_error(
            spec,
            found=f"output {wanted!r}" if wanted is not None else "no output named",
            expected=f"one of {', '.join(map(repr, named))}",
            next_step=f"write output = … in [models.{spec.name}]",
        )
    if not isinstance(found, torch.Tensor):
        raise model_error(
            spec, found=f"an output of type {type(found).__name__}", expected="a tensor"
        )
    return found


def pooled(spec: ModelSpec, features: torch.Tensor) -> torch.Tensor:
    """Return vectors (b, d) of vectors, tokens (b, n, d) or a feature map (b, d, h, w).

    Raises:
        ModelError: the pooling does not fit; nothing is guessed.
    """
    pooling, shape = spec.pooling, tuple(features.shape)
    if features.ndim == 2 and pooling == "default":
        return features
    if features.ndim == 4 and shape[2:] == (1, 1) and pooling == "default":
        return features.flatten(1)
    if features.ndim == 3 and pooling == "cls":
        first: torch.Tensor = features[:, 0]
        return first
    if features.ndim in (3, 4) and pooling in ("mean", "gem"):
        tokens = features if features.ndim == 3 else map_to_tokens(features, channels_last=False)
        return mean_pool(tokens) if pooling == "mean" else gem_pool(tokens, spec.gem_power)
    raise model_error(
        spec,
        found=f"an output of shape {shape} and pooling {pooling!r}",
        expected="(b, d) with the default pooling, tokens (b, n, d) with 'cls', 'mean' or 'gem', or a "
        "feature map (b, d, h, w) with 'mean' or 'gem'",
        next_step=f"correct pooling in [models.{spec.name}], or name another output",
    )


def one_each(spec: ModelSpec, vectors: torch.Tensor, images: int) -> torch.Tensor:
    """Return the vectors if there is one an image.

    Raises:
        ModelError: more or fewer, as where a batch of one is baked into a network.
    """
    if len(vectors) != images:
        raise model_error(
            spec,
            found=f"{len(vectors)} vectors for a batch of {images} images",
            expected="one an image, along the first axis",
            next_step=f"export it anew with a free batch, or name another output in [models.{spec.name}]",
        )
    return vectors
