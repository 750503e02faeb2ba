"""What a dataset *is*, as digests: the bytes of its images and the rows around them.

The digest of the whole is free of row order, file names and folders: moving a catalog does not make it
another one. One byte of an image, one box, one product id does.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, cast

from pytest_prodbench.datasets.known_files import KnownFiles
from pytest_prodbench.datasets.opening import open_dataset
from pytest_prodbench.datasets.threads import for_each
from pytest_prodbench.errors import DatasetError
from pytest_prodbench.protocol import Dataset, ImageTable

if TYPE_CHECKING:
    from io import BufferedReader
    from pathlib import Path

    from pytest_prodbench.settings.types import DatasetSpec

_VERSION = b"prodbench content 1\n"


@dataclass(frozen=True, slots=True)
class DatasetContent:
    """Digests of one dataset; all are sha256 in hex.

    Attributes:
        query_digests: of the file bytes behind each query, in the order of ``Dataset.queries``.
        gallery_digests: the same for ``Dataset.gallery``.
        digest: of all rows (role, file digest, box, product, family, group, stated conditions) and of what
            answers a product, where that is not itself.
    """

    query_digests: tuple[str, ...]
    gallery_digests: tuple[str, ...]
    digest: str


def content(dataset: Dataset, known: KnownFiles | None = None) -> DatasetContent:
    """Return the digests of a dataset; reads each distinct file once, decodes none.

    Args:
        dataset: opened.
        known: files that have not changed since are not read; what is read now is written down there.

    Raises:
        DatasetError: a file is gone or cannot be read; names the first in path order.
    """
    paths = sorted({*dataset.queries.images, *dataset.gallery.images})
    folder = known.below(dataset.root) if known and dataset.files is None else None

    def file_digest(image: str) -> str:
        if folder is None:
            return read(image)
        return folder.digest(image, partial(read, image))

    def read(image: str) -> str:
        try:
            with dataset.open(image) as file:
                # typeshed's BinaryIO has no readinto(), every binary file has.
                return hashlib.file_digest(cast("BufferedReader", file), "sha256").hexdigest()
        except OSError as error:
            raise DatasetError(
                f"dataset {dataset.name!r}",
                found=f"image {image!r} cannot be read: {error.strerror or error}",
                expected="the file that was there when the dataset was opened",
                next_step="put it back, or take its rows out of the dataset",
            ) from error

    by_path = dict(zip(paths, for_each(paths, file_digest), strict=True))
    if folder is not None:
        folder.save()
    queries = tuple(by_path[image] for image in dataset.queries.images)
    gallery = tuple(by_path[image] for image in dataset.gallery.images)
    rows = _row_digests("query", dataset.queries, queries)
    rows += _row_digests("gallery", dataset.gallery, gallery)
    # What answers a product is a fact of the whole, as a row is one of an image.
    rows += [
        hashlib.sha256(json.dumps(["answers", product, sorted(answers)]).encode()).digest()
        for product, answers in dataset.answers.items()
    ]
    rows.sort()
    digest = hashlib.sha256(_VERSION + b"".join(rows)).hexdigest()
    return DatasetContent(query_digests=queries, gallery_digests=gallery, digest=digest)


def open_with_content(
    spec: DatasetSpec, *, max_pixels: int, cache_dir: Path
) -> tuple[Dataset, DatasetContent]:
    """Open a dataset as a run does: with its digests, and with what earlier runs know of its files.

    Raises:
        ProdbenchError: as ``open_dataset`` and ``content``.
    """
    known = KnownFiles(cache_dir)
    dataset = open_dataset(spec, max_pixels=max_pixels, known=known)
    return dataset, content(dataset, known)


def _row_digests(role: str, table: ImageTable, files: tuple[str, ...]) -> list[bytes]:
    names = sorted(table.conditions)
    columns = [table.conditions[name] for name in names]
    digests = []
    for i, file in enumerate(files):
        box = table.boxes[i]
        row = [
            role,
            file,
            # + 0.0 makes -0.0 and an integer the number they equal.
            None if box is None else [float(edge) + 0.0 for edge in box],
            table.product_ids[i],
            table.families[i],
            table.groups[i],
            # "" is "not stated": a column that says nothing of a row does not change the row.
            [[n, column[i]] for n, column in zip(names, columns, strict=True) if column[i]],
        ]
        digests.append(hashlib.sha256(json.dumps(row).encode()).digest())
    return digests
