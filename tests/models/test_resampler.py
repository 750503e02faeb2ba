"""Pixels of ``resampler = "torchvision"``: Pillow's within two levels, at Pillow's places."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import pytest
import timm
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from open_clip.transform import PreprocessCfg, image_transform_v2
from PIL import Image
from torchvision.transforms import InterpolationMode
from torchvision.transforms.functional import to_tensor
from torchvision.transforms.v2 import functional

from pytest_prodbench.errors import ImageError
from pytest_prodbench.models import Embedder
from pytest_prodbench.models.pipeline import Pipeline, _parts
from pytest_prodbench.models.tensor_transforms import on_tensors, resized
from pytest_prodbench.settings.types import ModelSpec, Preprocess

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
STATED = Preprocess(resampler="torchvision")
PHOTOS = sorted(Path(__file__).parents[2].glob("fixtures/catalogs/*/queries/*.jpg"))[::40]
SHAPES = {
    "square": (90, 90),
    "landscape": (130, 71),
    "portrait": (71, 130),
    "tall": (40, 160),
    "tiny": (5, 3),
    "one pixel": (1, 1),
    "one row": (60, 1),
    "one column": (1, 60),
    "as it is to be": (32, 32),
}


def noise(width: int, height: int, seed: int = 0, *, hard: bool = False) -> Image.Image:
    """Random pixels; ``hard``: black and white, which overshoots most."""
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray((pixels > 127).astype(np.uint8) * np.uint8(255) if hard else pixels)


@pytest.fixture(scope="module")
def across_first() -> Iterator[None]:
    """Let Pillow resize across first and down then, whatever the shape.

    From version 13 on it takes some tall images the other way round, which is another rounding.
    """
    whole = Image.Image.resize

    def resize(
        image: Image.Image, size: Any, resample: Any, box: Any = None, **given: Any
    ) -> Image.Image:
        assert not any(given.values())
        left, top, right, bottom = box or (0, 0, *image.size)
        across = whole(image, (size[0], image.height), resample, (left, 0, right, image.height))
        return whole(across, size, resample, (0, top, size[0], bottom))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Image.Image, "resize", resize)
        _parts.cache_clear()
        yield
    # What pipelines learned of such a Pillow does not hold for the real one.
    _parts.cache_clear()


def levels(tensor: torch.Tensor, std: Any = STD) -> torch.Tensor:
    """Undo what differs from model to model, but for the mean: in levels of 0 to 255."""
    return tensor.double() * torch.tensor(std, dtype=torch.float64)[:, None, None] * 255


def assert_near(found: torch.Tensor, expected: torch.Tensor, std: Any = STD) -> None:
    assert found.shape == expected.shape
    assert found.dtype == expected.dtype == torch.float32
    assert found.is_contiguous()
    assert (levels(found, std) - levels(expected, std)).abs().max() < 2.01


def assert_refused(ours: Any, own: Any, image: Image.Image) -> None:
    """An image of which nothing would be left."""
    with pytest.raises(ImageError, match="image of 1 x 60 pixels: it would be resized to 0 x 2"):
        ours(image)
    with pytest.raises(ValueError, match="must be > 0"):
        own(image)


def pipelines(size: Any, **given: Any) -> tuple[Pipeline, Pipeline]:
    return Pipeline(size, MEAN, STD, resampler="torchvision", **given), Pipeline(
        size, MEAN, STD, **given
    )


@pytest.mark.usefixtures("across_first")
@pytest.mark.parametrize("size", [(32, 32), (24, 40), (41, 17)])
@pytest.mark.parametrize("resize", ["shortest", "squash", "pad"])
@pytest.mark.parametrize("shape", SHAPES)
def test_a_pipeline_puts_every_pixel_where_pillows_is(size: Any, resize: Any, shape: str) -> None:
    image = noise(*SHAPES[shape], hard=True)
    for crop in (1.0, 0.875):
        ours, pillows = pipelines(size, resize=resize, crop=crop)
        assert_near(ours(image), pillows(image))


@pytest.mark.usefixtures("across_first")
@settings(max_examples=150, deadline=None)
@given(
    st.tuples(st.integers(1, 150), st.integers(1, 150)),
    st.tuples(st.integers(1, 60), st.integers(1, 60)),
    st.sampled_from(["shortest", "squash", "pad"]),
    st.floats(0.3, 1.0),
    st.sampled_from(["bilinear", "bicubic"]),
    st.booleans(),
    st.integers(0, 9),
)
@example((36, 136), (40, 59), "squash", 1.0, "bicubic", True, 0)
def test_whatever_the_sizes(shape, size, resize, crop, interpolation, hard, seed) -> None:
    ours, pillows = pipelines(size, resize=resize, crop=crop, interpolation=interpolation)
    image = noise(*shape, seed, hard=hard)
    assert_near(ours(image), pillows(image))


@settings(max_examples=60, deadline=None)
@given(st.integers(2, 150), st.floats(0.5, 1.8), st.integers(8, 96), st.booleans())
def test_as_pillow_does_it_by_itself_up_to_a_certain_height(width, ratio, edge, hard) -> None:
    """No order of passes is asked for: that of whatever Pillow is installed."""
    ours, pillows = pipelines((edge, edge), crop=0.875)
    image = noise(width, max(1, int(width * ratio)), hard=hard)
    assert_near(ours(image), pillows(image))


def test_outside_of_the_image_is_the_mean() -> None:
    ours, pillows = pipelines((32, 32), resize="pad")
    white = Image.new("RGB", (80, 20), "white")
    assert torch.equal(ours(white), pillows(white))
    assert ours(white)[:, :12].abs().max() < 0.01
    strange = Pipeline((8, 8), (-1.0, 0.5, 300.0), STD, resize="pad", resampler="torchvision")
    flat = Pipeline((8, 8), (-1.0, 0.5, 300.0), STD, resize="pad")
    assert torch.equal(strange(white), flat(white))


def test_a_sliver_is_refused() -> None:
    ours, _ = pipelines((8, 8))
    with pytest.raises(ImageError, match="too long and thin"):
        ours(Image.new("RGB", (4001, 4)))


def test_the_kernel_gets_the_memory_it_wants() -> None:
    assert resized(noise(50, 40), (20, 25), "bicubic").stride() == (1, 75, 3)


def documented(image: Image.Image, size: Any, crop: Any, config: dict[str, Any]) -> torch.Tensor:
    """torchvision's own functions, one after the other."""
    pixels = functional.pil_to_tensor(image)
    pixels = functional.resize(pixels, size, InterpolationMode.BICUBIC, antialias=True)
    pixels = functional.center_crop(pixels, crop)
    # Not to_dtype, which multiplies by 1 / 255: the transform of timm divides.
    values = to_tensor(pixels.permute(1, 2, 0).numpy())
    return functional.normalize(values, list(config["mean"]), list(config["std"]))


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(
    ("stated", "size", "crop"),
    [({}, [256], [224, 224]), ({"resize": "squash", "size": (90, 64)}, [102, 73], [90, 64])],
)
def test_timm_is_bit_for_bit_what_torchvision_documents(
    load: Callable[..., Embedder], shape: str, stated: Any, size: Any, crop: Any
) -> None:
    given = Preprocess(
        resampler="torchvision", interpolation="bicubic", mean=MEAN, std=STD, **stated
    )
    model = load(
        "timm:resnet18", checkpoint="random:0", preprocess=given.model_copy(update={"crop": 0.875})
    )
    image = noise(*SHAPES[shape], hard=True)
    expected = documented(image, size, crop, {"mean": MEAN, "std": STD})
    assert torch.equal(model.preprocess(image), expected)


