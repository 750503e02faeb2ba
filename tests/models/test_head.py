"""A linear map after a model, and the digest of its weights."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from pytest_prodbench.embedding.device import choose_device
from pytest_prodbench.embedding.model import ModelHandle
from pytest_prodbench.errors import ModelError
from pytest_prodbench.models.overrides import overrides
from pytest_prodbench.settings.types import Head, ModelSpec, Preprocess, RunSettings

DIMENSION = 3 * 32**2 + 1
"""Of ``baseline:pixels``."""


@pytest.fixture
def handle(tmp_path: Path, spec: Callable[..., ModelSpec]) -> Callable[..., ModelHandle]:
    def build(source: str = "baseline:pixels", **fields: Any) -> ModelHandle:
        return ModelHandle(spec(source, **fields), RunSettings(cache_dir=tmp_path / "cache"))

    return build


@pytest.fixture
def weights(tmp_path: Path) -> Callable[..., Path]:
    def write(name: str = "head.safetensors", **tensors: torch.Tensor) -> Path:
        save_file(tensors, tmp_path / name)
        return tmp_path / name

    return write


def random(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(sum(shape)))


def batch_of(model: Any) -> torch.Tensor:
    pixels = np.random.default_rng(0).integers(0, 256, (3, 40, 50, 3), dtype=np.uint8)
    batch = torch.stack([model.preprocess(Image.fromarray(one)) for one in pixels])
    return batch.to(choose_device("auto"))


@pytest.mark.parametrize("normalise", [False, True])
@pytest.mark.parametrize("parts", [(), ("bias",), ("mean",), ("bias", "mean")])
def test_by_its_formula(
    handle: Callable[..., ModelHandle],
    weights: Callable[..., Path],
    parts: tuple[str, ...],
    normalise: bool,
) -> None:
    all_of_it = {
        "weight": random(5, DIMENSION),
        "bias": random(5),
        "mean": random(DIMENSION),
    }
    held = {name: all_of_it[name] for name in ("weight", *parts)}
    plain = handle().load()
    headed = handle(head=Head(weights=weights(**held), normalise=normalise)).load()
    batch = batch_of(plain)
    found = headed.embed(batch)
    for vector, one in zip(found.cpu(), plain.embed(batch).cpu(), strict=True):
        x = one.double()
        if normalise:
            x = x / x.norm()
        x = x - held.get("mean", torch.zeros(DIMENSION)).double()
        expected = held["weight"].double() @ x + held.get("bias", torch.zeros(5)).double()
        torch.testing.assert_close(vector.double(), expected, rtol=1e-4, atol=1e-4)
    assert headed.identity.dimension == 5 == found.shape[1]
    assert headed.identity.pooling.endswith(f"linear({DIMENSION}, 5)")


def test_another_head_is_another_model(
    handle: Callable[..., ModelHandle], weights: Callable[..., Path]
) -> None:
    one = weights("one.safetensors", weight=random(5, DIMENSION))
    other = weights("other.safetensors", weight=random(5, DIMENSION) + 1)
    digests = [
        handle(head=head).identity.weights_digest
        for head in (
            None,
            Head(weights=one),
            Head(weights=other),
            Head(weights=one, normalise=True),
        )
    ]
    assert len(set(digests)) == 4


def test_an_edited_head_is_seen_although_the_identity_was_remembered(
    handle: Callable[..., ModelHandle], weights: Callable[..., Path]
) -> None:
    head = Head(weights=weights(weight=random(5, DIMENSION)))
    before = handle(head=head).identity
    assert handle(head=head).identity == before
    weights(weight=random(7, DIMENSION))
    assert handle(head=head).identity.dimension == 7
    head.weights.unlink()
    with pytest.raises(ModelError, match=r"head .*No such file"):
        _ = handle(head=head).identity


@pytest.mark.parametrize(
    ("tensors", "told"),
    [
        ({"weight": random(5, 7)}, r"weight of shape \(5, 7\); expected \(d, 3073\)"),
        ({"weight": random(DIMENSION)}, r"weight of shape \(3073,\)"),
        ({"weight": random(5, DIMENSION), "bias": random(4)}, r"bias of shape \(4,\)"),
        ({"weight": random(5, DIMENSION), "mean": random(4)}, r"mean of shape \(4,\)"),
        ({"bias": random(4)}, "tensors bias; expected weight"),
        ({"weight": random(5, DIMENSION), "scale": random(4)}, "tensors scale, weight"),
    ],
)
def test_a_head_that_does_not_fit(
    handle: Callable[..., ModelHandle],
    weights: Callable[..., Path],
    tensors: dict[str, torch.Tensor],
    told: str,
) -> None:
    with pytest.raises(ModelError, match=told):
        handle(head=Head(weights=weights(**tensors))).load()


def test_a_file_that_is_no_head(handle: Callable[..., ModelHandle], tmp_path: Path) -> None:
    (tmp_path / "x.safetensors").write_bytes(b"not tensors")
    with pytest.raises(ModelError, match=r"x\.safetensors cannot be read"):
        handle(head=Head(weights=tmp_path / "x.safetensors")).load()


def test_weights_are_held_against_their_digest(
    handle: Callable[..., ModelHandle], tmp_path: Path
) -> None:
    import timm

    path = tmp_path / "weights.safetensors"
    save_file(timm.create_model("test_efficientnet").state_dict(), path)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    stated = {"checkpoint": str(path), "weights_sha256": digest}
    assert handle("timm:test_efficientnet", **stated).load()
    stated["weights_sha256"] = "0" * 64
    with pytest.raises(ModelError, match=rf"sha256 {digest}; expected {'0' * 64}"):
        handle("timm:test_efficientnet", **stated).load()


def test_a_digest_that_nothing_can_be_held_against(handle: Callable[..., ModelHandle]) -> None:
    with pytest.raises(ModelError, match="a model with 0 known weight files"):
        handle(weights_sha256="0" * 64).load()


def test_overrides_in_words(spec: Callable[..., ModelSpec]) -> None:
    assert overrides(spec("timm:x")) == []
    head = Head(weights=Path("/home/somebody/head.safetensors"), normalise=True)
    stated = spec(
        "timm:x",
        pooling="gem",
        preprocess=Preprocess(size=(8, 9), interpolation="bilinear"),
        head=head,
        options={"trust_remote_code": True, "providers": ["CPU"]},
    )
    assert overrides(stated) == [
        'pooling = "gem(3)"',
        "preprocess.size = [8, 9]",
        'preprocess.interpolation = "bilinear"',
        'head = "head.safetensors"',
        "head.normalise = true",
        "trust_remote_code = true",
        'providers = ["CPU"]',
    ]
