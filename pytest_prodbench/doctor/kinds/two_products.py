"""``two-products``: the same picture under two product ids."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_prodbench.doctor.finding import Finding, Row, drop

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_prodbench.doctor.facts import Facts


def find(facts: Facts) -> list[Finding]:
    """Return each group of rows that show equal pixels and name several products: one id is wrong.

    Between query and gallery as well: exclusion takes the gallery image out, the wrong id stays.
    """
    found = []
    groups = dict(facts.by_pixels)
    for row in facts.subject.rows:  # unreadable ones are known by their path alone
        photo = facts.photos.get(row.key)
        if photo is not None and not photo.pixels:
            groups[f"path {row.key}"] = [*groups.get(f"path {row.key}", ()), row]
    for rows in groups.values():
        products = sorted({row.product_id for row in rows})
        if len(products) > 1:
            files = len({row.image for row in rows})
            found.append(
                Finding(
                    kind="two-products",
                    severity="finding",
                    told=f"one picture ({files} {'file' if files == 1 else 'files with equal pixels'}) "
                    f"is {len(products)} products: " + "; ".join(row.name for row in rows[:6]),
                    fix="find out which product it is and correct the others; with --confirm the rows "
                    "that do not name the product of the first one are taken out",
                    rows=tuple(rows),
                    numbers={"products": len(products), "rows": len(rows), "files": files},
                    edits=drop(*_others(rows)),
                    pictured=True,
                )
            )
    return found


def _others(rows: Sequence[Row]) -> list[Row]:
    return [row for row in rows if row.product_id != rows[0].product_id]
