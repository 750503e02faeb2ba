"""How the files of a released set are read: where they may lie, their lines, what a table leaves blank."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated

from pydantic import Field

from pytest_prodbench.datasets.manifest_csv import read_csv
from pytest_prodbench.datasets.manifest_rows import Rows, read_text
from pytest_prodbench.datasets.problems import shown
from pytest_prodbench.errors import DatasetError
from pytest_prodbench.protocol import Box, ImageTable

StatedCounts = Annotated[dict[str, Annotated[int, Field(ge=0)]], Field(min_length=1)]
"""Option ``expected_counts``: what is counted, in words → how often; see ``verify_counts``."""


def release_file(root: Path, *names: str, expected: str, next_step: str) -> Path:
    """Return the first of these files below a folder that is there.

    Args:
        root: the dataset's folder.
        names: where copies of the set have the file, relative to ``root``.
        expected: what ``root`` should be, for the message.
        next_step: what to do where it is not.

    Raises:
        DatasetError: none of them is there.
    """
    for name in names:
        path = root / name
        if path.is_file():
            return path
    raise DatasetError(
        shown(root),
        found=f"no file {' or '.join(names)}",
        expected=expected,
        next_step=next_step,
    )


def numbered_lines(path: Path) -> Iterator[tuple[int, str]]:
    """Yield number and text of each line that is not blank, without white space around it.

    Lines end with a line feed, before which a carriage return may stand, and with nothing else: unlike
    ``str.splitlines``, which also ends them at characters that a file name may hold.

    Raises:
        DatasetError: as ``read_text``.
    """
    for number, line in enumerate(read_text(path).split("\n"), start=1):
        text = line.strip()
        if text:
            yield number, text


def csv_columns(path: Path, *names: str) -> Rows:
    """Read a CSV file that has at least these columns.

    Raises:
        DatasetError: as ``read_csv``, or a column is missing.
    """
    rows = read_csv(path, delimiter=",", required=())
    missing = [name for name in names if name not in rows.columns]
    if missing:
        raise DatasetError(
            f"{shown(path)} line 1",
            found=f"columns {', '.join(rows.columns)}",
            expected=f"also {', '.join(missing)}",
            next_step="fetch the file again as it was released",
        )
    return rows


def image_table(
    images: Sequence[str],
    product_ids: Sequence[str],
    *,
    families: Sequence[str] | None = None,
    boxes: Sequence[Box | None] | None = None,
    conditions: Mapping[str, Sequence[str]] | None = None,
) -> ImageTable:
    """Return a table without exclusion groups; what is not given is blank."""
    blank = ("",) * len(images)
    return ImageTable(
        images=tuple(images),
        product_ids=tuple(product_ids),
        families=blank if families is None else tuple(families),
        groups=blank,
        boxes=(None,) * len(images) if boxes is None else tuple(boxes),
        conditions={name: tuple(values) for name, values in (conditions or {}).items()},
    )
