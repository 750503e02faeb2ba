"""What a measurement holds beside its metrics: conditions that meet, spreads, curves, confusions, vectors."""

from __future__ import annotations

from pydantic import Field

from pytest_prodbench.evidence.judgement import Record
from pytest_prodbench.evidence.values import MetricValue


class Crossing(Record):
    """Queries that have one value in each of two condition columns."""

    columns: tuple[str, str]
    values: tuple[str, str]
    n: int = Field(description="queries")
    products: int = Field(description="distinct products")
    small: bool = Field(description="fewer queries than a slice needs to be measured")
    metrics: dict[str, MetricValue] = Field(
        description="those that enough of these queries define; statistics only where asked for"
    )


class Spread(Record):
    """How far apart the values of one condition column are in one metric."""

    column: str
    metric: str
    worst: str | None = Field(
        description="value with the worst result; null unless two values have enough queries"
    )
    best: str | None
    worst_value: float | None
    best_value: float | None
    spread: float | None = Field(description="|best − worst|")
    small: list[str] = Field(description="values with too few queries to be ranked")


class Curve(Record):
    """A curve as points; ``low`` and ``high`` are its 95 % interval where there is one."""

    x_label: str
    y_label: str
    x: list[float]
    y: list[float]
    low: list[float] | None = None
    high: list[float] | None = None
    note: str = Field(default="", description="what was assumed, and how it was thinned")


class Confusion(Record):
    """Queries of one product whose first result is another product."""

    product: str
    taken_for: str
    same_family: bool | None = Field(description="null where a family is not stated")
    count: int = Field(description="queries")
    tied: int = Field(description="of these, exact ties that the pessimistic rule decides")
    queries: list[str] = Field(description="paths of some, the widest gap first")


class EmbeddingFacts(Record):
    """What the vectors themselves are like; no metric, and no interval: all of them were looked at."""

    dimension: int
    bytes_per_vector: int = Field(description="in float32")
    effective_rank: float | None = Field(
        description="participation ratio of the gallery's covariance, 1 to the dimension; null where "
        "all vectors are alike"
    )
    hubness: float | None = Field(
        description="skewness of how often a gallery image is among the first 10 results; null where "
        "it is the same for all"
    )
    near_identical: float | None = Field(
        description="share of looked-at gallery images with another one at least as similar as "
        "near_identical_from; null for a gallery of one image"
    )
    near_identical_from: float = Field(description="similarity")
    near_identical_looked_at: int = Field(description="gallery images looked at, evenly spaced")
