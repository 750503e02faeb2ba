"""Every kind of file a catalog holds ends as the pixels a person sees, or as an error that names it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dataset_builders import MAX_PIXELS, encoded, header, noise, pixels, png_chunk
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageCms

from pytest_prodbench.datasets.decoding import (
    box_problem,
    crop,
    decode,
    pixel_digest,
)
from pytest_prodbench.errors import ImageError

# EXIF 2.32, tag 0x0112: what the stored array looks like → the upright one, in numpy alone.
UPRIGHT: dict[int, Callable[[Any], Any]] = {
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.transpose(1, 0, 2),
    6: lambda a: np.rot90(a, -1),
    7: lambda a: a[::-1, ::-1].transpose(1, 0, 2),
    8: lambda a: np.rot90(a, 1),
}


def exif(orientation: int) -> Image.Exif:
    tags = Image.Exif()
    tags[0x0112] = orientation
    return tags


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_image_is_upright(tmp_path: Path, kind: str, orientation: int) -> None:
    options: dict[str, dict[str, Any]] = {"WEBP": {"lossless": True}, "AVIF": {"quality": 100}}
    lossless = options.get(kind, {})
    stored = pixels(encoded(noise(1), kind, **lossless))
    data = encoded(noise(1), kind, exif=exif(orientation), **lossless)
    expected = UPRIGHT[orientation](stored)
    np.testing.assert_array_equal(pixels(data), expected)
    assert header(tmp_path, data) == (expected.shape[1], expected.shape[0])


@pytest.mark.parametrize("orientation", range(1, 9))
def test_png_with_exif_behind_its_pixels_is_upright(tmp_path: Path, orientation: int) -> None:
    plain = encoded(noise(1), "PNG")
    end = plain.index(b"IEND") - 4
    block = png_chunk(b"eXIf", exif(orientation).tobytes().removeprefix(b"Exif\0\0"))
    data = plain[:end] + block + plain[end:]
    expected = UPRIGHT[orientation](pixels(plain))
    np.testing.assert_array_equal(pixels(data), expected)
    assert header(tmp_path, data) == (expected.shape[1], expected.shape[0])


@pytest.mark.parametrize("orientation", [0, 9, 77])
def test_meaningless_orientation_leaves_the_image_as_it_is(
    tmp_path: Path, orientation: int
) -> None:
    data = encoded(noise(1), "PNG", exif=exif(orientation))
    np.testing.assert_array_equal(pixels(data), np.asarray(noise(1)))
    assert header(tmp_path, data) == (8, 6)


def test_alpha_is_composited_on_white() -> None:
    rgba = np.zeros((1, 3, 4), np.uint8)
    rgba[0, :, 0] = 200
    rgba[0, :, 3] = (0, 128, 255)
    got = pixels(encoded(Image.fromarray(rgba), "PNG"))[0]
    np.testing.assert_array_equal(got[0], (255, 255, 255))
    np.testing.assert_array_equal(got[2], (200, 0, 0))
    np.testing.assert_allclose(got[1], (227, 127, 127), atol=1)


def test_grey_with_alpha_is_composited_on_white() -> None:
    la = np.array([[[10, 0], [10, 255]]], np.uint8)
    got = pixels(encoded(Image.fromarray(la), "PNG"))[0]
    assert got.tolist() == [[255, 255, 255], [10, 10, 10]]


@pytest.mark.parametrize("kind", ["PNG", "GIF"])
def test_palette_with_transparent_colour(kind: str) -> None:
    image = Image.new("P", (2, 1))
    image.putpalette([9, 8, 7, 200, 100, 50])
    image.putdata([0, 1])
    got = pixels(encoded(image, kind, transparency=0))[0]
    assert got.tolist() == [[255, 255, 255], [200, 100, 50]]


def test_palette_with_partly_transparent_colours() -> None:
    image = Image.new("P", (2, 1))
    image.putpalette([0, 0, 0, 200, 100, 50])
    image.putdata([0, 1])
    got = pixels(encoded(image, "PNG", transparency=bytes([51, 255])))[0]
    assert got.tolist() == [[204, 204, 204], [200, 100, 50]]


@pytest.mark.parametrize(
    ("mode", "key", "values", "expected"),
    [
        ("RGB", (1, 2, 3), [(1, 2, 3), (4, 5, 6)], [[255] * 3, [4, 5, 6]]),
        ("L", 7, [7, 8], [[255] * 3, [8] * 3]),
        ("1", 0, [0, 255], [[255] * 3, [255] * 3]),
        ("I;16", 300, [300, 65535], [[255] * 3, [255] * 3]),
    ],
)
def test_transparent_key_colour_is_white(mode: str, key: Any, values: Any, expected: Any) -> None:
    image = Image.new(mode, (2, 1))
    for x, value in enumerate(values):
        image.putpixel((x, 0), value)
    assert pixels(encoded(image, "PNG", transparency=key))[0].tolist() == expected


def test_one_bit_and_grey_become_rgb() -> None:
    one_bit = Image.new("1", (2, 1))
    one_bit.putpixel((1, 0), 1)
    assert pixels(encoded(one_bit, "PNG"))[0].tolist() == [[0] * 3, [255] * 3]
    grey = Image.fromarray(np.array([[3, 250]], np.uint8))
    assert pixels(encoded(grey, "PNG"))[0].tolist() == [[3] * 3, [250] * 3]


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_16_bit_grey_is_scaled_to_the_nearest_8_bit(kind: str) -> None:
    values = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    got = pixels(encoded(Image.fromarray(values), kind))
    np.testing.assert_array_equal(got, np.rint(values / 257)[..., None].repeat(3, axis=2))


def test_32_bit_grey_beyond_16_bit_is_refused() -> None:
    values = np.array([[0, 70000]], np.int32)
    with pytest.raises(ImageError, match="from 0 to 70000; expected 0 to 65535"):
        pixels(encoded(Image.fromarray(values), "TIFF"))


def test_floating_point_pixels_are_refused() -> None:
    image = Image.fromarray(np.ones((2, 2), np.float32))
    with pytest.raises(ImageError, match=r"a\.jpg: floating-point pixels"):
        pixels(encoded(image, "TIFF"))


def test_cmyk_jpeg() -> None:
    image = Image.new("CMYK", (16, 16), (255, 0, 0, 0))
    np.testing.assert_allclose(pixels(encoded(image, "JPEG"))[8, 8], (0, 255, 255), atol=3)
    white = Image.new("CMYK", (16, 16), (0, 0, 0, 0))
    np.testing.assert_allclose(pixels(encoded(white, "JPEG"))[8, 8], (255, 255, 255), atol=3)


def test_colour_profile_is_ignored() -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    data = encoded(noise(1), "PNG", icc_profile=profile)
    np.testing.assert_array_equal(pixels(data), np.asarray(noise(1)))


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "TIFF", "PNG", "MPO"])
def test_first_frame_counts(kind: str) -> None:
    red, blue = Image.new("RGB", (8, 8), (255, 0, 0)), Image.new("RGB", (8, 8), (0, 0, 255))
    data = encoded(red, kind, save_all=True, append_images=[blue])
    np.testing.assert_allclose(pixels(data)[4, 4], (255, 0, 0), atol=3)


def test_name_does_not_decide_the_format(tmp_path: Path) -> None:
    path = tmp_path / "photo.jpg"
    path.write_bytes(encoded(noise(1), "PNG"))
    np.testing.assert_array_equal(pixels(path), np.asarray(noise(1)))


@given(
    st.tuples(st.integers(0, 9), st.integers(0, 7)),
    st.tuples(st.integers(1, 12), st.integers(1, 9)),
)
def test_crop_is_a_slice_or_an_error(corner: tuple[int, int], size: tuple[int, int]) -> None:
    image = noise(3, 10, 8)
    (x, y), (width, height) = corner, size
    box = (float(x), float(y), float(width), float(height))
    if x + width > 10 or y + height > 8:
        with pytest.raises(ImageError, match="reaches outside the upright image of 10 x 8"):
            crop(image, box)
    else:
        part = np.asarray(crop(image, box))
        np.testing.assert_array_equal(part, np.asarray(image)[y : y + height, x : x + width])


def test_crop_edges_go_to_the_nearest_pixel() -> None:
    assert crop(noise(3), (0.4, 0.5, 3.2, 3.0)).size == (4, 3)
    assert box_problem((1.0, 1.0, 0.2, 3.0), (8, 6)) == (
        "box 1 1 0.2 3 (x y width height) holds no pixel"
    )
    assert box_problem((0.0, 0.0, 8.4, 6.4), (8, 6)) is None
    image = noise(3)
    assert crop(image, None) is image


def test_pixel_digest_tells_pixels_and_shape_apart() -> None:
    same = decode(encoded(noise(1), "PNG"), where="x", max_pixels=MAX_PIXELS)
    assert pixel_digest(same) == pixel_digest(noise(1))
    assert pixel_digest(noise(1)) != pixel_digest(noise(2))
    black = [Image.new("RGB", size) for size in ((4, 6), (6, 4))]
    assert pixel_digest(black[0]) != pixel_digest(black[1])
    assert len(pixel_digest(black[0])) == 64
