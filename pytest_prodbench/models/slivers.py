"""Images too long and thin to be resized: refused before they fill the memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_prodbench.errors import ImageError

if TYPE_CHECKING:
    from collections.abc import Callable

    import torch
    from PIL.Image import Image

# Most models resize the short side to some 256 pixels first and crop then. At this ratio the resized
# image takes about 200 MB; a strip of 1 x 100000 pixels, harmless on disk, would take 20 GB.
LARGEST_RATIO = 1000


def refuse_sliver(image: Image) -> None:
    """Refuse an image whose sides differ by more than a factor of ``LARGEST_RATIO``.

    The same for every model, so that no model is spared an image that another has to take.

    Raises:
        ImageError: it is longer than that; names its size, since its file is not known here.
    """
    if max(image.size) > LARGEST_RATIO * min(image.size):
        raise ImageError(
            f"image of {image.width} x {image.height} pixels",
            found="it is too long and thin to be resized",
            expected=f"sides that differ by a factor of {LARGEST_RATIO} at most",
            next_step="correct the box that cuts it out, or leave it out of the dataset",
        )


def transformed(transform: Callable[[Image], Any], image: Image) -> torch.Tensor:
    """Return an image as a library's own transform makes it: float32 (3, h, w).

    Raises:
        ImageError: it is too long and thin, for ``refuse_sliver`` or for the transform: one that pads rounds
            the short side of a strip to no pixel at all.
    """
    refuse_sliver(image)
    try:
        tensor: torch.Tensor = transform(image)
    except ValueError as error:
        raise ImageError(
            f"image of {image.width} x {image.height} pixels",
            found=f"the model's own transform refuses it: {error}",
            expected="a pixel at least, on either side, after the resize",
            next_step='leave it out of the dataset, or state resize = "squash" for the model',
        ) from error
    return tensor
