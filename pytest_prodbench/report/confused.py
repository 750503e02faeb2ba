"""Confused products side by side: a photo, what it was asked for, and what it was taken for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pytest_prodbench.report.arrow_values import strings

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    import pyarrow as pa

    from pytest_prodbench.evidence.measured import Confusion

CONFUSED_SHOWN = 6
"""At most so many confused products of a pair are shown with pictures."""

PICTURES = 3
"""Of each: a query, the product asked for, the product it was taken for."""


@dataclass(frozen=True, slots=True)
class Confused:
    """One product taken for another, with a picture of each.

    Attributes:
        of: what was counted.
        query: the example, a query of the product asked for; empty where the table has none.
        family: of the query; empty where none is stated.
        rank: of the example, by the pessimistic rule; None where the table has no example.
        right: a catalog image of the product asked for; None where no result list shows one.
        wrong: a catalog image of the product it was taken for; None likewise.
    """

    of: Confusion
    query: str
    family: str
    rank: int | None
    right: str | None
    wrong: str | None


def confused(
    table: pa.Table, confusions: Sequence[Confusion], limit: int = CONFUSED_SHOWN
) -> tuple[Confused, ...]:
    """Return the most frequent confusions with their pictures, the same in whatever order the rows are.

    The example is the first of the queries that the measurement names (the widest gap first). Catalog images
    are those of its own result list, the best placed first: what the model had before it. The right product
    is often not among them; then it is looked for in the lists of all other queries, and that image is taken
    whose path sorts first.

    Args:
        table: queries of the pair.
        confusions: most frequent first.
        limit: at most so many are returned.
    """
    shown = list(confusions[:limit])
    if not shown or not len(table):
        return ()
    examples = _rows(table, {query for one in shown for query in one.queries})
    found = []
    for one in shown:
        row = next((examples[name] for name in one.queries if name in examples), None)
        images = {} if row is None else _best_images(row)
        found.append((one, row, images))
    missing = {
        product
        for one, _, images in found
        for product in (one.product, one.taken_for)
        if product not in images
    }
    elsewhere = _first_images(table, missing)
    return tuple(
        Confused(
            of=one,
            query=row["query"] if row else "",
            family=row["family"] or "" if row else "",
            rank=row["rank"] if row else None,
            right=images.get(one.product) or elsewhere.get(one.product),
            wrong=images.get(one.taken_for) or elsewhere.get(one.taken_for),
        )
        for one, row, images in found
    )


def _rows(table: pa.Table, queries: Collection[str]) -> dict[str, dict[str, Any]]:
    """The rows of some queries, by their path; of several with one path the one whose digest sorts first."""
    import pyarrow.compute as pc

    columns = ["query", "content", "family", "rank", "top_images", "top_products"]
    wanted = pc.is_in(table["query"], value_set=strings(sorted(queries)))
    rows = table.select(columns).filter(wanted).to_pylist()
    rows.sort(key=lambda row: (row["content"], row["rank"] or 0), reverse=True)
    return {row["query"]: row for row in rows}


def _best_images(row: dict[str, Any]) -> dict[str, str]:
    """Product → its best image in one result list."""
    images: dict[str, str] = {}
    for product, image in zip(row["top_products"], row["top_images"], strict=True):
        images.setdefault(product, image)
    return images


def _first_images(table: pa.Table, products: Iterable[str]) -> dict[str, str]:
    """Product → that of its images in all result lists whose path sorts first."""
    import pyarrow.compute as pc

    wanted = strings(sorted(products))
    found: dict[str, str] = {}
    if not len(wanted):
        return found
    # Chunk by chunk: the lists of all queries together are the largest thing in a run.
    for lists in table.select(["top_products", "top_images"]).to_batches(max_chunksize=10_000):
        flat = pc.list_flatten(lists["top_products"])
        mask = pc.is_in(flat, value_set=wanted)
        images = pc.list_flatten(lists["top_images"]).filter(mask).to_pylist()
        for product, image in zip(flat.filter(mask).to_pylist(), images, strict=True):
            found[product] = min(found.get(product, image), image)
    return found
