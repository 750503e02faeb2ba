"""What is known of each picture once it was decoded: digests, size, a perceptual hash."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from threading import Lock
from typing import TYPE_CHECKING

from pytest_prodbench.datasets.decoding import crop, decode, pixel_digest
from pytest_prodbench.datasets.threads import for_each
from pytest_prodbench.errors import ImageError, SettingsError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from PIL.Image import Image

    from pytest_prodbench.doctor.finding import Key
    from pytest_prodbench.doctor.subject import Subject

HELD = 64
"""Decoded pictures that are kept for the next comparison."""


@dataclass(frozen=True, slots=True)
class Photo:
    """One picture: an image, or the part of it inside a box.

    Attributes:
        error: why there are no pixels; then all else is empty.
        file, pixels: sha256 (hex) of the whole file, and of the picture's pixels.
        width, height: in pixels.
        hash: 64 bits: which coefficients of the picture's discrete cosine transform are above their
            median (pHash by ImageHash).
        contrast: grey levels between the darkest and the brightest of 32 x 32 means.
    """

    error: str = ""
    file: str = ""
    pixels: str = ""
    width: int = 0
    height: int = 0
    hash: int = 0
    contrast: float = 0.0


def look(subject: Subject, *, max_pixels: int) -> Mapping[Key, Photo]:
    """Decode each image of a dataset once; linear in their number.

    Raises:
        SettingsError: ImageHash is not installed.
    """
    if find_spec("imagehash") is None:
        raise SettingsError(
            "prodbench doctor",
            found="no package ImageHash",
            expected="the extra that compares pictures",
            next_step="pip install 'pytest-prodbench[doctor]'",
        )
    keys: dict[str, list[Key]] = {}
    for key in dict.fromkeys(row.key for row in subject.rows):
        keys.setdefault(key[0], []).append(key)

    def photos_of(image: str) -> list[tuple[Key, Photo]]:
        try:
            data = _read(subject, image)
            whole = decode(data, where=image, max_pixels=max_pixels)
        except ImageError as error:
            failed = Photo(error=str(error).removeprefix(f"{image}: "))
            return [(key, failed) for key in keys[image]]
        digest = hashlib.sha256(data).hexdigest()
        return [(key, _photo(whole, key, digest)) for key in keys[image]]

    found = for_each(list(keys), photos_of)
    return dict(pair for pairs in found for pair in pairs)


def _read(subject: Subject, image: str) -> bytes:
    try:
        with subject.open(image) as file:
            return file.read()
    except FileNotFoundError:
        raise ImageError(image, found="no such file") from None
    except (OSError, ValueError) as error:
        raise ImageError(image, found=f"cannot be read: {error}") from error


def _photo(whole: Image, key: Key, digest: str) -> Photo:
    import imagehash
    import numpy as np

    try:
        picture = crop(whole, key[1], where=key[0])
    except ImageError as error:
        return Photo(error=str(error).removeprefix(f"{key[0]}: "), file=digest)
    bits = imagehash.phash(picture).hash.ravel()
    small = np.asarray(picture.convert("L").resize((32, 32), 4), np.float32)
    return Photo(
        file=digest,
        pixels=pixel_digest(picture),
        width=picture.width,
        height=picture.height,
        hash=int.from_bytes(np.packbits(bits).tobytes()),
        contrast=float(small.max() - small.min()),
    )


class Album:
    """Decodes pictures again when two of them are compared, and keeps the last ones; from any thread."""

    def __init__(self, subject: Subject, *, max_pixels: int) -> None:
        self._read = partial(_read, subject)
        self._max_pixels = max_pixels
        self._held: OrderedDict[Key, Image] = OrderedDict()
        self._lock = Lock()

    def picture(self, key: Key) -> Image:
        """Return the pixels of a picture that could be decoded before.

        Raises:
            ImageError: it no longer can.
        """
        with self._lock:
            found = self._held.pop(key, None)
        if found is None:
            image, box = key
            whole = decode(self._read(image), where=image, max_pixels=self._max_pixels)
            found = crop(whole, box, where=image)
        with self._lock:
            self._held[key] = found
            while len(self._held) > HELD:
                self._held.popitem(last=False)
        return found
