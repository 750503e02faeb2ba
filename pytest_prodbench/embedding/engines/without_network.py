"""A model's way from image to batch, without the weights of its network."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import TYPE_CHECKING

from pytest_prodbench.embedding.engines.proof import first_sample
from pytest_prodbench.embedding.engines.tensors import by_name

if TYPE_CHECKING:
    import torch

    from pytest_prodbench.models import Embedder, Features


def without_network(embedder: Embedder, network: torch.nn.Module) -> Embedder:
    """Return a copy whose ``preprocess``, and ``collate`` if it has one, work, and whose ``embed`` does not.

    It has no network, or one without parameters where ``preprocess`` asks it; the embedder itself where that
    asks the parameters, or where its objects cannot be copied.
    """
    weights = [*network.parameters(), *network.buffers()]
    for parts in ([*network.modules(), *weights], weights):
        alone = _without(embedder, parts)
        if alone is not None:
            return alone
    return embedder


def _without(embedder: Embedder, parts: Sequence[object]) -> Embedder | None:
    """Return a copy without some parts of it; None if it does not preprocess as the whole does."""
    # In a deep copy None stands wherever one of these stood, however deep in objects of a library.
    memo: dict[int, object] = {id(part): None for part in parts}
    try:
        alone = copy.deepcopy(embedder, memo)
        expected, found = (one.preprocess(first_sample()) for one in (embedder, alone))
    except (
        Exception
    ):  # objects of a library or a user that cannot be copied, or that ask for what is gone
        return None
    return alone if _equal(expected, found) else None


def _equal(one: Features, other: Features) -> bool:
    import torch

    tensors, others = by_name(one), by_name(other)
    return tensors.keys() == others.keys() and all(
        torch.equal(tensors[name], others[name]) for name in tensors
    )
