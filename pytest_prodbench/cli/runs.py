"""Runs on disk, as commands take them up and put them down."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_prodbench.cli.pictures import pictures_cache
from pytest_prodbench.errors import SettingsError
from pytest_prodbench.evidence.store import (
    EVIDENCE,
    JOURNAL,
    RunFolder,
    read_evidence,
    read_queries,
)
from pytest_prodbench.report.annotations import in_workflow
from pytest_prodbench.report.reporter import ReportInput
from pytest_prodbench.report.terminal import sector_tables
from pytest_prodbench.report.writing import write_reports

if TYPE_CHECKING:
    import pyarrow as pa

    from pytest_prodbench.evidence.types import PairRecord, RunRecord


@dataclass(frozen=True, slots=True, eq=False)
class OpenedRun:
    """A run as it lies on disk, every file of it checked.

    Attributes:
        record: its evidence.
        tables: ``model:dataset`` → its queries.
        folder: where it lies.
    """

    record: RunRecord
    tables: dict[str, pa.Table]
    folder: Path

    def parquet(self, pair: PairRecord) -> bytes:
        """Return the file of a pair's queries as it was written: its digest is in the evidence."""
        assert pair.queries_file is not None  # noqa: S101 - asked of pairs that were measured
        return (self.folder / pair.queries_file).read_bytes()


def open_run(run: str) -> OpenedRun:
    """Read a run's folder: its record and its queries; what was killed is recovered from its journal.

    Raises:
        SettingsError: there is no such folder.
        EvidenceError: what is in it cannot be trusted.
    """
    folder = Path(run)
    if not folder.is_dir():
        raise SettingsError(run, found="no folder", expected="a folder below the report directory")
    record = open_record(folder)
    return OpenedRun(record, read_queries(folder, record), folder)


def open_record(folder: Path) -> RunRecord:
    """Read the record of a run; what was killed is recovered from its journal.

    Raises:
        EvidenceError: it cannot be trusted.
    """
    if (folder / EVIDENCE).exists() or not (folder / JOURNAL).exists():
        return read_evidence(folder)
    # All that measures is imported for it.
    from pytest_prodbench.evaluation.run import recover

    return recover(folder)


def write_run(
    record: RunRecord, sources: Mapping[str, OpenedRun], out: Path, project: Path
) -> list[Path]:
    """Write a record with its queries and every report into a new folder.

    ``sources``: ``model:dataset`` → the run whose result it is.

    Raises:
        EvidenceError: the folder is there already.
    """
    folder = RunFolder(out.parent, out.name)
    for pair in record.pairs:
        if pair.queries_file is not None:
            folder.write_queries(pair, sources[pair.name].parquet(pair))
    files = [folder.write_evidence(record)]
    tables = {name: run.tables[name] for name, run in sources.items() if name in run.tables}
    return files + write_reports(
        ReportInput(record, tables, folder.path, project, pictures_cache(project))
    )


def show(record: RunRecord, project: Path) -> None:
    """Print a record's tables and verdict, and what CI shows beside the lines of the policy."""
    width = shutil.get_terminal_size((100, 24)).columns
    lines = [*sector_tables(record, width), *in_workflow(record, os.environ, project)]
    print(*lines, sep="\n")
