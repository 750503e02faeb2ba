"""``prodbench export RUN``: everything that its page shows, as tables."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_prodbench.cli.runs import open_run
from pytest_prodbench.errors import SettingsError
from pytest_prodbench.report.export.writing import FORMATS, write_export
from pytest_prodbench.report.reporter import ReportInput

if TYPE_CHECKING:
    from pytest_prodbench.report.export.writing import Format


def export(run: str, out: str | None, formats: Sequence[Format], *, safe: bool) -> int:
    """Write the tables of a run, and say how many rows each has; 0."""
    opened = open_run(run)
    folder = opened.folder / "export" if out is None else Path(out)
    report = ReportInput(opened.record, opened.tables, opened.folder, Path.cwd())
    try:
        written = write_export(report, folder, formats or FORMATS, safe=safe)
    except OSError as error:
        raise SettingsError(
            str(folder),
            found=f"cannot be written ({error.strerror or error})",
            expected="a folder that this process may write",
            next_step="name another with --out",
        ) from error
    for table in written:
        endings = ", ".join(path.suffix for path in table.files)
        print(f"  {folder / table.name} ({endings}): {table.rows:,} rows")
    return 0
