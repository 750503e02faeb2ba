"""What a reporter gets and gives: one function a kind of report, registered by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import pyarrow as pa

    from pytest_prodbench.evidence.types import RunRecord
    from pytest_prodbench.report.drawing import Drawings


@dataclass(frozen=True, slots=True)
class ReportInput:
    """A finished run, as it lies on disk.

    Attributes:
        record: ``evidence.json``.
        queries: ``model:dataset`` → table of its queries (columns: ``evidence/queries.py``); a pair that
            was not evaluated has none.
        run_dir: folder of the run; reporters write into it.
        project: folder that ``DatasetRecord.root`` is relative to; images may be gone.
        cache_dir: where thumbnails are kept from run to run; None: nowhere.
        drawings: what draws charts, where it has begun already.
    """

    record: RunRecord
    queries: Mapping[str, pa.Table]
    run_dir: Path
    project: Path
    cache_dir: Path | None = None
    drawings: Drawings | None = None


class Reporter(Protocol):
    """Writes one kind of report atomically into ``run_dir`` and returns the file written."""

    def __call__(self, report: ReportInput) -> Path:
        """Write and return the path."""
        ...
