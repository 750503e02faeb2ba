"""A Mitsuba scene from meshes, a ground, a room and a camera; and its rendering."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from pytest_prodbench.rendering.camera import FIELD, Shot
from pytest_prodbench.rendering.lighting import room_map
from pytest_prodbench.rendering.materials import MATERIALS
from pytest_prodbench.rendering.mesh import Array, Mesh
from pytest_prodbench.rendering.surfaces import ground_material

VARIANTS = ("llvm_ad_rgb", "scalar_rgb")
"""Preferred first; the second needs no LLVM on the machine and takes about twice as long.

The environment's FIXTURES_RENDER_VARIANT asks for one of Mitsuba's variants and no other.
"""


def start(threads: int = 1) -> str:
    """Load Mitsuba with the first variant that works here; its name."""
    import mitsuba as mi

    asked = os.environ.get("FIXTURES_RENDER_VARIANT")
    reasons = []
    for variant in [asked] if asked else VARIANTS:
        try:
            mi.set_variant(variant)
            import drjit

            # More than one thread adds up samples in an order of its own, and the last bits move.
            drjit.set_thread_count(threads)
            if variant.startswith("llvm"):
                drjit.eval(mi.Float(1) + 1)
        except Exception as error:  # a missing LLVM shows itself in several types of error
            reasons.append(f"{variant}: {error}")
        else:
            return variant
    raise RuntimeError("Mitsuba does not run here: " + "; ".join(reasons))


def _bsdf(mesh: Mesh) -> dict[str, Any]:
    import mitsuba as mi

    out: dict[str, Any] = {"type": "principled"}
    for key, value in MATERIALS[mesh.material].items():
        out[key] = {"type": "rgb", "value": list(value)} if key == "base_color" else value
    if mesh.art is not None:
        # Mitsuba's v runs downwards in the image.
        out["base_color"] = {"type": "bitmap", "bitmap": mi.Bitmap(mesh.art[::-1].copy())}
    return {"type": "twosided", "bsdf": out}


def _shape(mesh: Mesh, name: str) -> Any:
    import mitsuba as mi

    properties = mi.Properties()
    properties["bsdf"] = mi.load_dict(_bsdf(mesh))
    shape = mi.Mesh(
        name,
        vertex_count=len(mesh.vertices),
        face_count=len(mesh.faces),
        has_vertex_normals=True,
        has_vertex_texcoords=mesh.art is not None,
        props=properties,
    )
    values = mi.traverse(shape)
    values["vertex_positions"] = mesh.vertices.astype(np.float32).ravel()
    values["vertex_normals"] = mesh.normals().astype(np.float32).ravel()
    values["faces"] = mesh.faces.astype(np.uint32).ravel()
    if mesh.art is not None and mesh.uv is not None:
        values["vertex_texcoords"] = mesh.uv.astype(np.float32).ravel()
    values.update()
    return shape


def rendered(
    meshes: list[Mesh],
    shot: Shot,
    light: str,
    light_turn: float,
    ground: str,
    rng: np.random.Generator,
    seed: int,
    samples: int,
    size: int,
) -> Array:
    """A (size, size, 3) picture in linear light."""
    import mitsuba as mi

    transform = mi.ScalarTransform4f
    _, up, _ = shot.axes()
    scene: dict[str, Any] = {
        "type": "scene",
        "integrator": {"type": "path", "max_depth": 7, "rr_depth": 5},
        "sensor": {
            "type": "perspective",
            "fov": FIELD,
            "to_world": transform().look_at(
                origin=shot.origin.tolist(), target=shot.target.tolist(), up=up.tolist()
            ),
            "film": {
                "type": "hdrfilm",
                "width": size,
                "height": size,
                "rfilter": {"type": "gaussian", "stddev": 0.45},
                "pixel_format": "rgb",
            },
            "sampler": {"type": "multijitter", "sample_count": samples},
        },
        "room": {
            "type": "envmap",
            "bitmap": mi.Bitmap(room_map(light, light_turn)),
            "to_world": transform().rotate([1, 0, 0], 90),
        },
        "ground": {
            "type": "rectangle",
            # The studio has no horizon; a table has an edge.
            "to_world": transform().scale([900.0 if ground == "plain" else 22.0] * 2 + [1]),
            "bsdf": ground_material(ground, rng),
        },
    }
    for k, mesh in enumerate(meshes):
        scene[f"part{k}"] = _shape(mesh, f"part{k}")
    picture = mi.render(mi.load_dict(scene), seed=mi.UInt32(seed), spp=samples)
    return np.asarray(picture, dtype=np.float64)
