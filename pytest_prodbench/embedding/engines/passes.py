"""Forward passes over sample tensors, as a proof compares them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from pytest_prodbench.embedding.device import autocast, to_device
from pytest_prodbench.embedding.engines.refusal import (
    EngineRefusedError,
    of_the_moment,
    with_reason,
)

if TYPE_CHECKING:
    import torch

    from pytest_prodbench.models import Embedder


def passes_of(
    embedder: Embedder, device: str, precision: str = "float32"
) -> Callable[[torch.Tensor], torch.Tensor]:
    """Return what maps tensors to vectors on a device, in a precision; float32 on the CPU comes back."""
    import torch

    def embed(batch: torch.Tensor) -> torch.Tensor:
        with torch.inference_mode(), autocast(device, precision):
            return embedder.embed(to_device(batch, device)).float().cpu()

    return embed


def refusing(
    embed: Callable[[torch.Tensor], torch.Tensor],
) -> Callable[[torch.Tensor], torch.Tensor]:
    """Make a refusal of what a user's own network raises."""

    def embedded(batch: torch.Tensor) -> torch.Tensor:
        try:
            return embed(batch)
        except Exception as error:  # the user's code may raise anything
            raise EngineRefusedError(
                with_reason(f"it does not take {len(batch)} sample images together", error),
                passing=of_the_moment(error),
            ) from error

    return embedded


def in_batches(embedder: Embedder, size: int) -> Callable[[torch.Tensor], torch.Tensor]:
    """Embed in batches of the run's size, filled up: a session of another size would be one more."""
    embed = passes_of(embedder, "cpu")

    def filled(batch: torch.Tensor) -> torch.Tensor:
        import torch

        parts = torch.split(batch, size)
        rows = [torch.arange(size) % len(part) for part in parts]
        found = [embed(part[row])[: len(part)] for part, row in zip(parts, rows, strict=True)]
        return torch.cat(found)

    return filled
