"""STEP and STL files as parts: what ``prodbench render`` makes a catalog of."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np

from pytest_prodbench.errors import DatasetError
from pytest_prodbench.rendering.mesh import Mesh, merge, moved, rested

SUFFIXES = (".step", ".stp", ".stl")

FINENESS = 0.001
"""Deviation of triangles from a curved face, as a share of the part's size."""


def file_digest(path: Path) -> str:
    """sha256 of a file.

    Raises:
        DatasetError: it cannot be read.
    """
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise DatasetError(
            str(path), found=f"not readable ({error.strerror})", next_step="correct --cad"
        ) from error


def read(
    path: str,
    sha256: str,
    material: str,
    turn: tuple[float, float, float] = (0.0, 0.0, 0.0),
) -> list[Mesh]:
    """Read a file into meshes, in its own units, as it lies on a table after ``turn``.

    Args:
        path: of the file, ``.step``, ``.stp`` or ``.stl``.
        sha256: its digest when the catalog was planned.
        material: a name in ``materials.MATERIALS``.
        turn: degrees about x, then y, then z, that lay it on the table (z is up).

    Raises:
        DatasetError: the file changed, holds no geometry, or is of a kind that is not read.
    """
    file = Path(path)
    if file_digest(file) != sha256:
        raise DatasetError(
            path, found="a file that was changed while it was rendered", next_step="run it again"
        )
    suffix = file.suffix.lower()
    if suffix not in SUFFIXES:
        raise DatasetError(
            path, found=f"a {suffix or 'nameless'} file", expected=" or ".join(SUFFIXES)
        )
    meshes = [_stl(file, material)] if suffix == ".stl" else [_step(file, material)]
    return rested(moved(meshes, (turn[0], turn[1], turn[2])))


def _step(file: Path, material: str) -> Mesh:
    from build123d import import_step

    try:
        shape = import_step(file)
        size = shape.bounding_box().diagonal
    except Exception as error:
        raise DatasetError(
            str(file), found=f"not readable as STEP ({error})", next_step="export it again"
        ) from error
    if not shape.faces() or not size > 0:
        raise DatasetError(
            str(file), found="no face in it", next_step="export solids, not sketches"
        )
    return meshed(shape, material, FINENESS * size)


def meshed(solid: Any, material: str, tolerance: float = 0.02, angle: float = 0.12) -> Mesh:
    """Triangles of a build123d shape (``tolerance`` in its units, ``angle`` rad).

    Vertices are shared in a face only, so that edges stay sharp.
    """
    from OCP.BRep import BRep_Tool
    from OCP.BRepMesh import BRepMesh_IncrementalMesh
    from OCP.TopAbs import TopAbs_REVERSED
    from OCP.TopLoc import TopLoc_Location

    parts = []
    for piece in solid if isinstance(solid, (list, tuple)) else [solid]:
        BRepMesh_IncrementalMesh(piece.wrapped, tolerance, False, angle, False)
        for face in piece.faces():
            where = TopLoc_Location()
            triangles = BRep_Tool.Triangulation_s(face.wrapped, where)
            if triangles is None:
                continue
            shift = where.Transformation()
            nodes = [
                triangles.Node(i).Transformed(shift) for i in range(1, triangles.NbNodes() + 1)
            ]
            points = np.array([[p.X(), p.Y(), p.Z()] for p in nodes])
            corners = np.array(
                [triangles.Triangle(i).Get() for i in range(1, triangles.NbTriangles() + 1)]
            )
            corners = corners - 1
            if face.wrapped.Orientation() == TopAbs_REVERSED:
                corners = corners[:, ::-1]
            # A closed face has its seam twice; welding it keeps the shading unbroken.
            parts.append(_welded(points, corners, material))
    return merge(parts)[0]


def _welded(points: np.ndarray[Any, Any], corners: np.ndarray[Any, Any], material: str) -> Mesh:
    _, first, same = np.unique(points.round(6), axis=0, return_index=True, return_inverse=True)
    return Mesh(points[first], same.reshape(-1)[corners], material)


SHARP = 35.0
"""Angle between two triangles of an STL file, degrees, from which their edge is one to be seen."""


def _stl(file: Path, material: str) -> Mesh:
    import trimesh

    try:
        loaded = trimesh.load_mesh(file, file_type="stl")
        # An STL file knows no faces: what meets at a small angle is one.
        shaded = trimesh.graph.smooth_shade(loaded, angle=np.radians(SHARP))
    except Exception as error:
        raise DatasetError(
            str(file), found=f"not readable as STL ({error})", next_step="export it again"
        ) from error
    if not len(shaded.faces):
        raise DatasetError(str(file), found="no triangle in it", next_step="export it again")
    return Mesh(np.array(shaded.vertices, float), np.array(shaded.faces), material)
