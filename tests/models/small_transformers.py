"""Small networks of transformers with random parameters, each with its image processor.

SigLIP 2 stands here as ``SiglipModel``: that is what its fixed-resolution checkpoints are.
"""

from __future__ import annotations

from typing import Any

import transformers as hf

SMALL = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
}
VISION = {**SMALL, "image_size": 32, "patch_size": 8}
TEXT = {**SMALL, "vocab_size": 99, "bos_token_id": 0, "eos_token_id": 1, "pad_token_id": 1}
SIDE = {"height": 32, "width": 32}
DINO = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "image_size": 28}


def _clip() -> tuple[Any, Any]:
    config = hf.CLIPConfig(
        text_config={**TEXT, "max_position_embeddings": 8}, vision_config=VISION, projection_dim=16
    )
    return hf.CLIPModel(config), hf.CLIPImageProcessor(size={"shortest_edge": 32}, crop_size=SIDE)


def _siglip() -> tuple[Any, Any]:
    config = hf.SiglipConfig(
        text_config={**TEXT, "max_position_embeddings": 8}, vision_config=VISION
    )
    return hf.SiglipModel(config), hf.SiglipImageProcessor(size=SIDE)


def _dinov2() -> tuple[Any, Any]:
    processor = hf.BitImageProcessor(
        size={"shortest_edge": 32}, crop_size={"height": 28, "width": 28}, resample=3
    )
    return hf.Dinov2Model(hf.Dinov2Config(**DINO, patch_size=14)), processor


def _dinov2_registers() -> tuple[Any, Any]:
    config = hf.Dinov2WithRegistersConfig(**DINO, patch_size=14, num_register_tokens=4)
    return hf.Dinov2WithRegistersModel(config), _dinov2()[1]


def _dinov3() -> tuple[Any, Any]:
    config = hf.DINOv3ViTConfig(**VISION, num_register_tokens=4)
    return hf.DINOv3ViTModel(config), hf.DINOv3ViTImageProcessor(size=SIDE)


def _vit() -> tuple[Any, Any]:
    return hf.ViTForImageClassification(hf.ViTConfig(**VISION)), hf.ViTImageProcessor(size=SIDE)


def _convnext() -> tuple[Any, Any]:
    config = hf.ConvNextConfig(hidden_sizes=[8, 16, 16, 32], depths=[1, 1, 1, 1])
    processor = hf.ConvNextImageProcessor(size={"shortest_edge": 64}, crop_pct=0.875)
    return hf.ConvNextModel(config), processor


def _naflex() -> tuple[Any, Any]:
    vision = {**SMALL, "patch_size": 8, "num_patches": 16}
    config = hf.Siglip2Config(
        text_config={**TEXT, "max_position_embeddings": 8, "projection_size": 32},
        vision_config=vision,
    )
    return hf.Siglip2Model(config), hf.Siglip2ImageProcessor(patch_size=8, max_num_patches=24)


def _naflex_tower() -> tuple[Any, Any]:
    config = hf.Siglip2VisionConfig(**SMALL, patch_size=8, num_patches=16)
    return hf.Siglip2VisionModel(config), _naflex()[1]


def _mae() -> tuple[Any, Any]:
    config = hf.ViTMAEConfig(
        **VISION,
        decoder_hidden_size=16,
        decoder_num_hidden_layers=1,
        decoder_num_attention_heads=2,
        decoder_intermediate_size=16,
    )
    return hf.ViTMAEForPreTraining(config), hf.ViTImageProcessor(size=SIDE)


def _aimv2() -> tuple[Any, Any]:
    config = hf.Aimv2Config(
        text_config={**SMALL, "vocab_size": 99, "max_position_embeddings": 8, "eos_token_id": 1},
        vision_config=VISION,
        projection_dim=16,
    )
    return hf.Aimv2Model(config), hf.CLIPImageProcessor(size={"shortest_edge": 32}, crop_size=SIDE)


def _aimv2_tower() -> tuple[Any, Any]:
    return hf.Aimv2VisionModel(hf.Aimv2VisionConfig(**VISION)), _aimv2()[1]


MAKERS = {
    "aimv2": _aimv2,
    "aimv2 tower": _aimv2_tower,
    "naflex": _naflex,
    "naflex tower": _naflex_tower,
    "vit_mae": _mae,
    "clip": _clip,
    "siglip": _siglip,
    "dinov2": _dinov2,
    "dinov2_with_registers": _dinov2_registers,
    "dinov3": _dinov3,
    "vit": _vit,
    "convnext": _convnext,
}
PREFIX = {
    "aimv2": 0,
    "clip": 1,
    "siglip": 0,
    "dinov2": 1,
    "dinov2_with_registers": 5,
    "dinov3": 5,
    "vit": 1,
}
