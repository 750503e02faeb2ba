"""Resizing by torchvision in the place of Pillow: ``resampler = "torchvision"`` of a model's entry.

torchvision resizes uint8 tensors by a kernel of torch that computes as Pillow does (antialiased, in whole
numbers, across first and down then) some five times as fast. A few pixels come out another level, so that
it is another model and says so. Where Pillow goes down first, as version 13 does with some tall images, more
do. On processors without AVX2 the bilinear one goes by way of float32.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from pytest_prodbench.errors import ImageError
from pytest_prodbench.models.checkpoints import model_error

if TYPE_CHECKING:
    from collections.abc import Callable

    import torch
    from PIL.Image import Image

    from pytest_prodbench.errors import ModelError
    from pytest_prodbench.settings.types import ModelSpec, Resampler

    Step = Callable[[Any], Any]

INTERPOLATIONS = ("bilinear", "bicubic")
"""What both compute alike: nearest takes other pixels, lanczos is not in every torchvision."""


def antialias(resampler: Resampler | None) -> str:
    """Return the words of a preprocessing description for what resizes."""
    return "yes (PIL)" if resampler is None else f"yes ({resampler}, uint8)"


def resized(image: Image, size: Any, interpolation: str) -> torch.Tensor:
    """Resize an RGB image.

    Args:
        image: RGB.
        size: (h, w), or a number: the shorter edge.
        interpolation: one of ``INTERPOLATIONS``.

    Returns:
        uint8 (3, h, w), channels last in memory.
    """
    import numpy as np
    import torch
    from torchvision.transforms import InterpolationMode
    from torchvision.transforms.v2 import functional

    # Channels last: the kernel's own order, and the image's.
    pixels = torch.from_numpy(np.array(image)).permute(2, 0, 1)
    tensor: torch.Tensor = functional.resize(
        pixels, size, interpolation=InterpolationMode(interpolation), antialias=True
    )
    return tensor


def on_tensors(spec: ModelSpec, transform: Any) -> Callable[[Image], torch.Tensor]:
    """Return the same steps as a ``Compose`` for PIL images, with its resize done by torchvision.

    Args:
        spec: the model.
        transform: of timm or open_clip: a resize first.

    Raises:
        ModelError: a step that is not known to be the same on tensors, or an interpolation of that kind.
    """
    steps: list[Step] = []
    for place, step in enumerate(transform.transforms):
        name = _name(step)
        make = (_LATER if place else _FIRST).get(name)
        if make is None:
            raise _refused(
                spec,
                f"step {place + 1} of its transform, {name.rpartition('.')[2]}",
                "a resize first, then " + ", ".join(_names(_LATER)),
            )
        steps.append(make(spec, step))

    def apply(image: Image) -> torch.Tensor:
        value: Any = image
        for step in steps:
            value = step(value)
        tensor: torch.Tensor = value
        return tensor

    return apply


def refuse_interpolation(spec: ModelSpec, interpolation: str) -> None:
    """Refuse an interpolation that torchvision does not compute as Pillow does.

    Raises:
        ModelError: it is none of ``INTERPOLATIONS``.
    """
    if interpolation not in INTERPOLATIONS:
        wanted = " or ".join(f'"{name}"' for name in INTERPOLATIONS)
        raise _refused(spec, f"interpolation {interpolation!r}", f"{wanted} beside it")


def _refused(spec: ModelSpec, found: str, expected: str) -> ModelError:
    return model_error(
        spec,
        found=f"preprocess.resampler = {spec.preprocess.resampler!r} with {found}",
        expected=expected,
        next_step=f"take resampler out of [models.{spec.name}.preprocess]: Pillow does all of them",
    )


def _name(step: Any) -> str:
    """Where a step is defined: a class or function of another library may bear the same name."""
    kind = step if hasattr(step, "__qualname__") else type(step)
    return f"{kind.__module__}.{kind.__qualname__}"


def _names(steps: dict[str, Any]) -> list[str]:
    return sorted({name.rpartition(".")[2] for name in steps})


def _mode(spec: ModelSpec, step: Any) -> str:
    mode = step.interpolation
    name = str(getattr(mode, "value", mode))
    refuse_interpolation(spec, name)
    return name


def _resize(spec: ModelSpec, step: Any) -> Step:
    if step.max_size is not None:
        raise _refused(spec, f"Resize(max_size={step.max_size})", "a Resize without max_size")
    return partial(resized, size=step.size, interpolation=_mode(spec, step))


def _keep_ratio(spec: ModelSpec, step: Any) -> Step:
    mode = _mode(spec, step)
    if step.random_scale_prob or step.random_aspect_prob:
        raise _refused(spec, "a ResizeKeepRatio that draws its size", "one without chance")

    def resize(image: Image) -> torch.Tensor:
        # Its own arithmetic, which rounds otherwise than Resize does, and to nothing too.
        size = step.get_params(image, step.size, step.longest)
        if min(size) < 1:
            raise ImageError(
                f"image of {image.width} x {image.height} pixels",
                found=f"it would be resized to {size[1]} x {size[0]}",
                expected="a pixel at least, on either side",
                next_step='leave it out of the dataset, or state resize = "squash" for the model',
            )
        return resized(image, size, mode)

    return resize


def _center_crop(_spec: ModelSpec, step: Any) -> Step:
    from torchvision.transforms.v2 import functional

    return partial(functional.center_crop, output_size=step.size)


def _crop_or_pad(spec: ModelSpec, step: Any) -> Step:
    from torchvision.transforms.v2 import functional

    if getattr(step, "padding_mode", "constant") != "constant":
        raise _refused(spec, f"padding_mode {step.padding_mode!r}", "a border of one colour")
    height, width = step.size
    fill = step.fill if isinstance(step.fill, int) else list(step.fill)

    def fit(pixels: torch.Tensor) -> torch.Tensor:
        wide, high = max(0, width - pixels.shape[-1]), max(0, height - pixels.shape[-2])
        border = [wide // 2, high // 2, (wide + 1) // 2, (high + 1) // 2]
        padded = functional.pad(pixels, border, fill=fill)
        fitted: torch.Tensor = functional.center_crop(padded, [height, width])
        return fitted

    return fit


def _as_it_is(spec: ModelSpec, step: Any) -> Step:
    """Images are RGB before a model sees them."""
    if getattr(step, "mode", "RGB") != "RGB":
        raise _refused(spec, f"a conversion to {step.mode!r}", "one to RGB")
    return lambda pixels: pixels


def _to_tensor(_spec: ModelSpec, _step: Any) -> Step:
    import torch

    return lambda pixels: pixels.contiguous().to(torch.float32).div(255)


def _normalize(_spec: ModelSpec, step: Any) -> Step:
    own: Step = step
    return own


_FIRST = {
    "torchvision.transforms.transforms.Resize": _resize,
    "timm.data.transforms.ResizeKeepRatio": _keep_ratio,
    "open_clip.transform.ResizeKeepRatio": _keep_ratio,
}
_LATER = {
    "torchvision.transforms.transforms.CenterCrop": _center_crop,
    "timm.data.transforms.CenterCropOrPad": _crop_or_pad,
    "open_clip.transform.CenterCropOrPad": _crop_or_pad,
    "open_clip.transform.MaybeConvertMode": _as_it_is,
    "open_clip.transform._convert_to_rgb": _as_it_is,
    "torchvision.transforms.transforms.ToTensor": _to_tensor,
    "timm.data.transforms.MaybeToTensor": _to_tensor,
    "open_clip.transform.MaybeToTensor": _to_tensor,
    "torchvision.transforms.transforms.Normalize": _normalize,
}
