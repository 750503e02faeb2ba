"""``prodbench report RUN``: every report again, from the evidence; no model, no GPU."""

from __future__ import annotations

import shutil
from pathlib import Path

from pytest_prodbench.atomic import atomic_write_text
from pytest_prodbench.cli.runs import pictures_cache
from pytest_prodbench.errors import SettingsError
from pytest_prodbench.evidence.store import EVIDENCE, evidence_json, read_evidence, read_queries
from pytest_prodbench.report.reporter import ReportInput
from pytest_prodbench.report.terminal import sector_tables
from pytest_prodbench.report.writing import check_reports, write_reports


def remake(run: str, wanted: list[str]) -> int:
    """Write the reports of a run's folder; a run that was killed is recovered from its journal."""
    check_reports(wanted, where="--kind")
    folder = Path(run)
    if not folder.is_dir():
        raise SettingsError(run, found="no folder", expected="a folder below the report directory")
    if (folder / EVIDENCE).exists():
        record = read_evidence(folder)
        files = []
    else:
        # All that measures is imported for it.
        from pytest_prodbench.evaluation.run import recover

        record = recover(folder)
        atomic_write_text(folder / EVIDENCE, evidence_json(record))
        files = [folder / EVIDENCE]
    project = Path.cwd()
    queries = read_queries(folder, record)
    report = ReportInput(record, queries, folder.resolve(), project, pictures_cache(project))
    files += write_reports(report, wanted)
    width = shutil.get_terminal_size((100, 24)).columns
    print(*sector_tables(record, width), *(f"  {path}" for path in files), sep="\n")
    return 0
