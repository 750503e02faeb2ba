"""What the owners of a sector demand: rules, and waivers from them."""

from __future__ import annotations

import datetime as dt
from fnmatch import fnmatchcase
from typing import Literal

from pydantic import ConfigDict

from pytest_prodbench.settings.frozen import Frozen

Severity = Literal["block", "warn", "info"]
Inconclusive = Literal["block", "warn", "pass"]
Aggregate = Literal["mean", "worst"]
Bound = Literal["min", "max", "max_drop"]
GateMode = Literal["enforce", "report", "off"]

COSTS: dict[str, tuple[Literal["min", "max"], str]] = {
    "latency_p95_ms": ("max", "ms"),
    "images_per_s": ("min", "images/s"),
    "peak_memory_mib": ("max", "MiB"),
    "bytes_per_vector": ("max", "bytes"),
    "price_per_1000": ("max", "per 1,000 images"),
}
"""What a model costs: name → on which side its limit is, and its unit. What each is: docs/thresholds.md."""

TIMED = frozenset(("latency_p95_ms", "images_per_s", "peak_memory_mib"))
"""Costs that have to be measured; a rule on one makes it measured."""

EVERY = "*"
"""Pattern of all names."""

Condition = tuple[tuple[str, str], ...]
"""(column, value) of a slice, sorted by column; empty for all queries."""


class Scope(Frozen):
    """What a rule or waiver is about.

    Attributes:
        metric: a registered metric with its k, such as ``recall@1``, or one of ``COSTS``.
        sector: the sector whose owners wrote it.
        datasets, models: a name, or a pattern with ``*``, ``?`` and ``[…]``.
        condition: the slice of queries that it is about, by one column or two.
        worst_condition: a condition column: about the value with the worst result among those with enough
            queries; None: about the queries themselves.
        aggregate: about the mean or the worst value over the datasets of the sector, model by model;
            None: about each dataset alone.
        limit: inclusive, within the metric's range.
        bound: ``min``: the least accepted value; ``max``: the greatest, for metrics of which less is better;
            ``max_drop``: how much worse than the baseline's value, on the same queries, is tolerated.
        relative: the limit of a ``max_drop`` is a share of the baseline's value.
        beats: about the lead over other models of the same run, on the same queries: a name, a pattern, or
            ``family:`` and a family; ``limit`` is the least lead. None: about the model alone.
    """

    # Not strict: evidence holds rules and waivers as JSON, where a date is a text and a tuple a list.
    model_config = ConfigDict(extra="forbid", frozen=True, strict=False, allow_inf_nan=False)

    metric: str
    sector: str
    datasets: str = EVERY
    models: str = EVERY
    condition: Condition = ()
    worst_condition: str | None = None
    aggregate: Aggregate | None = None
    limit: float
    bound: Bound = "min"
    relative: bool = False
    beats: str | None = None

    def matches(self, model: str, dataset: str) -> bool:
        """Whether a pair is among those that this is about."""
        return fnmatchcase(model, self.models) and fnmatchcase(dataset, self.datasets)

    @property
    def is_budget(self) -> bool:
        """Whether this is about what a model costs, not about what it finds."""
        return self.metric in COSTS

    @property
    def is_paired(self) -> bool:
        """Whether this is about the difference of two models on the same queries."""
        return self.bound == "max_drop" or self.beats is not None

    @property
    def subject(self) -> tuple[bool, str | None, str, Condition, str | None, Aggregate | None]:
        """What is held against the limit, whichever the pair."""
        parts = (self.metric, self.condition, self.worst_condition, self.aggregate)
        return (self.bound == "max_drop", self.beats, *parts)

    @property
    def what(self) -> str:
        """The subject in words: ``recall@1 where light = dim``."""
        words = self.metric if self.bound != "max_drop" else f"drop of {self.metric}"
        if self.beats is not None:
            words = f"lead in {self.metric} over {self.beats}"
        if self.aggregate is not None:
            words = f"{self.aggregate} {words} of the sector"
        if self.condition:
            words += " where " + " and ".join(f"{c} = {v}" for c, v in self.condition)
        if self.worst_condition is not None:
            words += f" at the worst {self.worst_condition}"
        return words


def is_rival(beats: str, name: str, family: str | None) -> bool:
    """Whether a model is among those that another one must lead.

    One whose family nobody knows, because it was not measured, is: it may be the best of them.
    """
    kind, colon, wanted = beats.partition(":")
    if colon and kind == "family":
        return family is None or family == wanted
    return fnmatchcase(name, beats)


class Rule(Scope):
    """One demand: the subject reaches a limit in each pair of its scope.

    Attributes:
        severity: ``block`` decides; ``warn`` and ``info`` are only shown.
        confidence: None: the measured value decides. Else the end of the one-sided interval of this
            confidence must clear the limit; 0.5 < confidence <= 0.975.
        inconclusive: what holds with a confidence where the interval straddles the limit.
        where: file, line and key that hold it, for messages.
    """

    severity: Severity = "block"
    confidence: float | None = None
    inconclusive: Inconclusive = "block"
    where: str = "<python>"


class Waiver(Scope):
    """An easier limit for some pairs, for a time; for rules of every severity.

    Its limit stands in the place of the rule's.

    Attributes:
        reason: why, for the report.
        owner: who answers for it.
        granted, expires: the first and the last day on which it holds.
        where: file, line and key that hold it, for messages.
    """

    reason: str
    owner: str
    granted: dt.date
    expires: dt.date
    where: str = "<python>"
