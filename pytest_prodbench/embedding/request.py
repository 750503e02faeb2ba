"""Which image, which part of it, and the bytes that it was when the dataset was opened."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_prodbench.errors import ImageError

if TYPE_CHECKING:
    from pytest_prodbench.protocol import Box, ImageFiles


@dataclass(frozen=True, slots=True)
class ImageRequest:
    """One image to embed.

    Attributes:
        name: what a message calls it.
        path: absolute.
        file_digest: sha256 (hex) of its bytes.
        box: part of it, or None for the whole.
        files: what opens it by its name; None: a file at ``path``.
    """

    name: str
    path: Path
    file_digest: str
    box: Box | None
    files: ImageFiles | None = None

    @property
    def key(self) -> bytes:
        """32 bytes that stand for bytes and box of the image."""
        # + 0.0 makes -0.0 and an integer the number they equal.
        box = None if self.box is None else [float(edge) + 0.0 for edge in self.box]
        return hashlib.sha256(f"{self.file_digest} {box}".encode()).digest()

    def read(self) -> bytes:
        """Return the bytes of the file, which must still be those that its vector is kept under.

        Raises:
            ImageError: the file is gone or was changed.
        """
        try:
            if self.files is None:
                data = self.path.read_bytes()
            else:
                with self.files.open(self.name) as file:
                    data = file.read()
        except OSError as error:
            raise ImageError(
                self.name,
                found=f"cannot be read ({error.strerror or error})",
                next_step="add the file or check its permissions",
            ) from error
        if hashlib.sha256(data).hexdigest() != self.file_digest:
            raise ImageError(
                self.name,
                found="a file that was changed after the dataset was opened",
                expected="the same bytes throughout a run",
                next_step="run again",
            )
        return data
