"""transformers: no weight of a file is dropped that an image vector could be made of."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers as hf
from PIL import Image
from safetensors.torch import load_file, save_file
from small_transformers import SIDE, VISION

from pytest_prodbench.errors import ModelError
from pytest_prodbench.models import Embedder

pytestmark = pytest.mark.usefixtures("no_network")


def saved(network: Any, folder: Path) -> Path:
    network.save_pretrained(folder)
    hf.CLIPImageProcessor(size={"shortest_edge": 32}, crop_size=SIDE).save_pretrained(folder)
    return folder


def with_more(folder: Path, **tensors: torch.Tensor) -> Path:
    """Add weights to a file, as somebody does who trains a layer on top."""
    path = folder / "model.safetensors"
    save_file({**load_file(path), **tensors}, path, metadata={"format": "pt"})
    return folder


@pytest.fixture
def tower(tmp_path: Path, randomised: Any) -> tuple[Any, Path]:
    network = hf.CLIPVisionModelWithProjection(hf.CLIPVisionConfig(**VISION, projection_dim=16))
    return randomised(network), saved(network, tmp_path / "tower")


@pytest.mark.parametrize("pooling", ["default", "projection"])
def test_a_tower_with_projection_gives_its_image_embeds(
    pooling: str,
    tower: tuple[Any, Path],
    load: Callable[..., Embedder],
    images: dict[str, Image.Image],
    embed: Any,
) -> None:
    network, folder = tower
    model = load("transformers:x", checkpoint=str(folder), pooling=pooling)
    assert (model.identity.pooling, model.identity.dimension) == ("projection", 16)
    with torch.no_grad():
        expected = network(model.preprocess(images["wide"])[None]).image_embeds
    torch.testing.assert_close(embed(model, [images["wide"]]), expected)


@pytest.mark.parametrize("pooling", ["cls", "mean"])
def test_its_tokens_can_be_pooled_all_the_same(
    pooling: str,
    tower: tuple[Any, Path],
    load: Callable[..., Embedder],
    images: dict[str, Image.Image],
    embed: Any,
) -> None:
    network, folder = tower
    model = load("transformers:x", checkpoint=str(folder), pooling=pooling)
    inside = network.vision_model
    with torch.no_grad():
        hidden = inside(model.preprocess(images["wide"])[None]).last_hidden_state
        tokens = inside.post_layernorm(hidden)
    expected = tokens[:, 0] if pooling == "cls" else tokens[:, 1:].mean(1)
    torch.testing.assert_close(embed(model, [images["wide"]]), expected)


def test_a_projection_is_not_dropped_because_a_config_names_the_bare_tower(
    tower: tuple[Any, Path], load: Callable[..., Embedder]
) -> None:
    folder = tower[1]
    config = json.loads((folder / "config.json").read_text())
    for named in (["CLIPVisionModel"], None):
        (folder / "config.json").write_text(json.dumps(config | {"architectures": named}))
        with pytest.raises(ModelError, match=r"does not use: visual_projection\.weight"):
            load("transformers:x", checkpoint=str(folder))


def test_a_layer_of_ones_own_is_not_dropped(tmp_path: Path, load: Callable[..., Embedder]) -> None:
    folder = with_more(
        saved(hf.ViTModel(hf.ViTConfig(**VISION)), tmp_path),
        **{"embedding_head.weight": torch.ones(4, 32)},
    )
    with pytest.raises(ModelError, match=r"embedding_head\.weight.*as head in \[models\.tried\]"):
        load("transformers:x", checkpoint=str(folder))


@pytest.mark.parametrize(
    "network",
    [
        lambda: hf.ViTForImageClassification(hf.ViTConfig(**VISION)),
        lambda: hf.ViTForMaskedImageModeling(hf.ViTConfig(**VISION)),
        lambda: hf.DeiTForImageClassificationWithTeacher(hf.DeiTConfig(**VISION)),
        lambda: hf.BeitForMaskedImageModeling(hf.BeitConfig(**VISION, vocab_size=9)),
    ],
    ids=["classifier", "masked", "teacher", "norm and head"],
)
def test_heads_of_tasks_may_be_dropped(
    network: Callable[[], Any], tmp_path: Path, load: Callable[..., Embedder]
) -> None:
    folder = saved(network(), tmp_path)
    model = load("transformers:x", checkpoint=str(folder), pooling="cls")
    assert model.identity.dimension == 32
