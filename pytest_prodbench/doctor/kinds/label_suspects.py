"""``label-suspect``: every model sees the same other product, and none doubts it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pytest_prodbench.doctor.finding import Finding, Row, drop

if TYPE_CHECKING:
    from typing import Any

    from pytest_prodbench.doctor.facts import Facts

FEWEST_MODELS = 2
"""One model alone may be wrong."""

WIDE = 3.0
"""Margin by which each model prefers the other product, in its own usual margins."""


def find(facts: Facts) -> list[Finding]:
    """Return queries whose label may be wrong.

    All models of the run rank one *other* product first, and in each the lead of that product over the
    best image of the query's own is at least three times the model's usual lead: the median of
    (best positive - best negative) over the queries that it answers rightly. Where all models take a second
    photo of that product for the same other one, they confuse the two, and no label is suspected.
    """
    tables = facts.rankings
    if len(tables) < FEWEST_MODELS:
        return []
    votes = {name: _votes(table) for name, table in sorted(tables.items())}
    rows: dict[tuple[str, str], Row] = {
        (row.image, row.product_id): row for row in facts.subject.queries
    }
    shown = {(row.image, row.product_id): row for row in reversed(facts.subject.gallery)}
    own: dict[str, Row] = {row.product_id: row for row in reversed(facts.subject.gallery)}
    agreed: dict[tuple[str, str], list[tuple[str, str]]] = {}
    for key, row in rows.items():
        # Of what the run did not see nothing is known: a model without this query decides nothing.
        tops = {vote[key][0] if key in vote else None for vote in votes.values()}
        if len(tops) == 1 and (top := tops.pop()) not in (None, row.product_id):
            agreed.setdefault((row.product_id, top or ""), []).append(key)
    found = []
    for (_, product), keys in agreed.items():
        key, row = keys[0], rows[keys[0]]
        said = [vote[key] for vote in votes.values()]
        least = min(margin for _, _, margin in said)
        if len(keys) > 1 or least < WIDE:
            continue
        image = said[0][1]
        seen = shown.get((image, product))
        pictures = [
            row,
            *([seen] if seen else []),
            *([own[row.product_id]] if row.product_id in own else []),
        ]
        margins = ", ".join(
            f"{name} {margin:.1f}" for name, (_, _, margin) in zip(votes, said, strict=True)
        )
        found.append(
            Finding(
                kind="label-suspect",
                severity="finding",
                told=f"{row.name}: all {len(said)} models rank product {product!r} first, each with a wide "
                f"lead over its own product (in usual leads: {margins}; at least {WIDE:g})",
                fix=f"look at the pictures: if it is {product!r}, correct the label, or take the query out "
                "with --confirm; if not, waive this",
                rows=tuple(pictures),
                subject=(row.image, row.product_id, product),
                numbers={"least lead": round(least, 2), "models": len(said)},
                edits=drop(row),
                pictured=True,
            )
        )
    return found


def _votes(table: Any) -> dict[tuple[str, str], tuple[str, str, float]]:
    """Return query → product and image ranked first, and its lead in usual leads of the model."""
    positive = table["positive_score"].to_numpy()
    negative = table["negative_score"].to_numpy()
    lead = negative - positive
    right = lead < 0
    if not right.any():
        return {}
    usual = max(float(np.median(-lead[right])), 1e-6)
    names = (table["query"].to_pylist(), table["product_id"].to_pylist())
    tops = (table["top_products"].to_pylist(), table["top_images"].to_pylist())
    return {
        (query, product): (products[0], images[0], float(lead[i]) / usual)
        for i, (query, product, products, images) in enumerate(zip(*names, *tops, strict=True))
        if products and np.isfinite(lead[i])
    }
