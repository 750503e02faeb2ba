"""What a gate says: outcomes of rules held against what was measured, and verdicts."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from pytest_prodbench.settings.policy import Bound, Inconclusive, Severity

Verdict = Literal["accept", "reject", "incomplete"]

Outcome = Literal["holds", "fails", "inconclusive", "undecided", "no baseline"]


class Record(BaseModel):
    """Base of all records: no unknown key, NaN and infinity are refused (they are not JSON)."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


class WaiverInForce(Record):
    """A waiver that stood in the place of a rule's own limit."""

    limit: float = Field(description="of the rule, without the waiver")
    reason: str
    owner: str
    expires: str = Field(description="last day on which it holds, ISO 8601")
    where: str = Field(description="file, line and key of the waiver")


class Check(Record):
    """One rule held against one pair, or against one model on all datasets of a sector."""

    metric: str
    what: str = Field(description="what was held against the limit, in words")
    model: str
    dataset: str | None = Field(description="null for an aggregate over a sector's datasets")
    severity: Severity = Field(description="block decides; warn and info are only shown")
    bound: Bound = Field(
        description="whether the limit is the least or the greatest value, or the greatest drop"
    )
    limit: float = Field(description="inclusive; a waiver's, where one is in force")
    confidence: float | None = Field(
        description="of the one-sided interval whose end must clear the limit; null: the value decides"
    )
    value: float | None = Field(
        description="measured value, of a max_drop the drop; null if there is none"
    )
    low: float | None = Field(default=None, description="95 % interval of the value")
    high: float | None = None
    n: int | None = Field(default=None, description="queries behind it")
    outcome: Outcome = Field(
        description="undecided: no value; inconclusive: the interval straddles the limit; no baseline: "
        "nothing is in production yet to drop from"
    )
    inconclusive: Inconclusive = Field(description="what the rule lets an inconclusive outcome be")
    passed: bool = Field(
        description="it holds, or there is no baseline yet, or it is inconclusive and the rule lets that pass"
    )
    message: str = Field(description="what, by how much, against which rule from which file")
    detectable: float | None = Field(
        default=None, description="as in the metric's value; null if there is none"
    )
    where: str = Field(description="file, line and key of the rule, relative to the project")
    waiver: WaiverInForce | None = None

    @property
    def blocks(self) -> bool:
        """Whether it stands in the way of an accept."""
        return self.severity == "block" and not self.passed
