"""Every table of a run into a folder: one file a table and format, each whole or not at all."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Literal, get_args

from pytest_prodbench.atomic import atomic_file
from pytest_prodbench.report.export.asked import QUERIES, asked, queries_schema
from pytest_prodbench.report.export.changed import changed
from pytest_prodbench.report.export.csv_text import as_text, csv_writer
from pytest_prodbench.report.export.described import described
from pytest_prodbench.report.export.judged import judged
from pytest_prodbench.report.export.measured import measured
from pytest_prodbench.report.sections import sections

if TYPE_CHECKING:
    import pyarrow as pa

    from pytest_prodbench.report.reporter import ReportInput

Format = Literal["csv", "parquet"]

FORMATS: tuple[Format, ...] = get_args(Format)


@dataclass(frozen=True, slots=True)
class ExportTable:
    """One table; ``parts`` are given once, so that the queries of all pairs are never in one piece."""

    name: str
    schema: pa.Schema
    parts: Iterator[pa.Table]


@dataclass(frozen=True, slots=True)
class Exported:
    """A table that was written, into which files."""

    name: str
    rows: int
    files: tuple[Path, ...]


def export_tables(report: ReportInput) -> Iterator[ExportTable]:
    """Give every table of a run; of the same evidence always the same, row by row."""
    record, queries = report.record, report.queries
    pairs = [pair for section in sections(record) for pair in section.pairs]
    for form, rows in (
        *described(record, pairs, queries),
        *measured(pairs, record.metric_versions, queries),
        *judged(record, pairs),
        *changed(record.contests),
    ):
        yield ExportTable(form.name, form.schema(), iter([form.filled(rows)]))
    schema = queries_schema(queries)
    yield ExportTable(QUERIES, schema, asked(pairs, queries, schema))


def write_export(
    report: ReportInput, folder: Path, formats: Sequence[Format] = FORMATS, *, safe: bool = False
) -> list[Exported]:
    """Write every table into a folder, in each of the formats; files of these names are replaced.

    Args:
        report: the run.
        folder: where to; made if it is not there.
        formats: one file a table for each.
        safe: in CSV an apostrophe is put before every text that a spreadsheet would execute.

    Raises:
        OSError: the folder cannot be written; what was written before is whole.
    """
    return [
        _written(table, folder, tuple(dict.fromkeys(formats)), safe)
        for table in export_tables(report)
    ]


def _written(table: ExportTable, folder: Path, formats: Sequence[Format], safe: bool) -> Exported:
    files = tuple(folder / f"{table.name}.{ending}" for ending in formats)
    rows = 0
    with ExitStack() as stack:
        writers = []
        for ending, path in zip(formats, files, strict=True):
            sink = stack.enter_context(atomic_file(path))
            writer = _WRITERS[ending](sink, table.schema, safe)
            # Before its file, whatever happens: what stands at the end of Parquet is written then.
            stack.callback(writer.close)
            writers.append(writer)
        for part in table.parts:
            rows += len(part)
            for writer in writers:
                writer.write(part)
    return Exported(table.name, rows, files)


class _Csv:
    def __init__(self, sink: BinaryIO, schema: pa.Schema, safe: bool) -> None:
        self._safe = safe
        self._writer = csv_writer(sink, schema)

    def write(self, part: pa.Table) -> None:
        self._writer.write(as_text(part, safe=self._safe))

    def close(self) -> None:
        self._writer.close()


class _Parquet:
    def __init__(self, sink: BinaryIO, schema: pa.Schema, safe: bool) -> None:  # noqa: ARG002 - nothing in Parquet is executed
        import pyarrow.parquet as pq

        self._writer = pq.ParquetWriter(sink, schema, compression="zstd")

    def write(self, part: pa.Table) -> None:
        self._writer.write_table(part)

    def close(self) -> None:
        self._writer.close()


_WRITERS: dict[Format, type[_Csv | _Parquet]] = {"csv": _Csv, "parquet": _Parquet}
