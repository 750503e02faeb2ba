"""What a folder of photos is probably meant to be: rows of a first manifest, and why.

Looked for in this order: a table (CSV) that lies in the folder, a folder of the catalog beside one of photos,
product folders, flat files ``<sku>_<n>.jpg``. A guess is a first draft that says how it was made; nothing
here looks into an image.
"""

from __future__ import annotations

import os
import posixpath
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from pytest_prodbench.datasets.folder import EXTENSIONS
from pytest_prodbench.datasets.problems import product_id_problem, shown
from pytest_prodbench.errors import DatasetError

GALLERY = ("gallery", "catalog", "catalogue", "reference", "references", "index", "products")
QUERIES = ("queries", "query", "photos", "probe", "probes", "test")
SEPARATORS = ("_", "-")

Row = dict[str, str]
_REQUIRED = ("image", "product_id", "role")


@dataclass(frozen=True, slots=True)
class Guess:
    """A first manifest.

    Attributes:
        rows: with image, product_id, role and whatever else was found, all with the same columns.
        reasons: what was guessed and why, and what was left out; for the reader.
    """

    rows: list[Row]
    reasons: list[str]


def guess(folder: Path) -> Guess:
    """Look at a folder.

    Raises:
        DatasetError: there is no image in it, or nothing that says which product one shows.
    """
    images = _images(folder)
    if not images:
        raise DatasetError(
            shown(folder),
            found=f"no file that ends in {', '.join(EXTENSIONS)}",
            expected="a folder with photos of products",
        )
    from pytest_prodbench.datasets.guessing_table import guess_table

    made = guess_table(folder, images) or _two_folders(images) or _one_folder(images)
    rows, reasons = [], list(made.reasons)
    for row in made.rows:
        problem = product_id_problem(row["product_id"]) or _unwritable(row["image"])
        if problem:
            reasons.append(f"left out: {row['image']!a}: {problem}")
        else:
            rows.append(row)
    return Guess(rows, reasons)


def _images(folder: Path) -> list[str]:
    found = []
    for top, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        below = Path(top).relative_to(folder)
        found += [
            (below / name).as_posix()
            for name in files
            if not name.startswith(".") and Path(name).suffix.lower() in EXTENSIONS
        ]
    return sorted(found, key=natural)


def natural(path: str) -> list[tuple[int, str]]:
    """Key to sort by: ``a_2`` before ``a_10``."""
    return [
        (int(p), p) if p.isdecimal() and p.isascii() else (0, p) for p in re.split(r"(\d+)", path)
    ]


def _unwritable(image: str) -> str | None:
    try:
        image.encode()
    except UnicodeEncodeError:
        return "its name is not valid Unicode; rename the file"
    return None


def _two_folders(images: Sequence[str]) -> Guess | None:
    """``gallery/`` and ``queries/``, or folders of such names."""
    tops = {image.split("/")[0].lower(): image.split("/")[0] for image in images if "/" in image}
    gallery = next((tops[name] for name in GALLERY if name in tops), None)
    queries = next((tops[name] for name in QUERIES if name in tops), None)
    if gallery is None or queries is None:
        return None
    reasons = [
        f"role: images below {gallery}/ are the gallery, those below {queries}/ the queries, by the names "
        "of the folders"
    ]
    rows: list[Row] = []
    for role, top in (("gallery", gallery), ("query", queries)):
        mine = [image for image in images if image.startswith(f"{top}/")]
        products, why = _products(mine, top)
        reasons += [f"product_id below {top}/: {reason}" for reason in why]
        rows += [_row(image, product, role) for image, product in products]
    others = sum(image.split("/")[0] not in {gallery, queries} for image in images)
    if others:
        reasons.append(f"left out: {others:,} images in neither of the two folders")
    return Guess(rows, reasons)


def _one_folder(images: Sequence[str]) -> Guess:
    top = _common(images)
    products, reasons = _products(images, top)
    if top:
        reasons = [f"below {top}/, in which all images lie: {reason}" for reason in reasons]
    rows, why = split_roles(
        [{"image": image, "product_id": product} for image, product in products]
    )
    return Guess(rows, [f"product_id: {reason}" for reason in reasons] + why)


