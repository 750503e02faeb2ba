"""``upside-down``: a picture that resembles its product more when it is turned."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_prodbench.doctor.finding import Finding

if TYPE_CHECKING:
    from pytest_prodbench.doctor.facts import Facts


def find(facts: Facts) -> list[Finding]:
    """Return such pictures as notes: EXIF was applied, but many cameras and exports lose it."""
    found = []
    for key, turned in facts.turned.items():
        rows = tuple(row for row in facts.subject.rows if row.key == key)
        others = tuple(
            row
            for row in facts.subject.rows
            if row.product_id == rows[0].product_id and row.key != key
        )
        found.append(
            Finding(
                kind="upside-down",
                severity="note",
                told=f"{rows[0].name} resembles the other {turned.others} pictures of its product more "
                f"when it is turned by 180 degrees: mean cosine {turned.turned:.3f}, as it is "
                f"{turned.upright:.3f}",
                fix="turn the file, or its EXIF orientation",
                rows=(*rows, *others[:3]),
                subject=(key[0], str(key[1])),
                numbers={"turned": round(turned.turned, 4), "upright": round(turned.upright, 4)},
                pictured=True,
            )
        )
    return found
