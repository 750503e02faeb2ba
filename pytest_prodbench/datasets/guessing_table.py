"""A table that lies beside photos → rows of a first manifest, by the names of its columns."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import get_args

from pytest_prodbench.datasets.guessing import GALLERY, QUERIES, Guess, Row, split_roles
from pytest_prodbench.datasets.manifest_columns import Column
from pytest_prodbench.datasets.manifest_csv import DELIMITERS, Delimiter, read_csv
from pytest_prodbench.datasets.manifest_rows import Rows, open_text
from pytest_prodbench.errors import ProblemList

# Names that columns of product tables have, the likelier first; compared in lower case, without marks.
NAMES: dict[Column, tuple[str, ...]] = {
    "image": ("image", "imagepath", "imagefile", "file", "filename", "path", "photo", "picture", "img"),
    "product_id": (
        "productid", "sku", "product", "articlenumber", "article", "articleno", "itemid", "item", "ean",
        "gtin", "partnumber", "artikelnummer", "artikel", "id",
    ),
    "role": ("role", "split", "set", "usage"),
    "family": ("family", "category", "type"),
}  # fmt: skip


def guess_table(folder: Path, images: Sequence[str]) -> Guess | None:
    """Read the one CSV in a folder that has a column of images and one of products; None if there is none.

    Raises:
        DatasetError: it has, and cannot be read.
    """
    candidates = []
    for path in sorted(folder.glob("*.csv")):
        for delimiter in DELIMITERS:
            columns = _our_names(_header(path, delimiter))
            if {"image", "product_id"} <= set(columns):
                candidates.append((path, delimiter, columns))
                break
    if not candidates:
        return None
    path, delimiter, columns = candidates[0]
    table = read_csv(path, delimiter=delimiter, required=[columns["image"], columns["product_id"]])
    if table.problems:
        raise ProblemList(path.name, table.problems)
    between = "" if delimiter == "," else f", with {delimiter!r} between its fields"
    reasons = [f"rows: from the table {path.name}{between}"]
    reasons += [f"left alone: {other.name}, a second table" for other, _, _ in candidates[1:]]
    reasons += [f"{ours}: its column {theirs!r}, by name" for ours, theirs in columns.items()]
    reasons += [
        f"{name}: the column of that name, which is no condition but means what docs/datasets.md says"
        for name in table.columns
        if name in get_args(Column) and name not in columns
    ]
    rows = _rows(table, columns)
    reasons += _find_images(rows, images)
    if "role" in columns:
        known = _roles(rows)
        if known is not None:
            return Guess(rows, [*reasons, *known])
        reasons.append(f"not role: its column {columns['role']!r} holds other words than {_WORDS}")
        rows = [{k: v for k, v in row.items() if k != "role"} for row in rows]
    split, why = split_roles(rows)
    return Guess(split, reasons + why)


_WORDS = f"{', '.join(GALLERY)} and {', '.join(QUERIES)}"


def _header(path: Path, delimiter: Delimiter) -> list[str]:
    with open_text(path, newline="") as file:
        try:
            return next((record for record in csv.reader(file, delimiter=delimiter) if record), [])
        except csv.Error:
            return []


def _our_names(header: Sequence[str]) -> dict[Column, str]:
    plain = {"".join(filter(str.isalnum, name.lower())): name for name in reversed(header)}
    found: dict[Column, str] = {}
    for ours, names in NAMES.items():
        theirs = next((plain[name] for name in names if name in plain), None)
        if theirs is not None and theirs not in found.values():
            found[ours] = theirs
    return found


def _rows(table: Rows, columns: dict[Column, str]) -> list[Row]:
    # Every other column comes along: as a condition, which the team may turn into a note.
    others = [name for name in table.columns if name not in columns.values()]
    named = {str(ours): table.columns[theirs] for ours, theirs in columns.items()}
    named |= {name: table.columns[name] for name in others if name not in named}
    return [dict(zip(named, values, strict=True)) for values in zip(*named.values(), strict=True)]


def _find_images(rows: Sequence[Row], images: Sequence[str]) -> list[str]:
    """Write the path below the folder where the table has the name of the file alone."""
    there = set(images)
    by_name: dict[str, list[str]] = {}
    for image in images:
        by_name.setdefault(PurePosixPath(image).name, []).append(image)
    moved = missing = 0
    for row in rows:
        if row["image"] in there:
            continue
        same = by_name.get(PurePosixPath(row["image"].replace("\\", "/")).name, [])
        if len(same) == 1:
            row["image"] = same[0]
            moved += 1
        else:
            missing += 1
    reasons = []
    if moved:
        reasons.append(f"image: of {moved:,} rows the one file of that name in the folder")
    if missing:
        reasons.append(f"image: {missing:,} rows name a file that is not there, or is there twice")
    unnamed = len(there - {row["image"] for row in rows})
    if unnamed:
        reasons.append(f"left out: {unnamed:,} images that the table does not name")
    return reasons


def _roles(rows: Sequence[Row]) -> list[str] | None:
    """Turn words such as ``catalog`` into roles; None if one is not known."""
    meaning = {**dict.fromkeys(GALLERY, "gallery"), **dict.fromkeys(QUERIES, "query")}
    stated = sorted({row["role"] for row in rows})
    if not all(word.strip().lower() in meaning for word in stated):
        return None
    for row in rows:
        row["role"] = meaning[row["role"].strip().lower()]
    return [f"role: {word!r} is {meaning[word.strip().lower()]}" for word in stated]
