"""Where the camera stands, and what it does to the light: exposure, blur, grain, tone."""

from __future__ import annotations

import io
import math
from dataclasses import dataclass

import numpy as np

from pytest_prodbench.rendering.mesh import Array

FIELD = 26.0
"""Field of view, degrees."""

METER = {"gallery": 0.34, "studio": 0.25, "warm": 0.19, "dim": 0.06, "hard": 0.17,
         "mixed": 0.18}  # fmt: skip
"""Linear value that the geometric mean of a picture is exposed to."""

JPEG_QUALITY = {"jpeg": 18}
"""Quality of the ``jpeg`` camera; every other camera has 90."""


@dataclass(frozen=True)
class Shot:
    """A camera: where it stands, what it looks at, how far it is rolled (degrees)."""

    origin: Array
    target: Array
    roll: float

    def axes(self) -> tuple[Array, Array, Array]:
        """Unit vectors to the right, up and forward."""
        forward = self.target - self.origin
        forward = forward / np.linalg.norm(forward)
        right = np.cross(forward, [0, 0, 1.0])
        right /= np.linalg.norm(right)
        up = np.cross(right, forward)
        c, s = math.cos(math.radians(self.roll)), math.sin(math.radians(self.roll))
        return c * right + s * up, c * up - s * right, forward

    def project(self, points: Array) -> Array:
        """Image coordinates (n, 2) in -1 ... 1, x to the right, y up."""
        right, up, forward = self.axes()
        off = points - self.origin
        depth = off @ forward
        half = math.tan(math.radians(FIELD / 2))
        return np.stack([off @ right / depth / half, off @ up / depth / half], -1)


def direction(azimuth: float, elevation: float) -> Array:
    """Unit vector from the part to the camera; azimuth 0 is -y, 90 is +x (degrees)."""
    a, e = math.radians(azimuth), math.radians(elevation)
    return np.array([math.cos(e) * math.sin(a), -math.cos(e) * math.cos(a), math.sin(e)])


def framed(
    points: Array, azimuth: float, elevation: float, fill: float, roll: float, shift: Array
) -> Shot:
    """A camera so placed that ``points`` span ``fill`` of the frame, their box moved by ``shift``.

    ``shift`` counts in half frames.
    """
    towards = direction(azimuth, elevation)
    target = (points.min(0) + points.max(0)) / 2
    distance = 6.0
    half = math.tan(math.radians(FIELD / 2))
    for _ in range(6):
        shot = Shot(target + distance * towards, target, roll)
        seen = shot.project(points)
        low, high = seen.min(0), seen.max(0)
        distance *= float((high - low).max()) / (2 * fill)
        right, up, _ = shot.axes()
        off = ((low + high) / 2 - shift) * distance * half
        target = target + off[0] * right + off[1] * up
    return Shot(target + distance * towards, target, roll)


def _tone(linear: Array) -> Array:
    """Linear light to sRGB with a shoulder, so that highlights roll off instead of clipping."""
    knee = 0.62
    over = np.maximum(linear - knee, 0)
    shaped = np.where(linear > knee, knee + (1 - knee) * (1 - np.exp(-over / (1 - knee))), linear)
    shaped = np.clip(shaped, 0, 1)
    return np.where(shaped <= 0.0031308, 12.92 * shaped, 1.055 * shaped ** (1 / 2.4) - 0.055)


def _disc_blur(image: Array, radius: float) -> Array:
    """Blur with a disc of ``radius`` pixels, as an open aperture does."""
    reach = math.ceil(radius) + 1
    padded = np.pad(image, ((reach, reach), (reach, reach), (0, 0)), mode="edge")
    total = np.zeros_like(image)
    weight = 0.0
    height, width = image.shape[:2]
    for dy in range(-reach, reach + 1):
        for dx in range(-reach, reach + 1):
            w = min(1.0, max(0.0, radius + 0.5 - math.hypot(dx, dy)))
            if w > 0:
                total += w * padded[reach + dy :, reach + dx :][:height, :width]
                weight += w
    return total / weight


def _streak(image: Array, length: float, angle: float) -> Array:
    """Blur along a line of ``length`` pixels, as a hand that moves while the shutter is open."""
    steps = math.ceil(length)
    total = np.zeros_like(image)
    for t in np.linspace(-length / 2, length / 2, 2 * steps + 1):
        dy, dx = t * math.sin(angle), t * math.cos(angle)
        y0, x0 = math.floor(dy), math.floor(dx)
        for sy, wy in ((y0, 1 - (dy - y0)), (y0 + 1, dy - y0)):
            for sx, wx in ((x0, 1 - (dx - x0)), (x0 + 1, dx - x0)):
                if wy * wx > 0:
                    total += wy * wx * _shifted(image, sy, sx)
    return total / (2 * steps + 1)


def _shifted(image: Array, y: int, x: int) -> Array:
    """The image moved by whole pixels, its edge repeated."""
    rows = np.clip(np.arange(image.shape[0]) - y, 0, image.shape[0] - 1)
    columns = np.clip(np.arange(image.shape[1]) - x, 0, image.shape[1] - 1)
    return np.asarray(image[rows][:, columns])


def despeckled(linear: Array) -> Array:
    """Single pixels far brighter than all their neighbours, the path tracer's own, taken down."""
    grey = linear @ np.array([0.2126, 0.7152, 0.0722])
    padded = np.pad(grey, 1, mode="edge")
    height, width = grey.shape
    around = np.stack(
        [
            padded[y : y + height, x : x + width]
            for y in range(3)
            for x in range(3)
            if (y, x) != (1, 1)
        ]
    )
    limit = 1.15 * np.sort(around, axis=0)[-2] + 1e-4
    return np.asarray(linear * np.minimum(1.0, limit / np.maximum(grey, 1e-9))[..., None])


def exposed(linear: Array, light: str) -> Array:
    """``linear`` scaled to the meter's value for this light."""
    grey = linear @ np.array([0.2126, 0.7152, 0.0722])
    mean = float(np.exp(np.log(np.maximum(grey, 1e-4)).mean()))
    return np.asarray(linear * (METER[light] / mean))


def developed(linear: Array, light: str, camera: str, rng: np.random.Generator) -> bytes:
    """A finished JPEG file, without metadata, of a rendered picture in linear light."""
    from PIL import Image

    image = np.minimum(exposed(despeckled(linear), light), 12.0)
    if camera == "defocus":
        image = _disc_blur(image, float(rng.uniform(2.2, 3.0)))
    if camera == "motion":
        image = _streak(image, float(rng.uniform(5.0, 8.0)), float(rng.uniform(0, math.pi)))
    if camera == "noise":
        # Shot noise grows with the light, read noise does not; half of it is coloured blotches.
        grain = rng.normal(size=image.shape) * np.array([1.15, 0.85, 1.3])
        blotch = _disc_blur(rng.normal(size=image.shape), 1.2) * 2.2
        dark = 0.35 if light == "dim" else 1.0
        image = image + (0.7 * grain + 0.5 * blotch) * np.sqrt(
            0.0045 * dark * np.maximum(image, 0) + 0.00035 * dark
        )
    pixels = (255 * _tone(np.maximum(image, 0)) + 0.5).astype(np.uint8)
    out = io.BytesIO()
    quality = JPEG_QUALITY.get(camera, 90)
    sampling = "4:2:0" if camera == "jpeg" else "4:4:4"
    Image.fromarray(pixels).save(out, "JPEG", quality=quality, subsampling=sampling)
    return out.getvalue()
