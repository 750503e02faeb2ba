"""Photos drawn in the test, tiny real networks, and a library whose models go wrong on demand."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from pytest_prodbench import registry
from pytest_prodbench.embedding import EmbeddedImages, ImageRequest, ModelHandle, embed_images
from pytest_prodbench.models import ModelIdentity
from pytest_prodbench.protocol import Box
from pytest_prodbench.settings.types import ModelSpec, RunSettings


def photo(seed: int, width: int = 24, height: int = 18) -> Image.Image:
    rng = np.random.default_rng(seed)
    coarse = Image.fromarray(rng.integers(0, 256, (3, 4, 3), dtype=np.uint8))
    smooth = np.asarray(coarse.resize((width, height), Image.Resampling.BICUBIC)).astype(int)
    return Image.fromarray(
        (smooth + rng.integers(-9, 9, smooth.shape)).clip(0, 255).astype("uint8")
    )


def photos(folder: Path, count: int) -> list[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{i}.png" for i in range(count)]
    for i, path in enumerate(paths):
        photo(i).save(path)
    return paths


def request(path: Path, box: Box | None = None) -> ImageRequest:
    return ImageRequest(path.name, path, hashlib.sha256(path.read_bytes()).hexdigest(), box)


def settings(cache: Path, **fields: Any) -> RunSettings:
    return RunSettings(cache_dir=cache, threads=1, device="cpu", **fields)


def handle(cache: Path, source: str = "timm:test_vit", **fields: Any) -> ModelHandle:
    """Make a handle; timm's architectures get random weights of a fixed seed."""
    library, _, identifier = source.partition(":")
    if library == "timm":
        fields.setdefault("checkpoint", "random:0")
    run = {name: fields.pop(name) for name in ("batch_size", "precision") if name in fields}
    spec = ModelSpec(name="tried", library=library, identifier=identifier, **fields)
    return ModelHandle(spec, settings(cache, **run))


def embed(
    requests: Sequence[ImageRequest], cache: Path, source: str = "timm:test_vit", **fields: Any
) -> EmbeddedImages:
    run = {name: fields[name] for name in ("batch_size", "max_pixels") if name in fields}
    fields.pop("max_pixels", None)
    progress = fields.pop("on_progress", None)
    model = handle(cache, source, **fields)
    return embed_images(
        requests, model, settings(cache, **run), dataset="tried", on_progress=progress
    )


class FaultyEmbedder:
    """Thumbnails as vectors; goes wrong on images that are all red, in the way it is named."""

    def __init__(self, fault: str) -> None:
        self.fault = fault
        self.calls: list[int] = []
        self.identity = ModelIdentity(f"weights of {fault}", "4 x 4", "none", 48, {"faulty": "1"})

    def preprocess(self, image: Image.Image) -> torch.Tensor:
        pixels = np.asarray(image.resize((4, 4)), np.float32) / 255 + 0.01
        return torch.from_numpy(pixels).permute(2, 0, 1).contiguous()

    def embed(self, batch: torch.Tensor) -> torch.Tensor:
        self.calls.append(len(batch))
        vectors = batch.flatten(1).clone()
        red = batch[:, 0].amin((1, 2)) > 0.99
        if self.fault == "memory" and len(batch) > 2:
            raise torch.cuda.OutOfMemoryError("pretended")
        if self.fault == "shape":
            return vectors[:, :5]
        if self.fault == "noise":  # depends on the company an image is embedded in
            return vectors + batch.mean() * 1e-6
        wrong = {"nan": torch.nan, "infinity": torch.inf, "zero": 0.0}.get(self.fault)
        if wrong is not None:
            vectors[red] = wrong
        return vectors


class FaultyLibrary:
    """``faulty:nan``, ``faulty:zero`` and so on; ``faulty:none`` is sound."""

    loaded: FaultyEmbedder | None = None

    def files(self, spec: ModelSpec) -> list[Path] | None:
        return None

    def load(self, spec: ModelSpec, device: torch.device) -> FaultyEmbedder:
        FaultyLibrary.loaded = FaultyEmbedder(spec.identifier)
        return FaultyLibrary.loaded

    def download(self, spec: ModelSpec) -> list[Path]:
        return []


def register_faulty() -> None:
    registry.add("prodbench.models", "faulty", FaultyLibrary)


CHILD = """
import sys, warnings
sys.path.insert(0, {here!r})
warnings.simplefilter("error")
from pathlib import Path
"""


def child(code: str, *arguments: object, **options: Any) -> subprocess.Popen[str]:
    """Start a fresh interpreter that can import this module."""
    prelude = CHILD.format(here=str(Path(__file__).parent))
    return subprocess.Popen(
        [sys.executable, "-c", prelude + code, *map(str, arguments)],
        stdout=subprocess.PIPE,
        text=True,
        **options,
    )
