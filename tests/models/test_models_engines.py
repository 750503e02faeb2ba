"""Models of each library in other engines: torch's vectors, or torch with the reason."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from pytest_prodbench.embedding import ModelHandle
from pytest_prodbench.embedding.engines.proof import BOUND
from pytest_prodbench.settings.types import ModelSpec, RunSettings

pytestmark = pytest.mark.usefixtures("no_network")

ENGINES = ("onnxruntime", "openvino")
KINDS = ("square", "wide", "tall", "tiny", "cmyk")


@pytest.fixture(scope="module")
def made(
    spec: Callable[..., ModelSpec], tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., ModelHandle]:
    cache = tmp_path_factory.mktemp("cache")

    def build(source: str, **fields: Any) -> ModelHandle:
        return ModelHandle(spec(source, **fields), RunSettings(cache_dir=cache, device="cpu"))

    return build


@pytest.fixture(scope="module")
def equal_in_engines(
    made: Callable[..., ModelHandle], images: dict[str, Image.Image], embed: Any
) -> Callable[..., None]:
    """Hold each engine against torch: more images than the proof had together, and each of them alone."""

    def check(source: str, engines: tuple[str, ...] = ENGINES, **fields: Any) -> None:
        chosen = [images[kind] for kind in KINDS]
        torchs = made(source, engine="torch", **fields).load()
        expected = embed(torchs, chosen).double()
        for engine in engines:
            model = made(source, engine=engine, **fields)
            embedder = model.load()
            assert model.engine.name == engine
            assert model.engine.worst_cosine >= 1 - BOUND
            assert embedder.identity == torchs.identity
            alone = torch.cat([embed(embedder, [image]) for image in chosen])
            for found in (embed(embedder, chosen), alone):
                assert torch.cosine_similarity(found.double(), expected).min() >= 1 - BOUND
        if "onnxruntime" in engines:
            assert made(source, **fields).engine.name == "onnxruntime"

    return check


@pytest.mark.parametrize("pooling", ["default", "mean", "gem"])
def test_an_encoder_trained_with_masks(
    pooling: str, saved_transformers: Callable[[str], Path], equal_in_engines: Callable[..., None]
) -> None:
    equal_in_engines(f"transformers:{saved_transformers('vit_mae')}", pooling=pooling)
