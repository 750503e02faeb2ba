"""Where the files of a suite lie; light, because pytest asks in every repository."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

SECTOR_FILE = "sector.toml"
MODELS_FILE = "models.toml"


def find_sector_files(places: Sequence[Path], project: Path) -> list[Path]:
    """Return the ``sector.toml`` files that belong to some paths, sorted, each once.

    For each place: the nearest one in its folder or above it (up to ``project``), and for a folder those
    one or two folders below it. Not deeper, so that looking costs nothing in a large repository.
    """
    found: set[Path] = set()
    for place in places:
        folder = place if place.is_dir() else place.parent
        above = nearest(folder, SECTOR_FILE, project)
        if above is not None:
            found.add(above)
            if not place.is_dir():
                continue
        for pattern in (f"*/{SECTOR_FILE}", f"*/*/{SECTOR_FILE}"):
            for path in folder.glob(pattern):
                inside = path.relative_to(folder).parts
                hidden = any(part.startswith(".") for part in inside)
                if path.is_file() and not hidden:
                    found.add(path.resolve())
    return sorted(found)


def nearest(folder: Path, name: str, project: Path) -> Path | None:
    """Return the file of that name in a folder or the nearest one above it, up to ``project``.

    Of a folder outside the project only the folder itself: what lies above it is somebody else's.
    """
    folder, project = folder.resolve(), project.resolve()
    above = folder.parents if folder.is_relative_to(project) else ()
    for place in (folder, *above):
        candidate = place / name
        if candidate.is_file():
            return candidate
        if place == project:
            break
    return None
