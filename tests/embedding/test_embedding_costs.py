"""Costs are measured on the model itself: what is slower, larger or later shows."""

from __future__ import annotations

import time

import torch
from embedding_builders import embed, handle, photos, request, settings

from pytest_prodbench.embedding.costs import LOOKED_AT, measure_costs
from pytest_prodbench.settings.policy import TIMED


def costs(tmp_path, count=12, model=None, **fields):
    requests = [request(path) for path in photos(tmp_path / "photos", count)]
    model = model or handle(tmp_path / "cache", **fields)
    return measure_costs(requests, model, settings(tmp_path / "cache", batch_size=4))


class Slow:
    """A real model that waits before each forward pass, longer for one of a batch alone if asked."""

    def __init__(self, embedder, seconds):
        self._embedder, self._seconds = embedder, seconds
        self.identity, self.preprocess = embedder.identity, embedder.preprocess
        self.batches = []

    def embed(self, batch):
        self.batches.append(len(batch))
        time.sleep(self._seconds(len(self.batches)))
        return self._embedder.embed(batch)


def slowed(tmp_path, seconds):
    model = handle(tmp_path / "cache")
    model._embedder = Slow(model.load(), seconds)
    return model


def test_what_is_measured(tmp_path):
    found = costs(tmp_path)
    assert set(found) == TIMED
    assert all(value > 0 for value in found.values())


def test_a_wait_in_the_forward_pass_is_in_latency_and_throughput(tmp_path):
    model = slowed(tmp_path, lambda call: 0.05)
    found = costs(tmp_path, model=model)
    assert found["latency_p95_ms"] >= 50.0
    assert found["images_per_s"] <= 4 / 0.05, "four images a batch, at best one batch a wait"


def test_the_percentile_is_not_the_mean_and_not_the_slowest(tmp_path):
    """Of 64 images the 61st decides: three slow ones go unseen, four do not."""
    for slow, seen in ((3, False), (4, True)):
        model = slowed(tmp_path / str(slow), lambda call, slow=slow: 0.3 * (3 < call <= 3 + slow))
        found = costs(tmp_path / str(slow), LOOKED_AT, model=model)
        assert (found["latency_p95_ms"] >= 300.0) == seen


def test_single_images_are_single_and_batches_full(tmp_path):
    model = slowed(tmp_path, lambda call: 0.0)
    costs(tmp_path, 10, model=model)
    assert model._embedder.batches == [1] * (3 + 10) + [4, 4]


def test_fewer_images_than_a_batch(tmp_path):
    model = slowed(tmp_path, lambda call: 0.0)
    costs(tmp_path, 3, model=model)
    assert model._embedder.batches[-1] == 4


def test_memory_that_the_forward_pass_needs_is_seen(tmp_path):
    def peak(name, model=None):
        more = {} if model is None else {"model": model}
        return costs(tmp_path / name, **more)["peak_memory_mib"]

    before = peak("before")
    model = handle(tmp_path / "large")
    real = model.load()

    class Large(Slow):
        def embed(self, batch):
            # Every page of it is written; to read it again would take seconds a batch.
            torch.ones(300, 2**20, dtype=torch.uint8)
            return real.embed(batch)

    model._embedder = Large(real, None)
    large = peak("large", model)
    # What other tests left in this process may be given back in between.
    assert large > min(before, peak("after")) + 200


def test_nothing_is_taken_from_the_cache_and_nothing_kept(tmp_path):
    requests = [request(path) for path in photos(tmp_path / "photos", 4)]
    embed(requests, tmp_path / "cache")
    before = sorted((tmp_path / "cache").rglob("*.safetensors"))
    model = slowed(tmp_path, lambda call: 0.0)
    measure_costs(requests, model, settings(tmp_path / "cache", batch_size=4))
    assert sum(model._embedder.batches) > 4
    assert sorted((tmp_path / "cache").rglob("*.safetensors")) == before
