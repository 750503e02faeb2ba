"""The one way from a file to pixels; every number depends on it.

- The EXIF orientation is applied: an image is upright before anything else looks at it.
- Transparent pixels (alpha, palette or colour-key transparency) are composited on white.
- 1-bit, grey, palette, CMYK and YCCK become RGB by Pillow's conversion, which undoes the inversion of
  Adobe's CMYK JPEGs. ICC profiles are ignored, as in the pipelines the models were trained with.
- 16-bit grey is scaled by round(value / 257), so that 65535 becomes 255. (Pillow itself reduces 16-bit
  *colour* to its high byte while reading.) Floating-point pixels have no agreed white: an error.
- Of several frames or pictures, the first.

Readers are called by class, not through ``Image.open``: that one holds every image against a global
limit, which can only be moved for the whole process, and it asks whatever plugins other code registered.
"""

from __future__ import annotations

import hashlib
import io
import stat
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from pytest_prodbench.datasets.signatures import READERS, describe, sniff
from pytest_prodbench.errors import ImageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from PIL import Image

    from pytest_prodbench.protocol import Box

_ORIENTATION = 0x0112
_WIDTH, _HEIGHT = 0x0100, 0x0101
_SIDEWAYS = frozenset({5, 6, 7, 8})
_AGAIN = "copy or export it again as JPEG or PNG, or take it out of the dataset"


def read_header(
    source: Path | Callable[[], IO[bytes]], *, max_pixels: int, where: str = ""
) -> tuple[int, int]:
    """Return (width, height) in pixels of the upright image, from its header alone.

    Args:
        source: path of the file, or what opens it.
        max_pixels: largest accepted width x height.
        where: what a message calls the file; by default its path.

    Raises:
        ImageError: missing, not a regular file, no image in a known format, or too large.
    """
    where = where or str(source)
    with _open_file(source, where) as file, _reader_errors(where, "header"):
        image = _reader(file, where)
        refuse_large(image.size, where=where, max_pixels=max_pixels)
        width, height = image.size
        if image.format == "TIFF":
            # Pillow versions differ in whether ``size`` is upright before the pixels are read.
            width, height = image.tag_v2[_WIDTH], image.tag_v2[_HEIGHT]
            orientation = image.tag_v2.get(_ORIENTATION, 1)
        elif image.format == "PNG":
            orientation = _png_orientation(image, file)
        else:
            orientation = image.getexif().get(_ORIENTATION, 1)
    return (height, width) if orientation in _SIDEWAYS else (width, height)


def decode(data: bytes | Path, *, where: str, max_pixels: int) -> Image.Image:
    """Return the pixels of an image: mode RGB, 8 bit, upright, composited on white.

    Args:
        data: the bytes of the file, or its path.
        where: what a message calls the image.
        max_pixels: largest accepted width x height; checked before a pixel is decoded.

    Raises:
        ImageError: missing, truncated, damaged, in no known format, too large or floating-point.
    """
    from PIL import ImageFile, ImageOps

    if ImageFile.LOAD_TRUNCATED_IMAGES:
        raise ImageError(
            where,
            found="PIL.ImageFile.LOAD_TRUNCATED_IMAGES is on, so that half an image would pass as whole",
            expected="off",
            next_step="find what switches it on in this process and leave it off",
        )
    source = io.BytesIO(data) if isinstance(data, bytes) else _open_file(data, where)
    with source as file, _reader_errors(where, "pixels"):
        image = _reader(file, where)
        refuse_large(image.size, where=where, max_pixels=max_pixels)
        image.load()
        # After load(): a PNG may carry its EXIF block behind its pixels, and Pillow has turned a TIFF
        # upright and dropped the tag.
        if image.getexif().get(_ORIENTATION, 1) in range(2, 9):
            image = ImageOps.exif_transpose(image)
        return _to_rgb(image, where)


def crop(image: Image.Image, box: Box | None, *, where: str = "image") -> Image.Image:
    """Return the part of an upright image inside a box; the image itself if there is no box.

    Each edge goes to the nearest whole pixel (halves up).

    Raises:
        ImageError: the box holds no pixel or reaches outside the image.
    """
    if box is None:
        return image
    reason = box_problem(box, image.size)
    if reason:
        raise ImageError(where, found=reason, next_step="correct the box in the dataset")
    import numpy as np
    from PIL import Image

    left, top, right, bottom = _edges(box)
    # Not Image.crop: it holds large crops against Pillow's global limit.
    return Image.fromarray(np.ascontiguousarray(np.asarray(image)[top:bottom, left:right]))


def box_problem(box: Box, size: tuple[int, int]) -> str | None:
    """Return why a box cannot be cut from an upright image of this (width, height), or None."""
    left, top, right, bottom = _edges(box)
    text = " ".join(f"{value:g}" for value in box)
    if right <= left or bottom <= top:
        return f"box {text} (x y width height) holds no pixel"
    if left < 0 or top < 0 or right > size[0] or bottom > size[1]:
        return f"box {text} (x y width height) reaches outside the upright image of {size[0]} x {size[1]}"
    return None


