"""Layout ``uned``: eight domains, each with its own query and index images, searched apart or together.

Ypsilantis et al., "Towards Universal Image Embeddings: A Large-Scale Dataset and Challenge for Generic Image
Representations", ICCV 2023, https://github.com/nikosips/Universal-Image-Embeddings (no licence file). The
splits are at https://cmp.felk.cvut.cz/univ_emb/; images come from eight sets, each under its own licence.

Read in that repository: ``README.md`` (folders; the standard protocol is the merged index of the test split),
``dataset_infos.py`` (domains, image counts, which split queries which), ``datasets.py`` (``info_files``),
``knn_utils.py`` (recall@1 and mMP@5; a query of several classes is answered by an image of any of them;
where query and index are one split, the first neighbour is dropped by position),
``convert_to_tfrecord_from_file.py`` (``#U`` escapes of RP2K). Several classes stand in queries there, never
in an index; both are read here.
"""

from __future__ import annotations

import json
import posixpath
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from pydantic import model_validator

from pytest_prodbench.datasets.counts import verify_counts
from pytest_prodbench.datasets.layout import Layout, Origin, Tables, image_table
from pytest_prodbench.datasets.manifest_rows import read_text
from pytest_prodbench.datasets.paths import image_path, image_path_problem
from pytest_prodbench.datasets.problems import shown, unicode_problem
from pytest_prodbench.datasets.release import StatedCounts, release_file
from pytest_prodbench.errors import DatasetError, ProblemList
from pytest_prodbench.protocol import ImageTable
from pytest_prodbench.settings.frozen import Frozen
from pytest_prodbench.settings.types import DatasetSpec

Domain = Literal["cars", "sop", "inshop", "inat", "met", "gldv2", "food2k", "rp2k"]

IMAGES: dict[Domain, dict[str, int]] = {
    "cars": {"train": 6346, "val": 1708, "test": 8131},
    "sop": {"train": 48942, "val": 10609, "test": 60502},
    "inshop": {"train": 20897, "val": 4982, "test": 14218, "index": 12612},
    "inat": {"train": 273929, "val": 51917, "test": 136093},
    "met": {
        "train": 397121,
        "val": 129,
        "test": 1003,
        "index": 397121,
        "small_index": 38307,
    },
    "gldv2": {"train": 1422914, "val": 157556, "test": 1129, "index": 761757},
    "food2k": {"train": 472349, "val": 49323, "test": 9979},
    "rp2k": {"train": 188724, "val": 17185, "test": 10931},
}
"""Images of each file, by domain."""

INDEX = {
    ("inshop", "test"): "index",
    ("met", "test"): "index",
    ("met", "val"): "small_index",
    ("gldv2", "test"): "index",
}
"""Domain and split whose index is another file; every other split is its own index."""


class UnedOptions(Frozen):
    """Options of the layout ``uned``.

    Attributes:
        domain: whose queries; ``all``: those of every domain, with the condition ``domain``.
        index: ``merged``: they search the index of all eight domains (the standard protocol);
            ``separate``: that of their own domain.
        split: whose queries and index.
        expected_counts: for a subset on purpose, instead of the published counts.
    """

    domain: Literal[Domain, "all"] = "all"
    index: Literal["merged", "separate"] = "merged"
    split: Literal["test", "val", "train"] = "test"
    expected_counts: StatedCounts | None = None

    @model_validator(mode="after")
    def _one_gallery(self) -> UnedOptions:
        if self.domain == "all" and self.index == "separate":
            raise ValueError(
                "a dataset has one gallery: with index = 'separate' state one domain; make a dataset of each"
            )
        return self


@dataclass
class _Rows:
    """Images of some files, with product ids ``<domain>:<class>[+<class> …]``."""

    images: list[str] = field(default_factory=list)
    products: list[str] = field(default_factory=list)
    domains: list[str] = field(default_factory=list)
    numbers: list[int] = field(default_factory=list)
    classes: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """Product → its classes, each ``<domain>:<class>``."""

    def add(self, other: _Rows) -> None:
        self.images += other.images
        self.products += other.products
        self.domains += other.domains
        self.numbers += other.numbers
        self.classes |= other.classes

    def table(self, *, with_domain: bool) -> ImageTable:
        conditions = {"domain": self.domains} if with_domain else None
        return image_table(self.images, self.products, conditions=conditions)


def open_uned(spec: DatasetSpec, options: UnedOptions) -> Tables:
    """Read the info files of one or all domains into tables; see ``Layout.open``.

    Raises:
        DatasetError: a file is missing or no list, or counts differ from the published ones.
        ProblemList: entries that are wrong.
    """
    root = spec.path.resolve()
    every = options.domain == "all"
    merged = options.index == "merged"
    reader = _Reader(root, options.index)
    queries, gallery = _Rows(), _Rows()
    for domain in IMAGES:
        asked = every or domain == options.domain
        if asked:
            queries.add(reader.read(domain, options.split))
        if asked or merged:
            gallery.add(reader.read(domain, INDEX.get((domain, options.split), options.split)))
    if reader.problems:
        # Without all entries the counts below would be blamed for what is wrong with single ones.
        raise ProblemList(shown(root), reader.problems)
    published = {f"{d} {s} images": IMAGES[d][s] for d, s in reader.files}
    verify_counts(root, reader.counts, published, options.expected_counts)
    names = [f"info_files/{d}/{s}.json" for d, s in reader.files]
    one = len({*gallery.domains}) == 1
    return Tables(
        root=root / "images",
        queries=queries.table(with_domain=every),
        gallery=gallery.table(with_domain=every),
        protocol_note=_note(options, queries, gallery),
        # A file of its own for each domain: a number alone would not say in which.
        query_origin=None if every else Origin(reader.name(options), "row", queries.numbers),
        gallery_origin=Origin(names[-1], "row", gallery.numbers) if one else None,
        answers=_answers(queries.classes, gallery.classes),
        official_metrics=("recall@1", "mmp@5"),
        published="uned",
    )


