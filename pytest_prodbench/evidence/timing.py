"""What a pair took: seconds, and money where a provider was asked."""

from __future__ import annotations

from pydantic import Field

from pytest_prodbench.evidence.judgement import Record


class Paid(Record):
    """What a provider was asked for, for one pair of one run: what the cache lacked."""

    requests: int = Field(description="that brought vectors")
    images: int = Field(description="whose vectors they brought")
    usd: float | None = Field(description="at the price of the model's entry; null: it has none")
    unanswered_usd: float = Field(
        description="part of usd: requests that were not answered, so that they may have been billed"
    )
    usage: dict[str, float] = Field(
        default_factory=dict, description="what the provider said that it counted, summed"
    )


class Timing(Record):
    """Where the time of one pair went, in seconds; differs from run to run."""

    total_s: float = 0.0
    embed_s: float = 0.0
    rank_s: float = 0.0
    metrics_s: float = 0.0
    images_embedded: int = 0
    images_cached: int = 0
    backend: str = ""
    worker: str = ""
    costs: dict[str, float] = Field(
        default_factory=dict,
        description="latency, throughput, memory, where a rule is about them; of a remote model latency and "
        "throughput of all its requests so far",
    )
    paid: Paid | None = Field(default=None, description="null: a model on this machine")
