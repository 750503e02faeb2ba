"""transformers: real architectures in small, saved to disk, against their documented embedding."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers as hf
from PIL import Image
from small_transformers import MAKERS, PREFIX

from pytest_prodbench.errors import ModelError
from pytest_prodbench.models import Embedder, library_for

TWO_TOWERS = {"aimv2", "clip", "naflex", "siglip"}
POOLED = {"aimv2 tower", "convnext", "naflex tower"}

pytestmark = pytest.mark.usefixtures("no_network")


def documented(name: str, folder: Path, image: Image.Image) -> torch.Tensor:
    """Embed one image as each model's page in the documentation of transformers does it."""
    network = hf.AutoModel.from_pretrained(folder).eval()
    processor = hf.AutoImageProcessor.from_pretrained(folder, backend="pil")
    inputs = processor(images=image, return_tensors="pt")
    with torch.no_grad():
        if name in TWO_TOWERS:
            return network.get_image_features(**inputs).pooler_output
        if name == "vit":
            return network(**inputs).last_hidden_state[:, 0]
        return network(**inputs).pooler_output.flatten(1)


@pytest.mark.parametrize("name", sorted(set(MAKERS) - {"vit", "vit_mae"}))
def test_a_local_folder_embeds_as_transformers_does(
    name: str,
    saved_transformers: Callable[[str], Path],
    load: Callable[..., Embedder],
    images: dict[str, Image.Image],
    embed: Any,
) -> None:
    model = load(f"transformers:{name}", checkpoint=str(saved_transformers(name)))
    for kind, image in images.items():
        expected = documented(name, saved_transformers(name), image)
        alone = embed(model, [image])
        batch = embed(model, [images["tall"], image])[1:]
        assert torch.cosine_similarity(alone, expected).min() >= 0.99999, kind
        assert torch.cosine_similarity(batch, expected).min() >= 0.99999, kind
    assert model.identity.dimension == expected.shape[1]
    default = "projection" if name in TWO_TOWERS else "pooler" if name in POOLED else "cls"
    assert model.identity.pooling == default


def test_a_classifier_gives_its_class_token_and_needs_no_pooler(
    saved_transformers: Callable[[str], Path],
    load: Callable[..., Embedder],
    images: Any,
    embed: Any,
) -> None:
    model = load("transformers:vit", checkpoint=str(saved_transformers("vit")))
    assert model.identity.pooling == "cls"
    network = hf.ViTForImageClassification.from_pretrained(saved_transformers("vit")).vit.eval()
    pixels = model.preprocess(images["wide"])[None]
    with torch.no_grad():
        expected = network(pixels).last_hidden_state[:, 0]
    torch.testing.assert_close(embed(model, [images["wide"]]), expected)


@pytest.mark.parametrize("name", sorted(PREFIX))
def test_mean_and_gem_take_the_patches_only(
    name: str,
    saved_transformers: Callable[[str], Path],
    load: Callable[..., Embedder],
    images: dict[str, Image.Image],
    embed: Any,
) -> None:
    folder = str(saved_transformers(name))
    mean = load(f"transformers:{name}", checkpoint=folder, pooling="mean")
    gem = load(f"transformers:{name}", checkpoint=folder, pooling="gem", gem_power=3.0)
    network = hf.AutoModel.from_pretrained(folder).eval()
    pixels = mean.preprocess(images["wide"])[None]
    with torch.no_grad():
        tower = getattr(network, "vision_model", network)
        hidden = tower(pixel_values=pixels).last_hidden_state
        if name == "clip":
            hidden = network.vision_model.post_layernorm(hidden)
    patches = hidden[:, PREFIX[name] :]
    assert patches.shape[1] == (4 if name.startswith("dinov2") else 16)
    torch.testing.assert_close(embed(mean, [images["wide"]]), patches.mean(1))
    expected = (patches.clamp(min=1e-6) ** 3).mean(1) ** (1 / 3)
    torch.testing.assert_close(embed(gem, [images["wide"]]), expected)
    assert (mean.identity.pooling, gem.identity.pooling) == ("mean", "gem(3)")


