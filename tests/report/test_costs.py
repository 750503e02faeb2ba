"""What a pair took and what its model costs, in words."""

from __future__ import annotations

from pytest_prodbench.evidence.timing import Paid, Timing
from pytest_prodbench.report.costs import costs

from . import builders as b


def facts(timing: Timing | None = None, *, measurement=None, **model) -> dict[str, str]:
    pair = b.pair(
        "lite0",
        "parts",
        "diy",
        measurement=measurement or b.detailed(),
        timing=timing or Timing(),
    )
    found = costs(pair, b.model("lite0", **model))
    return {fact.label: f"{fact.value} {fact.note}".strip() for fact in found}


def test_speed_of_what_was_embedded():
    timing = Timing(
        embed_s=26, rank_s=0.0915, metrics_s=2.5, images_embedded=650, images_cached=1300
    )
    assert facts(timing) == {
        "embedding an image": "40.0 ms 650 embedded, 1,300 from the cache",
        "ranking": "92 ms",
        "metrics": "2.50 s",
        "dimension": "768",
        "bytes a vector, float32": "3,072",
    }


def test_nothing_embedded_is_no_speed():
    timing = Timing(embed_s=0.4, images_cached=780)
    assert facts(timing)["embedding an image"] == "– 0 embedded, 780 from the cache"


def test_costs_are_there_where_they_were_measured():
    timing = Timing(
        costs={"latency_p95_ms": 12.345, "images_per_s": 1234.5, "peak_memory_mib": 512}
    )
    found = facts(timing, price_per_1000=0.25)
    assert found["latency of one image, 95th percentile"] == "12.3 ms"
    assert found["throughput in batches"] == "1,234.5 images/s"
    assert found["memory at its peak"] == "512.0 MiB"
    assert found["price of 1,000 images"] == "0.25 as configured"


def test_what_a_provider_was_paid():
    paid = Paid(
        requests=3, images=12, usd=0.006, unanswered_usd=0.002, usage={"image_tokens": 9600}
    )
    timing = Timing(costs={"latency_p95_ms": 250.0, "images_per_s": 9.0}, paid=paid)
    found = facts(timing, price_per_1000=0.5, price_date="2026-11-01")
    assert found["latency of a request, 95th percentile"] == "250.0 ms"
    assert found["throughput of requests"] == "9.0 images/s"
    assert found["price of 1,000 images"] == "0.5 as configured, looked up on 2026-11-01"
    assert found["paid in this run"] == "US$ 0.0060 12 images in 3 requests"
    assert found["of this"] == "US$ 0.0020 requests without an answer, which may have been billed"
    assert found["image tokens, as the provider counted"] == "9,600"
    unpriced = Paid(requests=1, images=1, usd=None, unanswered_usd=0.0)
    assert facts(Timing(paid=unpriced))["paid in this run"] == "– 1 image in 1 request"


def test_without_facts_on_the_vectors_the_dimension_is_that_of_the_model():
    found = facts(measurement=b.measurement(), dimension=512)
    assert found["dimension"] == "512"
    assert "bytes a vector, float32" not in found


def test_no_measurement_no_facts():
    lost = b.unmeasured("lite0", "parts", "diy", "lost", "gone")
    assert costs(lost, b.model("lite0")) == ()
    # A record whose models do not name it, as from a damaged merge.
    assert [fact.label for fact in costs(b.pair("x", "parts", "diy"), None)][:3] == [
        "embedding an image",
        "ranking",
        "metrics",
    ]
