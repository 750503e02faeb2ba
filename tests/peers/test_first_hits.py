"""recall@1 on random vectors is what faiss finds first."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from pytest_prodbench import evaluate_embeddings

if TYPE_CHECKING:
    from types import ModuleType


@pytest.mark.parametrize("noise", [0.02, 0.12, 0.3])
@pytest.mark.parametrize("seed", [0, 1])
def test_recall_at_1_is_faiss_first_hit(faiss: ModuleType, seed: int, noise: float) -> None:
    rng = np.random.default_rng(seed)
    products = rng.integers(0, 300, 1000)
    products[:300] = np.arange(300)
    centres = rng.normal(size=(300, 64)) / 8
    gallery = (centres[products] + noise * rng.normal(size=(1000, 64))).astype(np.float32)
    asked = rng.integers(0, 300, 400)
    queries = (centres[asked] + noise * rng.normal(size=(400, 64))).astype(np.float32)

    found = evaluate_embeddings(
        queries, gallery, [str(p) for p in asked], [str(p) for p in products]
    )

    index = faiss.IndexFlatIP(64)
    unit = [block / np.linalg.norm(block, axis=1, keepdims=True) for block in (queries, gallery)]
    index.add(unit[1])
    first = index.search(unit[0], 1)[1][:, 0]
    hits = products[first] == asked
    assert found.metrics["recall@1"].value == pytest.approx(hits.mean(), abs=1e-9)
    np.testing.assert_array_equal(found.ranking.ranks == 1, hits)
    np.testing.assert_array_equal(found.ranking.top_indices[:, 0], first)
