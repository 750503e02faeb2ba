"""open_clip: real architectures in small, saved to disk, against open_clip's documented embedding."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import open_clip
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from pytest_prodbench.errors import ModelError
from pytest_prodbench.models import Embedder, library_for

pytestmark = pytest.mark.usefixtures("no_network")

TEXT = {"context_length": 8, "vocab_size": 64, "width": 32, "heads": 2, "layers": 1}
CLIP = {
    "embed_dim": 16,
    "vision_cfg": {"image_size": 32, "layers": 2, "width": 64, "patch_size": 8},
    "text_cfg": TEXT,
}
# The image tower of PE-Core-T-16-384 as it is: timm's vit_pe_core with rotary positions and attention
# pooling, whose head is the projection.
PERCEPTION = {
    "embed_dim": 512,
    "vision_cfg": {
        "image_size": 384,
        "timm_model_name": "vit_pe_core_tiny_patch16_384",
        "timm_model_pretrained": False,
        "timm_pool": "map",
        "timm_proj": None,
    },
    "text_cfg": TEXT,
    "custom_text": True,
}
COCA = {
    **CLIP,
    "vision_cfg": {
        **CLIP["vision_cfg"],  # type: ignore[dict-item]
        "attentional_pool": True,
        "attn_pooler_heads": 2,
        "output_tokens": True,
    },
    "text_cfg": {**TEXT, "embed_cls": True, "output_tokens": True},
    "multimodal_cfg": {**TEXT, "layers": 1, "attn_pooler_heads": 2},
    "custom_text": True,
}
PREPROCESS = {
    "size": 32,
    "mean": [0.4, 0.5, 0.6],
    "std": [0.2, 0.25, 0.3],
    "interpolation": "bilinear",
    "resize_mode": "squash",
}


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory, randomised: Any) -> Callable[..., Path]:
    """Save a model as open_clip's local-dir folder, once."""
    folders: dict[str, Path] = {}

    def save(name: str) -> Path:
        if name not in folders:
            config: dict[str, Any] = {"clip": CLIP, "coca": COCA, "perception": PERCEPTION}[name]
            folder = tmp_path_factory.mktemp(name)
            kinds = {"clip": open_clip.CLIP, "coca": open_clip.CoCa}
            kind = kinds.get(name, open_clip.CustomTextCLIP)
            arguments = {key: value for key, value in config.items() if key != "custom_text"}
            network = randomised(kind(**arguments))
            save_file(network.state_dict(), folder / "open_clip_model.safetensors")
            preprocess = {**PREPROCESS, "size": config["vision_cfg"]["image_size"]}
            (folder / "open_clip_config.json").write_text(
                json.dumps({"model_cfg": config, "preprocess_cfg": preprocess})
            )
            folders[name] = folder
        return folders[name]

    return save


@pytest.mark.parametrize("name", ["clip", "coca", "perception"])
def test_a_local_folder_embeds_as_open_clip_does(
    name: str,
    saved: Callable[..., Path],
    load: Callable[..., Embedder],
    images: dict[str, Image.Image],
    embed: Any,
) -> None:
    folder = saved(name)
    network, _, transform = open_clip.create_model_and_transforms(f"local-dir:{folder}")
    network.eval()
    model = load(f"open_clip:{name}", checkpoint=str(folder))
    for kind in ("square", "wide", "tiny", "cmyk", "alpha", "rotated"):
        with torch.no_grad():
            expected = network.encode_image(transform(images[kind]).unsqueeze(0))
        alone = embed(model, [images[kind]])
        batch = embed(model, [images["tall"], images[kind]])[1:]
        assert torch.cosine_similarity(alone, expected).min() >= 0.99999
        assert torch.cosine_similarity(batch, expected).min() >= 0.99999
    assert model.identity.dimension == expected.shape[1]
    assert model.identity.pooling == "projection"


def test_the_identity_says_every_number(
    saved: Callable[..., Path], load: Callable[..., Embedder]
) -> None:
    model = load("open_clip:clip", checkpoint=str(saved("clip")))
    text = model.identity.preprocessing
    for part in ("32x32", "squash", "bilinear", "0.4, 0.5, 0.6", "0.2, 0.25, 0.3"):
        assert part in text
    assert "open_clip_torch" in model.identity.versions
    assert load("open_clip:clip", checkpoint=str(saved("clip"))).identity == model.identity


def test_files_are_the_weights_and_the_config(saved: Callable[..., Path], spec: Any) -> None:
    model = spec("open_clip:clip", checkpoint=str(saved("clip")))
    names = [path.name for path in library_for(model).files(model) or []]
    assert names == ["open_clip_model.safetensors", "open_clip_config.json"]


def test_a_hub_repository_comes_from_the_cache(
    saved: Callable[..., Path],
    empty_hub: Path,
    load: Callable[..., Embedder],
    spec: Any,
) -> None:
    home = empty_hub / "models--team--tower"
    (home / "refs").mkdir(parents=True)
    (home / "refs" / "main").write_text("abc123")
    (home / "snapshots").mkdir()
    (home / "snapshots" / "abc123").symlink_to(saved("clip"))
    local = load("open_clip:clip", checkpoint=str(saved("clip")))
    assert load("open_clip:hf-hub:team/tower").identity == local.identity
    pinned = spec("open_clip:hf-hub:team/tower", revision="abc123")
    assert len(library_for(pinned).files(pinned) or []) == 2
    moving = spec("open_clip:hf-hub:team/tower")
    assert home / "refs" / "main" in (library_for(moving).files(moving) or [])


@pytest.mark.parametrize(
    ("identifier", "fields", "message"),
    [
        ("ViT-B-32/laion2b_s34b_b79k", {}, "prodbench download tried"),
        ("PE-Core-B-16/meta", {}, "timm/PE-Core-B-16"),
        ("ViT-B-32/openai", {}, "ViT-B-32-quickgelu/openai"),
        ("ViT-B-32/laion3b", {}, "laion2b_s34b_b79k"),
        ("ViT-B-32", {}, "no pretrained tag"),
        ("ViT-B32/openai", {}, "did you mean 'ViT-B-32'"),
        ("hf-hub:no/where", {}, "no/where at revision main"),
        ("ViT-B-32/openai", {"pooling": "gem"}, "pooling 'gem'"),
        ("ViT-B-32/openai", {"checkpoint": "random:0"}, "random floors"),
    ],
)
def test_what_cannot_be_loaded_says_why(
    identifier: str,
    fields: dict[str, Any],
    message: str,
    empty_hub: Path,
    load: Callable[..., Embedder],
) -> None:
    with pytest.raises(ModelError, match=message):
        load(f"open_clip:{identifier}", **fields)


def test_weights_of_another_architecture_are_refused(
    saved: Callable[..., Path], load: Callable[..., Embedder], tmp_path: Path
) -> None:
    weights = saved("clip") / "open_clip_model.safetensors"
    with pytest.raises(ModelError, match="cannot be loaded"):
        load("open_clip:RN50", checkpoint=str(weights))
    (tmp_path / "open_clip_config.json").write_text(
        (saved("clip") / "open_clip_config.json").read_text()
    )
    with pytest.raises(ModelError, match="not on this machine"):
        load("open_clip:clip", checkpoint=str(tmp_path))
    state = dict(open_clip.CLIP(**CLIP).state_dict())
    state["visual.conv2.weight"] = state.pop("visual.conv1.weight")
    save_file(state, tmp_path / "open_clip_model.safetensors")
    with pytest.raises(ModelError, match=r"visual\.conv1\.weight"):
        load("open_clip:clip", checkpoint=str(tmp_path))
