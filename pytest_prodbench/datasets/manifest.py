"""Layout ``manifest``: a team's own catalog as one table of rows.

Columns ``image``, ``product_id``, ``role`` (``query`` or ``gallery``); optional ``sector``, ``family``,
``bbox``, ``group``, ``valid_from``, ``valid_until``; every other column says how the photo was taken (a
condition).
"""

from __future__ import annotations

import datetime as dt
from itertools import compress
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from pydantic import Field, field_validator

from pytest_prodbench.datasets.layout import Layout, Tables
from pytest_prodbench.datasets.manifest_columns import REQUIRED, VALIDITY, Column
from pytest_prodbench.datasets.manifest_csv import Delimiter
from pytest_prodbench.datasets.manifest_formats import read_rows
from pytest_prodbench.datasets.manifest_roles import RoleTables
from pytest_prodbench.datasets.manifest_rows import Rows
from pytest_prodbench.datasets.manifest_validity import check_as_of
from pytest_prodbench.datasets.paths import image_path, image_path_problem
from pytest_prodbench.datasets.problems import shown
from pytest_prodbench.errors import DatasetError, ProblemList, did_you_mean, shorten
from pytest_prodbench.settings.frozen import Frozen
from pytest_prodbench.settings.types import DatasetSpec

if TYPE_CHECKING:
    from pytest_prodbench.datasets.store_files import StoreFiles


class ManifestOptions(Frozen):
    """Options of the layout ``manifest``.

    Attributes:
        sector: keep only the rows of this sector; ``""`` keeps all, which must then belong to the
            dataset's sector or to none.
        root: folder that the image paths hang below, relative to the manifest's folder.
        store: address that they hang below instead: ``s3://bucket/prefix``; whole addresses in the
            column are taken where they begin with it.
        columns: our column name → the name in the file: ``{product_id = "sku"}``.
        notes: columns that say nothing of how a photo was taken; they are left alone, and must exist.
        as_of: keep only the rows that are valid on this day; a stated day, since "today" would be another
            dataset tomorrow.
        delimiter: of a CSV file; None: a comma.
    """

    sector: str = ""
    root: str = "."
    store: str = ""
    columns: dict[Column, str] = Field(default_factory=dict)
    notes: list[str] = Field(default_factory=list)
    as_of: dt.date | None = None
    delimiter: Delimiter | None = None

    @field_validator("root")
    @classmethod
    def _relative(cls, root: str) -> str:
        problem = image_path_problem(root)
        if problem:
            raise ValueError(problem)
        return root

    @field_validator("as_of", mode="before")
    @classmethod
    def _stated_day(cls, as_of: Any) -> Any:
        is_day = isinstance(as_of, dt.date) and not isinstance(as_of, dt.datetime)
        if as_of is not None and not is_day:
            raise ValueError(
                "expected a day without quotes, as_of = 2026-11-01; 'today' is refused, because it "
                "would be another dataset tomorrow"
            )
        return as_of

    @field_validator("columns")
    @classmethod
    def _distinct(cls, columns: dict[Column, str]) -> dict[Column, str]:
        if len(set(columns.values())) < len(columns):
            raise ValueError("two of our columns are mapped to the same column of the file")
        return columns


def open_manifest(spec: DatasetSpec, options: ManifestOptions) -> Tables:
    """Read a manifest into tables; see ``Layout.open``.

    Raises:
        DatasetError: the file cannot be read, lacks a column, has no row of the wanted sector or day, or
            has days although none is asked for.
    """
    theirs: dict[Column, str] = {name: options.columns.get(name, name) for name in get_args(Column)}
    rows = read_rows(
        spec.path,
        product_column=theirs["product_id"],
        required=[theirs[name] for name in REQUIRED],
        delimiter=options.delimiter,
    )
    if rows.problems and not len(rows.numbers):
        # Not one row could be read: its problems say more than "no such column".
        raise ProblemList(shown(spec.path), rows.problems)
    rows.columns = _our_columns(spec.path, rows, options, theirs)
    store = _store(spec, options)
    if store is not None:
        rows.columns["image"] = list(map(store.relative, rows.columns["image"]))
    folder = None if store is None else store.folder()
    root = (folder or Path(spec.path.parent, image_path(options.root))).resolve()
    if not root.is_dir():
        raise DatasetError(
            shown(spec.path),
            found=f"no folder {shown(root)} for its images",
            next_step="correct the option root, which is relative to the manifest",
        )
    for name in set(VALIDITY) & set(options.notes):
        rows.columns.pop(name, None)
    stated = set(rows.columns) - set(options.notes)
    check_as_of(spec.path, options.as_of, [name for name in VALIDITY if name in stated])
    if options.sector:
        _keep_sector(spec, options.sector, rows)
    reader = RoleTables(
        spec.path.name,
        rows,
        sector="" if options.sector else spec.sector,
        as_of=options.as_of,
        conditions=[name for name in rows.columns if name in stated - set(get_args(Column))],
        image_problem=image_path_problem if store is None else store.path_problem,
    )
    note = "Queries and gallery as the roles in the manifest say; not an official split."
    if options.as_of is not None:
        note += f" {reader.validity_note()}"
    return Tables(
        root=root,
        queries=reader.table("query"),
        gallery=reader.table("gallery"),
        protocol_note=note,
        query_origin=reader.origin("query"),
        gallery_origin=reader.origin("gallery"),
        problems=(*rows.problems, *reader.problems),
        files=store,
    )


def _store(spec: DatasetSpec, options: ManifestOptions) -> StoreFiles | None:
    """Return the store of the images, None where they lie in a folder."""
    if not options.store:
        return None
    from pytest_prodbench.datasets.store_files import StoreFiles

    where = f"{spec.where}, store"
    if options.root != ".":
        raise DatasetError(
            where, found=f"store and root = {options.root!r}", expected="one of them"
        )
    return StoreFiles.at(options.store, where=where)


def _our_columns(
    path: Path, rows: Rows, options: ManifestOptions, theirs: dict[Column, str]
) -> dict[str, list[str]]:
    """Return the columns under our names, the conditions under theirs."""
    wanted = [name for name in theirs if name in REQUIRED or name in options.columns]
    for ours in wanted:
        if theirs[ours] not in rows.columns:
            raise DatasetError(
                shown(path),
                found=f"no column {theirs[ours]!r} among {_listed(rows)}",
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
                expected=f"some of {_listed(rows)}",
                next_step=did_you_mean(note, list(rows.columns)),
            )
    ours_of = {name: ours for ours, name in theirs.items()}
    return {ours_of.get(name, name): column for name, column in rows.columns.items()}


def _listed(rows: Rows) -> str:
    # A header without a line end may be as long as a file.
    return ", ".join(shorten([repr(name)[:80] for name in rows.columns], 20)) or "none"


def _keep_sector(spec: DatasetSpec, wanted: str, rows: Rows) -> None:
    """Leave the rows of one sector."""
    sectors = rows.columns.get("sector", [])
    mask = [sector == wanted for sector in sectors]
    if not any(mask):
        raise DatasetError(
            shown(spec.path),
            found=f"no row of sector {wanted!r}",
            next_step=did_you_mean(wanted, sorted(set(sectors) - {""})[:1000]),
        )
    rows.numbers = tuple(compress(rows.numbers, mask))
    rows.columns = {name: list(compress(column, mask)) for name, column in rows.columns.items()}


LAYOUT = Layout(options=ManifestOptions, open=open_manifest)
