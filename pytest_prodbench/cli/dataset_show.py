"""``prodbench dataset show NAME|PATH``: what is in a dataset, before anything is measured on it."""

from __future__ import annotations

import argparse
from collections import Counter

from pytest_prodbench.cli.dataset_named import dataset_named
from pytest_prodbench.datasets.opening import open_dataset
from pytest_prodbench.datasets.overview import (
    FileFacts,
    absent_queries,
    distractors,
    examples,
    file_facts,
    images_a_product,
)
from pytest_prodbench.errors import shorten
from pytest_prodbench.protocol import Dataset, ImageTable
from pytest_prodbench.settings.files import shown_path
from pytest_prodbench.settings.types import DatasetSpec

HEADERS = 2_000
"""Images whose headers are read; of more, evenly spaced ones."""

VALUES = 12
"""Values of a condition, families and examples of sizes that are listed."""


def show(given: argparse.Namespace) -> int:
    """Print counts, conditions, facts from headers and examples; 0, or 1 if a header cannot be read."""
    # Whoever only looks need not declare what is absent: it is counted.
    named = dataset_named(
        given, given.dataset_name, open_set=True, asked_by="prodbench dataset show"
    )
    spec, max_pixels = named.spec, named.opened.settings.max_pixels
    dataset = open_dataset(spec, max_pixels=max_pixels, check_images=False)
    facts = file_facts(dataset, limit=HEADERS, max_pixels=max_pixels)
    defined = f"  ({spec.where})" if spec.sector else ""
    print(f"{spec.name}  {spec.layout} {shown_path(spec.path, named.opened.project)}{defined}")
    for name, text in [*_counts(spec, dataset), *_labels(dataset), *_files(facts)]:
        print(f"  {name:16} {text}".rstrip())
    print("  examples")
    for image, product, positives in examples(dataset, 5):
        found = ", ".join(shorten(positives, 3)) or "nothing in the gallery"
        print(f"    {image}  is {product!r}: {found}")
    return 1 if facts.problems else 0


def _counts(spec: DatasetSpec, dataset: Dataset) -> list[tuple[str, str]]:
    queries, gallery = dataset.queries, dataset.gallery
    absent, (products, images) = absent_queries(dataset), distractors(dataset)
    whose = f"set {dataset.published!r}" if dataset.published else "no set of the literature"
    rows = [
        ("queries", f"{len(queries):,} images of {len(set(queries.product_ids)):,} products"),
        ("", f"images a product: {_spread(images_a_product(queries))}"),
        ("gallery", f"{len(gallery):,} images of {len(set(gallery.product_ids)):,} products"),
        ("", f"images a product: {_spread(images_a_product(gallery))}"),
        ("open set", f"{absent:,} queries whose product is not in the gallery"),
        ("distractors", f"{products:,} products, {images:,} images that no query asks for"),
        ("protocol", dataset.protocol_note or "not stated"),
        ("published", whose),
    ]
    if dataset.official_metrics:
        rows.append(("official metrics", ", ".join(dataset.official_metrics)))
    as_of = spec.options.get("as_of")
    rows.append(("validity", f"rows valid on {as_of}" if as_of else "no day stated: every row"))
    return rows


def _labels(dataset: Dataset) -> list[tuple[str, str]]:
    queries, gallery = dataset.queries, dataset.gallery
    rows = []
    families = Counter(filter(None, (*queries.families, *gallery.families)))
    rows.append(
        ("families", f"{len(families):,}: {_listed(families)}" if families else "none stated")
    )
    for name, count in (("boxes", _boxes), ("groups", _groups)):
        rows.append((name, f"queries: {count(queries)}; gallery: {count(gallery)}"))
    for name, values in sorted(queries.conditions.items()):
        stated = Counter(filter(None, values))
        blank = len(values) - stated.total()
        left = f"; {blank:,} not stated" if blank and stated else ""
        rows.append(
            (name, f"{len(stated)} values: {_listed(stated)}{left}" if stated else "not stated")
        )
    return rows


def _boxes(table: ImageTable) -> str:
    return f"{sum(box is not None for box in table.boxes):,} of {len(table):,}"


def _groups(table: ImageTable) -> str:
    stated = Counter(filter(None, table.groups))
    return f"{stated.total():,} images in {len(stated):,}"


def _files(facts: FileFacts) -> list[tuple[str, str]]:
    of = f"{facts.images:,} images"
    if facts.looked_at < facts.images:
        of = f"{facts.looked_at:,} of {of}, evenly spaced"
    rows = [("files", f"{of}: {_listed(facts.formats) or 'none can be read'}")]
    if facts.sizes:
        areas = sorted(facts.sizes.elements(), key=lambda size: size[0] * size[1])
        small, middle, large = (
            f"{w} x {h}" for w, h in (areas[0], areas[len(areas) // 2], areas[-1])
        )
        rows.append(("pixels", f"smallest {small}, median {middle}, largest {large}"))
        low, median, high = (f"{count / 1000:,.1f} kB" for count in facts.bytes)
        rows.append(("bytes a file", f"smallest {low}, median {median}, largest {high}"))
    if facts.problems:
        rows.append(("unreadable", f"{len(facts.problems):,}"))
        rows += [("", problem) for problem in shorten(facts.problems, 5)]
    return rows


def _spread(products: Counter[int]) -> str:
    counts = sorted(products.elements())
    if not counts:
        return "none"
    if counts[0] == counts[-1]:
        return f"{counts[0]} each"
    return f"{counts[0]:,} to {counts[-1]:,}, median {counts[len(counts) // 2]:,}; one only: {products[1]:,}"


def _listed(counts: Counter[str]) -> str:
    lines = [f"{name} {count:,}" for name, count in counts.most_common()]
    return ", ".join(shorten(lines, VALUES))