def test_pixels_come_from_the_pil_backend_and_the_identity_says_so(
    saved_transformers: Callable[[str], Path],
    load: Callable[..., Embedder],
    images: dict[str, Image.Image],
) -> None:
    model = load("transformers:clip", checkpoint=str(saved_transformers("clip")))
    text = model.identity.preprocessing
    assert text.startswith("transformers CLIPImageProcessorPil, backend pil")
    for part in ("bicubic", "0.48145466", "0.26130258", '"shortest_edge": 32', '"height": 32'):
        assert part in text
    resized = images["wide"].resize((int(32 * 413 / 155), 32), Image.Resampling.BICUBIC)
    left = (resized.width - 32) // 2
    pixels = np.asarray(resized.crop((left, 0, left + 32, 32)), dtype=np.float64) / 255
    mean, std = [0.48145466, 0.4578275, 0.40821073], [0.26862954, 0.26130258, 0.27577711]
    expected = ((pixels - mean) / std).transpose(2, 0, 1)
    np.testing.assert_allclose(model.preprocess(images["wide"]).numpy(), expected, atol=1e-5)
    dino = load("transformers:dinov3", checkpoint=str(saved_transformers("dinov3")))
    assert "DINOv3ViTImageProcessor, backend torchvision" in dino.identity.preprocessing


def _hub_copy(hub: Path, folder: Path) -> Path:
    home = hub / "models--team--tower"
    (home / "refs").mkdir(parents=True)
    (home / "snapshots").mkdir()
    (home / "snapshots" / "abc123").symlink_to(folder)
    (home / "refs" / "main").write_text("abc123")
    (home / "refs" / "v1").write_text("abc123")
    return home


def test_a_hub_model_comes_from_the_cache_at_its_revision(
    saved_transformers: Callable[[str], Path],
    empty_hub: Path,
    load: Callable[..., Embedder],
    spec: Any,
) -> None:
    home = _hub_copy(empty_hub, saved_transformers("dinov2"))
    local = load("transformers:x", checkpoint=str(saved_transformers("dinov2"))).identity
    for revision, ref in ((None, "main"), ("v1", "v1"), ("abc123", None)):
        model = spec("transformers:team/tower", revision=revision)
        assert load("transformers:team/tower", revision=revision).identity == local
        files = library_for(model).files(model) or []
        assert {path.name for path in files} >= {"model.safetensors", "config.json"}
        refs = [path for path in files if path.parent.name == "refs"]
        assert refs == ([home / "refs" / ref] if ref else [])
    with pytest.raises(ModelError, match="team/tower at revision v2"):
        load("transformers:team/tower", revision="v2")


def test_safetensors_go_before_pickles_and_shards_are_all_listed(
    saved_transformers: Callable[[str], Path],
    tmp_path: Path,
    load: Callable[..., Embedder],
    spec: Any,
) -> None:
    network = hf.AutoModel.from_pretrained(saved_transformers("dinov2"))
    network.save_pretrained(tmp_path, max_shard_size="40KB")
    (tmp_path / "preprocessor_config.json").write_bytes(
        (saved_transformers("dinov2") / "preprocessor_config.json").read_bytes()
    )
    (tmp_path / "pytorch_model.bin").write_bytes(b"never read")
    model = spec("transformers:x", checkpoint=str(tmp_path))
    names = [path.name for path in library_for(model).files(model) or []]
    shards = sorted(path.name for path in tmp_path.glob("model-*.safetensors"))
    assert len(shards) > 1
    assert set(names) >= {*shards, "model.safetensors.index.json"}
    assert "pytorch_model.bin" not in names
    load("transformers:x", checkpoint=str(tmp_path))
    (tmp_path / shards[-1]).unlink()
    with pytest.raises(ModelError, match=shards[-1]):
        load("transformers:x", checkpoint=str(tmp_path))
