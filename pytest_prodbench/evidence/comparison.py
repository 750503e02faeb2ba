"""A model against the one in production, on the same queries: what the gate judges a drop by."""

from __future__ import annotations

from pydantic import Field

from pytest_prodbench.evidence.judgement import Record
from pytest_prodbench.evidence.values import MetricValue


class Change(Record):
    """One metric of two models on the queries that both have a value on."""

    before: float = Field(description="mean of the model in production")
    after: float = Field(description="mean of the candidate")
    drop: MetricValue = Field(
        description="by how much the candidate is worse, paired by query; below zero: better"
    )
    only_before: int | None = Field(
        default=None, description="queries that production alone hits; null: not hit or miss"
    )
    only_after: int | None = Field(
        default=None, description="queries that the candidate alone hits"
    )
    p_value: float | None = Field(default=None, description="McNemar's exact test, two-sided")


class CrossedChanges(Record):
    """Changes on the queries that have one value in each of two condition columns."""

    columns: tuple[str, str]
    values: tuple[str, str]
    changes: dict[str, Change]


class Compared(Record):
    """Changes from one result to another on the same dataset."""

    refused: list[str] = Field(
        default_factory=list, description="what differs, so that nothing was compared"
    )
    not_compared: dict[str, str] = Field(
        default_factory=dict,
        description="metric → why it alone was not compared, as where it reads what is not on disk",
    )
    changes: dict[str, Change] = Field(default_factory=dict, description="metric → change")
    conditions: dict[str, dict[str, dict[str, Change]]] = Field(
        default_factory=dict, description="column → value → metric → change"
    )
    crossings: list[CrossedChanges] = Field(default_factory=list)


class Contest(Compared):
    """Two models of one run on one dataset; ``after`` is the model that must lead, ``before`` the other."""

    model: str
    other: str
    dataset: str


class PairComparison(Compared):
    """One pair against production's result on the same dataset."""

    model: str = Field(description="the model in production")
    weights_digest: str
    rebased: list[str] = Field(
        default_factory=list, description="what differs and was let pass (--prodbench-rebase)"
    )
    queries: int = Field(default=0, description="queries that both have, by content and product")
    only_before: int = Field(default=0, description="queries that the baseline alone has")
    only_after: int = Field(default=0, description="queries that the candidate alone has")
    newly_failing: list[str] = Field(
        default_factory=list,
        description="paths of queries that production hits first and the candidate does not; at most 50, "
        "the deepest fall first",
    )
    newly_right: list[str] = Field(
        default_factory=list, description="the other way round; at most 50, the highest rise first"
    )
