"""The shape of what owners demand in TOML: thresholds, budgets, rules, waivers."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, field_validator, model_validator

from pytest_prodbench.settings.frozen import Frozen
from pytest_prodbench.settings.policy import COSTS, EVERY, Aggregate, Inconclusive, Severity

CostName = Literal[
    "latency_p95_ms", "images_per_s", "peak_memory_mib", "bytes_per_vector", "price_per_1000"
]


def _limit_table(value: object) -> object:
    return {"min": value} if _is_number(value) else value


def _cost_tables(value: object) -> object:
    """A bare number stands on the side on which the limit of that cost is."""
    if not isinstance(value, dict):
        return value
    return {
        name: {COSTS[name][0]: limit} if name in COSTS and _is_number(limit) else limit
        for name, limit in value.items()
    }


def _drop_table(value: object) -> object:
    return {"abs": value} if _is_number(value) else value


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


class DropTable(Frozen):
    """``max_drop = { abs = 0.01 }``, or the number in its place; ``{ rel = 0.02 }`` is a share."""

    abs: float | None = Field(default=None, allow_inf_nan=False)
    rel: float | None = Field(default=None, allow_inf_nan=False)

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if (self.abs is None) == (self.rel is None):
            raise ValueError(
                "one of abs (in units of the metric) and rel (a share of the baseline's)"
            )
        return self


DropEntry = Annotated[DropTable, BeforeValidator(_drop_table)]


class LimitTable(Frozen):
    """Keys of a limit: one of ``min`` and ``max``, or ``max_drop``."""

    min: float | None = Field(default=None, allow_inf_nan=False)
    max: float | None = Field(default=None, allow_inf_nan=False)
    max_drop: DropEntry | None = None

    @model_validator(mode="after")
    def _some_limit(self) -> Self:
        self._require_limit()
        return self

    def _require_limit(self) -> None:
        if self.min is not None and self.max is not None:
            raise ValueError("one of min (more is better) and max (less is better), not both")
        if self.min is None and self.max is None and self.max_drop is None:
            raise ValueError("min (more is better), max (less is better) or max_drop")


class DemandTable(LimitTable):
    """Keys that every rule has."""

    severity: Severity = "block"
    confidence: float | None = Field(default=None, gt=0.5, le=0.975)
    inconclusive: Inconclusive | None = None

    @model_validator(mode="after")
    def _inconclusive_of_what(self) -> Self:
        if self.inconclusive is not None and self.confidence is None:
            raise ValueError(
                "inconclusive only beside confidence: a measured value is never between"
            )
        return self


class ThresholdTable(DemandTable):
    """``{ min = 0.5 }``, or the number in its place."""


class RequireTable(Frozen):
    """``require = { beats = "lite*", by = 0.05 }``; ``beats`` may be ``family:open``."""

    beats: str
    by: float = Field(allow_inf_nan=False)


class ScopeTable(Frozen):
    """Keys that say what a rule or waiver is about."""

    metric: str
    datasets: str = EVERY
    models: str = EVERY
    condition: dict[str, str] = Field(default_factory=dict)
    worst_condition: str | None = None
    aggregate: Aggregate | None = None

    @field_validator("condition")
    @classmethod
    def _one_or_two(cls, value: dict[str, str]) -> dict[str, str]:
        if len(value) > 2:
            raise ValueError("at most two columns, each with one value")
        return value

    @model_validator(mode="after")
    def _one_subject(self) -> Self:
        if self.worst_condition is not None and self.condition:
            raise ValueError("one of condition and worst_condition, not both")
        if self.aggregate is not None and self.datasets != EVERY:
            raise ValueError("an aggregate over all datasets of the sector, without datasets")
        return self


class ScopedLimitTable(ScopeTable, LimitTable):
    """A scope and its limit, which may be a lead over other models."""

    require: RequireTable | None = None

    def _require_limit(self) -> None:
        if self.require is None:
            super()._require_limit()
            return
        if self.min is not None or self.max is not None or self.max_drop is not None:
            raise ValueError("require alone, without min, max and max_drop")
        if self.aggregate is not None:
            raise ValueError("require for each dataset alone, without aggregate")


class RuleTable(ScopedLimitTable, DemandTable):
    """``[[rules]]``."""


class WaiverTable(ScopedLimitTable):
    """``[[waivers]]``."""

    reason: str
    owner: str
    granted: dt.date
    expires: dt.date

    @field_validator("reason", "owner")
    @classmethod
    def _said(cls, value: str) -> str:
        if not value.strip():
            raise ValueError("some words")
        return value

    @field_validator("granted", "expires", mode="before")
    @classmethod
    def _a_day(cls, value: object) -> object:
        # A date with a time of day is a date to Python, and not to whoever reads "until 31 March".
        if isinstance(value, dt.datetime):
            raise ValueError("a day, as 2027-03-31, without a time")  # noqa: TRY004 - pydantic's way
        return value

    @model_validator(mode="after")
    def _one_limit(self) -> Self:
        if self.max_drop is not None and (self.min is not None or self.max is not None):
            raise ValueError("one limit a waiver: min, max or max_drop")
        return self

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.expires < self.granted:
            raise ValueError(f"expires ({self.expires}) on or after granted ({self.granted})")
        return self


ThresholdEntry = Annotated[ThresholdTable, BeforeValidator(_limit_table)]
BudgetEntry = Annotated[dict[CostName, ThresholdTable], BeforeValidator(_cost_tables)]
