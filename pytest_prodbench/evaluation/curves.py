"""Curves of one pair, each point with an interval by product."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from pytest_prodbench.evidence.measured import Curve
from pytest_prodbench.metrics.estimates import Estimate, estimate_means, estimate_statistics
from pytest_prodbench.metrics.extrapolation import ASSUMPTION, Extrapolation
from pytest_prodbench.metrics.first_hit import RECALL, cumulative_match, recall
from pytest_prodbench.metrics.growth import growth_curve
from pytest_prodbench.metrics.metric import Sampled, Statistic, Units
from pytest_prodbench.metrics.open_set import open_set_curve, top_score
from pytest_prodbench.metrics.proportions import wilson_clustered, wilson_resampled
from pytest_prodbench.metrics.verification import verification_curve
from pytest_prodbench.metrics.witnesses import fewest_witnesses, known_queries
from pytest_prodbench.protocol import NO_RANK

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pytest_prodbench.protocol import ImageTable, Ranking
    from pytest_prodbench.settings.types import RunSettings

    Doubles = NDArray[np.float64]
    Ints = NDArray[np.int64]
    Mask = NDArray[np.bool_]

DIGITS = 6
"""Decimals of a point: curves are drawn, not judged."""

POINTS = 200
"""Points kept of a curve that has one at each score."""

EXTRAPOLATED_RESAMPLES = 400
"""Resamples, at most, of a point beyond the catalog: each has a fit of its own."""

GROWTH = (
    "Each query keeps its positives; the other images are drawn at random from those that are there. In "
    "closed form, not by sampling."
)

BAND = "The interval is that of the height, at the threshold of the point."


def curves_of(
    ranking: Ranking, queries: ImageTable, ks: Sequence[int], settings: RunSettings
) -> dict[str, Curve]:
    """Return every curve that the dataset defines, by name.

    Args:
        ranking: of q queries.
        queries: their labels; the product is the unit of sampling.
        ks: of the curves of growth.
        settings: resamples and seed.
    """
    place = {product: code for code, product in enumerate(sorted(set(queries.product_ids)))}
    codes = np.array([place[product] for product in queries.product_ids], np.intp)
    curves: dict[str, Curve] = {}
    if (ranking.positives > 0).any():
        curves["cumulative match"] = _match_curve(ranking, codes)
        for k in ks:
            curves[f"growth of the catalog, recall@{k}"] = _growth_curve(
                ranking, codes, k, settings
            )
        curves |= _curves_beyond(ranking, codes, ks, settings)
    return curves | _open_set_curves(ranking, codes) | _verification_curves(ranking, codes)


def _match_curve(ranking: Ranking, codes: NDArray[np.intp]) -> Curve:
    ks, shares = cumulative_match(ranking)
    known = ranking.ranks != NO_RANK
    products = int(codes.max()) + 1
    hits = np.stack([recall(ranking, int(k))[known] for k in ks], axis=1)
    sums = np.zeros((products, len(ks)))
    np.add.at(sums, codes[known], hits)
    counts = np.bincount(codes[known], minlength=products).astype(np.float64)
    low, high = wilson_clustered(sums, np.broadcast_to(counts[:, None], sums.shape))
    return _curve("k", "recall@k", ks, shares, low, high, "Each k up to 20, then ten a decade.")


def _growth_curve(
    ranking: Ranking, codes: NDArray[np.intp], k: int, settings: RunSettings
) -> Curve:
    sizes, values = growth_curve(ranking, k)
    expected = replace(RECALL, binary=False)
    # At the full size, and wherever else every query is a hit or a miss, it is recall@k itself.
    kinds = [
        RECALL if np.isin(row, (0.0, 1.0)).all() else expected for row in np.nan_to_num(values)
    ]
    (row,) = estimate_means(
        kinds,
        values.T,
        codes,
        [np.ones(len(codes), np.bool_)],
        resamples=settings.resamples,
        seed=settings.seed,
    )
    witnesses = fewest_witnesses(known_queries(ranking), codes).effective
    return _estimated(sizes, [_never_surer(point, witnesses) for point in row], k, GROWTH)


def _never_surer(point: Estimate | None, witnesses: float) -> Estimate | None:
    """A point with an interval no narrower than that of a rate of so many products.

    In a small catalog nearly every query is a certain hit, and the misses are those of a few products:
    resamples of the others alone show none of them.
    """
    if point is None or point.method != "bca":
        return point
    low, high = wilson_resampled(point.value, point.standard_error, witnesses)
    return replace(point, low=min(low, point.low), high=max(high, point.high))


def _curves_beyond(
    ranking: Ranking, codes: NDArray[np.intp], ks: Sequence[int], settings: RunSettings
) -> dict[str, Curve]:
    fitted = Extrapolation(ranking, codes)
    if fitted.fit is None:
        return {}
    full = int(ranking.candidates.max())
    sizes = np.array([10 * full, 100 * full])
    points = [(k, int(size)) for k in ks for size in sizes]
    asked = [
        Statistic(
            name=f"recall@{k}",
            of=_with_the_fit(fitted, k, size),
            higher_is_better=True,
            low=0.0,
            high=1.0,
            source="docs/protocol.md, Growth of the catalog",
            populations=known_queries,
        )
        for k, size in points
    ]
    found = estimate_statistics(
        [(statistic, None) for statistic in asked],
        ranking,
        codes,
        resamples=min(settings.resamples, EXTRAPOLATED_RESAMPLES),
        seed=settings.seed,
    )
    curves = {}
    for i, k in enumerate(ks):
        row = found[i * len(sizes) : (i + 1) * len(sizes)]
        if None not in row:
            name = f"growth of the catalog, recall@{k} beyond the catalog"
            curves[name] = _estimated(sizes, row, k, ASSUMPTION)
    return curves


def _with_the_fit(
    fitted: Extrapolation, k: int, size: int
) -> Callable[[Ranking, int | None, Units], Sampled]:
    """Every point of a curve comes from one fit, which a statistic by itself would make again."""

    def of(_: Ranking, __: int | None, ___: Units) -> Sampled:
        return fitted.recall(k, size)

    return of


def _estimated(sizes: Ints, row: Sequence[Estimate | None], k: int, note: str) -> Curve:
    points = [point for point in row if point is not None]
    y, low, high = np.array([(point.value, point.low, point.high) for point in points]).T
    return _curve("gallery images", f"expected recall@{k}", sizes, y, low, high, note)


def _open_set_curves(ranking: Ranking, codes: NDArray[np.intp]) -> dict[str, Curve]:
    found = open_set_curve(ranking)
    if found is None:
        return {}
    known = ranking.ranks != NO_RANK
    scores = top_score(ranking)
    curves = {}
    for name, y, right, label in (
        ("accepted", found.accepts, known, "share of known queries accepted"),
        (
            "identified",
            found.identified,
            ranking.ranks == 1,
            "share of known queries accepted and right",
        ),
    ):
        kept = _kept(found.false_accepts, y)
        low, high = _band(found.thresholds[kept], scores, codes, right, known)
        curves[f"open set: {name}"] = _curve(
            "share of unknown queries accepted",
            label,
            found.false_accepts[kept],
            y[kept],
            low,
            high,
            _thinned("score", len(kept), len(y)),
        )
    return curves


def _verification_curves(ranking: Ranking, codes: NDArray[np.intp]) -> dict[str, Curve]:
    curves = {}
    for name, alike in (("verification", False), ("verification: look-alikes", True)):
        found = verification_curve(ranking, alike=alike)
        pairs = ranking.verification
        if found is None or pairs is None:
            continue
        kept = _kept(found.false_accepts, found.true_accepts)
        genuine = pairs.genuine
        low, high = _band(
            found.thresholds[kept],
            pairs.scores[genuine].astype(np.float64),
            codes[pairs.rows[genuine]],
            np.ones(np.count_nonzero(genuine), np.bool_),
            np.ones(np.count_nonzero(genuine), np.bool_),
        )
        curves[name] = _curve(
            "share of wrong pairs accepted",
            "share of genuine pairs accepted",
            found.false_accepts[kept],
            found.true_accepts[kept],
            low,
            high,
            _thinned("score", len(kept), len(found.thresholds)),
        )
    return curves


def _band(
    thresholds: Doubles, scores: Doubles, codes: NDArray[np.intp], right: Mask, counted: Mask
) -> tuple[Doubles, Doubles]:
    """Interval of the share of what counts that is right and reaches each falling threshold, (u,) each."""
    products, width = int(codes.max()) + 1, len(thresholds)
    accepted_from = np.searchsorted(-thresholds, -scores[right])
    inside = accepted_from < width
    place = codes[right][inside] * width + accepted_from[inside]
    sums = np.bincount(place, minlength=products * width).reshape(products, width)
    counts = np.bincount(codes[counted], minlength=products).astype(np.float64)
    return wilson_clustered(
        np.cumsum(sums, axis=1).astype(np.float64),
        np.broadcast_to(counts[:, None], sums.shape),
    )


def _kept(x: Doubles, y: Doubles) -> Ints:
    """Corners of a curve of steps, evenly spaced along the way, at most ``POINTS``."""
    way = np.concatenate([[0.0], np.cumsum(np.abs(np.diff(x)) + np.abs(np.diff(y)))])
    wanted = np.linspace(0.0, way[-1], POINTS)
    return np.unique(np.append(np.minimum(np.searchsorted(way, wanted), len(x) - 1), 0))


def _thinned(what: str, kept: int, points: int) -> str:
    return f"One point a {what}; {POINTS} of {points} kept. {BAND}" if kept < points else BAND


def _curve(
    x_label: str,
    y_label: str,
    x: NDArray[np.number],
    y: Doubles,
    low: Doubles,
    high: Doubles,
    note: str,
) -> Curve:
    return Curve(
        x_label=x_label,
        y_label=y_label,
        x=[int(value) if isinstance(value, np.integer) else _number(value) for value in x],
        y=[_number(value) for value in y],
        low=[_number(value) for value in np.minimum(low, y)],
        high=[_number(value) for value in np.maximum(high, y)],
        note=note,
    )


def _number(value: float) -> float:
    assert math.isfinite(value)  # noqa: S101 - a curve is only made where it is defined
    return round(float(value), DIGITS)
