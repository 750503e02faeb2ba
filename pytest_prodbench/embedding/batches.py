"""Features of images → a batch on the model's device."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pytest_prodbench.embedding.device import to_device

if TYPE_CHECKING:
    from pytest_prodbench.models import Embedder, Features


def kind(embedder: Embedder, features: Features) -> Hashable:
    """Return what the images of one batch have in common: the shapes, or what the embedder says."""
    own = getattr(embedder, "kind", None)
    if own is not None:
        found: Hashable = own(features)
        return found
    if isinstance(features, Mapping):
        return tuple(sorted((name, tuple(tensor.shape)) for name, tensor in features.items()))
    return tuple(features.shape)


def batch_of(embedder: Embedder, features: Sequence[Features], device: str) -> Features:
    """Put images of one kind together and move them to a device."""
    batch: Features = getattr(embedder, "collate", _stacked)(features)
    if isinstance(batch, Mapping):
        return {name: to_device(tensor, device) for name, tensor in batch.items()}
    return to_device(batch, device)


def _stacked(features: Sequence[Any]) -> Features:
    """Stack images of equal shapes, name by name."""
    import torch

    if isinstance(features[0], Mapping):
        return {name: torch.stack([one[name] for one in features]) for name in features[0]}
    return torch.stack(list(features))
