"""Layout ``amazon_berkeley_objects``: multi-view retrieval, or the images of listings.

Collins et al., "ABO: Dataset and Benchmarks for Real-World 3D Object Understanding", CVPR 2022,
https://amazon-berkeley-objects.s3.amazonaws.com/index.html (CC BY 4.0). Credit: Amazon.com for the images;
Matthieu Guillaumin, Thomas Dideriksen, Kenan Deng, Himanshu Arora, Jasmine Collins and Jitendra Malik for
the data set.

Read in the release's own README files (root, ``listings``, ``images``; copies on GitHub): which files there
are, their columns, that a listing is unique by (item_id, domain_name), that every image id is in
``images.csv.gz``, 147,702 listings and 398,212 catalog images. None of them describes ``abo-mvr.csv.xz``: its
columns ``path``, ``class_id``, ``split_set`` and ``image_type`` are what two public readers of the file use;
one of them takes renders from a folder of their own, without the first folder of their path. Counts and
metric of multi-view retrieval are unknown here: none is verified.

- ``multi_view``: ``benchmarks/abo-mvr.csv.xz``; split_set ``test-query`` searches ``test-target``. A split
  without these two (``train``) searches itself, by our rule.
- ``listings``, ours: gallery = main images, queries = images that are no listing's main image; product =
  item_id. An image of several items has them all, joined by ``+``, and shares a positive with each.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from pydantic import field_validator

from pytest_prodbench.datasets.abo_files import (
    Listing,
    View,
    read_image_paths,
    read_listings,
    read_views,
)
from pytest_prodbench.datasets.counts import verify_counts
from pytest_prodbench.datasets.layout import Layout, Origin, Tables, image_table
from pytest_prodbench.datasets.paths import image_path, image_path_problem
from pytest_prodbench.datasets.problems import shown
from pytest_prodbench.datasets.release import release_file
from pytest_prodbench.errors import DatasetError, ProblemList
from pytest_prodbench.protocol import ImageTable
from pytest_prodbench.settings.frozen import Frozen
from pytest_prodbench.settings.types import DatasetSpec

LISTINGS = {"listings": 147_702, "catalog images": 398_212}


class AmazonBerkeleyObjectsOptions(Frozen):
    """Options of the layout ``amazon_berkeley_objects``.

    Attributes:
        protocol: which of the two.
        split: of ``multi_view``.
        images: folder of the catalog images below the root (or ``images/original``).
        renders: folder of the rendered images below the root, where the split has some.
        expected_counts: instead of the published ones; of ``listings`` and ``catalog images``, or of
            ``queries``, ``gallery images`` and ``classes``.
    """

    protocol: Literal["multi_view", "listings"] = "multi_view"
    split: Literal["test", "val", "train"] = "test"
    images: str = "images/small"
    renders: str = ""
    expected_counts: dict[str, int] | None = None

    @field_validator("images", "renders")
    @classmethod
    def _is_below_the_root(cls, folder: str) -> str:
        if folder and (problem := image_path_problem(folder)):
            raise ValueError(problem)
        return folder


def open_amazon_berkeley_objects(
    spec: DatasetSpec, options: AmazonBerkeleyObjectsOptions
) -> Tables:
    """Read tables of one protocol; see ``Layout.open``.

    Raises:
        DatasetError: a file is missing or damaged, or counts differ.
        ProblemList: lines are wrong.
    """
    root = spec.path.resolve()
    if options.protocol == "listings":
        return _open_listings(root, options)
    return _open_views(root, options)


def _open_views(root: Path, options: AmazonBerkeleyObjectsOptions) -> Tables:
    path = _file(root, "benchmarks/abo-mvr.csv.xz")
    problems: list[str] = []
    split = options.split
    halves = (f"{split}-query", f"{split}-target")
    splits = read_views(path, {split, *halves}, problems)
    if problems:
        raise ProblemList(shown(root), problems)
    queries, gallery = (splits.rows.get(half, []) for half in halves)
    if queries and gallery:
        note = f"Official: split_set {halves[0]!r} searches {halves[1]!r}; product = class_id."
    elif rows := splits.rows.get(split, []):
        # One image of a class has nothing to be found: it is searched in, never for.
        images = Counter(view.class_id for view in rows)
        gallery, queries = rows, [view for view in rows if images[view.class_id] > 1]
        note = (
            f"Ours: split_set {split!r} has no queries of its own, so each of its images searches all "
            f"others; product = class_id. {len(rows) - len(queries):,} images of classes with one image "
            "are not searched for."
        )
    else:
        raise DatasetError(
            shown(path),
            found=f"split_set {', '.join(sorted(splits.names)) or 'of no row'}",
            expected=f"{halves[0]} and {halves[1]}, or {split}",
            next_step="choose one that is there with the option split",
        )
    verify_counts(
        path,
        {
            "queries": len(queries),
            "gallery images": len(gallery),
            "classes": len({view.class_id for view in (*queries, *gallery)}),
        },
        {},
        options.expected_counts,
    )
    if options.expected_counts is None:
        note += " No counts are known that the split could be held against."
    place = _render_place(root, [*queries, *gallery], options)
    return Tables(
        root=root,
        queries=_view_table(queries, options.images, place),
        gallery=_view_table(gallery, options.images, place),
        protocol_note=note,
        query_origin=Origin(path.name, "line", [view.line for view in queries]),
        gallery_origin=Origin(path.name, "line", [view.line for view in gallery]),
        published="amazon_berkeley_objects",
    )


def _render_place(
    root: Path, views: Sequence[View], options: AmazonBerkeleyObjectsOptions
) -> tuple[str, int]:
    """Return folder of the renders, and how many folders their paths lose: 0 or 1."""
    render = next((view for view in views if view.image_type == "render"), None)
    if render is None:
        return "", 0
    inner = render.path.split("/", 1)[-1]
    for folders, path in ((0, render.path), (1, inner)):
        if options.renders and (root / options.renders / path).is_file():
            return options.renders, folders
    raise DatasetError(
        f"{shown(root)}, option renders",
        found=f"{options.renders!r}, in which there is neither {render.path} nor {inner}"
        if options.renders
        else f"not stated, but abo-mvr.csv.xz line {render.line} names the render {render.path}",
        expected="folder below the root that holds the rendered images of the benchmark",
        next_step="fetch them (they are in none of the archives of catalog images) and name their folder",
    )


def _view_table(views: Sequence[View], catalog: str, place: tuple[str, int]) -> ImageTable:
    renders, drop = place
    return image_table(
        [
            image_path(
                f"{catalog}/{view.path}"
                if view.image_type == "catalog"
                else f"{renders}/{view.path.split('/', drop)[-1] if drop else view.path}"
            )
            for view in views
        ],
        [view.class_id for view in views],
        conditions={"image_type": tuple(view.image_type for view in views)},
    )


def _open_listings(root: Path, options: AmazonBerkeleyObjectsOptions) -> Tables:
    table = _file(root, "images/metadata/images.csv.gz")
    folder = root / "listings" / "metadata"
    files = sorted(folder.glob("listings_*.json.gz"))
    if not files:
        _file(root, "listings/metadata/listings_0.json.gz")
    problems: list[str] = []
    paths = read_image_paths(table, problems)
    listings = read_listings(files, paths, problems)
    if problems:
        raise ProblemList(shown(root), problems)
    found = {"listings": len(listings), "catalog images": len(paths)}
    verify_counts(root, found, LISTINGS, options.expected_counts)

    mains = dict.fromkeys(listing.main for listing in listings if listing.main)
    shown_main = {listing.item for listing in listings if listing.main}
    items: dict[str, dict[str, None]] = {}
    types: dict[str, dict[str, None]] = {}
    for listing in listings:
        for image in (listing.main, *listing.others):
            if image:
                items.setdefault(image, {})[listing.item] = None
                types.setdefault(image, {})[listing.product_type] = None
    others = [image for image in items if image not in mains]
    queries = [image for image in others if not shown_main.isdisjoint(items[image])]
    products = {image: "+".join(sorted(names)) for image, names in items.items()}
    families = {image: "+".join(sorted(filter(None, names))) for image, names in types.items()}

    def as_table(images: Sequence[str]) -> ImageTable:
        return image_table(
            [image_path(f"{options.images}/{paths[image]}") for image in images],
            [products[image] for image in images],
            families=[families[image] for image in images],
        )

    return Tables(
        root=root,
        queries=as_table(queries),
        gallery=as_table(tuple(mains)),
        protocol_note=_listings_note(listings, len(others) - len(queries), shown_main),
        answers=_answers(queries, tuple(mains), items, products),
        published="amazon_berkeley_objects",
    )


def _answers(
    queries: Sequence[str],
    gallery: Sequence[str],
    items: dict[str, dict[str, None]],
    products: dict[str, str],
) -> dict[str, tuple[str, ...]]:
    """Return the positives of each product of a query whose images in the gallery have others too."""
    of_item: dict[str, dict[str, None]] = {}
    for image in gallery:
        for item in items[image]:
            of_item.setdefault(item, {})[products[image]] = None
    answers = {}
    for image in queries:
        product = products[image]
        if product not in answers:
            found = {p: None for item in items[image] for p in of_item.get(item, ())}
            answers[product] = tuple(found)
    return {product: found for product, found in answers.items() if found != (product,)}


def _listings_note(listings: Sequence[Listing], lost: int, shown_main: set[str]) -> str:
    without = {listing.item for listing in listings} - shown_main
    note = (
        "Ours, not official: gallery = main images of the listings, query = images that are no listing's "
        "main image; product = item_id, several where listings share an image; family = product type."
    )
    if without:
        note += f" Items without a main image: {len(without):,}; their {lost:,} images are not searched for."
    return note


def _file(root: Path, name: str) -> Path:
    return release_file(
        root,
        name,
        expected="the folder into which the archives of Amazon Berkeley Objects were unpacked",
        next_step="correct path, fetch the file, or choose the other protocol with the option protocol",
    )


LAYOUT = Layout(options=AmazonBerkeleyObjectsOptions, open=open_amazon_berkeley_objects)
