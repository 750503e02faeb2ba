"""How the output of a transformers model becomes one vector.

=========================================  ==================================================
architecture                               ``default``
=========================================  ==================================================
CLIP, SigLIP, SigLIP 2, AIMv2 (two towers) the image projection, ``get_image_features``
CLIPVisionModelWithProjection and its kin  the image projection, ``image_embeds``
DINOv2, DINOv3, ViT, ViT-MAE, … (token)    the class token after the last norm, ``last_hidden_state[:, 0]``
others (ConvNeXt, Swin, BEiT, …)           ``pooler_output``
=========================================  ==================================================

For DINOv2 and DINOv3 the class token *is* ``pooler_output``; for ViT and its kin ``pooler_output`` is a
further dense layer that most checkpoints do not have, so the token is taken in all cases.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch

from pytest_prodbench.models.checkpoints import model_error
from pytest_prodbench.models.pooling import gem_pool, map_to_tokens, mean_pool, pooling_name

if TYPE_CHECKING:
    from pytest_prodbench.models.protocol import Features
    from pytest_prodbench.settings.types import ModelSpec

# model_type → tokens before the patches, without registers; the first of them is the class token.
_SPECIAL_TOKENS = {
    "aimv2": 0,
    "aimv2_vision_model": 0,
    "beit": 1,
    "clip": 1,
    "clip_vision_model": 1,
    "data2vec-vision": 1,
    "deit": 2,
    "dinov2": 1,
    "dinov2_with_registers": 1,
    "dinov3_vit": 1,
    "ijepa": 0,
    "siglip": 0,
    "siglip2": 0,
    "siglip2_vision_model": 0,
    "siglip_vision_model": 0,
    "swin": 0,
    "swinv2": 0,
    "vit": 1,
    "vit_mae": 1,
    "vit_msn": 1,
}
_POOLINGS = ("default", "projection", "cls", "mean", "gem")
VIT_MAE = "vit_mae"
WITH_PROJECTION = "VisionModelWithProjection"
"""How the names of towers end that have their projection and no text."""

_CLIP = {"clip", "clip_vision_model"}
# They have a class token, but their own pooled output is (by config) the mean of the patches.
_OWN_POOLER = {"beit", "data2vec-vision"}


class Pool:
    """Image batch → vectors, by the pooling that a spec asks for.

    Attributes:
        model: the network.
        name: the pooling in force: ``projection``, ``cls``, ``pooler``, ``mean`` or ``gem(p)``.
    """

    def __init__(self, spec: ModelSpec, model: Any) -> None:
        self._spec = spec
        self.model = model
        self._type: str = model.config.model_type
        self._special = _SPECIAL_TOKENS.get(self._type)
        self._tower_projects = type(model).__name__.endswith(WITH_PROJECTION)
        self.name = self._resolved()

    @property
    def uses_pooler(self) -> bool:
        """Whether the vectors pass through a module named ``pooler``."""
        return self.name == "pooler"

    def __call__(self, batch: Features) -> torch.Tensor:
        """Map b images, float32 (b, 3, h, w) or tensors by name, to (b, dimension)."""
        inputs = dict(batch) if isinstance(batch, Mapping) else {"pixel_values": batch}
        if self.name == "projection" and self._tower_projects:
            return self._one_vector(self.model(**inputs).image_embeds)
        if self.name == "projection":
            output = self.model.get_image_features(**inputs)
            # transformers 5 wraps the projection, transformers 4 returned the tensor.
            return self._vectors(getattr(output, "pooler_output", output))
        # A two-tower model needs text in its own forward pass; its image tower does not.
        tower = getattr(self.model, "vision_model", self.model)
        if self._type == VIT_MAE:
            inputs["noise"] = self._in_order(inputs["pixel_values"])
        output = tower(**inputs)
        if self.name == "pooler":
            return self._vectors(getattr(output, "pooler_output", None))
        if self.name == "cls":
            return self._vectors(self._normed(output.last_hidden_state[:, 0]))
        gem = self._spec.pooling == "gem"
        tokens = self._patches(output.last_hidden_state)
        masks = inputs.get("pixel_attention_mask")
        # Behind the mask there is no image: each is pooled over as many patches as it has.
        parts = (
            [tokens]
            if masks is None
            else [t[m.bool()][None] for t, m in zip(tokens, masks, strict=True)]
        )
        power = self._spec.gem_power
        return torch.cat([gem_pool(part, power) if gem else mean_pool(part) for part in parts])

    def _resolved(self) -> str:
        asked = self._spec.pooling
        projects = self._tower_projects or hasattr(self.model, "get_image_features")
        if asked == "default":
            if projects:
                return "projection"
            return "cls" if self._special and self._type not in _OWN_POOLER else "pooler"
        if asked == "projection" and not projects:
            raise self._refusal("it has no projection")
        if asked == "cls" and not self._special:
            raise self._refusal("it has no class token")
        return pooling_name(self._spec)

    def _patches(self, hidden: torch.Tensor) -> torch.Tensor:
        """Return the patch tokens (b, n, c), without class and register tokens."""
        if hidden.ndim == 4:
            return map_to_tokens(hidden, channels_last=False)
        if self._special is None:
            raise self._refusal("how many of its tokens are not patches is not known")
        registers = int(getattr(self.model.config, "num_register_tokens", 0) or 0)
        return self._normed(hidden[:, self._special + registers :])

    def _in_order(self, pixels: torch.Tensor) -> torch.Tensor:
        """Noise (b, n) by which ViT-MAE sorts its patches: with it they stay as they are."""
        count = self.model.embeddings.patch_embeddings.num_patches
        order = torch.arange(count, device=pixels.device, dtype=torch.float32)
        # Not len(): in a trace that is a number, and the export would take so many images and no others.
        return order.expand(pixels.shape[0], -1)

    def _normed(self, tokens: torch.Tensor) -> torch.Tensor:
        # CLIP alone hands out its tokens before the last norm, which its own pooling does apply.
        if self._type not in _CLIP:
            return tokens
        tower = getattr(self.model, "vision_model", self.model)
        normed: torch.Tensor = tower.post_layernorm(tokens)
        return normed

    def _vectors(self, output: Any) -> torch.Tensor:
        if not isinstance(output, torch.Tensor):
            raise self._refusal("it gives no pooled output of its own")
        # ConvNeXt and ResNet leave two axes of length 1.
        return output.flatten(1)

    def _one_vector(self, embeds: torch.Tensor) -> torch.Tensor:
        if embeds.ndim != 2:  # BLIP-2 has a vector for each of its queries
            raise self._refusal(f"it gives {embeds.shape[1]} vectors an image")
        return embeds

    def _refusal(self, why: str) -> Exception:
        others = [name for name in _POOLINGS if name != self._spec.pooling]
        return model_error(
            self._spec,
            found=f"pooling {self._spec.pooling!r} cannot be done with {self._type}: {why}",
            expected=f"another of {', '.join(others)}",
            next_step=f"write pooling = '{'mean' if 'mean' in others else 'default'}' in "
            f"[models.{self._spec.name}], or what the model's page says",
        )