class _Reader:
    """Reads each info file once and collects what is wrong with its entries."""

    def __init__(self, root: Path, index: str) -> None:
        self.root = root
        self.index = index
        self.files: dict[tuple[Domain, str], _Rows] = {}
        self.problems: list[str] = []
        self._as_written: dict[str, bool] = {}

    @property
    def counts(self) -> dict[str, int]:
        return {f"{d} {s} images": len(rows.images) for (d, s), rows in self.files.items()}

    @staticmethod
    def name(options: UnedOptions) -> str:
        return f"info_files/{options.domain}/{options.split}.json"

    def read(self, domain: Domain, split: str) -> _Rows:
        if (domain, split) not in self.files:
            self.files[domain, split] = self._read(domain, split)
        return self.files[domain, split]

    def _read(self, domain: Domain, split: str) -> _Rows:
        name = f"info_files/{domain}/{split}.json"
        rows = _Rows()
        for number, entry in enumerate(self._entries(name), start=1):
            found = self._entry(entry)
            if isinstance(found, str):
                self.problems.append(f"{name} row {number}: {found}")
                continue
            image, classes = found
            product = f"{domain}:{'+'.join(classes)}"
            rows.images.append(self._on_disk(image))
            rows.products.append(product)
            rows.domains.append(domain)
            rows.numbers.append(number)
            rows.classes.setdefault(product, tuple(f"{domain}:{each}" for each in classes))
        return rows

    def _entries(self, name: str) -> list[Any]:
        path = release_file(
            self.root,
            name,
            expected="the folder of UnED, which holds info_files/ and images/",
            next_step="correct path, or fetch https://cmp.felk.cvut.cz/univ_emb/info_files.zip"
            + ("; for one domain alone state index = 'separate'" * (self.index == "merged")),
        )
        try:
            entries = json.loads(read_text(path))
        except json.JSONDecodeError as error:
            raise DatasetError(
                f"{shown(path)} line {error.lineno}",
                found=f"no JSON: {error.msg} (column {error.colno})",
                next_step="fetch the file again, whole",
            ) from None
        if not isinstance(entries, list):
            raise DatasetError(
                shown(path),
                found=f"JSON of type {type(entries).__name__}",
                expected="a list of {path, class_id}",
            )
        return entries

    @staticmethod
    def _entry(entry: Any) -> tuple[str, list[str]] | str:
        """Return image and classes of an entry, or what is wrong with it."""
        if not isinstance(entry, dict) or not isinstance(entry.get("path"), str):
            return f"{_brief(entry)} is not {{path, class_id}} with a path as text"
        image = entry["path"]
        reason = image_path_problem(image) or unicode_problem("path", image)
        if reason:
            return reason
        value = entry.get("class_id")
        classes = value if isinstance(value, list) else [value]
        if not classes or not all(map(_is_class, classes)):
            return f"class_id {_brief(value)} of {image!r} is no whole number and no list of them"
        # In one order, so that the same classes are the same product.
        return image_path(image), sorted({str(c) for c in classes}, key=lambda c: (int(c), c))

    def _on_disk(self, image: str) -> str:
        """Return the path under which an image lies: RP2K is also unpacked with ``#U`` escapes."""
        if image.isascii():
            return image
        folder = posixpath.dirname(image)
        # Its folder decides where that is not plain ASCII, so that few paths are looked up.
        place = image if folder.isascii() else folder
        if place not in self._as_written:
            images = self.root / "images"
            self._as_written[place] = (images / place).exists() or not (
                images / _escaped(place)
            ).exists()
        return image if self._as_written[place] else _escaped(image)


def _is_class(value: object) -> bool:
    return (type(value) is int and value >= 0) or (
        isinstance(value, str) and value.isascii() and value.isdigit()
    )


def _brief(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _escaped(path: str) -> str:
    return "".join(c if c.isascii() else f"#U{ord(c):04x}" for c in path)


def _answers(
    queries: dict[str, tuple[str, ...]], gallery: dict[str, tuple[str, ...]]
) -> dict[str, tuple[str, ...]]:
    """Return product of a query → products of the gallery that share a class with it, where others do."""
    holding: dict[str, list[str]] = {}
    for product, classes in gallery.items():
        for each in classes:
            holding.setdefault(each, []).append(product)
    answers = {}
    for product, classes in queries.items():
        found = tuple(dict.fromkeys(p for each in classes for p in holding.get(each, ())))
        if found and found != (product,):
            answers[product] = found
    return answers


def _note(options: UnedOptions, queries: _Rows, gallery: _Rows) -> str:
    whose = "all eight domains" if options.domain == "all" else options.domain
    where = (
        "the merged index of all eight domains" if options.index == "merged" else "its own index"
    )
    standard = options.index == "merged" and options.split == "test"
    note = (
        f"Official{'' if standard else ', but not the standard one (merged index, split test)'}: query = "
        f"{len(queries.images):,} images of the split {options.split!r} of {whose}, gallery = "
        f"{len(gallery.images):,} images of {where}; official metrics recall@1 and mmp@5. A query that is "
        "in its own index is taken out by identity; the authors drop the first neighbour by position."
    )
    if options.domain == "all":
        note += " The authors average over domains, the mean here is over queries: see the condition domain."
    several = sum(len(classes) > 1 for classes in queries.classes.values())
    if several:
        noun = "product" if several == 1 else "products"
        note += f" Queries of several classes ({several:,} {noun}) are answered by any of them."
    return note


LAYOUT = Layout(options=UnedOptions, open=open_uned)
