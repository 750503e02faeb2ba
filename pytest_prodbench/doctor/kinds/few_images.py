"""``single-image``: products that nobody can search for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_prodbench.doctor.finding import Finding, Row

if TYPE_CHECKING:
    from pytest_prodbench.doctor.facts import Facts


def find(facts: Facts) -> list[Finding]:
    """Return one note on all products with one image: as distractors they count, as products they do not."""
    by_product: dict[str, list[Row]] = {}
    for row in facts.subject.rows:
        by_product.setdefault(row.product_id, []).append(row)
    alone = [
        rows[0]
        for _, rows in sorted(by_product.items())
        if len({row.key for row in rows}) == 1 and rows[0].role == "gallery"
    ]
    if not alone:
        return []
    share = len(alone) / len(by_product)
    return [
        Finding(
            kind="single-image",
            severity="note",
            told=f"{len(alone):,} of {len(by_product):,} products ({share:.0%}) have one image, in the "
            "gallery: they are distractors only",
            fix="add a photo as query for those that matter",
            rows=tuple(alone),
            subject=(facts.subject.name,),
            numbers={"products": len(alone), "share": round(share, 4)},
        )
    ]
