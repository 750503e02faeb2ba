"""A resize and its crop in one: every pixel is that of the whole image resized and then cut."""

from __future__ import annotations

from unittest import mock

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image
from torchvision import transforms

from pytest_prodbench.models import resized_part as module
from pytest_prodbench.models.pipeline import Pipeline
from pytest_prodbench.models.resized_part import ResizedPart, cut_with_resize

FILTERS = [kind for kind in Image.Resampling if kind != Image.Resampling.NEAREST]
MODES = transforms.InterpolationMode


def photo(width: int, height: int, seed: int = 1) -> Image.Image:
    """Noise over a slope, so that both sums that round and edges that repeat are there."""
    noise = np.random.default_rng(seed).integers(0, 256, (height, width, 3))
    slope = np.linspace(0, 255, width)[None, :, None] * np.ones((height, 1, 1))
    half = (np.arange(height) % 7 < 3)[:, None, None]
    return Image.fromarray(np.where(half, noise, slope).astype(np.uint8))


@pytest.fixture(autouse=True)
def _at_once():
    """The first image of a size is cut already."""
    with mock.patch.object(module, "OFTEN", 0):
        yield


@st.composite
def parts(draw):
    size = draw(st.tuples(st.integers(1, 300), st.integers(1, 300)))
    edges = draw(st.tuples(st.integers(1, 200), st.integers(1, 200)))
    left, top = (draw(st.integers(0, edge - 1)) for edge in edges)
    right, bottom = draw(st.integers(left + 1, edges[0])), draw(st.integers(top + 1, edges[1]))
    return size, edges, (left, top, right, bottom)


@settings(max_examples=300, deadline=None)
@given(parts(), st.sampled_from(FILTERS))
@example(((640, 640), (256, 256), (16, 16, 240, 240)), Image.Resampling.BICUBIC)
@example(((640, 480), (341, 256), (58, 16, 282, 240)), Image.Resampling.BICUBIC)
@example(((100, 640), (256, 256), (16, 16, 240, 240)), Image.Resampling.BICUBIC)
@example(((640, 100), (256, 256), (16, 16, 240, 240)), Image.Resampling.LANCZOS)
@example(((1, 300), (128, 128), (1, 1, 127, 127)), Image.Resampling.BILINEAR)
@example(((64, 300), (64, 64), (0, 0, 50, 50)), FILTERS[-1])  # a pass across would blur
@example(((3, 61), (3, 1), (0, 0, 1, 1)), FILTERS[-1])
def test_a_part_is_the_whole_and_then_cut(problem, resample) -> None:
    size, edges, part = problem
    image = photo(*size)
    found = ResizedPart(resample)(image, edges, part)
    assert found.size == (part[2] - part[0], part[3] - part[1])
    assert found.tobytes() == image.resize(edges, resample).crop(part).tobytes()


@pytest.mark.parametrize(
    ("size", "edges", "part", "target", "box"),
    [
        ((640, 640), (256, 256), (16, 16, 240, 240), (224, 224), (40, 40, 600, 600)),
        # Of a landscape the short edge has an exact scale, the long one has not.
        ((640, 480), (341, 256), (58, 16, 282, 240), (341, 224), (0, 30, 640, 450)),
        ((480, 640), (256, 341), (16, 58, 240, 282), (224, 341), (30, 0, 450, 640)),
        (
            (333, 333),
            (256, 256),
            (16, 16, 240, 240),
            (224, 224),
            (20.8125, 20.8125, 312.1875, 312.1875),
        ),
    ],
)
def test_what_is_made_is_no_more_than_what_is_kept(size, edges, part, target, box) -> None:
    cut = module._cut(size, edges, part)
    assert (cut.size, cut.box) == (target, box)
    resample = Image.Resampling.BICUBIC
    with mock.patch.object(
        Image.Image, "resize", autospec=True, side_effect=Image.Image.resize
    ) as resize:
        made = ResizedPart(resample)
        for _ in range(3):
            made(photo(*size), edges, part)
    # One of noise whole and one cut, as the proof, then one of each image.
    asked = [call.args[1] for call in resize.call_args_list]
    assert sorted(asked[:2]) == sorted([edges, target])
    assert asked[2:] == [target] * 3


@pytest.mark.parametrize(
    ("size", "edges", "part"),
    [
        ((640, 640), (235, 235), (5, 5, 229, 229)),  # 640 / 235 has no end
        ((640, 640), (256, 256), (0, 0, 256, 256)),  # nothing is cut off
        ((33_554_431, 3), (2, 3), (0, 0, 1, 3)),  # the corner needs 25 bits
        ((3, 3), (256, 256), (-1, -1, 200, 200)),  # outside
        ((256, 100), (256, 75), (16, 0, 240, 75)),  # keeps its length
    ],
)
def test_what_is_not_exact_is_left_whole(size, edges, part) -> None:
    assert module._cut(size, edges, part) is None


def test_a_pillow_that_computes_the_part_otherwise_is_found_out() -> None:
    """As one whose passes change places with the size would."""
    real = Image.Image.resize

    def down_first(self, size, resample=None, box=None, *rest):
        if box is None:
            return real(self, size, resample, box, *rest)
        first = real(self, (self.width, size[1]), resample, (0, box[1], self.width, box[3]))
        return real(first, size, resample, (box[0], 0, box[2], size[1]))

    size, edges, part = (128, 128), (64, 64), (4, 4, 60, 60)
    wanted = photo(*size).resize(edges, Image.Resampling.BICUBIC).crop(part).tobytes()
    with mock.patch.object(Image.Image, "resize", down_first):
        made = ResizedPart(Image.Resampling.BICUBIC)
        assert [made(photo(*size), edges, part).tobytes() for _ in range(2)] == [wanted] * 2
    assert list(made._cuts.values()) == [None]


