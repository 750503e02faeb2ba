"""Small JPEGs of the photos in a report, kept beside it: the page outlives the images.

They are also kept in the cache, by the content of the photo, so that the next run of the same photos need not
decode them again.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import io
import warnings
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO, TYPE_CHECKING, cast

from pytest_prodbench.atomic import atomic_write_bytes
from pytest_prodbench.datasets.files import reopened

if TYPE_CHECKING:
    from collections.abc import Callable

    from PIL import Image

    from pytest_prodbench.protocol import ImageFiles

LONGEST_SIDE = 128
QUALITY = 70
WAY = 2
"""Of making them; another number for another picture of the same photo."""

FOLDER = "thumbnails"


class Thumbnails:
    """Thumbnails of the images of one run; each image is read and encoded once."""

    def __init__(self, project: Path, run_dir: Path, cache_dir: Path | None = None) -> None:
        self._project = project
        self._folder = run_dir / FOLDER
        self._cache = cache_dir and cache_dir / FOLDER
        self._made: dict[str, str | None] = {}
        self._files: dict[str, ImageFiles | None] = {}

    def uri(self, root: str, image: str) -> str | None:
        """Return ``data:image/jpeg;base64,…`` of an image, or None if it cannot be shown."""
        key = _key(root, image)
        if key not in self._made:
            data = self.jpeg(root, image)
            self._made[key] = (
                None
                if data is None
                else "data:image/jpeg;base64," + base64.b64encode(data).decode()
            )
        return self._made[key]

    def jpeg(self, root: str, image: str) -> bytes | None:
        """Return the thumbnail of an image, or None if it cannot be shown.

        ``root`` is the dataset's ``place`` in evidence: its folder relative to the project or to ``~``,
        or what holds its images. ``image`` is relative to that. Never raises: a page with a hole in it
        is better than no page.
        """
        kept = self._folder / f"{_key(root, image)}.jpg"
        data = _whole(kept)
        if data is None and _is_relative(image):
            data = self._from_photo(root, image, kept)
        return data

    def _from_photo(self, root: str, image: str, kept: Path) -> bytes | None:
        try:
            photo = self._opener(root, image)
            if self._cache is None:
                data = encode(photo)
                _keep(kept, data)
                return data
            with photo() as file:
                whole = file.read()
            digest = hashlib.sha256(whole).hexdigest()
            cached = self._cache / digest[:2] / f"{digest}-{LONGEST_SIDE}-{QUALITY}-{WAY}.jpg"
            known = _whole(cached)
            data = encode(partial(io.BytesIO, whole)) if known is None else known
            if known is None:
                _keep(cached, data)
            _keep_as(kept, cached, data)
        except Exception:  # Pillow's decoders raise whatever a damaged file makes them raise
            return None
        return data

    def _opener(self, root: str, image: str) -> Callable[[], IO[bytes]]:
        kind, _, place = root.rpartition("\0")
        if not kind:
            photo = self._project / Path(root).expanduser() / image
            return lambda: photo.open("rb")
        if root not in self._files:
            folder = self._project / Path(place).expanduser()
            self._files[root] = reopened(kind, place if "://" in place else folder)
        files = self._files[root]
        if files is None:
            raise FileNotFoundError(root)
        return partial(files.open, image)


def _key(root: str, image: str) -> str:
    return hashlib.sha256(f"{root}\0{image}".encode("utf-8", "surrogatepass")).hexdigest()[:24]


def _whole(path: Path) -> bytes | None:
    """A JPEG from its first marker to its last; None where there is none, or a part of one."""
    try:
        data = path.read_bytes()
    except OSError:
        return None
    return data if data.startswith(b"\xff\xd8") and data.endswith(b"\xff\xd9") else None


def _keep(path: Path, data: bytes) -> None:
    with contextlib.suppress(OSError):  # a read-only folder costs the copy, not the picture
        atomic_write_bytes(path, data, durable=False)


def _keep_as(path: Path, cached: Path, data: bytes) -> None:
    """Keep what is in the cache under another name, too: one file with two names, where that can be.

    Nobody writes into either; both are replaced as a whole.
    """
    try:
        path.hardlink_to(cached)
    except OSError:  # no folder yet, another disk, something damaged is there
        _keep(path, data)


def encode(photo: Callable[[], IO[bytes]]) -> bytes:
    """Return a JPEG of at most 128 x 128 pixels: upright, RGB, on white where it was transparent.

    Args:
        photo: opens the file.

    Raises:
        Exception: whatever Pillow raises for a file that is missing, damaged or too large.
    """
    from PIL import Image, ImageOps

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # damaged EXIF and palettes; the report is not the place
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        with photo() as file, Image.open(file) as opened:
            # A JPEG is decoded at 1/2 … 1/8 of its size, whichever is no smaller than what is shown.
            opened.draft("RGB", (LONGEST_SIDE, LONGEST_SIDE))
            ImageOps.exif_transpose(opened, in_place=True)
            small = _rgb(opened)
    return small_jpeg(small, LONGEST_SIDE)


def small_jpeg(image: Image.Image, side: int) -> bytes:
    """Return an RGB image as a JPEG of at most ``side`` pixels each way; the image itself stays."""
    small = image.copy()
    small.thumbnail((side, side))
    small.info.clear()  # no profile, no comment, no place where the photo was taken
    buffer = io.BytesIO()
    small.save(buffer, "JPEG", quality=QUALITY, optimize=True)
    return buffer.getvalue()


def _rgb(image: Image.Image) -> Image.Image:
    from PIL import Image

    if image.mode.startswith("I;16") or image.mode in {"I", "F"}:
        # Sixteen bits and floats have no common white: the photo's own range is shown.
        low, high = cast("tuple[float, float]", image.getextrema())
        scale = 255.0 / ((high - low) or 1.0)
        return image.convert("F").point(lambda x: x * scale - low * scale).convert("RGB")
    if "transparency" in image.info or "A" in image.mode:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, "white")
        return Image.alpha_composite(white, image).convert("RGB")
    return image.convert("RGB")


def _is_relative(image: str) -> bool:
    """A path in evidence is relative, as in the manifest, which may say ``../photos/x.jpg``."""
    return bool(image) and not PurePosixPath(image).is_absolute() and "\0" not in image
