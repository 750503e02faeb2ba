"""A resize and the crop behind it in one: what the crop drops is not computed, and no pixel changes.

Pillow takes the part of the source that is resized as a box of float32 corners, and from it computes in
float64 where the centre of each target pixel lies and how much each source pixel near it weighs
(Resample.c, ``precompute_coeffs``). Where the scale of an edge and the corners are dyadic numbers that
float32 holds, all of that is exact, and a pixel of the part has the weights that it has in the whole. A
short edge that is resized to 256 pixels always has such a scale. An edge without one is resized whole, and
cut afterwards.

Which of Pillow's two passes goes first, and so what is rounded in between, depends on the sizes by a rule of
its version. So each combination of sizes has to prove itself on noise, where the other order changes every
fifth number.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image as Images

if TYPE_CHECKING:
    from collections.abc import Callable

    from PIL.Image import Image

    Size = tuple[int, int]
    Part = tuple[int, int, int, int]
    _Sizes = tuple[Size, Size, Part]

OFTEN = 4
"""So many images of one size are resized whole: a proof costs as much as that."""

SMALLEST = 1024
"""Pixels of a part, at least, for a proof: on fewer the noise may come out the same by chance."""

LARGEST = 1 << 24
"""Pixels of a source, at most, for a proof: it needs memory for one more image of that size."""

REMEMBERED = 4096
"""Sizes of which it is known how they can be cut."""

FLOAT32_BITS = 24
"""Length of the longest whole number below which float32 holds every one."""


class ResizedPart:
    """Parts of resized RGB images, equal to the whole resized and then cut."""

    def __init__(
        self, resample: Images.Resampling, whole: Callable[[Image], Image] | None = None
    ) -> None:
        """Take note of what is to be equalled.

        Args:
            resample: filter; ``NEAREST`` has no weights, and is always left whole.
            whole: another's way to resize and cut, which edges and part only describe.
        """
        self._resample, self._whole = resample, whole
        self._seen: Counter[_Sizes] = Counter()
        self._cuts: dict[_Sizes, _Cut | None] = {}

    def __call__(self, image: Image, edges: Size, part: Part) -> Image:
        """Return a part of the resized image.

        Args:
            image: RGB.
            edges: (w, h) of the whole after the resize.
            part: left, top, right, bottom of what is kept of that.
        """
        sizes = (image.size, edges, part)
        if sizes not in self._cuts:
            if sizes not in self._seen and len(self._seen) >= REMEMBERED:
                self._seen.clear()
                self._cuts.clear()
            self._seen[sizes] += 1
            if self._seen[sizes] <= OFTEN:
                return self._resized_whole(image, edges, part)
            self._cuts[sizes] = self._proven(*sizes)
        cut = self._cuts.get(sizes)  # another thread may have cleared it
        if cut is None:
            return self._resized_whole(image, edges, part)
        return cut(image, self._resample)

    def _resized_whole(self, image: Image, edges: Size, part: Part) -> Image:
        if self._whole is not None:
            return self._whole(image)
        return image.resize(edges, self._resample).crop(part)

    def _proven(self, size: Size, edges: Size, part: Part) -> _Cut | None:
        """Return how this size is cut, or None where it cannot be or would change a pixel."""
        cut = _cut(size, edges, part)
        nearest = self._resample == Images.Resampling.NEAREST
        (width, height), kept = size, (part[2] - part[0]) * (part[3] - part[1])
        if cut is None or nearest or kept < SMALLEST or width * height > LARGEST:
            return None
        noise = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
        image = Images.fromarray(noise)
        found, wanted = cut(image, self._resample), self._resized_whole(image, edges, part)
        same = found.size == wanted.size and found.tobytes() == wanted.tobytes()
        return cut if same else None


@dataclass(frozen=True, slots=True)
class _Cut:
    """How a part is made.

    Attributes:
        size: (w, h) that the box is resized to.
        box: left, top, right, bottom in the source, each a float32.
        rest: what is kept of that.
    """

    size: Size
    box: tuple[float, float, float, float]
    rest: Part

    def __call__(self, image: Image, resample: Images.Resampling) -> Image:
        found = image.resize(self.size, resample, self.box)
        return found if self.rest == (0, 0, *self.size) else found.crop(self.rest)


def _cut(size: Size, edges: Size, part: Part) -> _Cut | None:
    """Return how a part is made with less than the whole; None if no edge can be cut beforehand."""
    across, down = (_edge(size[i], edges[i], part[i], part[i + 2]) for i in range(2))
    target = (across.pixels, down.pixels)
    if target == edges:
        return None
    box = (across.start, down.start, across.stop, down.stop)
    return _Cut(target, box, (across.first, down.first, across.last, down.last))


@dataclass(frozen=True, slots=True)
class _Edge:
    """One edge of a box, what it becomes, and what is kept of that."""

    start: float
    stop: float
    pixels: int
    first: int
    last: int


def _edge(length: int, resized: int, first: int, last: int) -> _Edge:
    """Cut an edge beforehand if all of Pillow's arithmetic is exact, else afterwards."""
    scale = Fraction(length, resized)
    corners = (first * scale, last * scale, (last - first) * scale)
    # An edge that keeps its length has no pass in the whole, and would get one as a part.
    exact = scale != 1 and all(map(_is_float32, (scale, *corners)))
    if exact and 0 <= first < last <= resized:
        return _Edge(float(corners[0]), float(corners[1]), last - first, 0, last - first)
    return _Edge(0.0, float(length), resized, first, last)


def _is_float32(value: Fraction) -> bool:
    power_of_two = value.denominator & (value.denominator - 1) == 0
    return power_of_two and value.numerator.bit_length() <= FLOAT32_BITS


def cut_with_resize(transform: Any) -> Any:
    """Return a ``Compose`` of torchvision's whose resize makes only what its central crop keeps.

    Steps that are not exactly these two of torchvision's, one behind the other at the beginning, are left as
    they are.
    """
    from torchvision import transforms

    steps = list(transform.transforms)
    if tuple(map(type, steps[:2])) != (transforms.Resize, transforms.CenterCrop):
        return transform
    resize, crop = steps[:2]
    if (
        resize.max_size is not None
        or resize.interpolation.name not in Images.Resampling.__members__
    ):
        return transform
    return transforms.Compose([_ResizeAndCrop(resize, crop), *steps[2:]])


class _ResizeAndCrop:
    """torchvision's ``Resize`` and ``CenterCrop`` of PIL images."""

    def __init__(self, resize: Any, crop: Any) -> None:
        self._resize, self._crop = resize, crop
        resample = Images.Resampling[resize.interpolation.name]
        self._part = ResizedPart(resample, lambda image: crop(resize(image)))

    def __call__(self, image: Image) -> Image:
        edges = self._edges(*image.size)
        height, width = self._crop.size
        if width > edges[0] or height > edges[1]:
            filled: Image = self._crop(self._resize(image))
            return filled
        # Half a pixel goes to the even side, as Python rounds.
        left, top = round((edges[0] - width) / 2.0), round((edges[1] - height) / 2.0)
        return self._part(image, edges, (left, top, left + width, top + height))

    def _edges(self, width: int, height: int) -> Size:
        """(w, h) after torchvision's resize: one number is the shorter edge."""
        size = self._resize.size
        if not isinstance(size, int) and len(size) == 2:
            return int(size[1]), int(size[0])
        shorter = size if isinstance(size, int) else size[0]
        if width <= height:
            return shorter, int(shorter * height / width)
        return int(shorter * width / height), shorter
