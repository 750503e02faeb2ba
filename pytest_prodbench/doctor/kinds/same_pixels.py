"""``same-pixels``: equal pixels of one product in several rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_prodbench.doctor.finding import Finding, drop

if TYPE_CHECKING:
    from pytest_prodbench.doctor.facts import Facts


def find(facts: Facts) -> list[Finding]:
    """Return pictures that one product has under several files: notes, they change no rank.

    Between query and gallery the protocol's exclusion takes the gallery image out before ranking.
    In one role the copies only count the same photo several times.
    """
    found = []
    for rows in facts.by_pixels.values():
        if len({row.product_id for row in rows}) > 1 or len({row.key for row in rows}) < 2:
            continue
        roles = {row.role for row in rows}
        listed = "; ".join(row.name for row in rows[:6])
        if len(roles) == 2:
            told = f"query and gallery show equal pixels, which exclusion takes out: {listed}"
            fix = "nothing has to be done; another photo of the product would be a fairer gallery"
            later = []
        else:
            told = f"{len(rows)} rows of one product show equal pixels and count as {len(rows)}: {listed}"
            fix = "keep one of them"
            later = [row for row in rows[1:] if row.group == rows[0].group]
        found.append(
            Finding(
                kind="same-pixels",
                severity="note",
                told=told,
                fix=fix,
                rows=tuple(rows),
                numbers={"rows": len(rows)},
                edits=drop(*later),
                safe=True,
                pictured=True,
            )
        )
    return found
