"""What is measured beside metrics and curves: confused products, and what the vectors are like."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_prodbench.evidence.measured import Confusion, EmbeddingFacts
from pytest_prodbench.metrics.confusion import confused_products
from pytest_prodbench.metrics.embedding_space import (
    NEAR_IDENTICAL,
    EmbeddingSpace,
    embedding_space,
)
from pytest_prodbench.retrieval import Gallery, Labels, Pairs, search

if TYPE_CHECKING:
    from pytest_prodbench.protocol import ImageTable, Ranking

CONFUSIONS = 20
"""Confused pairs of products kept; the queries' table has them all."""

EXAMPLES = 3
"""Queries named for each."""

LOOKED_AT = 1000
"""Gallery images for which the nearest other one is searched."""

HUB_DEPTH = 10
"""Results in which a gallery image is counted, for hubness."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where searching is done."""

    backend: str
    device: str
    threads: int


def confusions(ranking: Ranking, queries: ImageTable, gallery: ImageTable) -> dict[str, Any]:
    """Return the fields ``confusions`` and ``confused_pairs`` of a ``Measurement``."""
    found = confused_products(
        ranking,
        queries.product_ids,
        gallery.product_ids,
        queries.families,
        gallery.families,
    )
    return {
        "confused_pairs": len(found),
        "confusions": [
            Confusion(
                product=pair.product,
                taken_for=pair.taken_for,
                same_family=pair.same_family,
                count=pair.count,
                tied=pair.tied,
                queries=[queries.images[row] for row in pair.rows[:EXAMPLES]],
            )
            for pair in found[:CONFUSIONS]
        ],
    }


def embedding_facts(
    gallery: Gallery, ranking: Ranking, labels: Labels, place: Place
) -> EmbeddingFacts:
    """Look at the vectors; of a large gallery, for near-identical ones, at some of them."""
    looked_at = np.argsort(labels.gallery_order)[:: -(-len(gallery) // LOOKED_AT)]
    itself = Pairs(np.arange(len(looked_at) + 1), looked_at)
    _, nearest = search(
        gallery.vectors[looked_at],
        gallery,
        1,
        excluded=itself,
        backend=place.backend,
        device=place.device,
        threads=place.threads,
    )
    found: EmbeddingSpace = embedding_space(
        gallery.vectors, ranking.top_indices[:, :HUB_DEPTH], nearest[:, 0]
    )
    return EmbeddingFacts(
        dimension=found.dimension,
        bytes_per_vector=found.bytes_per_vector,
        effective_rank=_number(found.effective_rank),
        hubness=_number(found.hubness),
        near_identical=_number(found.near_identical),
        near_identical_from=NEAR_IDENTICAL,
        near_identical_looked_at=len(looked_at),
    )


def _number(value: float) -> float | None:
    return round(value, 6) if np.isfinite(value) else None
