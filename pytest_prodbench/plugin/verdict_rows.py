"""Verdicts on sectors and models as tests that pytest reports."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from pytest_prodbench.evidence.judgement import Verdict
    from pytest_prodbench.evidence.types import RunRecord
    from pytest_prodbench.plugin.session import ProdbenchSession

Outcome = Literal["passed", "failed", "skipped"]


@dataclass(frozen=True, slots=True)
class Row:
    """A verdict that is reported as a test.

    Attributes:
        nodeid, place, name: of the test.
        verdict: what was decided.
        reasons: why it is not an accept.
        forgiven: why that is held against nobody; None if it is.
    """

    nodeid: str
    place: str
    name: str
    verdict: Verdict
    reasons: list[str]
    forgiven: str | None

    @property
    def outcome(self) -> tuple[Outcome, Any]:
        """Outcome of the test, and what pytest shows of it."""
        if self.verdict == "accept":
            return "passed", None
        told = "\n".join(self.reasons)
        if self.forgiven is not None:
            words = f"Skipped: {self.verdict}, {self.forgiven}; {told}"
            return "skipped", (self.place, None, words)
        return "failed", f"{self.name}: {self.verdict}\n{told}"


def sector_rows(state: ProdbenchSession, record: RunRecord) -> list[Row]:
    """Return a row a sector, at its file."""
    from pytest_prodbench.report.sections import sections

    rows = []
    for section in sections(record):
        spec = state.suite.sectors.get(section.name)
        rows.append(
            Row(
                nodeid=f"prodbench::sector[{section.name}]",
                place=str(spec.source if spec else state.project),
                name=section.name,
                verdict=section.verdict,
                reasons=section.reasons,
                forgiven=section.forgiven(record.gate),
            )
        )
    return rows


def candidate_rows(state: ProdbenchSession, record: RunRecord) -> list[Row]:
    """Return a row a model, over all sectors."""
    from pytest_prodbench.report.standing import candidate_forgiven, candidate_reasons

    return [
        Row(
            nodeid=f"prodbench::candidate[{model}]",
            place=str(state.project),
            name=model,
            verdict=verdict,
            reasons=candidate_reasons(record, model),
            forgiven=candidate_forgiven(record, model),
        )
        for model, verdict in sorted(record.candidates.items())
    ]
