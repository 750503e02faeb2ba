"""Our own way from image to tensor, held against torchvision's and against loops."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torchvision.transforms import v2

from pytest_prodbench.errors import ImageError, ModelError
from pytest_prodbench.models.pipeline import Pipeline, pipeline_of, refuse_preprocess
from pytest_prodbench.settings.types import ModelSpec, Preprocess

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def photo(width: int, height: int, seed: int = 0) -> Image.Image:
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


@pytest.mark.parametrize(("width", "height"), [(64, 64), (90, 60), (61, 97), (20, 31), (400, 24)])
def test_shortest_is_torchvisions_resize_and_centre_crop(width: int, height: int) -> None:
    image = photo(width, height)
    reference = v2.Compose(
        [
            v2.Resize(40, v2.InterpolationMode.BICUBIC),
            v2.CenterCrop(32),
            v2.ToImage(),
            v2.ToDtype(torch.float32, scale=True),
            v2.Normalize(MEAN, STD),
        ]
    )(image)
    ours = Pipeline((32, 32), MEAN, STD, crop=0.8)(image)
    torch.testing.assert_close(ours, reference, rtol=0, atol=1e-5)


def test_squash_is_torchvisions_resize_of_both_edges() -> None:
    image = photo(90, 47)
    reference = v2.Compose(
        [
            v2.Resize((24, 40), v2.InterpolationMode.BILINEAR),
            v2.ToImage(),
            v2.ToDtype(torch.float32, scale=True),
            v2.Normalize(MEAN, STD),
        ]
    )(image)
    ours = Pipeline((24, 40), MEAN, STD, resize="squash", interpolation="bilinear")(image)
    torch.testing.assert_close(ours, reference, rtol=0, atol=1e-5)


def test_pad_keeps_all_of_the_image_and_fills_with_the_mean() -> None:
    white = Image.new("RGB", (80, 20), "white")
    ours = Pipeline((32, 32), MEAN, STD, resize="pad")(white)
    inside = (torch.tensor([1.0, 1.0, 1.0]) - torch.tensor(MEAN)) / torch.tensor(STD)
    assert torch.allclose(ours[:, 12:20], inside[:, None, None], atol=1e-5)
    assert ours[:, :12].abs().max() < 0.01
    assert ours[:, 20:].abs().max() < 0.01


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 90),
    st.integers(1, 90),
    st.tuples(st.integers(1, 40), st.integers(1, 40)),
    st.sampled_from(["shortest", "squash", "pad"]),
    st.floats(0.3, 1.0),
    st.sampled_from(["nearest", "bilinear", "bicubic", "lanczos"]),
)
def test_any_image_gives_the_size(width, height, size, resize, crop, interpolation) -> None:
    made = Pipeline(size, MEAN, STD, resize=resize, crop=crop, interpolation=interpolation)
    try:
        tensor = made(photo(width, height))
    except ImageError:
        return  # a sliver
    assert tensor.shape == (3, *size)
    assert tensor.dtype == torch.float32
    assert torch.isfinite(tensor).all()
    black = (0.0 - np.array(MEAN)) / np.array(STD)
    lanczos = 1e-5
    assert (tensor.amin(dim=(1, 2)).numpy() >= black - lanczos).all()


@given(st.data())
def test_equal_words_mean_an_equal_pipeline(data) -> None:
    one, other = (
        Pipeline(
            size=data.draw(st.tuples(st.integers(1, 3), st.integers(1, 3))),
            mean=data.draw(st.sampled_from([MEAN, STD])),
            std=STD,
            resize=data.draw(st.sampled_from(["shortest", "squash"])),
            crop=data.draw(st.sampled_from([0.875, 1.0])),
        )
        for _ in range(2)
    )
    assert (one.description == other.description) == (one == other)


def test_nothing_is_guessed(spec: Callable[..., ModelSpec]) -> None:
    with pytest.raises(
        ModelError, match=r"no preprocess\.size, preprocess\.std: a file says nothing"
    ):
        pipeline_of(
            spec("onnx:x", preprocess=Preprocess(mean=MEAN)), why="a file says nothing of it"
        )
    stated = Preprocess(size=(8, 9), mean=MEAN, std=STD, crop=0.5)
    assert pipeline_of(spec("onnx:x", preprocess=stated), why="") == Pipeline(
        (8, 9), MEAN, STD, crop=0.5
    )


def test_what_a_library_cannot_follow_is_refused(spec: Callable[..., ModelSpec]) -> None:
    stated = spec("x:y", preprocess=Preprocess(crop=0.5))
    refuse_preprocess(stated, "anything", keys=("size",))
    with pytest.raises(ModelError, match=r"preprocess\.crop = 0\.5; expected nothing of the kind"):
        refuse_preprocess(stated, "nothing of the kind")
