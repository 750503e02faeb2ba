"""Light as a room painted around the part: ambient, soft boxes, a lamp, a window, a hard sun.

Every light is one environment map, so that polished metal has a room to mirror.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from pytest_prodbench.rendering.mesh import Array

ROWS, COLUMNS = 128, 256


@dataclass(frozen=True)
class Patch:
    """A glowing rectangle on the room's wall: direction and half size in degrees."""

    azimuth: float
    elevation: float
    half_width: float
    half_height: float
    radiance: tuple[float, float, float]
    soft: float = 0.25


@dataclass(frozen=True)
class Room:
    """Ambient radiance overhead, at the walls and below, and the patches."""

    ceiling: tuple[float, float, float]
    wall: tuple[float, float, float]
    patches: tuple[Patch, ...]


def _grey(value: float) -> tuple[float, float, float]:
    return (value, value, value)


ROOMS = {
    "gallery": Room(
        _grey(0.75),
        _grey(0.30),
        (
            Patch(50, 52, 26, 22, _grey(6.0)),
            Patch(-65, 40, 16, 26, _grey(3.2)),
            Patch(170, 28, 38, 9, _grey(4.5)),
        ),
    ),
    "studio": Room(
        _grey(0.6),
        _grey(0.25),
        (
            Patch(35, 50, 22, 20, (7.2, 7.1, 7.0)),
            Patch(-80, 38, 14, 24, (3.4, 3.5, 3.6)),
            Patch(165, 30, 26, 8, _grey(3.5)),
        ),
    ),
    "warm": Room(
        (0.20, 0.145, 0.09),
        (0.12, 0.082, 0.05),
        (Patch(40, 52, 13, 13, (30, 19.5, 10)), Patch(-110, 20, 14, 18, (1.6, 1.2, 0.9))),
    ),
    "dim": Room(
        (0.10, 0.105, 0.115),
        (0.055, 0.058, 0.066),
        (Patch(75, 24, 20, 20, (1.7, 1.85, 2.1)), Patch(-95, 62, 10, 7, (0.5, 0.48, 0.42))),
    ),
    "mixed": Room(
        (0.16, 0.15, 0.15),
        (0.09, 0.085, 0.085),
        (Patch(60, 40, 14, 14, (17, 10.5, 5.2)), Patch(-75, 30, 20, 22, (2.6, 3.3, 4.4))),
    ),
    "hard": Room(
        (0.16, 0.18, 0.22),
        (0.10, 0.10, 0.105),
        (Patch(45, 46, 3.4, 3.4, (420, 405, 375), 0.15), Patch(-60, 30, 10, 16, _grey(0.6))),
    ),
}


def room_map(light: str, turn: float) -> Array:
    """Radiance (rows, columns, 3) of a room turned by ``turn`` degrees about the vertical."""
    room = ROOMS[light]
    polar = (np.arange(ROWS) + 0.5) / ROWS * np.pi
    around = (np.arange(COLUMNS) + 0.5) / COLUMNS * 2 * np.pi
    height = np.cos(polar)[:, None, None] * np.ones((1, COLUMNS, 1))
    share = np.clip(height, 0, 1) ** 0.7
    radiance = np.array(room.wall) * (1 - share) + np.array(room.ceiling) * share
    radiance = np.where(height < 0, radiance * (1 + 0.6 * height), radiance)
    sin = np.sin(polar)[:, None]
    directions = np.stack(
        [sin * np.sin(around), sin * np.cos(around), np.cos(polar)[:, None] + 0 * around], -1
    )
    for patch in room.patches:
        a, e = math.radians(patch.azimuth + turn), math.radians(patch.elevation)
        # Azimuth counts from -y, the side the camera stands on, towards +x.
        centre = np.array([math.cos(e) * math.sin(a), -math.cos(e) * math.cos(a), math.sin(e)])
        right = np.array([math.cos(a), math.sin(a), 0.0])
        up = np.cross(right, centre)
        up = up if up[2] > 0 else -up
        facing = directions @ centre
        inside = facing > 0.05
        safe = np.where(inside, facing, 1.0)
        x = np.abs(directions @ right / safe) / math.tan(math.radians(patch.half_width))
        y = np.abs(directions @ up / safe) / math.tan(math.radians(patch.half_height))
        edge = np.clip((1 + patch.soft - np.maximum(x, y)) / (2 * patch.soft), 0, 1)
        glow = np.where(inside, edge * edge * (3 - 2 * edge), 0)
        radiance = radiance + glow[..., None] * np.array(patch.radiance)
    return radiance.astype(np.float32)
