"""Layout ``manifest``: a team's own catalog as one table of rows.

Columns ``image``, ``product_id``, ``role`` (``query`` or ``gallery``); optional ``sector``, ``family``,
``bbox``, ``group``; every other column says how the photo was taken (a condition).
"""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Literal, get_args

from pydantic import Field, field_validator

from pytest_prodbench.datasets.layout import Layout, Origin, Tables
from pytest_prodbench.datasets.manifest_formats import read_rows
from pytest_prodbench.datasets.manifest_rows import Rows
from pytest_prodbench.datasets.paths import image_path, image_path_problem
from pytest_prodbench.datasets.problems import product_id_problem, shown
from pytest_prodbench.errors import DatasetError, ProblemList, did_you_mean
from pytest_prodbench.protocol import Box, ImageTable
from pytest_prodbench.settings.frozen import Frozen
from pytest_prodbench.settings.types import DatasetSpec

Column = Literal["image", "product_id", "role", "sector", "family", "bbox", "group"]
REQUIRED: tuple[Column, ...] = ("image", "product_id", "role")
ROLES = ("query", "gallery")


class ManifestOptions(Frozen):
    """Options of the layout ``manifest``.

    Attributes:
        sector: keep only the rows of this sector; ``""`` keeps all, which must then belong to the
            dataset's sector or to none.
        root: folder that the image paths hang below, relative to the manifest's folder.
        columns: our column name → the name in the file: ``{product_id = "sku"}``.
        notes: columns that say nothing of how a photo was taken; they are left alone, and must exist.
    """

    sector: str = ""
    root: str = "."
    columns: dict[Column, str] = Field(default_factory=dict)
    notes: list[str] = Field(default_factory=list)

    @field_validator("root")
    @classmethod
    def _relative(cls, root: str) -> str:
        problem = image_path_problem(root)
        if problem:
            raise ValueError(problem)
        return root

    @field_validator("columns")
    @classmethod
    def _distinct(cls, columns: dict[Column, str]) -> dict[Column, str]:
        if len(set(columns.values())) < len(columns):
            raise ValueError("two of our columns are mapped to the same column of the file")
        return columns


def open_manifest(spec: DatasetSpec, options: ManifestOptions) -> Tables:
    """Read a manifest into tables; see ``Layout.open``.

    Raises:
        DatasetError: the file cannot be read, lacks a column, or has no row of the wanted sector.
    """
    theirs: dict[Column, str] = {name: options.columns.get(name, name) for name in get_args(Column)}
    rows = read_rows(spec.path, product_column=theirs["product_id"])
    if rows.problems and not rows.numbers:
        # Not one row could be read: its problems say more than "no such column".
        raise ProblemList(shown(spec.path), rows.problems)
    columns = _our_columns(spec.path, rows, options, theirs)
    root = Path(spec.path.parent, image_path(options.root)).resolve()
    if not root.is_dir():
        raise DatasetError(
            shown(spec.path),
            found=f"no folder {shown(root)} for its images",
            next_step="correct the option root, which is relative to the manifest",
        )
    kept = _rows_of_sector(spec, options, columns, rows)
    reader = _RowReader(spec, rows, columns, select=bool(options.sector))
    for i in kept:
        reader.read(i)
    known = {*get_args(Column), *options.notes}
    conditions = {name: column for name, column in columns.items() if name not in known}
    return Tables(
        root=root,
        queries=reader.table("query", conditions),
        gallery=reader.table("gallery", conditions),
        protocol_note="Queries and gallery as the roles in the manifest say; not an official split.",
        query_origin=reader.origin("query"),
        gallery_origin=reader.origin("gallery"),
        problems=(*rows.problems, *reader.problems),
    )


def _our_columns(
    path: Path, rows: Rows, options: ManifestOptions, theirs: dict[Column, str]
) -> dict[str, list[str]]:
    """Return the columns under our names, the conditions under theirs."""
    wanted = [name for name in theirs if name in REQUIRED or name in options.columns]
    for ours in wanted:
        if theirs[ours] not in rows.columns:
            raise DatasetError(
                shown(path),
                found=f"no column {theirs[ours]!r} among {', '.join(map(repr, rows.columns)) or 'none'}",
                expected="columns image, product_id and role",
                next_step=f"{did_you_mean(theirs[ours], list(rows.columns))} "
                f"Name another with the option columns.{ours}",
            )
    for ours in options.columns:
        if ours in rows.columns and ours not in theirs.values():
            raise DatasetError(
                shown(path),
                found=f"a column {ours!r}, although columns.{ours} names {theirs[ours]!r} instead",
                expected="one of the two",
                next_step="rename or remove the other column",
            )
    for note in options.notes:
        if note not in rows.columns:
            # Misspelt, it would leave the column that was meant to count as a condition.
            raise DatasetError(
                shown(path),
                found=f"no column {note!r}, which the option notes names",
                expected=f"some of {', '.join(map(repr, rows.columns))}",
                next_step=did_you_mean(note, list(rows.columns)),
            )
    ours_of = {name: ours for ours, name in theirs.items()}
    return {ours_of.get(name, name): column for name, column in rows.columns.items()}


