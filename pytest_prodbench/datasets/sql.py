"""Layout ``sql``: one query for the photos, one for the catalog, asked of a database where it lies.

Columns are called as in a manifest: ``image``, ``product_id``; optional ``family``, ``bbox``, ``group``;
every other is a condition. Roles need no column: there is a query for each.

Nothing is written: files are opened read-only, transactions are read-only where the database knows that,
and are rolled back everywhere. Rows come in batches, and are sorted here, because SQL promises no order.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, model_validator

from pytest_prodbench.datasets.layout import Layout, Origin, Tables
from pytest_prodbench.datasets.manifest_rows import read_text
from pytest_prodbench.datasets.problems import shown
from pytest_prodbench.datasets.role_rows import RoleRows
from pytest_prodbench.datasets.sql_connection import connected, driver_errors
from pytest_prodbench.datasets.sql_values import BadValueError, column_texts
from pytest_prodbench.errors import DatasetError, did_you_mean
from pytest_prodbench.settings.frozen import Frozen
from pytest_prodbench.settings.types import DatasetSpec

if TYPE_CHECKING:
    from sqlalchemy import Connection

FETCHED = 10_000
"""Most rows that a driver with a cursor at the server is asked for at a time."""

BATCH = 100
"""Rows that are looked at together: few enough to stay in the processor's cache (docs/benchmarks.md)."""

Key = Literal["queries_sql", "gallery_sql"]
_REQUIRED = ("image", "product_id")
_KNOWN = (*_REQUIRED, "family", "bbox", "group")
_READS = re.compile(
    r"(?:\s|--[^\n]*\n|/\*.*?\*/)*(?:(?:SELECT|WITH|VALUES|FROM|TABLE)\b|\()",
    re.IGNORECASE | re.DOTALL,
)


class SqlOptions(Frozen):
    """Options of the layout ``sql``.

    Attributes:
        url: address of the database for SQLAlchemy, without a password; a file of SQLite or DuckDB is
            relative to the dataset's path.
        url_env: environment variable that holds the address, password and all, instead of ``url``.
        queries_sql: a SELECT for the photos, or the name of a file ending in ``.sql`` below the
            dataset's path.
        gallery_sql: the same for the catalog.
        notes: columns that say nothing of how a photo was taken; they must exist in one of the two.
    """

    url: str = ""
    url_env: str = ""
    queries_sql: str = Field(min_length=1)
    gallery_sql: str = Field(min_length=1)
    notes: list[str] = Field(default_factory=list)

    @model_validator(mode="after")
    def _one_address(self) -> SqlOptions:
        if bool(self.url) == bool(self.url_env):
            raise ValueError("state url or url_env")
        return self


def open_sql(spec: DatasetSpec, options: SqlOptions) -> Tables:
    """Ask both questions and sort the answers into tables; see ``Layout.open``.

    Raises:
        DatasetError: no database, no package for it, a query that fails or lacks a column.
    """
    root = spec.path.resolve()
    if not root.is_dir():
        raise DatasetError(
            shown(root),
            found="a file",
            expected="the folder of the images",
            next_step="correct path",
        )
    statements: dict[Key, str] = {
        "queries_sql": _statement(spec, root, "queries_sql", options.queries_sql),
        "gallery_sql": _statement(spec, root, "gallery_sql", options.gallery_sql),
    }
    readers: dict[Key, _Reader] = {}
    with connected(spec, root, options.url, options.url_env) as connection:
        dialect = connection.dialect.name
        for key, statement in statements.items():
            readers[key] = _Reader(spec, key, options.notes)
            readers[key].read(connection, statement)
    queries, gallery = readers["queries_sql"], readers["gallery_sql"]
    for note in options.notes:
        if note not in queries.columns and note not in gallery.columns:
            raise DatasetError(
                f"{spec.where}, notes",
                found=f"no column {note!r} in either query",
                next_step=did_you_mean(note, [*queries.columns, *gallery.columns]),
            )
    conditions = tuple(dict.fromkeys((*queries.conditions, *gallery.conditions)))
    asked, query_numbers = queries.rows.table(conditions)
    offered, gallery_numbers = gallery.rows.table(conditions)
    return Tables(
        root=root,
        queries=asked,
        gallery=offered,
        protocol_note=f"Queries and gallery as two SQL queries ({dialect}) say; not an official split.",
        query_origin=Origin("queries_sql", "row", query_numbers),
        gallery_origin=Origin("gallery_sql", "row", gallery_numbers),
        problems=(*queries.rows.problems, *gallery.rows.problems),
    )


