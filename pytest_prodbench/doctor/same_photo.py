"""Whether two pictures are one photo: encoded again, resized, or cut out of each other.

Look-alike products are the rule in a catalog, so a hash or an embedding only proposes a pair. What decides
is the largest difference that is left in any part of the two pictures once one is laid over the other:
encoding spreads a little noise everywhere, another product differs much somewhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL.Image import Image

    Floats = NDArray[np.float32]
    Window = tuple[float, float, float, float]

SIDE = 96
"""Pixels a side at which two pictures are compared."""

PART = 8
"""Pixels a side of the parts in which a difference is looked for."""

COARSE = 48
"""Pixels a side at which the place of a part is found."""

CUT_SCALES = (0.93, 0.82, 0.71, 0.6)
"""Sides of a part, as shares of the whole, from which its place is refined."""

SMALLEST_CUT = 0.5
"""Smallest side of a part, as a share of the whole, that is looked for."""

FIT = 0.6
"""Least correlation of brightness with the part that fits best from which it is looked at any closer: the
lowest of 59 true parts was 0.61 (shipped catalogs); of other pairs half are below 0.43, 95 % below 0.68."""

STEPS = 12
WHOLE: Window = (0.0, 0.0, 1.0, 1.0)


@dataclass(frozen=True, slots=True)
class Sameness:
    """How two pictures lie over each other.

    Attributes:
        left: mean difference of the worst part, in grey levels (0 to 255).
        window: x, y, width, height of the part, as shares of the whole; (0, 0, 1, 1): the whole itself.
        cut: which of the two is a part of the other: 0 neither, 1 the first, 2 the second.
    """

    left: float
    window: Window
    cut: int


def as_whole(one: Image, other: Image) -> Sameness:
    """Lay two pictures over each other as they are."""
    return Sameness(_left(one, other, WHOLE), WHOLE, 0)


def as_part(one: Image, other: Image) -> Sameness | None:
    """Lay each picture over the part of the other that it fits best; None where it fits nowhere."""
    best: Sameness | None = None
    small = [_grey(image, COARSE) for image in (one, other)]
    fine = [_grey(image, SIDE) for image in (one, other)]
    for cut, (part, whole) in ((2, (1, 0)), (1, (0, 1))):
        places = [_place(small[part], small[whole], scale) for scale in CUT_SCALES]
        places.sort(key=lambda found: -found[0])
        for fit, start in places[:2]:
            if fit < FIT:
                break
            window = _refined(small[part], small[whole], start)
            window = window and _refined(fine[part], fine[whole], window)
            if window is None:
                continue
            pictures = (one, other)
            left = _left(pictures[part], pictures[whole], window)
            if best is None or left < best.left:
                best = Sameness(left, window, cut)
    return best


def _left(part: Image, whole: Image, window: Window) -> float:
    """Mean absolute difference of the part of 8 x 8 pixels that differs most.

    Both at the coarser of their two resolutions: a photo made smaller has lost detail, not changed it.
    """
    from PIL.Image import Resampling
    from scipy.ndimage import uniform_filter

    x, y, width, height = window
    edges = (
        max(x, 0.0) * whole.width,
        max(y, 0.0) * whole.height,
        min(x + width, 1.0) * whole.width,
        min(y + height, 1.0) * whole.height,
    )
    sides = (
        max(8, round(min(part.width, edges[2] - edges[0]))),
        max(8, round(min(part.height, edges[3] - edges[1]))),
    )
    both = [
        np.asarray(
            image.resize(sides, Resampling.BICUBIC, box=box).resize(
                (SIDE, SIDE), Resampling.BILINEAR
            ),
            np.float32,
        )
        for image, box in ((part, None), (whole, edges))
    ]
    # Smoothed: what is left of an edge after resampling is as wide as a pixel, what one product has
    # and the other lacks is wider.
    smooth = np.abs(uniform_filter(both[0] - both[1], size=(3, 3, 1), mode="nearest"))
    parts = smooth.reshape(SIDE // PART, PART, SIDE // PART, PART, 3).mean(axis=(1, 3, 4))
    return float(parts.max())


def _grey(image: Image, side: int) -> Floats:
    from PIL.Image import Resampling

    small = image.convert("L").resize((side, side), Resampling.BOX)
    return np.asarray(small, np.float32)


def _place(part: Floats, whole: Floats, scale: float) -> tuple[float, Window]:
    """Where a part of this size fits best, by normalised cross-correlation of brightness."""
    from numpy.lib.stride_tricks import sliding_window_view
    from PIL import Image

    side = round(COARSE * scale)
    shrunk = Image.fromarray(part).resize((side, side), Image.Resampling.BILINEAR)
    template = np.asarray(shrunk, np.float32)
    template = template - template.mean()
    views = sliding_window_view(whole, (side, side))
    products = np.tensordot(views, template, axes=((2, 3), (0, 1)))
    spread = views.std(axis=(2, 3)) * side
    fit = products / np.maximum(spread * max(float(np.linalg.norm(template)), 1e-3), 1e-3)
    y, x = np.unravel_index(int(fit.argmax()), fit.shape)
    share = side / COARSE
    return float(fit[y, x]), (float(x / COARSE), float(y / COARSE), share, share)


def _refined(part: Floats, whole: Floats, window: Window) -> Window | None:
    """Gauss-Newton on place and size of a window (Lucas & Kanade 1981); None where it runs away."""
    at = np.array(window, np.float64)
    side = len(whole)
    unit = ((np.arange(side) + 0.5) / side).astype(np.float32)
    for _ in range(STEPS):
        moved = _sampled(whole, at)
        down, right = np.gradient(moved)
        by_x, by_y = right * (side / at[2]), down * (side / at[3])
        slopes = np.stack([by_x, by_y, by_x * unit, by_y * unit[:, None]]).reshape(4, -1)
        slopes = slopes.astype(np.float64)
        step, *_ = np.linalg.lstsq(slopes @ slopes.T, slopes @ (part - moved).ravel(), rcond=None)
        at += step
        if not ((at[2:] > SMALLEST_CUT).all() and (at[2:] < 1.05).all()):
            return None
        if np.abs(step).max() < 2e-4:
            break
    x, y, width, height = (float(value) for value in at)
    if min(x, y) < -0.02 or x + width > 1.02 or y + height > 1.02:
        return None
    return (x, y, width, height)


def _sampled(whole: Floats, window: NDArray[np.float64]) -> Floats:
    """Return a window of a picture at the same number of pixels, interpolated."""
    from scipy.ndimage import affine_transform

    x, y, width, height = window
    side = len(whole)
    # Centres of pixels: (i + 0.5) / side of the part is x + width (i + 0.5) / side of the whole.
    offset = (y * side + 0.5 * height - 0.5, x * side + 0.5 * width - 0.5)
    found: Floats = affine_transform(
        whole, np.array([height, width]), offset=offset, order=1, mode="nearest"
    )
    return found
