"""Pixels to the file that is sent: lossless where the provider takes it so."""

from __future__ import annotations

import io
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_prodbench.errors import ImageError
from pytest_prodbench.models.remote.protocol import Limits, Payload

if TYPE_CHECKING:
    from PIL.Image import Image

    from pytest_prodbench.models.remote.options import Encoding

JPEG_QUALITY = 95
PNG_COMPRESSION = 6


@dataclass(frozen=True, slots=True)
class Encoder:
    """Makes the file of an upright RGB image; its description is part of a model's identity.

    Attributes:
        encoding: as in ``RemoteOptions``.
        longest_edge: in pixels; None: any.
        pixels: width × height at most; None: any.
        image_bytes: of the file at most; None: any.
    """

    encoding: Encoding
    longest_edge: int | None
    pixels: int | None
    image_bytes: int | None

    @classmethod
    def of(cls, encoding: Encoding, max_edge: int | None, limits: Limits) -> Encoder:
        """Put together what the configuration asks for and what the provider takes."""
        edges = [edge for edge in (max_edge, limits.longest_edge) if edge is not None]
        if encoding == "auto" and "image/png" not in limits.media_types:
            encoding = "jpeg"
        return cls(encoding, min(edges, default=None), limits.pixels, limits.image_bytes)

    @property
    def description(self) -> str:
        """The way from pixels to file, in words, complete."""
        jpeg = f"JPEG (quality {JPEG_QUALITY}, 4:4:4)"
        made = {
            "png": "PNG",
            "jpeg": jpeg,
            "auto": "PNG"
            if self.image_bytes is None
            else f"PNG, or {jpeg} above {self.image_bytes} bytes",
        }[self.encoding]
        scaled = [
            f"longest edge at most {self.longest_edge}" if self.longest_edge else "",
            f"at most {self.pixels} pixels" if self.pixels else "",
        ]
        limit = " and ".join(filter(None, scaled))
        return f"upright RGB; {f'{limit} (Lanczos); ' if limit else ''}sent as {made}"

    def __call__(self, image: Image) -> Payload:
        """Make the file of an upright RGB image.

        Raises:
            ImageError: the file would be larger than the provider takes; has the sizes, not the name.
        """
        image = self._fitted(image)
        media_type = "image/jpeg" if self.encoding == "jpeg" else "image/png"
        data = _file(image, media_type)
        if self._too_large(data) and self.encoding == "auto":
            media_type = "image/jpeg"
            data = _file(image, media_type)
        if self._too_large(data):
            raise ImageError(
                f"as {media_type} of {image.width}×{image.height} pixels",
                found=f"{len(data):,} bytes",
                expected=f"{self.image_bytes:,} bytes at most, which is what the provider takes",
                next_step='set max_edge, or encoding = "jpeg"',
            )
        return Payload(data, media_type, image.width, image.height)

    def _fitted(self, image: Image) -> Image:
        from PIL.Image import Resampling

        scale = 1.0
        if self.longest_edge is not None:
            scale = min(scale, self.longest_edge / max(image.size))
        if self.pixels is not None:
            scale = min(scale, math.sqrt(self.pixels / (image.width * image.height)))
        if scale == 1.0:
            return image
        # Rounded down: one pixel above what the provider takes is refused, or scaled by it once more.
        width, height = (max(1, math.floor(edge * scale + 1e-9)) for edge in image.size)
        return image.resize((width, height), Resampling.LANCZOS)

    def _too_large(self, data: bytes) -> bool:
        return self.image_bytes is not None and len(data) > self.image_bytes


def _file(image: Image, media_type: str) -> bytes:
    stream = io.BytesIO()
    if media_type == "image/png":
        image.save(stream, "PNG", compress_level=PNG_COMPRESSION)
    else:
        image.save(stream, "JPEG", quality=JPEG_QUALITY, subsampling=0)
    return stream.getvalue()
