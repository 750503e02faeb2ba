"""Manifest and digests of a rendered catalog: writing them, and proving that they hold.

No renderer is needed, so that a checkout without one can be checked.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pytest_prodbench.atomic import atomic_write_bytes
from pytest_prodbench.rendering.design import LEVELS
from pytest_prodbench.rendering.pictures import Picture

NOTES = ("told_by", "nearest")
"""Of a query: how many pixels tell its product from the nearest sibling (``telling``), and which that is."""

COLUMNS = ("image", "product_id", "role", "sector", "family", *LEVELS, *NOTES)

NEEDED = {"image", "product_id", "role"}
"""Columns without which nothing can be checked."""


def sha256(data: bytes) -> str:
    """Hex digest."""
    return hashlib.sha256(data).hexdigest()


def manifest_bytes(sector: str, pictures: Iterable[Picture], images: Mapping[str, Any]) -> bytes:
    """The manifest of a sector: UTF-8, comma separated, one row an image; ``images`` from the digests."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for picture in pictures:
        notes = [images[picture.image].get(note, "") for note in NOTES]
        row = [picture.image, picture.product_id, picture.role, sector, picture.family]
        writer.writerow([*row, *(picture.conditions[name] for name in LEVELS), *notes])
    return text.getvalue().encode("utf-8")


def read_digests(folder: Path) -> dict[str, Any]:
    """``digests.json`` of a catalog, or an empty record."""
    path = folder / "digests.json"
    if not path.is_file():
        return {}
    record: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return record


def write_digests(folder: Path, record: dict[str, Any]) -> None:
    """Sorted keys, so that a diff shows what changed."""
    text = json.dumps(record, indent=1, sort_keys=True) + "\n"
    atomic_write_bytes(folder / "digests.json", text.encode("utf-8"))


def problems(folder: Path) -> list[str]:
    """What is wrong with a catalog on disk; an empty list if manifest, images, digests agree."""
    manifest = folder / "manifest.csv"
    try:
        record = read_digests(folder)
    except ValueError as error:
        return [f"{folder / 'digests.json'}: not readable as JSON ({error})"]
    if not record:
        return [f"{folder / 'digests.json'}: missing"]
    if not manifest.is_file():
        return [f"{manifest}: missing"]
    found = []
    data = manifest.read_bytes()
    if sha256(data) != record.get("manifest"):
        found.append(f"{manifest}: differs from its digest")
    try:
        rows = list(csv.DictReader(io.StringIO(data.decode("utf-8"), newline="")))
    except UnicodeDecodeError as error:
        return [*found, f"{manifest}: not UTF-8 ({error})"]
    if rows and not set(rows[0]) >= NEEDED:
        found.append(f"{manifest}: its columns are {', '.join(map(str, rows[0]))}")
        return found
    named = [row["image"] for row in rows]
    known = record.get("images", {})
    doubled = sorted({name for name in named if named.count(name) > 1})
    found += [f"{manifest}: names {image} twice" for image in doubled]
    stray = sorted(set(named) - set(known))
    found += [f"{folder / image}: in the manifest but has no digest" for image in stray]
    stray = sorted(set(known) - set(named))
    found += [f"{folder / image}: has a digest but is not in the manifest" for image in stray]
    for image in sorted(set(known) & set(named)):
        path = folder / image
        if not path.is_file():
            found.append(f"{path}: missing")
        elif sha256(path.read_bytes()) != known[image]["sha256"]:
            found.append(f"{path}: differs from its digest")
    present = {p.relative_to(folder).as_posix() for p in folder.rglob("*.jpg")}
    found += [f"{folder / image}: in no row" for image in sorted(present - set(named))]
    return found
