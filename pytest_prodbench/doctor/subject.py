"""A dataset as the doctor takes it: whatever of it can be read, and what cannot."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, BinaryIO

from pytest_prodbench.datasets.opening import read_tables
from pytest_prodbench.doctor.finding import Row
from pytest_prodbench.errors import ProblemList

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from pytest_prodbench.datasets.layout import Origin, Tables
    from pytest_prodbench.protocol import ImageFiles, ImageTable
    from pytest_prodbench.settings.types import DatasetSpec


@dataclass(frozen=True, slots=True)
class Subject:
    """Rows of a dataset that may be broken.

    Attributes:
        name, open_set: as in ``Dataset``.
        root, files: where its images are.
        rows: queries, then gallery; those that could be read.
        problems: of the rows that could not, each with its place.
        answers: as in ``Dataset``.
        conditions: of the queries, column → values in the order of the rows.
    """

    name: str
    open_set: bool
    root: Path
    rows: tuple[Row, ...]
    problems: tuple[str, ...] = ()
    answers: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    conditions: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    files: ImageFiles | None = None

    @property
    def queries(self) -> tuple[Row, ...]:
        """What is searched for."""
        return tuple(row for row in self.rows if row.role == "query")

    @property
    def gallery(self) -> tuple[Row, ...]:
        """What is searched in."""
        return tuple(row for row in self.rows if row.role == "gallery")

    def open(self, image: str) -> BinaryIO:
        """Open the file of an image, as ``Dataset.open`` does."""
        return (self.root / image).open("rb") if self.files is None else self.files.open(image)


def open_subject(spec: DatasetSpec) -> Subject:
    """Read a dataset without refusing what is wrong with single rows.

    Raises:
        SettingsError: an option is wrong, nothing registers the layout.
        DatasetError: the source as a whole cannot be read: there is nothing to examine.
    """
    try:
        tables = read_tables(spec)
    except ProblemList as error:
        # Of layouts that stop at the first file with damaged lines: they are all there is to say.
        return Subject(spec.name, spec.open_set, spec.path, (), error.problems)
    return Subject(
        name=spec.name,
        open_set=spec.open_set,
        root=tables.root,
        rows=tuple(_rows(tables)),
        problems=tables.problems,
        answers=tables.answers,
        conditions=tables.queries.conditions,
        files=tables.files,
    )


def _rows(tables: Tables) -> Iterator[Row]:
    yield from _of_role("query", tables.queries, tables.query_origin)
    yield from _of_role("gallery", tables.gallery, tables.gallery_origin)


def _of_role(role: str, table: ImageTable, origin: Origin | None) -> Iterator[Row]:
    for i, image in enumerate(table.images):
        yield Row(
            role=role,
            image=image,
            product_id=table.product_ids[i],
            box=table.boxes[i],
            group=table.groups[i],
            family=table.families[i],
            source=origin.source if origin else "",
            unit=origin.unit if origin else "",
            number=origin.numbers[i] if origin else 0,
        )
