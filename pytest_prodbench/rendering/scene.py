"""A Mitsuba scene from meshes, a ground, a room and a camera; and its rendering."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from pytest_prodbench.rendering.camera import FIELD, Shot
from pytest_prodbench.rendering.lighting import room_map
from pytest_prodbench.rendering.materials import MATERIALS
from pytest_prodbench.rendering.mesh import Array, Mesh, rotation
from pytest_prodbench.rendering.surfaces import REPEATS, ground_material

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


def _shape(mesh: Mesh, name: str, bsdf: dict[str, Any], uv: Array | None) -> Any:
    import mitsuba as mi

    properties = mi.Properties()
    properties["bsdf"] = mi.load_dict(bsdf)
    shape = mi.Mesh(
        name,
        vertex_count=len(mesh.vertices),
        face_count=len(mesh.faces),
        has_vertex_normals=True,
        has_vertex_texcoords=uv is not None,
        props=properties,
    )
    values = mi.traverse(shape)
    values["vertex_positions"] = mesh.vertices.astype(np.float32).ravel()
    values["vertex_normals"] = mesh.normals().astype(np.float32).ravel()
    values["faces"] = mesh.faces.astype(np.uint32).ravel()
    if uv is not None:
        values["vertex_texcoords"] = uv.astype(np.float32).ravel()
    values.update()
    return shape


def _ground(ground: str, rng: np.random.Generator) -> Any:
    """A square under the part.

    Its texture is turned and repeated by the coordinates of its corners: a transform of the texture is a
    constant of the compiled program, and each picture was compiled anew, for a second or two.
    """
    bsdf, turn = ground_material(ground, rng)
    # The studio has no horizon; a table has an edge.
    reach = 900.0 if ground == "plain" else 22.0
    square = np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]], float)
    mesh = Mesh(reach * (2 * square - (1, 1, 0)), np.array([[0, 1, 2], [0, 2, 3]]), "")
    return _shape(mesh, "ground", bsdf, REPEATS * (square @ rotation(z=turn).T)[:, :2])


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
        "ground": _ground(ground, rng),
    }
    for k, mesh in enumerate(meshes):
        uv = mesh.uv if mesh.art is not None else None
        scene[f"part{k}"] = _shape(mesh, f"part{k}", _bsdf(mesh), uv)
    picture = mi.render(mi.load_dict(scene), seed=mi.UInt32(seed), spp=samples)
    return np.asarray(picture, dtype=np.float64)
