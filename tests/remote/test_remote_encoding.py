"""Pixels to the file that is sent."""

from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from pytest_prodbench.errors import ImageError
from pytest_prodbench.models.remote import Limits
from pytest_prodbench.models.remote.encoding import Encoder


def noise(width: int, height: int) -> Image.Image:
    pixels = np.random.default_rng(0).integers(0, 255, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


def opened(data: bytes) -> Image.Image:
    with Image.open(io.BytesIO(data)) as image:
        image.load()
        return image


@settings(deadline=None)
@given(width=st.integers(1, 90), height=st.integers(1, 90))
def test_png_keeps_every_pixel(width: int, height: int) -> None:
    image = noise(width, height)
    sent = Encoder.of("auto", None, Limits())(image)
    assert sent.media_type == "image/png"
    assert (sent.width, sent.height) == image.size
    np.testing.assert_array_equal(np.asarray(opened(sent.data)), np.asarray(image))


@settings(deadline=None)
@given(
    width=st.integers(1, 300),
    height=st.integers(1, 300),
    edge=st.none() | st.integers(32, 200),
    pixels=st.none() | st.integers(64, 10_000),
)
def test_limits_hold_and_only_they_scale(
    width: int, height: int, edge: int | None, pixels: int | None
) -> None:
    sent = Encoder.of("png", None, Limits(longest_edge=edge, pixels=pixels))(noise(width, height))
    assert edge is None or max(sent.width, sent.height) <= edge
    # One pixel high or wide, it may have a few more.
    assert pixels is None or sent.width * sent.height <= max(pixels, sent.width, sent.height)
    if (edge is None or max(width, height) <= edge) and (
        pixels is None or width * height <= pixels
    ):
        assert (sent.width, sent.height) == (width, height)


def test_a_png_that_is_too_large_goes_as_jpeg() -> None:
    image = noise(200, 200)
    whole = len(Encoder.of("png", None, Limits())(image).data)
    encoder = Encoder.of("auto", None, Limits(image_bytes=whole - 1))
    sent = encoder(image)
    assert sent.media_type == "image/jpeg"
    jpeg = opened(sent.data)
    assert jpeg.size == image.size
    assert jpeg.layer[1][1:3] == (1, 1)  # type: ignore[attr-defined]  # no chroma subsampling
    assert "JPEG" in encoder.description
    assert str(whole - 1) in encoder.description


def test_what_is_too_large_in_any_way_is_refused() -> None:
    with pytest.raises(
        ImageError, match=r"as image/jpeg of 200×200 pixels.*100 bytes at most.*max_edge"
    ):
        Encoder.of("auto", None, Limits(image_bytes=100))(noise(200, 200))
    with pytest.raises(ImageError, match="as image/png"):
        Encoder.of("png", None, Limits(image_bytes=100))(noise(200, 200))


def test_a_provider_without_png_gets_jpeg() -> None:
    encoder = Encoder.of("auto", None, Limits(media_types=("image/jpeg",)))
    assert encoder(noise(9, 9)).media_type == "image/jpeg"


def test_what_decides_pixels_is_in_the_description() -> None:
    limits = Limits(image_bytes=1000, pixels=400)
    found = {
        Encoder.of(encoding, edge, limits).description
        for encoding in ("auto", "png", "jpeg")
        for edge in (None, 64, 65)
    }
    assert len(found) == 9


def test_the_smaller_edge_holds() -> None:
    assert Encoder.of("auto", 500, Limits(longest_edge=300)).longest_edge == 300
    assert Encoder.of("auto", 200, Limits(longest_edge=300)).longest_edge == 200