@pytest.mark.usefixtures("across_first")
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("mode", ["center", "squash", "border"])
@pytest.mark.parametrize("size", [(3, 32, 32), (3, 24, 41)])
def test_timms_transforms_put_every_pixel_where_pillows_is(
    spec: Callable[..., ModelSpec], shape: str, mode: str, size: Any
) -> None:
    image = noise(*SHAPES[shape], hard=True)
    for crop in (1.0, 0.9):
        own = timm.data.create_transform(
            size, crop_mode=mode, crop_pct=crop, interpolation="bicubic", mean=MEAN, std=STD
        )
        ours = on_tensors(spec("timm:x", preprocess=STATED), own)
        if (mode, size[2], shape) == ("border", 41, "one column"):
            assert_refused(ours, own, image)
        else:
            assert_near(ours(image), own(image))


@pytest.mark.usefixtures("across_first")
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("mode", ["shortest", "squash", "longest"])
@pytest.mark.parametrize("size", [32, (24, 41)])
def test_open_clips_transforms_put_every_pixel_where_pillows_is(
    spec: Callable[..., ModelSpec], shape: str, mode: str, size: Any
) -> None:
    config = PreprocessCfg(size=size, resize_mode=mode, fill_color=9)
    own = image_transform_v2(config, is_train=False)
    image = noise(*SHAPES[shape], hard=True)
    ours = on_tensors(spec("open_clip:x", preprocess=STATED), own)
    if (mode, size, shape) == ("longest", (24, 41), "one column"):
        assert_refused(ours, own, image)
    else:
        assert_near(ours(image), own(image), open_clip.OPENAI_DATASET_STD)


def test_photos_have_nearly_the_same_vectors(load: Callable[..., Embedder], embed: Any) -> None:
    assert len(PHOTOS) > 20
    images = [Image.open(path).convert("RGB") for path in PHOTOS]
    # Of 256 x 256 pixels, which is what they would be resized to: others.
    images = [
        image.crop(((place % 3) * 20, (place % 4) * 15, 256, 256))
        for place, image in enumerate(images)
    ]
    plain = load("timm:tf_efficientnet_lite0")
    fast = load("timm:tf_efficientnet_lite0", preprocess=STATED)
    one, other = embed(plain, images), embed(fast, images)
    assert not torch.equal(one, other)
    assert torch.cosine_similarity(one, other).min() >= 0.9999
    for image in images:
        assert_near(fast.preprocess(image), plain.preprocess(image), (128 / 255,) * 3)


def test_threads_may_preprocess_at_once(load: Callable[..., Embedder]) -> None:
    model = load("timm:tf_efficientnet_lite0", preprocess=STATED)
    images = [noise(60 + i, 90 - i, i) for i in range(24)]
    with ThreadPoolExecutor(4) as pool:
        for image, found in zip(images, pool.map(model.preprocess, images), strict=True):
            assert torch.equal(found, model.preprocess(image))
