"""Whether a view shows what tells a product from its look-alikes.

Both are seen by the same camera as maps of colour, surface direction and depth; what neither the same
pixel of the other one nor one beside it resembles is counted: outlines that move by a pixel tell nothing.
Light, ground and lens play no part: this asks whether the answer is in the picture at all, not whether
it is easy.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from pytest_prodbench.rendering.camera import Shot
from pytest_prodbench.rendering.materials import MATERIALS
from pytest_prodbench.rendering.mesh import Array, Mesh
from pytest_prodbench.rendering.parts import Part, built

GRID = 128
"""Edge of the maps, pixels: half of an image's."""

POINTS = 60_000
"""Points that stand for a product's surface."""

COLOUR, DIRECTION, DEPTH = 0.12, 0.90, 0.06
"""Up to which difference of linear colour, from which cosine and up to which depth (in half diagonals of
the product) two pixels are alike."""

AROUND = 3
"""Neighbours that must differ as well for a pixel to count."""

NEEDED = 14
"""Pixels of a map that must differ: 56 of the image, about 7 x 8."""


@dataclass(frozen=True)
class Surface:
    """Points spread evenly over a product's surface: place, direction, linear colour, (n, 3) each."""

    points: Array
    normals: Array
    colours: Array


@dataclass(frozen=True)
class View:
    """What a camera sees: hit (GRID, GRID), and where it hits normal, colour (3, …) and depth (…)."""

    hit: Array
    normal: Array
    colour: Array
    depth: Array


@lru_cache(maxsize=96)
def surface_of(part: Part) -> Surface:
    """The surface of a product as it lies on the table."""
    return surface(built(part), POINTS)


def surface(meshes: Sequence[Mesh], count: int) -> Surface:
    """Spread points over meshes in proportion to area, always the same ones."""
    rng = np.random.default_rng(0)
    areas = []
    for mesh in meshes:
        a, b, c = (mesh.vertices[mesh.faces[:, k]] for k in range(3))
        areas.append(np.linalg.norm(np.cross(b - a, c - a), axis=1))
    total = sum(float(area.sum()) for area in areas)
    found = []
    for mesh, area in zip(meshes, areas, strict=True):
        n = round(count * float(area.sum()) / total)
        # Evenly along the faces: chance would leave holes.
        at = (np.arange(n) + rng.random()) / max(n, 1) * area.sum()
        face = np.minimum(np.searchsorted(np.cumsum(area), at), len(area) - 1)
        u, v = rng.random((2, n))
        flip = u + v > 1
        u, v = np.where(flip, 1 - u, u), np.where(flip, 1 - v, v)
        weights = np.stack([1 - u - v, u, v], axis=1)[:, :, None]
        corners = mesh.faces[face]
        normals = (weights * mesh.normals()[corners]).sum(1)
        normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-9)
        colours = np.tile(np.array(MATERIALS[mesh.material]["base_color"], float), (n, 1))
        if mesh.art is not None and mesh.uv is not None:
            uv = (weights * mesh.uv[corners]).sum(1)
            height, width = mesh.art.shape[:2]
            x = np.clip(uv[:, 0] * width, 0, width - 1).astype(int)
            y = np.clip((1 - uv[:, 1]) * height, 0, height - 1).astype(int)
            colours = (mesh.art[y, x] / 255.0) ** 2.2
        found.append(((weights * mesh.vertices[corners]).sum(1), normals, colours))
    return Surface(*(np.concatenate(part) for part in zip(*found, strict=True)))


def seen(surface: Surface, shot: Shot) -> View:
    """Project points into a map; the nearest one counts in each pixel."""
    _, _, forward = shot.axes()
    image = shot.project(surface.points)
    depth = (surface.points - shot.origin) @ forward
    cell = np.floor((image + 1) / 2 * GRID).astype(int)
    inside = np.flatnonzero(((cell >= 0) & (cell < GRID)).all(1))
    # Far ones first: of several points in one place, the last one stays. 16 bits are sorted fast.
    from_far = depth[inside].max(initial=0.0) - depth[inside]
    steps = (from_far * (65_535 / max(from_far.max(initial=0.0), 1e-9))).astype(np.uint16)
    order = inside[np.argsort(steps, kind="stable")]
    nearest = np.full(GRID * GRID, -1)
    nearest[cell[order, 1] * GRID + cell[order, 0]] = order
    hit = nearest >= 0
    fields = np.zeros((7, GRID * GRID), np.float32)
    at = nearest[hit]
    fields[:3, hit], fields[3:6, hit] = surface.normals[at].T, surface.colours[at].T
    fields[6, hit] = depth[at]
    maps = fields.reshape(7, GRID, GRID)
    return View(hit.reshape(GRID, GRID), maps[:3], maps[3:6], maps[6])


def unlike(one: View, other: View, hidden: Array) -> int:
    """Pixels of one view, and of the other, that have no like in the other one; hidden ones do not count."""
    return sum(
        int(_together(_alone(*pair) & ~hidden).sum()) for pair in ((one, other), (other, one))
    )


def _together(alone: Array) -> Array:
    """Of some pixels those that have others around them; single ones are gaps between points."""
    padded = np.pad(alone, 1).astype(np.uint8)
    height, width = alone.shape
    around = sum(
        padded[y : y + height, x : x + width]
        for y in (0, 1, 2)
        for x in (0, 1, 2)
        if (y, x) != (1, 1)
    )
    return alone & (around >= AROUND)


def _alone(one: View, other: View) -> Array:
    rows, columns = np.flatnonzero(one.hit.any(1)), np.flatnonzero(one.hit.any(0))
    alone = one.hit.copy()
    if not len(rows):
        return alone
    # Only where the one is; at the edge of the frame a pixel has fewer neighbours.
    here = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
    padded = [np.pad(field, 1) for field in (other.hit, *other.normal, *other.colour, other.depth)]
    height, width = alone[here].shape
    left = alone[here]
    for y in (0, 1, 2):
        for x in (0, 1, 2):
            top, side = rows[0] + y, columns[0] + x
            hit, *theirs = (field[top : top + height, side : side + width] for field in padded)
            mine = [field[here] for field in (*one.normal, *one.colour, one.depth)]
            like = hit & (np.abs(mine[6] - theirs[6]) < DEPTH)
            for k in (3, 4, 5):
                like &= np.abs(mine[k] - theirs[k]) < COLOUR
            # Sheets have two sides, and which of them a mesh calls outside says nothing.
            cosine = mine[0] * theirs[0] + mine[1] * theirs[1] + mine[2] * theirs[2]
            like &= np.abs(cosine) > DIRECTION
            left &= ~like
    return alone


def least_unlike(
    part: Part, siblings: Sequence[Part], shot: Shot, before: Sequence[Mesh]
) -> tuple[int, str]:
    """How many pixels tell a product from the sibling that it is hardest to tell from, and which that is.

    ``before``: meshes that may hide something. 4 GRID² and no name where there is no sibling.
    """
    mine = seen(surface_of(part), shot)
    hidden = np.zeros((GRID, GRID), bool)
    if before:
        others = seen(surface(before, POINTS), shot)
        hidden = others.hit & (~mine.hit | (others.depth < mine.depth))
    least = (4 * GRID * GRID, "")
    for sibling in siblings:
        if sibling.product_id != part.product_id:
            count = unlike(mine, seen(surface_of(sibling), shot), hidden)
            least = min(least, (count, sibling.product_id))
    return least
