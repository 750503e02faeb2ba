"""Ground textures as formulas: wood, steel, cloth, concrete, and the plain grey of the studio.

Each is a linear-RGB tile in natural colours: the palettes are browns, greys and muted dyes.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from pytest_prodbench.rendering.mesh import Array

TILE = 512
"""Edge of a tile, texels."""

_WOODS = [(0.40, 0.25, 0.13), (0.24, 0.13, 0.065), (0.50, 0.36, 0.22), (0.33, 0.22, 0.14)]
_CLOTHS = [(0.30, 0.29, 0.27), (0.07, 0.09, 0.15), (0.42, 0.36, 0.27), (0.16, 0.13, 0.12)]
_CONCRETES = [(0.33, 0.32, 0.30), (0.24, 0.24, 0.24), (0.40, 0.38, 0.34)]
_STEELS = [(0.42, 0.42, 0.43), (0.34, 0.35, 0.37), (0.46, 0.45, 0.43)]


def _noise(rng: np.random.Generator, rows: int, columns: int) -> Array:
    """Smooth noise in 0 ... 1 that tiles: ``rows`` by ``columns`` random cells, interpolated."""
    cells = rng.random((rows, columns))
    y = np.arange(TILE) * rows / TILE
    x = np.arange(TILE) * columns / TILE
    y0, x0 = y.astype(int), x.astype(int)
    fy, fx = ((3 - 2 * f) * f * f for f in (y - y0, x - x0))
    a, b = cells[y0 % rows][:, x0 % columns], cells[y0 % rows][:, (x0 + 1) % columns]
    c, d = cells[(y0 + 1) % rows][:, x0 % columns], cells[(y0 + 1) % rows][:, (x0 + 1) % columns]
    top, low = a + (b - a) * fx, c + (d - c) * fx
    return np.asarray(top + (low - top) * fy[:, None])


def _wood(rng: np.random.Generator, colour: Array) -> Array:
    warp = 3.2 * _noise(rng, 3, 2) + 0.5 * _noise(rng, 12, 3)
    y = np.arange(TILE)[:, None] / TILE
    rings = 0.5 + 0.5 * np.sin(2 * np.pi * (7 * y + warp))
    fibre = 0.6 * _noise(rng, 256, 6) + 0.4 * _noise(rng, 128, 12)
    plank = np.repeat(rng.uniform(0.88, 1.1, 4), TILE // 4)[:, None]
    seam = 1 - 0.6 * (np.arange(TILE) % (TILE // 4) < 3)[:, None]
    value = (0.72 + 0.22 * rings**2 + 0.30 * (fibre - 0.5)) * plank * seam
    return (
        value[..., None]
        * colour
        * np.stack([1 + 0 * rings, 0.97 + 0.05 * rings, rings * 0.1 + 0.9], -1)
    )


def _steel(rng: np.random.Generator, colour: Array) -> Array:
    streaks = 0.5 * rng.random((TILE, 1)) + 0.5 * _noise(rng, 512, 5)
    stains = _noise(rng, 5, 5)
    return (0.80 + 0.22 * (streaks - 0.5) + 0.22 * (stains - 0.5))[..., None] * colour * 1.2


def _cloth(rng: np.random.Generator, colour: Array) -> Array:
    t = np.arange(TILE) * 64 / TILE
    warp = np.abs(np.sin(np.pi * t))[None] * np.ones((TILE, 1))
    weft = np.abs(np.sin(np.pi * t))[:, None] * np.ones((1, TILE))
    over = ((t.astype(int)[:, None] + t.astype(int)[None]) % 2).astype(bool)
    weave = np.where(over, warp, weft)
    slub = 0.7 * _noise(rng, 64, 6) + 0.7 * _noise(rng, 6, 64) + 0.6 * _noise(rng, 4, 4)
    return (0.35 + 0.55 * weave + 0.35 * (slub - 1))[..., None] * colour


def _concrete(rng: np.random.Generator, colour: Array) -> Array:
    value = 0.35 * _noise(rng, 4, 4) + 0.25 * _noise(rng, 16, 16) + 0.2 * _noise(rng, 64, 64)
    value += 0.2 * rng.random((TILE, TILE))
    pits = _noise(rng, 90, 90) > 0.93
    value = 0.62 + 0.75 * (value - 0.5) + 0.35
    return np.where(pits, 0.55, value)[..., None] * colour


_MAKERS = {
    "wood": (_wood, _WOODS),
    "steel": (_steel, _STEELS),
    "cloth": (_cloth, _CLOTHS),
    "concrete": (_concrete, _CONCRETES),
}


REPEATS = 7.0
"""Tiles along an edge of the ground."""


def ground_material(ground: str, rng: np.random.Generator) -> tuple[dict[str, Any], float]:
    """The Mitsuba BSDF of a ground, and how far its tiles are turned (degrees).

    ``rng`` picks the palette, the grain and the turn.
    """
    import mitsuba as mi

    if ground == "plain":
        return {
            "type": "principled",
            "base_color": {"type": "rgb", "value": [0.34, 0.345, 0.35]},
            "roughness": 0.8,
            "specular": 0.2,
        }, 0.0
    if ground == "cluttered":  # other parts make it so; they lie on a bench of some kind
        ground = str(rng.choice(["wood", "steel", "concrete"]))
    make, palette = _MAKERS[ground]
    colour = np.array(palette[int(rng.integers(len(palette)))])
    tile = np.clip(make(rng, colour), 0.004, 0.9).astype(np.float32)
    texture = {
        "type": "bitmap",
        "bitmap": mi.Bitmap(tile),
        "raw": True,
    }
    metal = {"metallic": 0.75, "roughness": 0.5} if ground == "steel" else {"roughness": 0.75}
    material = {"type": "principled", "base_color": texture, "specular": 0.25, **metal}
    return material, float(rng.uniform(0, 360))
