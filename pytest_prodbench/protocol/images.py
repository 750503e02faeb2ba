"""What is searched for and in: columns of images, and the dataset that holds the two roles."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Protocol

Box = tuple[float, float, float, float]
"""Crop ``(x, y, width, height)`` in pixels of the upright image (after EXIF rotation); x, y >= 0."""


@dataclass(frozen=True, slots=True)
class ImageTable:
    """Images of one role, column by column; every column has the same length n.

    Columns instead of a million small objects: a catalog of 1,000,000 rows must open in seconds.

    Attributes:
        images: posix path of each file, relative to ``Dataset.root``; may repeat with other boxes.
        product_ids: SKU of each image, as it stands in the source: ``007`` stays ``007``.
        families: label of look-alikes of each image; ``""`` where the source gives none.
        groups: exclusion group of each image; ``""`` is no group. A query never meets gallery
            images of its own non-empty group.
        boxes: crop of each image, or None for the whole image.
        conditions: how each photo was taken: column name to n values (``""`` where not stated).
    """

    images: tuple[str, ...]
    product_ids: tuple[str, ...]
    families: tuple[str, ...]
    groups: tuple[str, ...]
    boxes: tuple[Box | None, ...]
    conditions: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        n = len(self.images)
        columns = {
            "product_ids": self.product_ids,
            "families": self.families,
            "groups": self.groups,
            "boxes": self.boxes,
            **{f"conditions[{name!r}]": column for name, column in self.conditions.items()},
        }
        for name, column in columns.items():
            if len(column) != n:
                raise ValueError(f"column {name} has {len(column)} values, images has {n}")

    def __len__(self) -> int:
        return len(self.images)


Answers = Mapping[str, tuple[str, ...]]
"""Product of a query → products whose images are its positives; one that is not in it answers itself."""


def answering(answers: Mapping[str, Sequence[str]], product: str) -> Sequence[str]:
    """Return the products whose images are positives of a query of this product."""
    return answers.get(product, (product,))


class ImageFiles(Protocol):
    """Where the bytes of a dataset's images lie, if they are no files of a folder: shards, a store.

    An attribute ``kind`` may name what they are in; ``datasets/files.py`` finds them again by it.
    """

    def open(self, image: str) -> BinaryIO:
        """Return the whole file of an image, readable and seekable, at its beginning.

        Called from several threads, each of which closes what it got.

        Raises:
            OSError: there is no such image, or it cannot be read.
        """
        ...


@dataclass(frozen=True, slots=True)
class Dataset:
    """Queries and gallery of one dataset, checked, with no pixel read yet.

    Attributes:
        name: unique name, as in ``sector.toml``.
        sector: who owns it; ``""`` outside a suite.
        layout: name of the layout that opened it (``manifest``, ``folder``, ``grocery_store`` …).
        root: absolute folder that the image paths hang below.
        queries: what is searched for.
        gallery: what is searched in.
        open_set: True if some queries' product is absent from the gallery, on purpose.
        protocol_note: who queries whom, and whether the split is official or ours; for the report.
        files: where the bytes of the images are; None: files below ``root``.
        answers: product of a query → products of gallery images that are its positives, where that is
            more, or other, than the product itself (an image with two labels, lists of candidates).
        official_metrics: names of the metrics that the dataset's authors report: ``map@1000``.
        published: name of the file of facts on a published set, ``""`` for a team's own.
    """

    name: str
    sector: str
    layout: str
    root: Path
    queries: ImageTable
    gallery: ImageTable
    open_set: bool = False
    protocol_note: str = ""
    files: ImageFiles | None = None
    answers: Answers = field(default_factory=dict)
    official_metrics: tuple[str, ...] = ()
    published: str = ""

    def open(self, image: str) -> BinaryIO:
        """Open the file of an image of either role; the caller closes it.

        Raises:
            OSError: it is gone or cannot be read.
        """
        return self.path(image).open("rb") if self.files is None else self.files.open(image)

    def path(self, image: str) -> Path:
        """Return the absolute path of an image of either role; of a dataset without ``files``."""
        return self.root / image
