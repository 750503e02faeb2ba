"""A training that was interrupted ends as one that was not."""

from __future__ import annotations

import json
import os

import numpy as np
import pytest
import torch

from fixtures.training import training
from fixtures.training.photos import Photos
from fixtures.training.training import Recipe, train

SHORT = Recipe(stages=((32, 2), (48, 1)), families=2, products=2, images=2)


@pytest.fixture
def some_photos(monkeypatch):
    if os.environ.get("PRODBENCH_REQUIRE_PEERS") != "1":
        pytest.importorskip("pytorch_metric_learning")
    products = np.repeat(np.arange(12), 3)
    photos = Photos(
        torch.from_numpy(np.random.default_rng(0).integers(0, 256, (36, 3, 32, 32), np.uint8)),
        products,
        products // 4,
        np.tile(np.arange(3) == 0, 12),
        products >= 8,
        tuple(f"p{k}" for k in range(12)),
        (0,),
    )
    monkeypatch.setattr(training, "read", lambda *_: photos)
    # Measured on small images: what is measured is not looked at here, only that it is the same.
    real = training.recall_of
    monkeypatch.setattr(training, "recall_of", lambda model, photos, _: real(model, photos, 64))
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def told(folder):
    lines = (folder / "training.jsonl").read_text(encoding="utf-8").splitlines()
    return [{k: v for k, v in json.loads(line).items() if k != "s"} for line in lines]


def test_it_goes_on_after_its_last_whole_epoch(some_photos, tmp_path, monkeypatch):
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    train(tmp_path, whole, seed=3, recipe=SHORT)
    assert [line["event"] for line in told(whole)].count("epoch") == 3

    real, seen = training.recall_of, []

    def until_the_second_epoch(*arguments):
        seen.append(1)
        if len(seen) == 3:
            raise KeyboardInterrupt
        return real(*arguments)

    monkeypatch.setattr(training, "recall_of", until_the_second_epoch)
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path, parts, seed=3, recipe=SHORT)
    assert [line["event"] for line in told(parts)] == ["begin", "before", "epoch"]
    monkeypatch.setattr(training, "recall_of", real)
    epochs = []
    monkeypatch.setattr(
        training, "batches", lambda *a, f=training.batches: epochs.append(1) or f(*a)
    )
    train(tmp_path, parts, seed=3, recipe=SHORT)
    assert len(epochs) == 1 + 2  # once to count the steps, then what was left
    assert told(parts) == told(whole)
    assert {f.name for f in parts.iterdir()} == {
        "config.json",
        "model.safetensors",
        "training.jsonl",
    }
    one, two = ((folder / "model.safetensors").read_bytes() for folder in (whole, parts))
    assert one == two


def test_another_training_is_not_gone_on_with(some_photos, tmp_path, monkeypatch):
    monkeypatch.setattr(training, "export", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path, tmp_path / "out", seed=3, recipe=SHORT)
    assert (tmp_path / "out" / "interrupted.pt").exists()
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path, tmp_path / "out", seed=4, recipe=SHORT)
    events = told(tmp_path / "out")
    assert events[0]["seed"] == 4
    assert [line["event"] for line in events].count("epoch") == 3
