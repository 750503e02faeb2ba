"""Where other parts lie: over a share of the product, or scattered around it."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from pytest_prodbench.rendering.camera import Shot
from pytest_prodbench.rendering.mesh import Array, Mesh, moved, rotation

MASK = 96
"""Edge of the masks that overlaps are counted in, pixels."""

REACH = 6.0
"""Half the edge of the table that footprints are drawn on; a part's bounding box has a half diagonal of 1."""


def hull(points: Array) -> Array:
    """Convex hull of 2-D points, counter-clockwise."""
    ordered = _outer(np.unique(points.round(5), axis=0))
    chains = []
    for sequence in (ordered, ordered[::-1]):
        chain: list[Array] = []
        for p in sequence:
            while len(chain) > 1:
                a, b = chain[-1] - chain[-2], p - chain[-2]
                if a[0] * b[1] - a[1] * b[0] > 0:
                    break
                chain.pop()
            chain.append(p)
        chains += chain[:-1]
    return np.array(chains)


def _outer(points: Array) -> Array:
    """Points less those strictly inside the octagon of extremes: none is a corner (Akl & Toussaint, 1978)."""
    turns = np.arange(8) * math.pi / 4
    corners = points[(points @ np.stack([np.cos(turns), np.sin(turns)])).argmax(0)]
    sides = np.roll(corners, -1, axis=0) - corners
    off = points[:, None] - corners
    left = sides[:, 0] * off[..., 1] - sides[:, 1] * off[..., 0] > 1e-9
    # A side of no length, where two extremes are one, has no inside of its own.
    return np.asarray(points[~(left | ~sides.any(1)).all(1)])


def mask(points: Array, reach: float = 1.0) -> Array:
    """The convex hull of 2-D points drawn as a boolean image that spans -reach ... reach."""
    from PIL import Image, ImageDraw

    image = Image.new("1", (MASK, MASK))
    corners = (hull(points) / reach + 1) / 2 * MASK
    ImageDraw.Draw(image).polygon([(float(x), float(y)) for x, y in corners], fill=1)
    return np.array(image)


def extremes(meshes: Sequence[Mesh], directions: int = 400) -> Array:
    """The vertices that lie farthest out in evenly spread directions: enough for any outline."""
    k = np.arange(directions) + 0.5
    height, turn = 1 - 2 * k / directions, math.pi * (1 + 5**0.5) * k
    level = np.sqrt(1 - height**2)
    spread = np.stack([level * np.cos(turn), level * np.sin(turn), height], -1)
    every = np.concatenate([m.vertices for m in meshes])
    return np.asarray(every[np.unique((every @ spread.T).argmax(0))])


class Table:
    """The product on the ground before a camera, and what has been laid beside or over it.

    Attributes:
        laid: meshes of other parts so far.
    """

    def __init__(self, product: Sequence[Mesh], shot: Shot, rng: np.random.Generator) -> None:
        points = extremes(product)
        self._shot, self._rng = shot, rng
        self._seen = mask(shot.project(points))
        self._foot = mask(points[:, :2], REACH)
        self._top = float(points[:, 2].max())
        self.laid: list[Mesh] = []

    def cover(self, other: Sequence[Mesh], share: tuple[float, float]) -> bool:
        """Lay a part so that it hides a share of the product's outline; False if there is no such place.

        It lies on the ground before the product or, if that does not do, on top of it.
        """
        edge, area = extremes(other), max(int(self._seen.sum()), 1)
        facing = math.degrees(math.atan2(self._shot.origin[1], self._shot.origin[0]))
        for lift in (False, True):
            for _ in range(14):
                spin = float(self._rng.uniform(0, 360))
                away = math.radians(facing + self._rng.uniform(-80, 80))
                turned = edge @ rotation(z=spin).T
                for distance in np.linspace(2.6, 0.2, 36):
                    height = self._top if lift else 0.0
                    at = (distance * math.cos(away), distance * math.sin(away), height)
                    theirs = turned + at
                    foot = mask(theirs[:, :2], REACH)
                    if not lift and (foot & self._foot).any():
                        break
                    hidden = float((mask(self._shot.project(theirs)) & self._seen).sum()) / area
                    if hidden > share[1]:
                        break
                    if hidden >= share[0]:
                        self._lay(other, spin, at, foot)
                        return True
        return False

    def scatter(self, other: Sequence[Mesh]) -> bool:
        """Lay a part somewhere in the frame where it hides nothing; False if there is no room."""
        edge = extremes(other)
        for _ in range(40):
            away = math.radians(self._rng.uniform(0, 360))
            distance = float(self._rng.uniform(0.8, 3.4))
            at = (distance * math.cos(away), distance * math.sin(away), 0.0)
            spin = float(self._rng.uniform(0, 360))
            theirs = edge @ rotation(z=spin).T + at
            foot = mask(theirs[:, :2], REACH)
            if (foot & self._foot).any():
                continue
            image = self._shot.project(theirs)
            inside = float((np.abs(image) < 1).all(1).mean())
            if inside > 0.2 and not (mask(image) & self._seen).any():
                self._lay(other, spin, at, foot)
                return True
        return False

    def _lay(
        self, other: Sequence[Mesh], spin: float, at: tuple[float, float, float], foot: Array
    ) -> None:
        self.laid += moved(other, (0, 0, spin), at)
        self._foot = self._foot | foot
