"""Small networks of real architectures, saved to disk and loaded back through the offline path."""

from __future__ import annotations

import io
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from pytest_prodbench.datasets.decoding import decode
from pytest_prodbench.embedding import ModelHandle
from pytest_prodbench.embedding.batches import batch_of
from pytest_prodbench.embedding.engines.proof import BOUND
from pytest_prodbench.models import Embedder, library_for
from pytest_prodbench.settings.types import ModelSpec, RunSettings

ORIENTATION = 0x0112
ENGINES = ("onnxruntime", "openvino")
IN_ENGINES = ("square", "wide", "tall", "tiny", "cmyk")


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every attempt to connect fail the test that makes it, with the hub's own switch left off."""
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)

    def refuse(*args: Any, **options: Any) -> None:
        raise AssertionError("the network was used")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket.socket, "connect_ex", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


@pytest.fixture
def empty_hub(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Point the hub's and torch's caches at an empty folder."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    return tmp_path / "hub"


@pytest.fixture(scope="session")
def spec() -> Callable[..., ModelSpec]:
    def build(source: str, **fields: Any) -> ModelSpec:
        library, _, identifier = source.partition(":")
        return ModelSpec(name="tried", library=library, identifier=identifier, **fields)

    return build


@pytest.fixture(scope="session")
def load(spec: Callable[..., ModelSpec]) -> Callable[..., Embedder]:
    def build(source: str, **fields: Any) -> Embedder:
        model = spec(source, **fields)
        return library_for(model).load(model, torch.device("cpu"))

    return build


@pytest.fixture(scope="session")
def images() -> dict[str, Image.Image]:
    """Photos in spirit: smooth colour with noise; square, wide, tall and tiny, and as odd files hold them."""
    generator = np.random.default_rng(5)

    def photo(width: int, height: int) -> Image.Image:
        across = np.linspace(0, 200, width)[None, :, None]
        down = np.linspace(0, 55, height)[:, None, None]
        pixels = across * [1, 0.5, 0.2] + down + generator.integers(0, 40, (height, width, 3))
        return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))

    return {
        "square": photo(300, 300),
        "wide": photo(413, 155),
        "tall": photo(90, 391),
        "tiny": photo(3, 2),
        "pixel": photo(1, 1),
        "three rows": photo(40, 3),
        **_from_files(photo(120, 70)),
    }


def _from_files(photo: Image.Image) -> dict[str, Image.Image]:
    """What the project's decoder makes of files with four inks, with transparency, and turned by EXIF."""
    see_through = photo.copy()
    see_through.putalpha(Image.linear_gradient("L").resize(photo.size))
    turned = Image.Exif()
    turned[ORIENTATION] = 6
    files = {
        "cmyk": (photo.convert("CMYK"), "JPEG", {}),
        "alpha": (see_through, "PNG", {}),
        "rotated": (photo, "JPEG", {"exif": turned}),
    }
    found = {}
    for name, (image, form, options) in files.items():
        file = io.BytesIO()
        image.save(file, form, **options)
        found[name] = decode(file.getvalue(), where=name, max_pixels=100_000)
    assert found["rotated"].size == (70, 120)
    return found


@pytest.fixture(scope="session")
def embed() -> Callable[[Embedder, list[Image.Image]], torch.Tensor]:
    def run(model: Embedder, chosen: list[Image.Image]) -> torch.Tensor:
        with torch.inference_mode():
            return model.embed(batch_of(model, [model.preprocess(one) for one in chosen], "cpu"))

    return run


@pytest.fixture(scope="session")
def randomised() -> Callable[[torch.nn.Module], torch.nn.Module]:
    """Give a network parameters that tell images apart: initial ones are often zero or one."""

    def run(module: torch.nn.Module) -> torch.nn.Module:
        generator = torch.Generator().manual_seed(3)
        with torch.no_grad():
            for parameter in module.parameters():
                noise = torch.randn(parameter.shape, generator=generator)
                parameter.add_(noise.to(parameter.dtype) * 0.05)
        return module.eval()

    return run


@pytest.fixture(scope="session")
def saved_transformers(
    tmp_path_factory: pytest.TempPathFactory, randomised: Any
) -> Callable[[str], Path]:
    from small_transformers import MAKERS

    folders: dict[str, Path] = {}

    def save(name: str) -> Path:
        if name not in folders:
            folders[name] = tmp_path_factory.mktemp(name)
            network, processor = MAKERS[name]()
            randomised(network).save_pretrained(folders[name])
            processor.save_pretrained(folders[name])
        return folders[name]

    return save


@pytest.fixture(scope="session")
def made(
    spec: Callable[..., ModelSpec], tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., ModelHandle]:
    cache = tmp_path_factory.mktemp("cache")

    def build(source: str, **fields: Any) -> ModelHandle:
        return ModelHandle(spec(source, **fields), RunSettings(cache_dir=cache, device="cpu"))

    return build


@pytest.fixture(scope="session")
def equal_in_engines(
    made: Callable[..., ModelHandle], images: dict[str, Image.Image], embed: Any
) -> Callable[..., None]:
    """Hold each engine against torch: more images than the proof had together, and each of them alone."""

    def check(source: str, engines: tuple[str, ...] = ENGINES, **fields: Any) -> None:
        chosen = [images[kind] for kind in IN_ENGINES]
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
