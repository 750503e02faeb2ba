"""Small parts for tests: plates with holes and colours; no CAD kernel needed."""

from __future__ import annotations

import numpy as np

from pytest_prodbench.rendering.mesh import Mesh, ball, grid, lathe, moved
from pytest_prodbench.rendering.parts import Family, family
from pytest_prodbench.rendering.pictures import Catalog, Counts

BUILD = f"{__name__}:plate"


def plate(knobs: int, material: str = "steel", far_knob: bool = False) -> list[Mesh]:
    """A disc with some knobs along its rim; ``far_knob`` puts one more below it, where no view sees it."""
    meshes = [lathe([(0, 0), (20, 0), (20, 4), (0, 4)], material, n=48)]
    for k in range(knobs):
        a = 2 * np.pi * k / max(knobs, 1)
        meshes.append(ball(4.0, (13 * np.cos(a), 13 * np.sin(a), 5.0), material))
    if far_knob:
        inside = lathe([(1.0, 1.0), (2.0, 2.0), (1.0, 3.0)], material, n=12)
        meshes += moved([inside], at=(0, 0, 0))
    return meshes


def bar(length: float) -> list[Mesh]:
    """A strip; something of another shape to lie around."""
    xs = np.linspace(-length / 2, length / 2, 5)
    rows = [np.stack([xs, 0 * xs + y, 0 * xs + 3], -1) for y in (-4.0, 4.0)]
    ends = [np.stack([xs, 0 * xs + y, 0 * xs], -1) for y in (-4.0, 4.0)]
    return [grid(np.array([ends[0], *rows, ends[1]]), "plastic_red")]


def families(count: int = 6) -> tuple[Family, ...]:
    """Two families of ``count`` products."""
    limits = {"view": (20.0, 45.0), "azimuth": (-80.0, 100.0), "elevation": (25.0, 80.0)}
    return (
        family("plate", BUILD, {f"P-{k}": {"knobs": k} for k in range(count)}, **limits),
        family(
            "bar",
            f"{__name__}:bar",
            {f"00{k}": {"length": 20.0 + 12 * k} for k in range(count)},
            **limits,
        ),
    )


def small_catalog(seed: int = 1, **counts: object) -> Catalog:
    """Two families, four searched products each."""
    wanted = {"searched": 4, "absent": 1, "distractors": 1, "queries": 4, **counts}
    return Catalog("small", families(), seed, Counts(**wanted))
