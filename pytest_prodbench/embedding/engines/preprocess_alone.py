"""A model's way from image to tensor, without its network."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import TYPE_CHECKING

from pytest_prodbench.embedding.engines.proof import first_sample

if TYPE_CHECKING:
    import torch
    from PIL.Image import Image

    from pytest_prodbench.models import Embedder, Features


def preprocess_alone(embedder: Embedder, network: torch.nn.Module) -> Callable[[Image], Features]:
    """Return ``embedder.preprocess`` of a copy that has no network; the method itself where it needs one."""
    import torch

    parts = [*network.modules(), *network.parameters(), *network.buffers()]
    # In a deep copy None stands wherever one of these stood, however deep in objects of a library.
    without: dict[int, object] = {id(part): None for part in parts}
    try:
        alone: Callable[[Image], Features] = copy.deepcopy(embedder, without).preprocess
        expected, found = embedder.preprocess(first_sample()), alone(first_sample())
    except (
        Exception
    ):  # objects of a library or a user that cannot be copied, or that ask the network
        return embedder.preprocess
    alike = (
        isinstance(expected, torch.Tensor)
        and isinstance(found, torch.Tensor)
        and torch.equal(expected, found)
    )
    return alone if alike else embedder.preprocess
