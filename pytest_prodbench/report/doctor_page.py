"""What the doctor found, as one self-contained page: pictures side by side, to be confirmed or waived."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_prodbench.atomic import atomic_write_text
from pytest_prodbench.doctor.photos import Album
from pytest_prodbench.errors import ImageError
from pytest_prodbench.report.drawing import Drawings
from pytest_prodbench.report.html import Surroundings, render
from pytest_prodbench.report.thumbnails import small_jpeg

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_prodbench.doctor.examination import Examination
    from pytest_prodbench.doctor.finding import Finding, Key, Row

PICTURES = 4
"""Of one finding that are shown."""

PICTURED = 200
"""Findings of the page that are shown with pictures, about 8 MB; the others in words."""

SIDE = 192
"""Pixels of the longer side of a picture."""

WAIVER = '[[waivers]]\nid = "{id}"\nreason = "…"\nowner = "…"\nuntil = …'


@dataclass(frozen=True, slots=True)
class FindingView:
    """One finding as the page shows it; ``pictures``: (row, address), no address where it has no pixels."""

    finding: Finding
    pictures: tuple[tuple[Row, str | None], ...]

    @property
    def numbers(self) -> list[tuple[str, str]]:
        """What was measured."""
        return [(name, str(value)) for name, value in self.finding.numbers.items()]


@dataclass(frozen=True, slots=True)
class KindView:
    """The findings of one kind."""

    name: str
    severity: str
    findings: tuple[FindingView, ...]


def write_doctor_page(found: Examination, path: Path, *, max_pixels: int) -> Path:
    """Write ``doctor.html``."""
    atomic_write_text(path, doctor_page(found, max_pixels=max_pixels))
    return path


def doctor_page(found: Examination, *, max_pixels: int) -> str:
    """Return the page; every picture is in it, nothing is loaded, and nothing needs its script."""
    album = Album(found.facts.subject, max_pixels=max_pixels)
    made: dict[Key, str | None] = {}

    def picture(row: Row) -> str | None:
        if row.key not in made:
            photo = found.facts.photos.get(row.key)
            made[row.key] = None if photo is None or photo.error else _thumbnail(album, row.key)
        return made[row.key]

    kinds: dict[str, list[FindingView]] = {}
    shown = 0
    for finding in found.findings:
        pictured = finding.pictured and shown < PICTURED
        shown += pictured
        rows = finding.rows[:PICTURES] if pictured else ()
        view = FindingView(finding, tuple((row, picture(row)) for row in rows))
        kinds.setdefault(finding.kind, []).append(view)
    subject = found.facts.subject
    return render(
        "doctor.html",
        Surroundings(_nothing, Drawings()),
        drawn=False,
        title=f"Doctor: {subject.name}",
        subject=subject,
        queries=len(subject.queries),
        gallery=len(subject.gallery),
        products=len({row.product_id for row in subject.rows}),
        model=found.facts.model,
        failing=len(found.failing),
        notes=len(found.notes),
        kinds=[
            KindView(name, views[0].finding.severity, tuple(views)) for name, views in kinds.items()
        ],
        waived=found.waived,
        stale=found.stale,
        waiver=WAIVER,
    )


def _nothing(root: str, image: str) -> str | None:  # noqa: ARG001 - pictures come with their rows
    return None


def _thumbnail(album: Album, key: Key) -> str | None:
    try:
        data = small_jpeg(album.picture(key), SIDE)
    except ImageError:
        return None
    return f"data:image/jpeg;base64,{base64.b64encode(data).decode()}"
