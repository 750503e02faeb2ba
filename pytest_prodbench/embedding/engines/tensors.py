"""Features and batches as tensors by name: that is what an export takes in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    import torch

    from pytest_prodbench.models import Features

IMAGES = "images"
"""Name of a tensor that is the only one and has none."""

Shapes: TypeAlias = Mapping[str, tuple[int, ...]]
"""Of each tensor of one image, as it lies in a batch: without the number of images in front."""


def by_name(features: Features) -> Mapping[str, torch.Tensor]:
    """Return the tensors of an image, or of a batch, by name."""
    return features if isinstance(features, Mapping) else {IMAGES: features}


def shapes_in(batch: Features) -> Shapes:
    """Return the shape of each tensor of a batch, without the number of images."""
    return {name: tuple(tensor.shape[1:]) for name, tensor in by_name(batch).items()}


def told_shapes(shapes: Shapes) -> str:
    """Return shapes as text: ``(3, 224, 224)``, or names with them."""
    if shapes.keys() == {IMAGES}:
        return str(shapes[IMAGES])
    return ", ".join(f"{name} {shape}" for name, shape in shapes.items())
