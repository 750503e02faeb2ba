"""Image to tensor for networks that say nothing of it: exported files, and modules of a user's own.

Names, order and rounding are those of torchvision's reference pipeline for classification: resize, centre
crop, scale to 0 … 1, normalise; resampling is Pillow's, or torchvision's where that is asked for, always
antialiased.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from pytest_prodbench.models.checkpoints import first_line, model_error
from pytest_prodbench.models.slivers import refuse_sliver
from pytest_prodbench.models.tensor_transforms import antialias, refuse_interpolation, resized

if TYPE_CHECKING:
    import numpy as np
    import torch
    from PIL.Image import Image, Resampling

    from pytest_prodbench.errors import ModelError
    from pytest_prodbench.models.resized_part import ResizedPart
    from pytest_prodbench.settings.types import (
        Interpolation,
        ModelSpec,
        Resampler,
        Resize,
        Three,
    )

NEEDED = ("size", "mean", "std")
"""What must be stated: no value of them is right for most networks."""


@dataclass(frozen=True, slots=True)
class Pipeline:
    """Upright RGB image → float32 tensor (3, h, w).

    Attributes:
        size: h and w.
        resize: see ``settings.types.Preprocess``.
        crop: share of the resized edge that is kept.
        interpolation: of the resize.
        mean, std: of the channels, for values of 0 to 1.
        resampler: what resizes; None: Pillow.
    """

    size: tuple[int, int]
    mean: Three
    std: Three
    resize: Resize = "shortest"
    crop: float = 1.0
    interpolation: Interpolation = "bicubic"
    resampler: Resampler | None = None

    @property
    def description(self) -> str:
        """All of it in words: equal descriptions mean equal tensors."""
        numbers = {
            "size": "x".join(map(str, self.size)),
            "resize": self.resize,
            "crop": repr(self.crop),
            "interpolation": self.interpolation,
            "antialias": antialias(self.resampler),
            "mean": ", ".join(map(repr, self.mean)),
            "std": ", ".join(map(repr, self.std)),
        }
        return "prodbench pipeline 1: " + "; ".join(f"{k}={v}" for k, v in numbers.items())

    @property
    def distributions(self) -> tuple[str, ...]:
        """Whose versions decide the tensor."""
        return ("pillow", "numpy", *filter(None, [self.resampler]))

    def __call__(self, image: Image) -> torch.Tensor:
        """Return the tensor.

        Raises:
            ImageError: the image is too long and thin to be resized.
        """
        import numpy as np
        import torch

        refuse_sliver(image)
        pixels = np.asarray(self._fitted(image), np.float32) / np.float32(255.0)
        values = (pixels - np.asarray(self.mean, np.float32)) / np.asarray(self.std, np.float32)
        return torch.from_numpy(np.ascontiguousarray(values.transpose(2, 0, 1)))

    def _fitted(self, image: Image) -> Image | np.ndarray:
        """Resize and cut out (or fill up) to the size."""
        height, width = self.size
        wide, high = round(width / self.crop), round(height / self.crop)
        if self.resize != "squash":
            # One edge is hit exactly, the other rounded down; in whole numbers, which round nothing else.
            by_width = wide * image.height >= high * image.width
            if by_width == (self.resize == "shortest"):
                high = max(1, wide * image.height // image.width)
            else:
                wide = max(1, high * image.width // image.height)
        left, top = round((wide - width) / 2), round((high - height) / 2)
        # Outside of the image: the mean, which is zero for the network.
        filling = tuple(min(255, max(0, round(255 * channel))) for channel in self.mean)
        by = self._by_pillow if self.resampler is None else self._by_torchvision
        return by(image, (wide, high), (left, top), filling)

    def _by_pillow(
        self,
        image: Image,
        edges: tuple[int, int],
        corner: tuple[int, int],
        filling: tuple[int, ...],
    ) -> Image:
        """Resize to ``edges`` (w, h); cut out, or fill up, from ``corner`` (x, y) on."""
        from PIL import Image as Images

        height, width = self.size
        resample = Images.Resampling[self.interpolation.upper()]
        if edges == (width, height):
            return image.resize(edges, resample)
        part = (*corner, corner[0] + width, corner[1] + height)
        if min(corner) >= 0 and part[2] <= edges[0] and part[3] <= edges[1]:
            return _parts(resample)(image, edges, part)
        canvas = Images.new("RGB", (width, height), filling)
        canvas.paste(image.resize(edges, resample), (-corner[0], -corner[1]))
        return canvas

    def _by_torchvision(
        self,
        image: Image,
        edges: tuple[int, int],
        corner: tuple[int, int],
        filling: tuple[int, ...],
    ) -> np.ndarray:
        """The same on a tensor."""
        import numpy as np

        height, width = self.size
        found = resized(image, edges[::-1], self.interpolation).permute(1, 2, 0).numpy()
        if edges == (width, height):
            return found
        canvas = np.full((height, width, 3), filling, np.uint8)
        left, top = (max(0, edge) for edge in corner)
        part = found[top : top + height, left : left + width]
        x, y = (max(0, -edge) for edge in corner)
        canvas[y : y + part.shape[0], x : x + part.shape[1]] = part
        return canvas


@cache
def _parts(resample: Resampling) -> ResizedPart:
    """What one pipeline learned of Pillow holds for every other."""
    from pytest_prodbench.models.resized_part import ResizedPart

    return ResizedPart(resample)


def pipeline_of(spec: ModelSpec, *, why: str) -> Pipeline:
    """Return the pipeline that a model's entry states.

    Args:
        spec: the model.
        why: no such thing is known without it, for the message.

    Raises:
        ModelError: size, mean or std is not stated.
    """
    stated = spec.preprocess.stated()
    missing = [key for key in NEEDED if key not in stated]
    if missing:
        raise model_error(
            spec,
            found=f"no {', '.join(f'preprocess.{key}' for key in missing)}: {why}",
            expected="size = [h, w], mean and std of red, green and blue for values of 0 to 1",
            next_step=f"add [models.{spec.name}.preprocess] with what it was trained on",
        )
    pipeline = Pipeline(**stated)
    if pipeline.resampler is not None:
        refuse_interpolation(spec, pipeline.interpolation)
    return pipeline


def refuse_preprocess(spec: ModelSpec, expected: str, keys: Collection[str] | None = None) -> None:
    """Refuse stated preprocessing that a library cannot follow.

    Args:
        spec: the model.
        expected: what could be stated instead, for the message.
        keys: those that it cannot follow; None: all.

    Raises:
        ModelError: one of the keys is stated.
    """
    for key, value in spec.preprocess.stated().items():
        if keys is None or key in keys:
            raise model_error(
                spec,
                found=f"preprocess.{key} = {value!r}",
                expected=expected,
                next_step=f"take it out of [models.{spec.name}.preprocess]",
            )


def size_refused(spec: ModelSpec, error: BaseException) -> ModelError:
    """Build the error for a network that does not take images of the stated size."""
    return model_error(
        spec,
        found=f"preprocess.size = {list(spec.preprocess.size or ())}: {first_line(error)}",
        expected="a size that the network takes; one with fixed positions takes its own only",
        next_step=f"correct size in [models.{spec.name}.preprocess], or take it out",
    )