def _common(images: Sequence[str]) -> str:
    """Return the folder that all images lie in: nobody has a catalog of one product."""
    return posixpath.commonpath([posixpath.dirname(image) for image in images])


def _products(images: Iterable[str], top: str) -> tuple[list[tuple[str, str]], list[str]]:
    """Return (image, product) and how products were told."""
    prefix = f"{top}/" if top else ""
    inside = [(image, image.removeprefix(prefix)) for image in images]
    flat = [(image, name) for image, name in inside if "/" not in name]
    deep = [(image, name.split("/")[0]) for image, name in inside if "/" in name]
    reasons = []
    if deep:
        count = len({product for _, product in deep})
        inner = len({posixpath.dirname(name) for _, name in inside if "/" in name})
        reasons.append(
            f"the name of the folder an image lies in, {count:,} folders"
            if inner == count
            else f"the first folder of an image's path, {count:,} folders; images lie in {inner:,} folders "
            "below them: correct the column if those are the products"
        )
    told: list[tuple[str, str]] = []
    if flat:
        told, why = _flat(flat)
        reasons.append(why)
    return [*deep, *told], reasons


def _flat(images: Sequence[tuple[str, str]]) -> tuple[list[tuple[str, str]], str]:
    """Take ``<sku>_<n>`` or ``<sku>-<n>`` apart, whichever more names have; other names are SKUs."""
    stems = {image: Path(name).stem for image, name in images}
    cut = {separator: _cut(stems.values(), separator) for separator in SEPARATORS}
    shared = {separator: _shared(cut[separator].values()) for separator in SEPARATORS}
    separator = max(SEPARATORS, key=shared.__getitem__)
    if not shared[separator]:
        return list(stems.items()), "the name of the file without its suffix, as no two share a SKU"
    skus = cut[separator]
    why = (
        f"the name of the file up to the last {separator!r}, behind which numbers count from 0 or 1"
    )
    whole = sum(stem not in skus for stem in stems.values())
    if whole:
        why += f"; {whole:,} of {len(stems):,} names are not like that and are taken whole"
    return [(image, skus.get(stem, stem)) for image, stem in stems.items()], why


def _cut(stems: Iterable[str], separator: str) -> dict[str, str]:
    """Return name → SKU of the names that end in a running number."""
    cut = {}
    first: dict[str, int] = {}
    for stem in stems:
        sku, found, number = stem.rpartition(separator)
        # Longer numbers are part of the SKU: nobody has a thousand photos of one product.
        if found and sku and re.fullmatch(r"[0-9]{1,3}", number):
            cut[stem] = sku
            first[sku] = min(first.get(sku, 999), int(number))
    # are two products, A-1 and A-2 are two images.
    return {stem: sku for stem, sku in cut.items() if first[sku] <= 1}


def _shared(skus: Iterable[str]) -> int:
    """Count the images that are not the only one of their SKU."""
    return sum(count for count in Counter(skus).values() if count > 1)


def _row(image: str, product: str, role: str) -> Row:
    return {"image": image, "product_id": product, "role": role}


def split_roles(rows: Sequence[Row]) -> tuple[list[Row], list[str]]:
    """Give each row a role where nothing says one: the last image of a product is its query."""
    by_product: defaultdict[str, list[Row]] = defaultdict(list)
    for row in rows:
        by_product[row["product_id"]].append(row)
    split = []
    single = 0
    for its in by_product.values():
        single += len(its) == 1
        for i, row in enumerate(its):
            role = "query" if i and i == len(its) - 1 else "gallery"
            first = {
                name: role if name == "role" else row[name] for name in _REQUIRED if name != "role"
            }
            split.append(
                {**first, "role": role, **{k: v for k, v in row.items() if k not in _REQUIRED}}
            )
    reasons = [
        "role: nothing tells photos from catalog images, so the last image of each product is its query "
        "and the others are the gallery; correct the column if you know better"
    ]
    if single:
        reasons.append(
            f"role: {single:,} products have one image only: gallery, asked for by no query"
        )
    return split, reasons
