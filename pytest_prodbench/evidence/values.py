"""One number of the evidence, with its interval."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from pytest_prodbench.evidence.judgement import Record


class MetricValue(Record):
    """One metric over some queries, with its 95 % interval; the product is the unit of sampling."""

    value: float
    low: float
    high: float
    n: int = Field(description="queries behind it")
    products: int = Field(description="distinct products behind it")
    method: Literal["wilson", "bca", "percentile", "own", "adjusted"] = Field(
        description="how the interval was made: by formula for a share of queries, in a way of the metric's "
        "own where bootstrap would not hold, adjusted for paired hits, else by bootstrap"
    )
    detectable: float | None = Field(
        default=None,
        description="smallest worsening that these queries would show with power 80 % in a one-sided "
        "test at 95 %, if a second model erred independently; comparing the same photos shows less. "
        "Null where nothing is known of the spread",
    )
