"""What is measured beside the metrics: curves, confused products, and what the vectors are like."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_prodbench.evidence.types import Confusion, Curve, EmbeddingFacts
from pytest_prodbench.metrics.confusion import confused_products
from pytest_prodbench.metrics.embedding_space import (
    NEAR_IDENTICAL,
    EmbeddingSpace,
    embedding_space,
)
from pytest_prodbench.metrics.extrapolation import ASSUMPTION, extrapolated_recall, fit_difficulty
from pytest_prodbench.metrics.first_hit import cumulative_match, recall
from pytest_prodbench.metrics.growth import growth_curve
from pytest_prodbench.metrics.intervals import cluster_bootstrap, wilson_clustered
from pytest_prodbench.metrics.open_set import open_set_curve
from pytest_prodbench.metrics.verification import verification_curve
from pytest_prodbench.retrieval import Gallery, Labels, Pairs, search

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pytest_prodbench.protocol import ImageTable, Ranking
    from pytest_prodbench.settings.types import RunSettings

    Doubles = NDArray[np.float64]

CONFUSIONS = 20
"""Confused pairs of products kept; the queries' table has them all."""

EXAMPLES = 3
"""Queries named for each."""

CURVE_DIGITS = 6
"""Decimals of a point: curves are drawn, not judged."""

POINTS = 200
"""Points kept of a curve that has one at each score."""

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


def curves_and_confusions(
    ranking: Ranking,
    queries: ImageTable,
    gallery: ImageTable,
    ks: Sequence[int],
    settings: RunSettings,
) -> dict[str, Any]:
    """Return the fields ``curves``, ``confusions`` and ``confused_pairs`` of a ``Measurement``."""
    known = bool((ranking.positives > 0).any())
    curves: dict[str, Curve] = {}
    if known:
        curves["cumulative match"] = _match_curve(ranking, queries)
        curves |= _growth_curves(ranking, queries, ks, settings)
    found = open_set_curve(ranking)
    if found is not None:
        for name, y, label in (
            ("open set: accepted", found.accepts, "share of known queries accepted"),
            ("open set: identified", found.identified, "share of known queries accepted and right"),
        ):
            curves[name] = _thinned(
                found.false_accepts, y, "share of unknown queries accepted", label
            )
    for name, alike in (("verification", False), ("verification: look-alikes", True)):
        pairs = verification_curve(ranking, alike=alike)
        if pairs is not None:
            curves[name] = _thinned(
                pairs.false_accepts,
                pairs.true_accepts,
                "share of wrong pairs accepted",
                "share of genuine pairs accepted",
            )
    confusions = confused_products(
        ranking,
        queries.product_ids,
        gallery.product_ids,
        queries.families,
        gallery.families,
    )
    return {
        "curves": curves,
        "confused_pairs": len(confusions),
        "confusions": [
            Confusion(
                product=pair.product,
                taken_for=pair.taken_for,
                same_family=pair.same_family,
                count=pair.count,
                tied=pair.tied,
                queries=[queries.images[row] for row in pair.rows[:EXAMPLES]],
            )
            for pair in confusions[:CONFUSIONS]
        ],
    }


def _match_curve(ranking: Ranking, queries: ImageTable) -> Curve:
    ks, shares = cumulative_match(ranking)
    hits = np.stack([recall(ranking, int(k)) for k in ks], axis=1)
    low, high = wilson_clustered(*_by_product(hits, queries))
    return Curve(
        x_label="k",
        y_label="recall@k",
        x=ks.tolist(),
        y=_rounded(shares),
        low=_rounded(np.minimum(low, shares)),
        high=_rounded(np.maximum(high, shares)),
        note="Each k up to 20, then ten a decade.",
    )


def _growth_curves(
    ranking: Ranking, queries: ImageTable, ks: Sequence[int], settings: RunSettings
) -> dict[str, Curve]:
    full = int(ranking.candidates.max())
    fit = fit_difficulty(ranking)
    curves = {}
    for k in ks:
        sizes, values = growth_curve(ranking, k)
        columns = [("", sizes, values)]
        if fit is not None:
            larger = np.array([10 * full, 100 * full])
            grown = np.array([extrapolated_recall(ranking, k, int(n), fit) for n in larger])
            if not np.isnan(grown).all():
                columns.append((" beyond the catalog", larger, grown))
        for suffix, x, rows in columns:
            sums, counts = _by_product(rows.T, queries)
            found = cluster_bootstrap(
                sums, counts, resamples=settings.resamples, seed=settings.seed
            )
            mean = sums.sum(axis=0) / counts.sum(axis=0)
            curves[f"growth of the catalog, recall@{k}{suffix}"] = Curve(
                x_label="gallery images",
                y_label=f"expected recall@{k}",
                x=x.tolist(),
                y=_rounded(mean),
                low=_rounded(np.minimum(found.percentile_low, mean)),
                high=_rounded(np.maximum(found.percentile_high, mean)),
                note=ASSUMPTION
                if suffix
                else "Each query keeps its positives; the other images are drawn at random from "
                "those that are there. In closed form, not by sampling.",
            )
    return curves


def _by_product(values: Doubles, queries: ImageTable) -> tuple[Doubles, Doubles]:
    """Sums and counts (products, m) of values a query (q, m), NaN left out; products by their ids."""
    place = {product: code for code, product in enumerate(sorted(set(queries.product_ids)))}
    codes = np.array([place[product] for product in queries.product_ids], np.intp)
    defined = ~np.isnan(values)
    sums, counts = np.zeros((2, len(place), values.shape[1]))
    np.add.at(sums, codes, np.where(defined, values, 0.0))
    np.add.at(counts, codes, defined)
    return sums, counts


def _thinned(x: Doubles, y: Doubles, x_label: str, y_label: str) -> Curve:
    """A curve of steps with at most ``POINTS`` points: the corners, evenly spaced along the way."""
    way = np.concatenate([[0.0], np.cumsum(np.abs(np.diff(x)) + np.abs(np.diff(y)))])
    wanted = np.linspace(0.0, way[-1], POINTS)
    kept = np.unique(np.append(np.minimum(np.searchsorted(way, wanted), len(x) - 1), 0))
    return Curve(
        x_label=x_label,
        y_label=y_label,
        x=_rounded(x[kept]),
        y=_rounded(y[kept]),
        note=f"One point a score; {POINTS} of {len(x)} kept." if len(kept) < len(x) else "",
    )


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


def _rounded(values: Doubles) -> list[float]:
    return [round(float(value), CURVE_DIGITS) for value in values]
