"""The files of Amazon Berkeley Objects that say what is in an image: their rows, checked."""

from __future__ import annotations

import csv
import gzip
import lzma
import zlib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pytest_prodbench.datasets.paths import image_path_problem
from pytest_prodbench.datasets.problems import product_id_problem, shown
from pytest_prodbench.datasets.release import json_object
from pytest_prodbench.errors import DatasetError

IMAGE_TYPES = ("catalog", "render")


@dataclass(frozen=True, slots=True)
class View:
    """One row of ``abo-mvr.csv.xz``."""

    path: str
    class_id: str
    image_type: str
    line: int


@dataclass(frozen=True, slots=True)
class Views:
    """Rows of the wanted values of split_set, and every value that occurs."""

    rows: Mapping[str, list[View]]
    names: frozenset[str]


@dataclass(frozen=True, slots=True)
class Listing:
    """One line of a file of listings; ``main`` is ``""`` where it has none."""

    item: str
    main: str
    others: tuple[str, ...]
    product_type: str


def read_views(path: Path, splits: Collection[str], problems: list[str]) -> Views:
    """Read the rows of some splits; wrong ones go to ``problems``.

    Raises:
        DatasetError: not readable, or without a column that is needed.
    """
    rows: dict[str, list[View]] = {}
    names: set[str] = set()
    wanted = ("path", "class_id", "split_set", "image_type")
    for number, (image, class_id, split, image_type) in _csv_rows(path, wanted, problems):
        names.add(split)
        if split not in splits:
            continue
        reason = image_path_problem(image)
        if not reason:
            reason = (product_id_problem(class_id) or "").replace("product_id", "class_id")
        if not reason and image_type not in IMAGE_TYPES:
            reason = f"image_type {image_type!r} is neither {' nor '.join(IMAGE_TYPES)}"
        if reason:
            problems.append(f"{path.name} line {number}: {reason}")
            continue
        rows.setdefault(split, []).append(View(image, class_id, image_type, number))
    return Views(rows, frozenset(names))


def read_image_paths(path: Path, problems: list[str]) -> dict[str, str]:
    """Read ``images.csv.gz``: image id → path below ``images/small``.

    Raises:
        DatasetError: as ``read_views``.
    """
    paths: dict[str, str] = {}
    for number, (image_id, image) in _csv_rows(path, ("image_id", "path"), problems):
        reason = image_path_problem(image)
        if not reason and not image_id:
            reason = "image_id is empty"
        if not reason and image_id in paths:
            reason = f"image_id {image_id!r} stands twice"
        if reason:
            problems.append(f"{path.name} line {number}: {reason}")
            continue
        paths[image_id] = image
    return paths


def read_listings(
    files: Sequence[Path], images: Collection[str], problems: list[str]
) -> list[Listing]:
    """Read all listings; lines that are wrong, or name an unknown image, go to ``problems``.

    Raises:
        DatasetError: a file is not readable.
    """
    listings = []
    first: dict[tuple[str, str], str] = {}
    for path in files:
        with _unpacked(path) as file:
            for number, line in enumerate(file, start=1):
                if not line.strip():
                    continue
                place = f"{path.name} line {number}"
                found = _listing(line, images)
                if isinstance(found, str):
                    problems.append(f"{place}: {found}")
                    continue
                listing, domain = found
                key = (listing.item, domain)
                if key in first:
                    problems.append(
                        f"{place}: item_id {listing.item!r} of {domain!r} repeats {first[key]}"
                    )
                    continue
                first[key] = place
                listings.append(listing)
    return listings


def _listing(line: bytes, images: Collection[str]) -> tuple[Listing, str] | str:
    """Return a listing and its domain, or what is wrong with the line."""
    try:
        row = json_object(line)
    except ValueError as error:
        return str(error)
    item, main, others = row.get("item_id"), row.get("main_image_id"), row.get("other_image_id")
    if not isinstance(item, str):
        return f"item_id is {item!r}, not a text"
    reason = product_id_problem(item)
    if reason:
        return reason.replace("product_id", "item_id")
    if "+" in item:
        return f"item_id {item!r} holds '+', which joins the items of an image"
    if main is not None and not isinstance(main, str):
        return f"main_image_id is {main!r}, not a text"
    if others is None:
        others = []
    if not isinstance(others, list) or not all(isinstance(image, str) for image in others):
        return f"other_image_id is {others!r}, not a list of texts"
    for image in (main, *others):
        if image and image not in images:
            return f"image {image!r} is not in images.csv.gz"
    domain = row.get("domain_name")
    kind = _product_type(row.get("product_type"))
    return Listing(item, main or "", tuple(filter(None, others)), kind), str(domain or "")


def _product_type(value: Any) -> str:
    """Return the product type: the README says a text, the files hold ``[{"value": text}]``."""
    if isinstance(value, list) and value and isinstance(value[0], dict):
        value = value[0].get("value")
    return value if isinstance(value, str) else ""


def _csv_rows(
    path: Path, wanted: Sequence[str], problems: list[str]
) -> Iterator[tuple[int, list[str]]]:
    """Yield line and wanted fields of each row of a packed CSV."""
    with _unpacked(path) as file:
        reader = csv.reader(_texts(file, path), strict=True)
        header = next(reader, [])
        missing = [name for name in wanted if name not in header]
        if missing:
            raise DatasetError(
                f"{shown(path)} line 1",
                found=f"columns {', '.join(header) or 'none'}",
                expected=f"also {', '.join(missing)}",
            )
        places = [header.index(name) for name in wanted]
        try:
            for fields in reader:
                if not fields:
                    continue
                if len(fields) != len(header):
                    problems.append(
                        f"{path.name} line {reader.line_num}: {len(fields)} fields; the header has "
                        f"{len(header)}"
                    )
                    continue
                yield reader.line_num, [fields[place] for place in places]
        except csv.Error as error:
            raise DatasetError(
                f"{shown(path)} line {reader.line_num}", found=f"not CSV: {error}"
            ) from error


def _texts(file: Iterable[bytes], path: Path) -> Iterator[str]:
    for number, line in enumerate(file, start=1):
        try:
            yield line.decode("utf-8-sig" if number == 1 else "utf-8")
        except UnicodeDecodeError as error:
            raise DatasetError(f"{shown(path)} line {number}", found="not UTF-8") from error


@contextmanager
def _unpacked(path: Path) -> Iterator[Iterable[bytes]]:
    """Open a file that gzip or xz packed; what is wrong inside is found while it is read."""
    try:
        with lzma.open(path) if path.suffix == ".xz" else gzip.open(path) as file:
            yield file
    except (OSError, EOFError, zlib.error, lzma.LZMAError) as error:
        raise DatasetError(
            shown(path),
            found=f"cannot be unpacked: {error}",
            next_step="fetch it again, whole",
        ) from error
