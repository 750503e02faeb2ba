"""What must hold in every dataset, whatever its layout: rows that agree, queries that can be answered.

Each function returns messages, one a problem, and is linear in the number of rows.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from pytest_prodbench.datasets.layout import Origin, Tables
from pytest_prodbench.errors import shorten
from pytest_prodbench.protocol import Box, ImageTable, answering

MAX_QUERIES = 20
"""Queries without a positive that one message names."""


def row_name(table: ImageTable, origin: Origin | None, i: int) -> str:
    """Return how a message calls row i: ``catalog.csv line 7 (image 'a.jpg')``."""
    image = f"image {table.images[i]!r}"
    return (
        image if origin is None else f"{origin.source} {origin.unit} {origin.numbers[i]} ({image})"
    )


def empty_roles(tables: Tables) -> list[str]:
    """A search needs something to search for and something to search in."""
    return [
        f"there is no {role}"
        for role, table in (("query", tables.queries), ("gallery image", tables.gallery))
        if not len(table)
    ]


def repeated_rows(tables: Tables) -> list[str]:
    """Find rows that stand twice, and images that claim to be two products, within one role."""
    problems = []
    for role, table, origin in _roles(tables):
        if _all_differ(table):
            continue
        first: dict[tuple[str, Box | None], int] = {}
        for i, key in enumerate(zip(table.images, table.boxes, strict=True)):
            j = first.setdefault(key, i)
            if j == i:
                continue
            here, there = row_name(table, origin, i), row_name(table, origin, j)
            mine, other = table.product_ids[i], table.product_ids[j]
            if mine == other:
                problems.append(f"{here} repeats {there}: {role} of product {mine!r}; keep one")
            else:
                problems.append(
                    f"{here} is {role} of product {mine!r}, but {there} says {other!r}: the same "
                    "image and box cannot be two products; correct one or give each its own box"
                )
    return problems


def _all_differ(table: ImageTable) -> bool:
    """Whether no image and box stands twice; says so in a moment where it is true of a large table."""
    if len(set(table.images)) == len(table):
        return True
    if not any(table.boxes):
        return False
    return len(set(zip(table.images, table.boxes, strict=True))) == len(table)


def queries_without_positive(tables: Tables) -> list[str]:
    """Find queries that no gallery image can answer once images of the same file or group are out."""
    positives = _count_positives(tables)
    lost = [i for i, count in enumerate(positives) if not count]
    if not lost:
        return []
    known = set(tables.gallery.product_ids)
    answers = tables.answers
    names = []
    for i in lost[: MAX_QUERIES + 1]:
        product = tables.queries.product_ids[i]
        name = row_name(tables.queries, tables.query_origin, i)
        reason = (
            "is there only as the query's own file or exclusion group"
            if not known.isdisjoint(answering(answers, product))
            else "is not in the gallery"
        )
        names.append(f"{name}: product {product!r} {reason}")
    # shorten() needs the length of the whole, not the text of each name.
    listed = list(shorten(names + [""] * (len(lost) - len(names)), MAX_QUERIES))
    count = "1 query has" if len(lost) == 1 else f"{len(lost):,} queries have"
    return [
        f"{count} no positive in the gallery: "
        + "; ".join(listed)
        + "; add a gallery image of the product, or declare open_set = true if it is absent on purpose"
    ]


def _count_positives(tables: Tables) -> list[int]:
    queries, gallery, answers = tables.queries, tables.gallery, tables.answers
    products = Counter(gallery.product_ids)
    files: Counter[tuple[str, str]] = Counter()
    asked = set(queries.images)
    if not asked.isdisjoint(gallery.images):
        rows = zip(gallery.product_ids, gallery.images, strict=True)
        files.update(row for row in rows if row[1] in asked)
    groups: Counter[tuple[str, str]] = Counter()
    both: Counter[tuple[str, str, str]] = Counter()
    used = set(queries.groups) - {""}
    if used and not used.isdisjoint(gallery.groups):
        for product, image, group in zip(
            gallery.product_ids, gallery.images, gallery.groups, strict=True
        ):
            if group in used:
                groups[product, group] += 1
                both[product, image, group] += 1
    counts = []
    for product, image, group in zip(
        queries.product_ids, queries.images, queries.groups, strict=True
    ):
        count = 0
        for answer in answering(answers, product):
            count += products[answer] - files[answer, image]
            if group:
                # Inclusion and exclusion: images of the same file *and* group were taken out above.
                count -= groups[answer, group] - both[answer, image, group]
        counts.append(count)
    return counts


def _roles(tables: Tables) -> tuple[tuple[str, ImageTable, Origin | None], ...]:
    return (
        ("query", tables.queries, tables.query_origin),
        ("gallery image", tables.gallery, tables.gallery_origin),
    )


def unreadable_images(
    tables: Tables, read_size: Callable[[str], tuple[int, int] | str]
) -> list[str]:
    """Find images that cannot be read and boxes that reach outside their image.

    Args:
        tables: what the layout found.
        read_size: path of an image → (width, height), or the reason why there is none. Called once
            for each distinct image, from several threads.
    """
    from pytest_prodbench.datasets.decoding import box_problem
    from pytest_prodbench.datasets.threads import for_each

    paths = list(dict.fromkeys((*tables.queries.images, *tables.gallery.images)))
    sizes = dict(zip(paths, for_each(paths, read_size), strict=True))
    rows = Counter((*tables.queries.images, *tables.gallery.images))
    problems = []
    named: set[str] = set()
    for _role, table, origin in _roles(tables):
        for i, (image, box) in enumerate(zip(table.images, table.boxes, strict=True)):
            size = sizes[image]
            if isinstance(size, str):
                if image not in named:
                    named.add(image)
                    others = f" (in {rows[image]:,} rows)" if rows[image] > 1 else ""
                    problems.append(f"{row_name(table, origin, i)}{others}: {size}")
            elif box is not None and (reason := box_problem(box, size)):
                problems.append(f"{row_name(table, origin, i)}: {reason}; correct the box")
    return problems
