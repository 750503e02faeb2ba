"""Every report of a run in one call; one that fails does not cost the others."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_prodbench.errors import ProdbenchError
from pytest_prodbench.registry import load, registered

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from pytest_prodbench.report.reporter import ReportInput


class ReportError(ProdbenchError):
    """Some reporters could not write; the others did.

    Attributes:
        errors: kind of report → what it raised.
        written: the files that were written all the same.
    """

    def __init__(self, errors: Mapping[str, Exception], written: Sequence[Path]) -> None:
        self.errors = dict(errors)
        self.written = tuple(written)
        told = "; ".join(
            f"{kind}: {error}" if isinstance(error, ProdbenchError) else f"{kind}: {error!r}"
            for kind, error in self.errors.items()
        )
        super().__init__(
            "reports",
            found=f"{len(self.errors)} of {len(self.errors) + len(self.written)} not written ({told})",
            next_step="the evidence is complete: they can be made again from it",
        )

    def __reduce__(self) -> tuple[object, ...]:
        return (ReportError, (self.errors, self.written))


def write_reports(report: ReportInput, kinds: Sequence[str] | None = None) -> list[Path]:
    """Write the named kinds of report, or every registered one, and return the files.

    Raises:
        ReportError: after all kinds were tried, if any of them failed; names each.
    """
    written: list[Path] = []
    errors: dict[str, Exception] = {}
    for kind in dict.fromkeys(registered("prodbench.reporters") if kinds is None else kinds):
        try:
            written.append(load("prodbench.reporters", kind, where="kinds of report")(report))
        except Exception as error:  # a third party's reporter may raise anything
            errors[kind] = error
    if errors:
        raise ReportError(errors, written)
    return written
