"""Which image format a file is, told by its first bytes and never by its name."""

from __future__ import annotations

from typing import Final

READERS: Final = {
    "JPEG": ("JpegImagePlugin", "JpegImageFile"),
    "PNG": ("PngImagePlugin", "PngImageFile"),
    "WebP": ("WebPImagePlugin", "WebPImageFile"),
    "GIF": ("GifImagePlugin", "GifImageFile"),
    "BMP": ("BmpImagePlugin", "BmpImageFile"),
    "TIFF": ("TiffImagePlugin", "TiffImageFile"),
    "AVIF": ("AvifImagePlugin", "AvifImageFile"),
}
"""Format → Pillow module and class. A short list: some of Pillow's others start programs (EPS) or are
containers; a catalog needs none of them."""

_MAGIC = (
    (b"\xff\xd8\xff", "JPEG"),
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"GIF87a", "GIF"),
    (b"GIF89a", "GIF"),
    (b"BM", "BMP"),
    (b"II*\0", "TIFF"),
    (b"MM\0*", "TIFF"),
    (b"II+\0", "TIFF"),
    (b"MM\0+", "TIFF"),
)


def sniff(prefix: bytes) -> str | None:
    """Return the key of ``READERS`` for a file that begins with these (at least 16) bytes, or None."""
    for magic, kind in _MAGIC:
        if prefix.startswith(magic):
            return kind
    if prefix[:4] == b"RIFF" and prefix[8:12] == b"WEBP":
        return "WebP"
    if prefix[4:8] == b"ftyp" and prefix[8:12] in {b"avif", b"avis"}:
        return "AVIF"
    return None


def describe(prefix: bytes) -> str:
    """Say what a file that is no known image begins with."""
    if not prefix:
        return "an empty file"
    if prefix[4:8] == b"ftyp" and prefix[8:12] in {b"heic", b"heix", b"mif1", b"msf1", b"hevc"}:
        return "an HEIC or HEIF photo, which is not read here"
    # The prefix may end inside a character: only whole ones are judged.
    text = prefix.decode("utf-8", errors="ignore")
    if len(text) >= len(prefix) // 2 and all(c.isprintable() or c.isspace() for c in text):
        return f"text that begins with {text[:24]!r}, not an image"
    return f"no known image format: the file begins with bytes {prefix[:8].hex(' ')}"
