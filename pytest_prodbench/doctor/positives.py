"""Whether a query has a positive once exclusion has taken its own photo out."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from pytest_prodbench.doctor.finding import Key, Row
    from pytest_prodbench.doctor.photos import Photo


def without_positive(
    rows: Iterable[Row],
    photos: Mapping[Key, Photo],
    answers: Mapping[str, tuple[str, ...]],
    *,
    open_set: bool,
) -> list[tuple[Row, int]]:
    """Return queries without a positive, and how many gallery images of their product were excluded.

    Excluded are the same path, the same pixels and the same exclusion group. In an open set a query whose
    product is not in the gallery at all is declared.
    """
    by_product: dict[str, list[Row]] = {}
    queries: list[Row] = []
    for row in rows:
        if row.role == "query":
            queries.append(row)
        else:
            by_product.setdefault(row.product_id, []).append(row)

    def candidates(product: str) -> Sequence[Row]:
        return [
            row for answer in answers.get(product, (product,)) for row in by_product.get(answer, ())
        ]

    def excluded(query: Row, row: Row) -> bool:
        one, other = photos.get(query.key), photos.get(row.key)
        pixels = one is not None and other is not None and one.pixels and one.pixels == other.pixels
        group = query.group and query.group == row.group
        return bool(row.image == query.image or pixels or group)

    found = []
    for query in queries:
        rivals = candidates(query.product_id)
        if not rivals and open_set:
            continue
        if all(excluded(query, row) for row in rivals):
            found.append((query, len(rivals)))
    return found
