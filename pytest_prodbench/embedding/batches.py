"""Features of images → a batch on the model's device."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pytest_prodbench.embedding.device import to_device
from pytest_prodbench.models.protocol import SideBySide

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


def runs_side_by_side(embedder: Embedder) -> bool:
    """Whether several passes of an embedder may run at once, each in a thread of its own."""
    return isinstance(embedder, SideBySide) and embedder.side_by_side


def batch_of(embedder: Embedder, features: Sequence[Features], device: str) -> Features:
    """Put images of one kind together and move them to a device."""
    batch = collated(embedder, features)
    if runs_side_by_side(embedder):
        return batch  # on the CPU, and in the order of memory that its engine takes
    if isinstance(batch, Mapping):
        return {name: to_device(tensor, device) for name, tensor in batch.items()}
    return to_device(batch, device)


def collated(embedder: Embedder, features: Sequence[Features]) -> Features:
    """Put images of one kind together where they are: stacked, or as the embedder does it."""
    batch: Features = getattr(embedder, "collate", stacked)(features)
    return batch


def stacked(features: Sequence[Any]) -> Features:
    """Stack images of equal shapes, name by name."""
    import torch

    if isinstance(features[0], Mapping):
        return {name: torch.stack([one[name] for one in features]) for name in features[0]}
    return torch.stack(list(features))