def pixel_digest(image: Image.Image) -> str:
    """Return the sha256 (hex) of mode, size and raw pixels: equal if and only if the pixels are."""
    digest = hashlib.sha256(f"{image.mode} {image.width} {image.height}\n".encode())
    digest.update(image.tobytes())
    return digest.hexdigest()


def _edges(box: Box) -> tuple[int, int, int, int]:
    x, y, width, height = box
    return _nearest(x), _nearest(y), _nearest(x + width), _nearest(y + height)


def _nearest(value: float) -> int:
    return int((value + 0.5) // 1)


def _open_file(source: Path | Callable[[], IO[bytes]], where: str) -> IO[bytes]:
    try:
        if not isinstance(source, Path):
            file = source()
            # A store tells only now that there is no such image.
            file.read(1)
            file.seek(0)
            return file
        # A pipe would block for ever on open.
        if not stat.S_ISREG(source.stat().st_mode):
            raise ImageError(where, found="not a regular file", next_step="name an image file")
        return source.open("rb")
    except FileNotFoundError:
        raise ImageError(
            where, found="no such file", next_step="add the file or correct the path"
        ) from None
    except (OSError, ValueError) as error:
        raise ImageError(
            where, found=f"cannot be opened: {error}", next_step="check name and permissions"
        ) from error


def _reader(file: IO[bytes], where: str) -> Any:
    prefix = file.read(64)
    file.seek(0)
    kind = sniff(prefix)
    if kind is None:
        raise ImageError(
            where, found=describe(prefix), expected=f"one of {', '.join(READERS)}", next_step=_AGAIN
        )
    module, name = READERS[kind]
    return getattr(import_module(f"PIL.{module}"), name)(file)


@contextmanager
def _reader_errors(where: str, part: str) -> Iterator[None]:
    """Damaged bytes make codecs raise nearly anything, warnings included; all of it is an ImageError."""
    try:
        yield
    except ImageError:
        raise
    except Exception as error:
        reason = str(error) or type(error).__name__
        raise ImageError(
            where,
            found=f"its {part} cannot be read ({reason}): the file is damaged or cut short",
            next_step=_AGAIN,
        ) from error


def refuse_large(size: tuple[int, int], *, where: str, max_pixels: int) -> None:
    """Hold (width, height) in pixels against the limit.

    Raises:
        ImageError: more pixels than that.
    """
    width, height = size
    if width * height > max_pixels:
        raise ImageError(
            where,
            found=f"{width} x {height} = {width * height:,} pixels",
            expected=f"at most {max_pixels:,}",
            next_step="scale it down, or raise the limit (max_pixels) if the image is meant",
        )


def _png_orientation(image: Any, file: IO[bytes]) -> int:
    from PIL import Image

    # The base class's method: PngImageFile.getexif would decode all pixels to find a late eXIf chunk.
    exif = Image.Image.getexif(image)
    if _ORIENTATION not in exif:
        file.seek(8)
        while len(head := file.read(8)) == 8:
            length = int.from_bytes(head[:4])
            if head[4:] == b"eXIf":
                exif.load(file.read(length))
                break
            file.seek(length + 4, io.SEEK_CUR)
    orientation = exif.get(_ORIENTATION, 1)
    return orientation if isinstance(orientation, int) else 1


def _to_rgb(image: Any, where: str) -> Image.Image:
    """The pixels of a loaded image in RGB, without what its file says beside them; itself if it may be."""
    from PIL import Image

    rgb: Image.Image = image
    if image.mode == "F":
        raise ImageError(
            where,
            found="floating-point pixels",
            expected="8 or 16 bits a channel: what counts as white is not written in such a file",
            next_step="export it as 8-bit PNG",
        )
    if image.mode == "I" or image.mode.startswith("I;"):
        return _from_16_bit(image, where)
    if image.has_transparency_data:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, (255, 255, 255, 255))
        rgb = Image.alpha_composite(white, image)
    if rgb.mode != "RGB":  # a conversion to its own mode would copy every pixel once more
        rgb = rgb.convert("RGB")
    rgb.info = {}
    return rgb


def _from_16_bit(image: Any, where: str) -> Image.Image:
    import numpy as np
    from PIL import Image

    values = np.asarray(image).astype(np.int64)
    if values.min() < 0 or values.max() > 65535:
        raise ImageError(
            where,
            found=f"32-bit grey values from {values.min()} to {values.max()}",
            expected="0 to 65535",
            next_step="export it as 8-bit PNG",
        )
    grey = ((values + 128) // 257).astype(np.uint8)
    transparent = image.info.get("transparency")
    if isinstance(transparent, int):
        grey[values == transparent] = 255
    return Image.fromarray(grey).convert("RGB")