def _statement(spec: DatasetSpec, root: Path, key: Key, text: str) -> str:
    """Return the SQL behind an option, which must be a question."""
    if text.endswith(".sql") and len(text.split()) == 1:
        text = read_text(root / text)
    text = text.strip().rstrip(";")
    if not _READS.match(text):
        raise DatasetError(
            f"{spec.where}, {key}",
            found=f"SQL that begins with {text[:40]!r}",
            expected="a SELECT (or WITH … SELECT): a dataset only reads",
        )
    return text


class _Reader:
    """Reads the answer to one query into rows."""

    def __init__(self, spec: DatasetSpec, key: Key, notes: Sequence[str]) -> None:
        self._where = f"{spec.where}, {key}"
        self._key = key
        self._notes = notes
        self.rows = RoleRows()
        self.columns: list[str] = []
        self.conditions: list[str] = []

    def read(self, connection: Connection, statement: str) -> None:
        """Ask, and take batch after batch."""
        first = 1
        for batch in self._batches(connection, statement):
            self._take(batch, first)
            first += len(batch)

    def _batches(self, connection: Connection, statement: str) -> Iterator[Sequence[Any]]:
        # Not text(): it would take ":name" inside the SQL for a parameter. No parameters: "%" stays "%".
        # SQLAlchemy passes over yield_per for SQL that is not its own; hence the size of a partition.
        ways = {"stream_results": True, "max_row_buffer": FETCHED, "no_parameters": True}
        with driver_errors(self._where, connection.engine.url):
            result = connection.exec_driver_sql(statement, execution_options=ways)
            self.columns = list(map(str, result.keys()))
            self._check_columns()
            self.rows = RoleRows(self.conditions)
            yield from result.partitions(BATCH)

    def _check_columns(self) -> None:
        for i, name in enumerate(self.columns):
            if name in self.columns[:i]:
                raise DatasetError(
                    self._where,
                    found=f"two columns called {name!r}",
                    expected="one",
                    next_step="name one of them otherwise (AS)",
                )
            if name in {"role", "sector"}:
                raise DatasetError(
                    self._where,
                    found=f"a column {name!r}",
                    expected="rows of one role and sector, which need no such column",
                    next_step="say it in WHERE and leave the column out",
                )
        for name in _REQUIRED:
            if name not in self.columns:
                raise DatasetError(
                    self._where,
                    found=f"no column {name!r} among {', '.join(map(repr, self.columns))}",
                    expected="columns image and product_id",
                    next_step=f'{did_you_mean(name, self.columns)} Rename one: SELECT … AS "{name}"',
                )
        left_out = {*_KNOWN, *self._notes}
        self.conditions = [name for name in self.columns if name not in left_out]

    def _take(self, batch: Sequence[Any], first: int) -> None:
        kept = [name for name in self.columns if name not in self._notes]
        columns = dict(zip(self.columns, zip(*batch, strict=True), strict=True))
        try:
            texts = {name: column_texts(name, columns[name]) for name in kept}
        except BadValueError:
            for number, row in enumerate(
                zip(*(columns[name] for name in kept), strict=True), first
            ):
                self._take_row(dict(zip(kept, row, strict=True)), number)
        else:
            self.rows.extend(texts, first=first, where=self._row_name)

    def _take_row(self, row: dict[str, Any], number: int) -> None:
        try:
            texts = {name: column_texts(name, (value,))[0] for name, value in row.items()}
        except BadValueError as error:
            if error.whole_column:
                raise DatasetError(
                    self._row_name(number),
                    found=str(error),
                    next_step="CAST it where it is text already",
                ) from None
            self.rows.problems.append(f"{self._row_name(number)}: {error}")
            return
        self.rows.add(texts, where=self._row_name(number), number=number)

    def _row_name(self, number: int) -> str:
        return f"{self._key} row {number}"


LAYOUT = Layout(options=SqlOptions, open=open_sql)