def test_a_rare_size_is_resized_whole_and_costs_no_proof() -> None:
    size, edges, part = (128, 128), (64, 64), (4, 4, 60, 60)
    with mock.patch.object(module, "OFTEN", 3):
        made = ResizedPart(Image.Resampling.BICUBIC)
        with mock.patch.object(made, "_proven", wraps=made._proven) as proven:
            found = [made(photo(*size), edges, part).tobytes() for _ in range(6)]
    assert proven.call_count == 1
    assert len(set(found)) == 1


def test_what_is_known_of_sizes_has_an_end() -> None:
    made = ResizedPart(Image.Resampling.BICUBIC)
    with mock.patch.multiple(module, OFTEN=2, REMEMBERED=5):
        for width in range(20, 60):
            made(photo(width, 20), (8, 8), (1, 1, 7, 7))
            assert max(len(made._seen), len(made._cuts)) <= 5


@pytest.mark.parametrize("reason", ["nearest", "large", "small"])
def test_what_has_no_proof_is_left_whole(reason) -> None:
    resample = Image.Resampling.NEAREST if reason == "nearest" else Image.Resampling.BICUBIC
    size, edges = (128, 128), (64, 64)
    part = (4, 4, 12, 60) if reason == "small" else (4, 4, 60, 60)
    with mock.patch.object(module, "LARGEST", 100 if reason == "large" else 1 << 24):
        made = ResizedPart(resample)
        found = made(photo(*size), edges, part)
    assert list(made._cuts.values()) == [None]
    assert found.tobytes() == photo(*size).resize(edges, resample).crop(part).tobytes()


def composed(size, crop, mode=MODES.BICUBIC, **options):
    return transforms.Compose(
        [
            transforms.Resize(size, mode, **options),
            transforms.CenterCrop(crop),
            transforms.ToTensor(),
            transforms.Normalize([0.5, 0.4, 0.3], [0.2, 0.3, 0.4]),
        ]
    )


@settings(max_examples=150, deadline=None)
@given(
    st.integers(1, 300),
    st.integers(1, 300),
    st.one_of(st.integers(1, 96), st.tuples(st.integers(1, 96), st.integers(1, 96)), st.just([64])),
    st.one_of(st.integers(1, 96), st.tuples(st.integers(1, 96), st.integers(1, 96))),
    st.sampled_from([MODES.BICUBIC, MODES.BILINEAR, MODES.LANCZOS, MODES.NEAREST]),
)
@example(300, 300, 64, 56, MODES.BICUBIC)
@example(300, 200, 64, 56, MODES.BICUBIC)
@example(300, 200, [64], 80, MODES.BILINEAR)  # the crop fills up
def test_torchvisions_resize_and_crop_are_equalled(width, height, size, crop, mode) -> None:
    # A strip would be refused before, and fills the memory here.
    if max(width, height) > 40 * min(width, height):
        return
    plain = composed(size, crop, mode)
    cut = cut_with_resize(plain)
    assert cut is not plain
    assert torch.equal(cut(photo(width, height)), plain(photo(width, height)))


def test_a_torchvision_that_rounds_edges_otherwise_is_found_out() -> None:
    plain = composed(64, 56)
    with mock.patch.object(module._ResizeAndCrop, "_edges", return_value=(96, 65)):
        assert torch.equal(cut_with_resize(plain)(photo(300, 200)), plain(photo(300, 200)))


@pytest.mark.parametrize("name", ["tf_efficientnet_lite0", "resnet18", "vit_tiny_patch16_224"])
def test_timms_own_transform_is_equalled(name) -> None:
    import timm

    config = timm.data.resolve_data_config(
        {}, pretrained_cfg=timm.get_pretrained_cfg(name).to_dict()
    )
    plain = timm.data.create_transform(**config, is_training=False)
    cut = cut_with_resize(plain)
    assert cut is not plain
    for size in [(640, 640), (640, 480), (480, 640), (348, 348), (333, 517), (90, 60)]:
        assert torch.equal(cut(photo(*size)), plain(photo(*size))), size


def test_other_steps_are_left_as_they_are() -> None:
    class Own(transforms.Resize):
        """May do anything."""

    whole = transforms.Resize(8)
    crop, tensor = transforms.CenterCrop(6), transforms.ToTensor()
    for steps in (
        [],
        [whole],
        [whole, tensor],
        [tensor, whole, crop],
        [Own(8), crop],
        [transforms.Resize(8, max_size=20), crop],
        [transforms.Resize(8, MODES.NEAREST_EXACT), crop],
    ):
        plain = transforms.Compose(steps)
        assert cut_with_resize(plain) is plain


@settings(max_examples=80, deadline=None)
@given(
    st.tuples(st.integers(1, 200), st.integers(1, 200)),
    st.tuples(st.integers(1, 64), st.integers(1, 64)),
    st.sampled_from(["shortest", "squash", "pad"]),
    st.sampled_from([0.5, 0.875, 0.9, 1.0]),
)
@example((256, 256), (56, 56), "shortest", 0.875)
def test_a_pipeline_gives_the_same_cut_or_whole(size, target, resize, crop) -> None:
    if max(size) > 40 * min(size):
        return
    made = Pipeline(target, (0.5, 0.4, 0.3), (0.2, 0.3, 0.4), resize=resize, crop=crop)
    found = made(photo(*size))
    with mock.patch.object(module, "_cut", return_value=None):
        from pytest_prodbench.models import pipeline

        pipeline._parts.cache_clear()
        whole = made(photo(*size))
        pipeline._parts.cache_clear()
    assert torch.equal(found, whole)
