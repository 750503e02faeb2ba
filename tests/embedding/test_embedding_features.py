"""A model may take several tensors by name, of sizes that differ from image to image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest
import torch
from embedding_builders import embed, handle, request, settings
from PIL import Image
from safetensors.torch import save_file

from pytest_prodbench import registry
from pytest_prodbench.embedding.batches import batch_of, kind
from pytest_prodbench.embedding.checkup import checkup, drawn_images
from pytest_prodbench.embedding.costs import measure_costs
from pytest_prodbench.models import ModelIdentity
from pytest_prodbench.settings.types import Head

SIZES = ((9, 5), (9, 5), (4, 11), (9, 5), (5, 9), (3, 3), (4, 11), (17, 2), (2, 17))


class RowsEmbedder:
    """Mean and maximum over the rows of an image: as many rows as it has."""

    def __init__(self) -> None:
        self.identity = ModelIdentity("rows", "rows of means", "mean and max", 6, {})
        self.batches: list[int] = []

    def preprocess(self, image: Image.Image) -> Mapping[str, torch.Tensor]:
        rows = torch.from_numpy(np.asarray(image, np.float32) / 255).mean(dim=1)
        return {"rows": rows, "mask": torch.ones(len(rows), dtype=torch.int64)}

    def embed(self, batch: Mapping[str, torch.Tensor]) -> torch.Tensor:
        rows, mask = batch["rows"], batch["mask"][..., None]
        self.batches.append(len(rows))
        mean = (rows * mask).sum(1) / mask.sum(1)
        return torch.cat([mean, (rows * mask).amax(1)], dim=1)


class RaggedEmbedder(RowsEmbedder):
    """The same with batches of its own making."""

    def kind(self, features: Mapping[str, torch.Tensor]) -> str:
        return "any"

    def collate(self, features: Sequence[Mapping[str, torch.Tensor]]) -> Mapping[str, torch.Tensor]:
        pad = torch.nn.utils.rnn.pad_sequence
        return {name: pad([one[name] for one in features], True) for name in features[0]}


class RowsLibrary:
    """``rows:stacked`` and ``rows:ragged``."""

    loaded: RowsEmbedder

    def files(self, spec: Any) -> None:
        return None

    def load(self, spec: Any, device: torch.device) -> RowsEmbedder:
        RowsLibrary.loaded = {"stacked": RowsEmbedder, "ragged": RaggedEmbedder}[spec.identifier]()
        return RowsLibrary.loaded


@pytest.fixture(autouse=True)
def library() -> None:
    registry.add("prodbench.models", "rows", RowsLibrary)


@pytest.fixture
def requests(tmp_path):
    random = np.random.default_rng(2)
    found = []
    for place, (width, height) in enumerate(SIZES):
        pixels = random.integers(0, 256, (height, width, 3), dtype=np.uint8)
        path = tmp_path / f"{place}.png"
        Image.fromarray(pixels).save(path)
        found.append(request(path))
    return found


def plainly(requests) -> np.ndarray:
    embedder = RowsEmbedder()
    features = [embedder.preprocess(Image.open(one.path)) for one in requests]
    return torch.cat(
        [embedder.embed({name: tensor[None] for name, tensor in one.items()}) for one in features]
    ).numpy()


@pytest.mark.parametrize(("source", "batches"), [("rows:stacked", 8), ("rows:ragged", 3)])
@pytest.mark.parametrize("headed", [False, True])
def test_vectors_are_those_of_the_plain_way(tmp_path, requests, source, batches, headed):
    head = None
    if headed:
        save_file({"weight": torch.eye(6)}, tmp_path / "head.safetensors")
        head = Head(weights=tmp_path / "head.safetensors")
    found = embed(requests, tmp_path / "cache", source, checkpoint=None, head=head, batch_size=3)
    np.testing.assert_allclose(found.vectors, plainly(requests), rtol=1e-5)
    # Always full batches; images of other sizes share one only where the embedder says how.
    assert RowsLibrary.loaded.batches == [3] * batches


def test_images_of_one_kind(requests):
    rows, ragged = RowsEmbedder(), RaggedEmbedder()
    features = [rows.preprocess(Image.open(one.path)) for one in requests]
    assert kind(rows, features[0]) == kind(rows, features[3]) != kind(rows, features[2])
    assert kind(ragged, features[0]) == kind(ragged, features[2])
    batch = batch_of(ragged, features, "cpu")
    assert isinstance(batch, Mapping)
    assert batch["rows"].shape == (len(SIZES), 17, 3)


@pytest.mark.parametrize("source", ["rows:stacked", "rows:ragged"])
def test_costs_and_checkup_take_them(tmp_path, requests, source):
    model = handle(tmp_path, source, checkpoint=None)
    assert measure_costs(requests, model, settings(tmp_path, batch_size=4))["images_per_s"] > 0
    findings = {one.name: one for one in checkup(model, drawn_images(), seconds=0.01)}
    assert findings["batch invariant"].passed
    assert findings["deterministic"].passed
