"""What a pair took and what its model costs, one fact each, ready to be shown."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_prodbench.report.wording import NOTHING, count, duration

if TYPE_CHECKING:
    from pytest_prodbench.evidence.timing import Paid, Timing
    from pytest_prodbench.evidence.types import ModelRecord, PairRecord

MEASURED = {
    "latency_p95_ms": ("latency of one image, 95th percentile", "ms"),
    "images_per_s": ("throughput in batches", "images/s"),
    "peak_memory_mib": ("memory at its peak", "MiB"),
}
"""Costs that are measured where a rule asks for them: name → what it is, and its unit."""

REMOTE = {
    "latency_p95_ms": "latency of a request, 95th percentile",
    "images_per_s": "throughput of requests",
}
"""What two of them are of a model that a provider runs: recorded, of all its requests so far."""


@dataclass(frozen=True, slots=True)
class Fact:
    """A number with its unit, and what belongs to it."""

    label: str
    value: str
    note: str = ""


def costs(pair: PairRecord, model: ModelRecord | None) -> tuple[Fact, ...]:
    """Return the facts on speed and cost that are known of a pair; empty where it was not measured."""
    if pair.measurement is None:
        return ()
    timing, vectors = pair.timing, pair.measurement.embedding
    each = embedding_ms(timing)
    facts = [
        Fact(
            "embedding an image",
            NOTHING if each is None else f"{each:.1f} ms",
            f"{count(timing.images_embedded)} embedded, {count(timing.images_cached)} from the cache",
        ),
        Fact("ranking", _took(timing.rank_s)),
        Fact("metrics", _took(timing.metrics_s)),
    ]
    dimension = vectors.dimension if vectors else model.dimension if model else None
    if dimension is not None:
        facts.append(Fact("dimension", count(dimension)))
    if vectors is not None:
        facts.append(Fact("bytes a vector, float32", count(vectors.bytes_per_vector)))
    for name, (label, unit) in MEASURED.items():
        if name in timing.costs:
            said = REMOTE.get(name, label) if timing.paid is not None else label
            facts.append(Fact(said, f"{timing.costs[name]:,.1f} {unit}"))
    if model is not None and model.price_per_1000 is not None:
        since = f", looked up on {model.price_date}" if model.price_date else ""
        facts.append(
            Fact("price of 1,000 images", f"{model.price_per_1000:g}", f"as configured{since}")
        )
    if timing.paid is not None:
        facts += _paid(timing.paid)
    return tuple(facts)


def embedding_ms(timing: Timing) -> float | None:
    """Return the time of embedding an image, in ms, decoding with it; None where none was embedded."""
    return 1000 * timing.embed_s / timing.images_embedded if timing.images_embedded else None


def _paid(paid: Paid) -> list[Fact]:
    asked = f"{count(paid.images, 'image')} in {count(paid.requests, 'request')}"
    facts = [
        Fact("paid in this run", NOTHING if paid.usd is None else f"US$ {paid.usd:,.4f}", asked)
    ]
    if paid.unanswered_usd:
        note = "requests without an answer, which may have been billed"
        facts.append(Fact("of this", f"US$ {paid.unanswered_usd:,.4f}", note))
    facts += [
        Fact(f"{name.replace('_', ' ')}, as the provider counted", f"{value:,.0f}")
        for name, value in sorted(paid.usage.items())
    ]
    return facts


def _took(seconds: float) -> str:
    return f"{1000 * seconds:.0f} ms" if seconds < 1 else duration(seconds)
