"""A shipped catalog, or a part of it, with faults planted in a copy: what the doctor must find, and no more.

Every fault is known by the images or ids that it is made of; a finding is explained by a fault if it names
one of them.
"""

from __future__ import annotations

import csv
import io
import re
import shutil
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image

from pytest_prodbench.doctor.finding import Finding

CATALOGS = Path(__file__).parents[2] / "fixtures/catalogs"
QUALITY = 85

Row = dict[str, str]


@dataclass
class Fault:
    """One planted fault: the kind of finding that must name it, and by which images or ids it is known."""

    kind: str
    known_by: set[str]


@dataclass
class Planted:
    """A catalog in a folder of its own.

    Attributes:
        root: its folder.
        rows: of its manifest.
        faults: what was planted.
    """

    root: Path
    rows: list[Row]
    faults: list[Fault] = field(default_factory=list)

    def write(self, name: str = "manifest.csv", *, broken: str = "") -> Path:
        """Write the manifest; ``broken``: lines behind it as they are."""
        path = self.root / name
        out = io.StringIO()
        writer = csv.DictWriter(out, list(self.rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(self.rows)
        path.write_text(out.getvalue() + broken, encoding="utf-8")
        return path

    def queries(self) -> list[Row]:
        return [row for row in self.rows if row["role"] == "query"]

    def gallery(self) -> list[Row]:
        return [row for row in self.rows if row["role"] == "gallery"]

    def add(self, like: Row, image: str, product: str) -> None:
        """Add a gallery row."""
        row = dict.fromkeys(like, "")
        row.update(image=image, product_id=product, role="gallery", sector=like["sector"])
        self.rows.append({**row, "family": like["family"]})


def copy_catalog(sector: str, root: Path, *, products: int | None = None) -> Planted:
    """Copy a catalog without the products that its gallery lacks.

    Args:
        sector: name.
        root: new folder.
        products: only so many that are asked for, and as many distractors; None: all.
    """
    source = CATALOGS / sector
    with (source / "manifest.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    offered = {row["product_id"] for row in rows if row["role"] == "gallery"}
    asked = [row["product_id"] for row in rows if row["role"] == "query"]
    rows = [row for row in rows if row["product_id"] in offered]
    if products is not None:
        some = [p for p in dict.fromkeys(asked) if p in offered][:products]
        others = sorted(offered - set(asked))[:products]
        rows = [row for row in rows if row["product_id"] in {*some, *others}]
    for row in rows:
        (root / row["image"]).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source / row["image"], root / row["image"])
    return Planted(root, rows)


def plant_labels(catalog: Planted, chosen: list[str]) -> None:
    """Give queries the product of a far one: what a run of several models then sees."""
    by_image = {row["image"]: row for row in catalog.rows}
    for image in chosen:
        row = by_image[image]
        far = next(
            other for other in reversed(catalog.queries()) if other["family"] != row["family"]
        )
        row["product_id"], row["family"] = far["product_id"], far["family"]
        catalog.faults.append(Fault("label-suspect", {image}))


def plant(  # noqa: PLR0915 - one fault after the other
    catalog: Planted, upside_down: list[str], free: list[str], *, seed: int = 1
) -> None:
    """Plant two faults of each other kind that a manifest with readable lines can have.

    Args:
        catalog: its copy.
        upside_down: queries to be turned.
        free: products with queries that nothing else was done to, at least twelve.
        seed: of the crops.
    """
    rng = np.random.default_rng(seed)
    of = {p: [row for row in catalog.rows if row["product_id"] == p] for p in free}
    queries = {p: [row for row in of[p] if row["role"] == "query"] for p in free}
    shots = {p: [row for row in of[p] if row["role"] == "gallery"] for p in free}
    free = iter(free)

    for image in upside_down:
        _save(_open(catalog, image).transpose(Image.Transpose.ROTATE_180), catalog.root / image)
        catalog.faults.append(Fault("upside-down", {image}))

    one, two = next(free), next(free)
    for source in (one, two):
        catalog.rows.append(dict(queries[source][0]))
        catalog.faults.append(Fault("repeated-row", {queries[source][0]["image"]}))

    one, two, three, four = (next(free) for _ in range(4))
    shutil.copy(catalog.root / shots[one][0]["image"], catalog.root / "gallery/copied.jpg")
    catalog.add(shots[two][0], "gallery/copied.jpg", two)
    catalog.faults.append(Fault("two-products", {"gallery/copied.jpg"}))
    catalog.add(shots[four][0], shots[three][0]["image"], four)
    catalog.faults.append(Fault("two-products", {shots[three][0]["image"]}))

    # A photo encoded again at quality 40, and one resized to two thirds.
    one, two = next(free), next(free)
    _save(_open(catalog, shots[one][0]["image"]), catalog.root / "gallery/again.jpg", 40)
    catalog.add(shots[two][0], "gallery/again.jpg", two)
    catalog.faults.append(Fault("near-duplicate", {"gallery/again.jpg"}))
    small = _open(catalog, shots[two][0]["image"]).resize((170, 170), Image.Resampling.LANCZOS)
    _save(small, catalog.root / "gallery/small.jpg")
    catalog.add(shots[one][0], "gallery/small.jpg", one)
    catalog.faults.append(Fault("near-duplicate", {"gallery/small.jpg"}))

    # The query itself in the gallery: resized, and a part of it.
    one, two = next(free), next(free)
    photo = _open(catalog, queries[one][0]["image"]).resize((200, 200), Image.Resampling.BICUBIC)
    _save(photo, catalog.root / "gallery/leaked.jpg")
    catalog.add(shots[one][0], "gallery/leaked.jpg", one)
    catalog.faults.append(Fault("leak", {"gallery/leaked.jpg"}))
    photo = _open(catalog, queries[two][0]["image"])
    side = round(0.85 * photo.width)
    x, y = (int(v) for v in rng.integers(0, photo.width - side, 2))
    _save(photo.crop((x, y, x + side, y + side)), catalog.root / "gallery/part.jpg")
    catalog.add(shots[two][0], "gallery/part.jpg", two)
    catalog.faults.append(Fault("leak", {"gallery/part.jpg"}))

    # Ids: another case, and a zero in front of a number.
    numbered = [product for product in free if re.search(r"[A-Z].*[1-9]", product)]
    one, two, free = numbered[0], numbered[1], iter(numbered[2:])
    for product, other in (
        (one, one.swapcase()),
        (two, re.sub(r"(?<!\d)(\d+)", r"0\1", two, count=1)),
    ):
        assert other != product
        queries[product][0]["product_id"] = other
        catalog.faults.append(Fault("alike-ids", {other, product}))

    # Queries of products that the gallery has no more.
    for _ in range(2):
        product = next(free)
        catalog.rows[:] = [row for row in catalog.rows if row not in shots[product]]
        catalog.faults.append(Fault("no-positive", {row["image"] for row in queries[product]}))

    one, two = next(free), next(free)
    image = queries[one][0]["image"]
    data = (catalog.root / image).read_bytes()
    (catalog.root / image).write_bytes(data[: len(data) // 2])
    catalog.faults.append(Fault("unreadable", {image}))
    image = queries[two][0]["image"]
    (catalog.root / image).unlink()
    catalog.faults.append(Fault("unreadable", {image}))

    one, two = next(free), next(free)
    image = queries[one][0]["image"]
    _save(_open(catalog, image).resize((20, 24)), catalog.root / image)
    catalog.faults.append(Fault("tiny", {image}))
    image = queries[two][0]["image"]
    _save(Image.new("RGB", (256, 256), (250, 250, 249)), catalog.root / image)
    catalog.faults.append(Fault("blank", {image}))


def plant_rare_condition(catalog: Planted) -> None:
    """Let three queries be the only ones of a light; what a rule on that light makes of them, it says."""
    for row in catalog.queries()[-3:]:
        row["light"] = "ultraviolet"
    catalog.faults.append(Fault("few-queries", {"ultraviolet"}))


BROKEN = "gallery/nowhere.jpg,X-1,galery" + "," * 10 + "\nonly,three,fields\n"


def plant_broken_lines(catalog: Planted) -> str:
    """Return two lines that no layout can read."""
    first = len(catalog.rows) + 2
    catalog.faults += [
        Fault("bad-row", {f"line {first}:"}),
        Fault("bad-row", {f"line {first + 1}:"}),
    ]
    return BROKEN


def explains(fault: Fault, finding: Finding) -> bool:
    """Say whether a finding names what was planted."""
    images = {row.image for row in finding.rows}
    return bool(fault.known_by & images) or any(
        known in finding.told for known in fault.known_by if "/" not in known
    )


def _open(catalog: Planted, image: str) -> Image.Image:
    with Image.open(catalog.root / image) as opened:
        return opened.convert("RGB")


def _save(image: Image.Image, path: Path, quality: int = QUALITY) -> None:
    image.save(path, "JPEG", quality=quality)
