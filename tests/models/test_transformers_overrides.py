"""transformers: a value that is stated as it was changes no pixel, and what is not stated stays."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers as hf
from PIL import Image

from pytest_prodbench.errors import ModelError
from pytest_prodbench.models import Embedder
from pytest_prodbench.settings.types import Preprocess

pytestmark = pytest.mark.usefixtures("no_network")

SIDE = {"height": 32, "width": 32}
# Each with its edge: as the processors of DINOv2, of ViT, of a squash with a crop, and of no size but one.
PROCESSORS: dict[str, tuple[Any, int]] = {
    "dinov2": (
        lambda: hf.BitImageProcessor(
            size={"shortest_edge": 64}, crop_size={"height": 56, "width": 56}
        ),
        56,
    ),
    "whole": (lambda: hf.CLIPImageProcessor(size={"shortest_edge": 32}, crop_size=SIDE), 32),
    "squash": (lambda: hf.ViTImageProcessor(size=SIDE), 32),
    "squash and cut": (
        lambda: hf.BitImageProcessor(size={"height": 40, "width": 40}, crop_size=SIDE),
        32,
    ),
    "convnext": (
        lambda: hf.ConvNextImageProcessor(size={"shortest_edge": 64}, crop_pct=0.875),
        64,
    ),
    "convnext from 384 on": (
        lambda: hf.ConvNextImageProcessor(size={"shortest_edge": 384}, crop_pct=0.875),
        384,
    ),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """A network that takes every size, with one of the processors."""
    made: dict[str, Path] = {}

    def save(name: str) -> Path:
        if name not in made:
            made[name] = tmp_path_factory.mktemp("processor")
            config = hf.ConvNextConfig(hidden_sizes=[4, 4, 4, 8], depths=[1, 1, 1, 1])
            hf.ConvNextModel(config).save_pretrained(made[name])
            PROCESSORS[name][0]().save_pretrained(made[name])
        return made[name]

    return save


@pytest.mark.parametrize("key", ["size", "resize", "crop", "all"])
@pytest.mark.parametrize("name", sorted(PROCESSORS))
def test_restating_what_is_in_force_changes_no_pixel(
    name: str,
    key: str,
    folder: Callable[[str], Path],
    load: Callable[..., Embedder],
    images: dict[str, Image.Image],
) -> None:
    edge = PROCESSORS[name][1]
    share = {"dinov2": 56 / 64, "squash and cut": 0.8, "convnext": 64 / 73}.get(name, 1.0)
    squashes = name in {"squash", "squash and cut", "convnext from 384 on"}
    values = {
        "size": (edge, edge),
        "resize": "squash" if squashes else "shortest",
        "crop": share,
    }
    stated = Preprocess(**(values if key == "all" else {key: values[key]}))
    plain = load("transformers:x", checkpoint=str(folder(name)))
    model = load("transformers:x", checkpoint=str(folder(name)), preprocess=stated)
    for kind in ("wide", "tall", "tiny"):
        torch.testing.assert_close(
            model.preprocess(images[kind]), plain.preprocess(images[kind]), rtol=0, atol=0
        )


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("dinov2", '"shortest_edge": 128'),
        ("whole", '"shortest_edge": 112'),
        ("squash", '"height": 112'),
        ("squash and cut", '"height": 140'),
        ("convnext", '"shortest_edge": 128'),
    ],
)
def test_another_size_keeps_kind_and_share(
    name: str, told: str, folder: Callable[[str], Path], load: Callable[..., Embedder]
) -> None:
    stated = Preprocess(size=(112, 112))
    model = load("transformers:x", checkpoint=str(folder(name)), preprocess=stated)
    assert model.preprocess(Image.new("RGB", (90, 60))).shape == (3, 112, 112)
    assert told in model.identity.preprocessing


def test_convnext_takes_sizes_that_are_not_square_where_it_squashes(
    folder: Callable[[str], Path], load: Callable[..., Embedder]
) -> None:
    stated = {"checkpoint": str(folder("convnext"))}
    squashed = Preprocess(size=(64, 48), resize="squash", crop=1.0)
    model = load("transformers:x", **stated, preprocess=squashed)
    assert model.preprocess(Image.new("RGB", (90, 60))).shape == (3, 64, 48)
    with pytest.raises(ModelError, match='expected "squash", or a square size'):
        load("transformers:x", **stated, preprocess=Preprocess(size=(64, 48)))
