"""``prodbench report RUN``: every report again, from the evidence; no model, no GPU."""

from __future__ import annotations

import gc
import shutil
from pathlib import Path

from pytest_prodbench.cli.pictures import pictures_cache
from pytest_prodbench.errors import SettingsError
from pytest_prodbench.report.drawing import Drawings
from pytest_prodbench.report.writing import check_reports, write_reports


def remake(run: str, wanted: list[str]) -> int:
    """Write the reports of a run's folder; a run that was killed is recovered from its journal."""
    check_reports(wanted, where="--kind")
    folder = Path(run)
    if not folder.is_dir():
        raise SettingsError(run, found="no folder", expected="a folder below the report directory")
    project = Path.cwd()
    cache = pictures_cache(project)
    drawings = Drawings(cache)
    # What is read stays to the end: to look through all of it for what could go takes half a second.
    collecting = gc.isenabled()
    gc.disable()
    try:
        if not wanted or any(text.partition(":")[0] == "html" for text in wanted):
            drawings.ahead()
        return _remade(folder, wanted, project, cache, drawings)
    finally:
        drawings.stop()
        if collecting:
            gc.enable()


def _remade(
    folder: Path, wanted: list[str], project: Path, cache: Path | None, drawings: Drawings
) -> int:
    # What takes long to import, while another process is at the charts' script.
    from pytest_prodbench.atomic import atomic_write_text
    from pytest_prodbench.evidence.store import (
        EVIDENCE,
        evidence_json,
        read_evidence,
        read_queries,
    )
    from pytest_prodbench.report.reporter import ReportInput
    from pytest_prodbench.report.terminal import sector_tables

    files = []
    if (folder / EVIDENCE).exists():
        record = read_evidence(folder)
    else:
        # All that measures is imported for it.
        from pytest_prodbench.evaluation.run import recover

        record = recover(folder)
        atomic_write_text(folder / EVIDENCE, evidence_json(record))
        files = [folder / EVIDENCE]
    queries = read_queries(folder, record)
    report = ReportInput(record, queries, folder.resolve(), project, cache, drawings)
    files += write_reports(report, wanted)
    width = shutil.get_terminal_size((100, 24)).columns
    print(*sector_tables(record, width), *(f"  {path}" for path in files), sep="\n")
    return 0
