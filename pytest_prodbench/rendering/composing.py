"""One picture from its plan: lay the part down, cover it, check that it can be told, photograph it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pytest_prodbench.rendering import camera, design, scene, telling
from pytest_prodbench.rendering.mesh import Mesh, merge, moved
from pytest_prodbench.rendering.parts import built, corners
from pytest_prodbench.rendering.pictures import (
    ATTEMPTS,
    COVERS,
    Catalog,
    Picture,
    Pose,
    Quality,
    pose,
)
from pytest_prodbench.rendering.placing import Table

OTHERS_SCALE = {"quarter": 0.85, "half": 1.05}
"""Size of what covers the product against the product, both by half their bounding box's diagonal."""

CLUTTER_SCALE = 0.8
"""The same of what lies around."""


@dataclass(frozen=True)
class Composition:
    """Everything in a picture, and how well it tells its product from the others.

    Attributes:
        meshes: of all parts.
        shot: the camera.
        pose: of the part.
        told_by: pixels of the map that differ from the nearest sibling; 0 for a catalog image.
        nearest: that sibling's product id.
    """

    meshes: list[Mesh]
    shot: camera.Shot
    pose: Pose
    told_by: int = 0
    nearest: str = ""


def composed(catalog: Catalog, picture: Picture) -> Composition:
    """Compose a picture; of a query the first attempt that shows what tells its product apart.

    Raises:
        LookupError: none of ``ATTEMPTS`` poses does; names the sibling that it is confused with.
    """
    if picture.role == "gallery":
        return _composed(catalog, picture, pose(catalog, picture))
    best = None
    for attempt in range(ATTEMPTS):
        try:
            made = _composed(catalog, picture, pose(catalog, picture, attempt))
        except LookupError:
            continue
        if made.told_by >= telling.NEEDED or not catalog.quality.checked:
            return made
        if best is None or made.told_by > best.told_by:
            best = made
    if best is None:
        raise LookupError(
            f"no other part could be laid over it ({picture.conditions['occlusion']})"
        )
    raise LookupError(
        f"no pose tells it from {best.nearest}: at best {best.told_by} of {telling.NEEDED} pixels differ "
        f"({dict(picture.conditions)})"
    )


def _composed(catalog: Catalog, picture: Picture, at: Pose) -> Composition:
    part = catalog.part(picture.product_id)
    product = list(built(part))
    shot = camera.framed(
        corners(product), at.azimuth, at.elevation, at.fill, at.roll, np.array(at.shift)
    )
    if picture.role == "gallery":
        return Composition(product, shot, at)
    table = Table(product, shot, np.random.default_rng([at.seed, 1]))
    others = [built(catalog.part(other)) for other in at.others]
    share = design.HIDDEN.get(picture.conditions["occlusion"])
    if share is not None:
        scale = OTHERS_SCALE[picture.conditions["occlusion"]]
        if not any(table.cover(moved(other, scale=scale), share) for other in others[:COVERS]):
            raise LookupError("no place for the part that covers")
    if picture.conditions["ground"] == "cluttered":
        for other in others[COVERS:]:
            table.scatter(moved(other, scale=CLUTTER_SCALE))
    if not catalog.quality.checked:
        return Composition(product + merge(table.laid), shot, at)
    siblings = catalog.family(picture.product_id).parts
    told_by, nearest = telling.least_unlike(part, siblings, shot, table.laid)
    return Composition(product + merge(table.laid), shot, at, told_by, nearest)


def photographed(picture: Picture, made: Composition, quality: Quality) -> bytes:
    """The finished JPEG file of a composition."""
    conditions = picture.conditions
    light, ground = conditions["light"] or "gallery", conditions["ground"] or "plain"
    linear = scene.rendered(
        made.meshes,
        made.shot,
        light,
        made.pose.light_turn,
        ground,
        np.random.default_rng([made.pose.seed, 2]),
        made.pose.seed,
        quality.samples(picture.role),
        quality.size,
    )
    grain = np.random.default_rng([made.pose.seed, 3])
    return camera.developed(linear, light, conditions["camera"] or "clean", grain)
