"""From a feature map or a sequence of tokens to one vector."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

    from pytest_prodbench.settings.types import ModelSpec

# Radenović et al. 2018 clamp at this value, so that the power of a negative number never arises.
GEM_EPSILON = 1e-6


def pooling_name(spec: ModelSpec) -> str:
    """Return the name that goes into a model's identity: such as ``gem(3)``."""
    return f"gem({spec.gem_power:g})" if spec.pooling == "gem" else spec.pooling


def mean_pool(tokens: torch.Tensor) -> torch.Tensor:
    """Average tokens (b, n, c) over n: (b, c), same dtype."""
    return tokens.mean(dim=1)


def gem_pool(tokens: torch.Tensor, power: float) -> torch.Tensor:
    """Generalised mean over n of tokens (b, n, c): (1/n Σ max(x, 1e-6)^p)^(1/p), as float32 (b, c).

    p = 1 is the mean of the clamped values, p → ∞ the maximum. In float32, because the power of a half
    float overflows. Source: Radenović, Tolias, Chum, *Fine-tuning CNN Image Retrieval with No Human
    Annotation*, 2018, equation 3.
    """
    clamped = tokens.float().clamp(min=GEM_EPSILON)
    return clamped.pow(power).mean(dim=1).pow(1.0 / power)


def map_to_tokens(features: torch.Tensor, *, channels_last: bool) -> torch.Tensor:
    """Flatten a feature map (b, c, h, w), or (b, h, w, c) with channels last, to tokens (b, h·w, c)."""
    return features.flatten(1, 2) if channels_last else features.flatten(2).transpose(1, 2)
