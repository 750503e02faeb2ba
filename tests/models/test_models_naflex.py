"""transformers: SigLIP 2 NaFlex (patches, mask and grid in place of an image), ViT-MAE without masks."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers as hf
from PIL import Image
from small_transformers import VISION

from pytest_prodbench.models import Embedder

pytestmark = pytest.mark.usefixtures("no_network")


@pytest.fixture(scope="module")
def folder(saved_transformers: Callable[[str], Path]) -> Path:
    return saved_transformers("naflex")


@pytest.fixture(scope="module")
def naflex(folder: Path, load: Callable[..., Embedder]) -> Embedder:
    return load("transformers:naflex", checkpoint=str(folder))


def test_an_image_is_patches_with_a_mask_and_a_grid(
    naflex: Embedder, images: dict[str, Image.Image]
) -> None:
    features = naflex.preprocess(images["wide"])
    shapes = {name: tuple(tensor.shape) for name, tensor in features.items()}  # type: ignore[union-attr]
    assert shapes == {
        "pixel_values": (24, 192),
        "pixel_attention_mask": (24,),
        "spatial_shapes": (2,),
    }
    high, wide = features["spatial_shapes"].tolist()  # type: ignore[call-overload]
    assert wide > 2 * high
    assert features["pixel_attention_mask"].sum() == high * wide  # type: ignore[call-overload]


def test_the_processors_text_says_how_many_patches(
    folder: Path,
    naflex: Embedder,
    load: Callable[..., Embedder],
    images: dict[str, Image.Image],
    embed: Any,
) -> None:
    more = load("transformers:naflex", checkpoint=str(folder), options={"max_num_patches": 40})
    assert '"max_num_patches": 24' in naflex.identity.preprocessing
    assert '"max_num_patches": 40' in more.identity.preprocessing
    network = hf.AutoModel.from_pretrained(folder).eval()
    processor = hf.AutoImageProcessor.from_pretrained(folder, backend="pil")
    inputs = processor(images=images["tall"], max_num_patches=40, return_tensors="pt")
    with torch.no_grad():
        expected = network.get_image_features(**inputs).pooler_output
    assert torch.cosine_similarity(embed(more, [images["tall"]]), expected) >= 0.99999
    assert torch.cosine_similarity(embed(naflex, [images["tall"]]), expected) < 0.9999


@pytest.mark.parametrize("pooling", ["mean", "gem"])
def test_nothing_behind_the_mask_is_pooled(
    pooling: str,
    folder: Path,
    load: Callable[..., Embedder],
    images: dict[str, Image.Image],
    embed: Any,
) -> None:
    model = load("transformers:naflex", checkpoint=str(folder), pooling=pooling)
    network = hf.AutoModel.from_pretrained(folder).eval()
    chosen = [images["wide"], images["tall"], images["square"]]
    found = embed(model, chosen)
    for image, vector in zip(chosen, found, strict=True):
        features = model.preprocess(image)
        batch = {name: tensor[None] for name, tensor in features.items()}  # type: ignore[union-attr]
        with torch.no_grad():
            hidden = network.vision_model(**batch).last_hidden_state[0]
        patches = hidden[: int(batch["spatial_shapes"].prod())]
        expected = (
            patches.mean(0)
            if pooling == "mean"
            else (patches.clamp(min=1e-6) ** 3).mean(0) ** (1 / 3)
        )
        torch.testing.assert_close(vector, expected, rtol=1e-4, atol=1e-5)


def test_an_encoder_trained_with_masks_sees_the_whole_image(
    saved_transformers: Callable[[str], Path],
    load: Callable[..., Embedder],
    images: dict[str, Image.Image],
    embed: Any,
) -> None:
    folder = saved_transformers("vit_mae")
    model = load("transformers:mae", checkpoint=str(folder))
    assert model.identity.pooling == "cls"
    # The encoder is a ViT: the same weights in that class, which knows of no masks, are the documented way.
    network = hf.ViTMAEModel.from_pretrained(folder)
    vit = hf.ViTModel(
        hf.ViTConfig(**VISION, layer_norm_eps=network.config.layer_norm_eps),
        add_pooling_layer=False,
    )
    missing = vit.load_state_dict(network.state_dict(), strict=False)
    assert not missing.missing_keys
    assert not missing.unexpected_keys
    processor = hf.AutoImageProcessor.from_pretrained(folder, backend="pil")
    for kind in ("wide", "tiny"):
        inputs = processor(images=images[kind], return_tensors="pt")
        with torch.no_grad():
            hidden = vit.eval()(**inputs).last_hidden_state
        alone = embed(model, [images[kind]])
        assert torch.cosine_similarity(alone, hidden[:, 0]) >= 0.99999
        batch = embed(model, [images["tall"], images[kind]])[1:]
        assert torch.cosine_similarity(batch, hidden[:, 0]) >= 0.99999
        assert torch.equal(alone, embed(model, [images[kind]]))
        mean = load("transformers:mae", checkpoint=str(folder), pooling="mean")
        torch.testing.assert_close(embed(mean, [images[kind]]), hidden[:, 1:].mean(1))
