"""Forward passes over sample images, as a proof compares them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeAlias

from pytest_prodbench.embedding.batches import batch_of
from pytest_prodbench.embedding.device import autocast
from pytest_prodbench.embedding.engines.refusal import (
    EngineRefusedError,
    of_the_moment,
    with_reason,
)

if TYPE_CHECKING:
    import torch

    from pytest_prodbench.models import Embedder, Features

Pass: TypeAlias = Callable[[Sequence["Features"]], "torch.Tensor"]
"""Features of n images → vectors (n, d), float32, on the CPU."""


def passes_of(embedder: Embedder, device: str, precision: str = "float32") -> Pass:
    """Return what embeds images together on a device, in a precision; float32 on the CPU comes back."""
    import torch

    def embed(images: Sequence[Features]) -> torch.Tensor:
        with torch.inference_mode(), autocast(device, precision):
            return embedder.embed(batch_of(embedder, images, device)).float().cpu()

    return embed


def refusing(embed: Pass) -> Pass:
    """Make a refusal of what a user's own network raises."""

    def embedded(images: Sequence[Features]) -> torch.Tensor:
        try:
            return embed(images)
        except Exception as error:  # the user's code may raise anything
            raise EngineRefusedError(
                with_reason(f"it does not take {len(images)} sample images together", error),
                passing=of_the_moment(error),
            ) from error

    return embedded


def in_batches(embedder: Embedder, size: int) -> Pass:
    """Embed in batches of the run's size, filled up: a session of another size would be one more."""
    embed = passes_of(embedder, "cpu")

    def filled(images: Sequence[Features]) -> torch.Tensor:
        import torch

        parts = [images[start : start + size] for start in range(0, len(images), size)]
        return torch.cat(
            [embed([part[i % len(part)] for i in range(size)])[: len(part)] for part in parts]
        )

    return filled
