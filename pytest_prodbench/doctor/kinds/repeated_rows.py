"""``repeated-row``: the same image and box twice in one role, of one product."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_prodbench.doctor.finding import Finding, Row, drop

if TYPE_CHECKING:
    from pytest_prodbench.doctor.facts import Facts


def find(facts: Facts) -> list[Finding]:
    """Return each row that says again what an earlier one said; such a dataset does not open."""
    first: dict[tuple[object, ...], Row] = {}
    found = []
    for row in facts.subject.rows:
        earlier = first.setdefault((row.role, row.key, row.product_id), row)
        if earlier is not row:
            found.append(
                Finding(
                    kind="repeated-row",
                    severity="finding",
                    told=f"{row.name} repeats {earlier.name}",
                    fix="keep one of the two rows",
                    rows=(earlier, row),
                    edits=drop(row),
                    safe=True,
                )
            )
    return found
