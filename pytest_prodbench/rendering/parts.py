"""Parts: what a product's geometry is made by, and families of look-alikes."""

from __future__ import annotations

import hashlib
import importlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np

from pytest_prodbench.rendering.mesh import Array, Mesh, merge, moved, rested

Range = tuple[float, float]


@dataclass(frozen=True)
class Part:
    """One product and what builds it.

    Attributes:
        product_id: its id.
        build: ``module:function`` of what returns its meshes, lengths in mm, z up, as it lies on a table.
        parameters: keyword arguments of the function; JSON values.
        revision: raised when the function changes, so that images are made again.
    """

    product_id: str
    build: str
    parameters: Mapping[str, Any] = field(hash=False)
    revision: int = 1

    @property
    def digest(self) -> str:
        """Changes when the geometry does."""
        every = [self.build, dict(self.parameters), self.revision]
        return hashlib.sha256(json.dumps(every, sort_keys=True).encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Family:
    """Look-alikes, and the directions that show what tells them apart.

    Attributes:
        name: of the family.
        view: azimuth and elevation of the first catalog image. Angles are degrees; azimuth 0 looks along
            +y, 90 along −x; elevation 90 straight down.
        azimuth, elevation: limits of all other views.
        parts: its products.
    """

    name: str
    view: tuple[float, float]
    azimuth: Range
    elevation: Range
    parts: tuple[Part, ...]


def family(
    name: str,
    build: str,
    products: Mapping[str, Mapping[str, Any]],
    *,
    view: tuple[float, float],
    azimuth: Range,
    elevation: Range,
    revision: int = 1,
) -> Family:
    """Make a family whose products are all built by one function."""
    parts = tuple(
        Part(product, build, parameters, revision) for product, parameters in products.items()
    )
    return Family(name, view, azimuth, elevation, parts)


@lru_cache(maxsize=64)
def built(part: Part) -> tuple[Mesh, ...]:
    """A product's meshes at rest on z = 0, half its bounding box's diagonal scaled to 1."""
    module, _, function = part.build.partition(":")
    made = getattr(importlib.import_module(module), function)(**part.parameters)
    meshes = rested(merge(made))
    points = corners(meshes)
    half = float(np.linalg.norm(points.max(0) - points.min(0))) / 2
    return tuple(moved(meshes, scale=1 / half))


def corners(meshes: list[Mesh] | tuple[Mesh, ...]) -> Array:
    """All vertices, (n, 3)."""
    return np.concatenate([m.vertices for m in meshes])
