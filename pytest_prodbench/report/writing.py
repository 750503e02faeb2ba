"""Every report of a run in one call; one that fails does not cost the others."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pytest_prodbench.atomic import atomic_write_bytes
from pytest_prodbench.errors import ProdbenchError, SettingsError, did_you_mean
from pytest_prodbench.registry import load, registered

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

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
            f"{kind}: {error}"
            if isinstance(error, ProdbenchError | OSError)
            else f"{kind}: {error!r}"
            for kind, error in self.errors.items()
        )
        super().__init__(
            "reports",
            found=f"{len(self.errors)} of {len(self.errors) + len(self.written)} not written ({told})",
            next_step="the evidence is complete: they can be made again from it",
        )

    def __reduce__(self) -> tuple[object, ...]:
        return (ReportError, (self.errors, self.written))


def check_reports(wanted: Sequence[str], *, where: str) -> None:
    """Refuse a kind of report that nothing registers, before anything is measured.

    Raises:
        SettingsError: names the kind and the nearest one; ``where`` says who asked.
    """
    kinds = registered("prodbench.reporters")
    for kind in (text.partition(":")[0] for text in wanted):
        if kind not in kinds:
            raise SettingsError(
                where,
                found=f"{kind!r}, a kind of report that nothing registers",
                expected="a registered one",
                next_step=did_you_mean(kind, kinds),
            )


def write_reports(report: ReportInput, wanted: Sequence[str] = ()) -> list[Path]:
    """Write the wanted kinds of report, or every registered one, and return the files.

    Args:
        report: what they are about.
        wanted: ``KIND`` or ``KIND:DEST``, a file that gets a copy; none means every kind.

    Raises:
        ReportError: after all kinds were tried, if any of them failed; names each.
    """
    written: list[Path] = []
    errors: dict[str, Exception] = {}
    copies: dict[str, list[str]] = {}
    for text in wanted or registered("prodbench.reporters"):
        kind, _, destination = text.partition(":")
        copies.setdefault(kind, []).extend([destination] if destination else [])
    for kind, destinations in copies.items():
        try:
            path = load("prodbench.reporters", kind, where="kinds of report")(report)
            written.append(path)
            for copy in map(Path, dict.fromkeys(destinations)):
                atomic_write_bytes(copy, path.read_bytes())
                written.append(copy)
        except Exception as error:  # a third party's reporter may raise anything
            errors[kind] = error
    if errors:
        raise ReportError(errors, written)
    return written
