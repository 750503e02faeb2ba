"""A set of a data-set hub, read, embedded and ranked: held against a count by the plain definition."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from dataset_builders import encoded, noise, opened, pixels, spec
from hub_builders import CORPUS, IMAGE, QRELS, QUERIES, write_pairs, write_table
from PIL import Image

from pytest_prodbench import evaluate


def vector(data: bytes) -> Any:
    """The baseline by its definition: 32 x 32 pixels less their mean, and 1/255; of length 1."""
    image = Image.fromarray(pixels(data)).resize((32, 32), Image.Resampling.BICUBIC)
    flat = np.asarray(image, np.float64).transpose(2, 0, 1).ravel() / 255
    whole = np.append(flat - flat.mean(), 1 / 255)
    return whole / np.linalg.norm(whole)


@pytest.mark.parametrize("kept", [1.0, 0.6], ids=["products", "answers"])
def test_measured_as_a_naive_count_says(tmp_path: Path, kept: float) -> None:
    """Each photo queries its product as in RP2K: itself is a document and no pair, and never counts.

    With some pairs taken out the rest is no equivalence, and other photos of the product are negatives.
    """
    rng = np.random.default_rng(3)
    products = np.repeat(np.arange(8), 4)
    photos = []
    for product in products:
        base = np.asarray(noise(int(product), 32, 32), np.float64)
        grainy = 128 + 0.12 * (base - 128) + rng.normal(0, 40, base.shape)
        image = Image.fromarray(grainy.clip(0, 255).astype(np.uint8))
        photos.append(encoded(image, "JPEG", quality=90))
    numbers = range(len(products))
    pairs = {
        (i, j)
        for i in numbers
        for j in numbers
        if products[i] == products[j] and i != j and (j == i ^ 1 or rng.random() < kept)
    }
    ids = [f"p{i}" for i in numbers]
    rows = pa.array([{"bytes": data, "path": ""} for data in photos], IMAGE)
    write_table(tmp_path / CORPUS, group=5, id=ids, image=rows)
    write_table(tmp_path / QUERIES, group=7, id=ids, image=rows)
    write_pairs(tmp_path / QRELS, [(ids[i], ids[j], 1) for i, j in sorted(pairs)])
    opened_set = opened(tmp_path, "hub_retrieval")
    assert bool(opened_set.answers) == (kept < 1)

    found = evaluate(
        "baseline:pixels",
        spec(tmp_path, "hub_retrieval"),
        device="cpu",
        cache_dir=tmp_path / "cache",
        resamples=200,
    )

    vectors = np.stack([vector(data) for data in photos])
    scores = vectors @ vectors.T
    ranks = []
    for i in numbers:
        best = max(scores[i, j] for j in numbers if (i, j) in pairs)
        others = [j for j in numbers if j != i and (i, j) not in pairs]
        ranks.append(1 + sum(scores[i, j] >= best for j in others))
    assert found.ranks.tolist() == ranks
    recall = found.metrics["recall@1"]
    assert recall.value == np.mean([rank == 1 for rank in ranks])
    # Neither trivial nor hopeless, or the count would prove little.
    assert 0.2 < recall.value < 0.95
    assert recall.products == (8 if kept == 1 else 32)
    assert found.ranking.candidates.tolist() == [31] * 32
