"""``unreadable``, ``tiny`` and ``blank``: pictures that show no product."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_prodbench.doctor.finding import Finding, Row, drop

if TYPE_CHECKING:
    from pytest_prodbench.doctor.facts import Facts
    from pytest_prodbench.doctor.finding import Key
    from pytest_prodbench.doctor.photos import Photo

TINY = 32
"""Pixels of the shorter side below which a picture is tiny."""

BLANK = 8.0
"""Grey levels between darkest and brightest below which a picture is blank."""


def find(facts: Facts) -> list[Finding]:
    """Return each picture that cannot be decoded, is shorter than 32 pixels, or is all one grey."""
    rows: dict[Key, list[Row]] = {}
    for row in facts.subject.rows:
        rows.setdefault(row.key, []).append(row)
    return [
        found
        for key, of_key in rows.items()
        if key in facts.photos and (found := _found(facts.photos[key], tuple(of_key)))
    ]


def _found(photo: Photo, rows: tuple[Row, ...]) -> Finding | None:
    name = rows[0].name + (f" (in {len(rows)} rows)" if len(rows) > 1 else "")
    if photo.error:
        return Finding(
            kind="unreadable",
            severity="finding",
            told=f"{name}: {photo.error}",
            fix="put a readable image there, or take its rows out",
            rows=rows,
            edits=drop(*rows),
            safe=True,
        )
    if min(photo.width, photo.height) < TINY:
        return Finding(
            kind="tiny",
            severity="finding",
            told=f"{name} has {photo.width} x {photo.height} pixels; fewer than {TINY} a side show "
            "no product",
            fix="put the original photo there; with --confirm its rows are taken out",
            rows=rows,
            numbers={"width": photo.width, "height": photo.height},
            edits=drop(*rows),
            pictured=True,
        )
    if photo.contrast < BLANK:
        return Finding(
            kind="blank",
            severity="finding",
            told=f"{name} is blank: {photo.contrast:.1f} grey levels between its darkest and its "
            f"brightest part (fewer than {BLANK:g})",
            fix="put the photo there; with --confirm its rows are taken out",
            rows=rows,
            numbers={"grey levels": round(photo.contrast, 1)},
            edits=drop(*rows),
            pictured=True,
        )
    return None