def _rows_of_sector(
    spec: DatasetSpec, options: ManifestOptions, columns: dict[str, list[str]], rows: Rows
) -> list[int]:
    if not options.sector:
        return list(range(len(rows.numbers)))
    sectors = columns.get("sector", [])
    kept = [i for i, sector in enumerate(sectors) if sector == options.sector]
    if not kept:
        found = sorted(set(sectors) - {""})
        raise DatasetError(
            shown(spec.path),
            found=f"no row of sector {options.sector!r}",
            next_step=did_you_mean(options.sector, found),
        )
    return kept


class _RowReader:
    """Sorts rows into the two roles and collects what is wrong with them."""

    def __init__(
        self, spec: DatasetSpec, rows: Rows, columns: dict[str, list[str]], *, select: bool
    ) -> None:
        blank = [""] * len(rows.numbers)
        self._source = spec.path.name
        self._sector = "" if select else spec.sector
        self._rows = rows
        self._image, self._product, self._role = (columns[name] for name in REQUIRED)
        self._sectors = columns.get("sector", blank)
        self._family = columns.get("family", blank)
        self._group = columns.get("group", blank)
        self._bbox = columns.get("bbox", blank)
        self._kept: dict[str, list[int]] = {role: [] for role in ROLES}
        self._boxes: dict[int, Box] = {}
        self.problems: list[str] = []

    def read(self, i: int) -> None:
        """Take row i into its role, or say what is wrong with it."""
        wrong = [
            reason
            for reason in (
                image_path_problem(self._image[i]),
                product_id_problem(self._product[i]),
                self._role_problem(i),
                self._sector_problem(i),
                self._box_problem(i),
            )
            if reason
        ]
        if wrong:
            number = self._rows.numbers[i]
            self.problems.append(f"{self._source} {self._rows.unit} {number}: {'; '.join(wrong)}")
        else:
            self._kept[self._role[i]].append(i)

    def _role_problem(self, i: int) -> str | None:
        role = self._role[i]
        if role in ROLES:
            return None
        return f"role {role!r}, expected query or gallery; {did_you_mean(role, ROLES)}"

    def _sector_problem(self, i: int) -> str | None:
        sector = self._sectors[i]
        if not sector or not self._sector or sector == self._sector:
            return None
        return (
            f"sector {sector!r}, but the dataset belongs to {self._sector!r}; "
            "select one with the option sector, or correct the row"
        )

    def _box_problem(self, i: int) -> str | None:
        text = self._bbox[i]
        if not text:
            return None
        try:
            self._boxes[i] = parse_box(text)
        except ValueError as error:
            return f"bbox {text!r} {error}"
        return None

    def table(self, role: str, conditions: dict[str, list[str]]) -> ImageTable:
        """Return the rows of one role."""
        kept = self._kept[role]
        return ImageTable(
            images=tuple(image_path(self._image[i]) for i in kept),
            product_ids=tuple(self._product[i] for i in kept),
            families=tuple(self._family[i] for i in kept),
            groups=tuple(self._group[i] for i in kept),
            boxes=tuple(self._boxes.get(i) for i in kept),
            conditions={
                name: tuple(column[i] for i in kept) for name, column in conditions.items()
            },
        )

    def origin(self, role: str) -> Origin:
        """Return where the rows of one role stand in the manifest."""
        numbers = tuple(self._rows.numbers[i] for i in self._kept[role])
        return Origin(self._source, self._rows.unit, numbers)


def parse_box(text: str) -> Box:
    """Return the box of ``"x y width height"``: spaces, commas or semicolons between, in pixels.

    Raises:
        ValueError: not four finite numbers, a negative position, a size that is not positive.
    """
    parts = [part for part in re.split(r"[\s,;]+", text) if part]
    try:
        x, y, width, height = (float(part) + 0.0 for part in parts)
    except ValueError:
        raise ValueError("is not four numbers x y width height") from None
    if not all(map(math.isfinite, (x, y, width, height))):
        raise ValueError("holds a number that is not finite")
    if width <= 0 or height <= 0:
        raise ValueError("has no area: width and height must be above 0")
    if x < 0 or y < 0:
        raise ValueError("begins outside the image: x and y must be 0 or more")
    return (x, y, width, height)


LAYOUT = Layout(options=ManifestOptions, open=open_manifest)
