"""Damaged, hostile and huge files: each is an error that names the file, what was found and what to do."""

from __future__ import annotations

import os
import struct
from pathlib import Path

import pytest
from dataset_builders import MAX_PIXELS, encoded, header, noise, pixels, png_that_claims
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageFile

from pytest_prodbench.datasets.decoding import decode, read_header
from pytest_prodbench.errors import ImageError

JPEG = encoded(noise(2, 64, 64), "JPEG")
DAMAGED = {
    "truncated JPEG": (JPEG[: len(JPEG) // 2], "damaged or cut short"),
    "truncated PNG": (encoded(noise(2, 64, 64), "PNG")[:4000], "damaged or cut short"),
    "JPEG header only": (JPEG[:20], "damaged or cut short"),
    "empty file": (b"", "an empty file"),
    "text": ("Größe, Länge\n1,2\n".encode(), "text that begins with 'Größe, Länge"),
    "web page": (b"<!doctype html><html>404 Not Found</html>" * 9, "text that begins with '<!doctype"),
    "HEIC": (b"\0\0\0\x18ftypheic" + bytes(40), "HEIC"),
    "random bytes": (bytes(range(128, 200)), "begins with bytes 80 81 82"),
    "BMP by its first letters": (b"BM" + bytes(60), "damaged or cut short"),
    "unknown WebP": (b"RIFF\x10\0\0\0WEBPxxxx" + bytes(30), "damaged or cut short"),
    "AVIF without content": (b"\0\0\0\x18ftypavif" + bytes(40), "damaged or cut short"),
}  # fmt: skip


@pytest.mark.parametrize("name", DAMAGED)
def test_damaged_file_is_named_with_what_was_found_and_what_to_do(
    tmp_path: Path, name: str
) -> None:
    data, found = DAMAGED[name]
    path = tmp_path / "photo.jpg"
    path.write_bytes(data)
    for source in (data, path):
        with pytest.raises(ImageError, match=found) as caught:
            decode(source, where="photos/photo.jpg", max_pixels=MAX_PIXELS)
        assert caught.value.where == "photos/photo.jpg"
        assert "take it out of the dataset" in caught.value.next_step


@given(st.binary(max_size=200), st.integers(0, len(JPEG)))
def test_any_bytes_give_pixels_or_an_image_error(junk: bytes, keep: int) -> None:
    for data in (junk, JPEG[:keep] + junk + JPEG[keep + len(junk) :]):
        try:
            pixels(data)
        except ImageError as error:
            assert error.where == "a.jpg"  # noqa: PT017 - either outcome is right


def test_missing_file_and_folder(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="no such file"):
        pixels(tmp_path / "gone.jpg")
    with pytest.raises(ImageError, match="not a regular file"):
        read_header(tmp_path, max_pixels=1)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_pipe_is_refused_without_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    with pytest.raises(ImageError, match="not a regular file"):
        read_header(tmp_path / "pipe.jpg", max_pixels=1)


def test_bomb_is_refused_by_its_header(tmp_path: Path) -> None:
    limit = Image.MAX_IMAGE_PIXELS
    bomb = png_that_claims(20_000, 10_000)
    assert len(bomb) < 1000
    for read in (lambda: header(tmp_path, bomb), lambda: pixels(bomb)):
        with pytest.raises(ImageError, match=r"20000 x 10000 = 200,000,000 pixels") as caught:
            read()
        assert "at most 100,000,000" in str(caught.value)
    assert limit == Image.MAX_IMAGE_PIXELS


def test_our_limit_decides_not_that_of_pillow(tmp_path: Path) -> None:
    # Between Pillow's warning (89 million) and ours: a warning would be an error in this test run.
    assert header(tmp_path, png_that_claims(10_000, 9_900)) == (10_000, 9_900)
    path = tmp_path / "bomb.png"
    path.write_bytes(png_that_claims(20_000, 10_000))
    assert read_header(path, max_pixels=10**9) == (20_000, 10_000)


def test_limit_is_inclusive() -> None:
    data = encoded(noise(1, 10, 10), "PNG")
    assert decode(data, where="x", max_pixels=100).size == (10, 10)
    with pytest.raises(ImageError, match="at most 99"):
        decode(data, where="x", max_pixels=99)


def test_lenient_loading_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    assert ImageFile.LOAD_TRUNCATED_IMAGES is False
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    with pytest.raises(ImageError, match="LOAD_TRUNCATED_IMAGES is on"):
        pixels(JPEG)


def test_broken_exif_is_no_silent_choice() -> None:
    # Pillow warns about it; with warnings as errors that is an ImageError, never another exception.
    block = b"Exif\0\0II*\0\x08\0\0\0" + struct.pack("<H", 9) + b"\x12\x01"
    data = encoded(noise(1), "JPEG", exif=block)
    with pytest.raises(ImageError, match="EXIF"):
        pixels(data)
