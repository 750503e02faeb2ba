"""Intervals of statistics that the bootstrap cannot judge: simulated, the truth known, photos correlated."""

import dataclasses

import numpy as np
import pytest
from ranking_oracle import random_case

from pytest_prodbench.metrics import parse_metric
from pytest_prodbench.metrics.estimates import estimate_statistics
from pytest_prodbench.metrics.intervals import percentile_intervals, resampled

NAMES = ("ece", "threshold_p99", "answered_p99")
PHOTOS = 4
SETS = 40
ENDLESS = 60_000
"""Products of a set that stands for endless ones."""


def simulated(products, slope, middle, seed):
    """A ranking whose first results are right with a probability that rises with their score."""
    rng = np.random.default_rng(seed)
    common = rng.normal(size=(products, 1))
    scores = 0.6 + 0.08 * common + 0.08 * rng.normal(size=(products, PHOTOS))
    logits = slope * (scores - middle) + 0.7 * rng.normal(size=(products, 1))
    right = (rng.random(scores.shape) < 1 / (1 + np.exp(-logits))).ravel()
    scores = scores.ravel().astype(np.float32)
    rival = np.float32(0.1)
    return dataclasses.replace(
        random_case(0, q=1).ranking(top=1),
        ranks=np.where(right, 1, 5),
        positive_scores=np.where(right, scores, scores - rival),
        negative_scores=np.where(right, scores - rival, scores),
    )


@pytest.mark.parametrize(
    ("products", "slope", "middle"), [(24, 25, 0.5), (100, 25, 0.5), (100, 25, 0.65)]
)
def test_they_hold_the_truth_where_percentiles_do_not(products, slope, middle):
    metrics = [parse_metric(name, where="test") for name in NAMES]
    endless = simulated(ENDLESS, slope, middle, 1)
    ones = np.ones((1, ENDLESS * PHOTOS))
    truths = [float(metric.by_query(endless, None)(ones)[0]) for metric, _ in metrics]
    codes = np.repeat(np.arange(products), PHOTOS)
    held, by_percentiles = np.zeros((2, len(NAMES)))
    for seed in range(SETS):
        ranking = simulated(products, slope, middle, 100 + seed)
        found = estimate_statistics(metrics, ranking, codes, resamples=100, seed=seed)
        sampled = [metric.of(ranking, None, codes) for metric, _ in metrics]
        draws = np.stack([resampled(of, products, resamples=100, seed=seed) for of in sampled])
        for i, (estimate, (low, high, _), truth) in enumerate(
            zip(found, percentile_intervals(draws), truths, strict=True)
        ):
            # Where no threshold has 99 % there is no number and no claim.
            held[i] += estimate is None or estimate.low <= truth <= estimate.high
            by_percentiles[i] += low <= truth <= high
            assert estimate is None or estimate.method == "own"
    assert (held >= 0.925 * SETS).all(), held
    assert by_percentiles[0] == 0
    assert (by_percentiles[1:] < 0.925 * SETS).all(), by_percentiles


def test_ninety_nine_percent_is_proven_only_by_enough_first_results():
    """All right: 24 products prove little, thousands prove it."""
    for products, proven in ((24, False), (2000, True)):
        ranking = simulated(products, 0, -100, 0)
        ranking = dataclasses.replace(ranking, ranks=np.ones(products * PHOTOS, np.int64))
        codes = np.repeat(np.arange(products), PHOTOS)
        (answered,) = estimate_statistics(
            [parse_metric("answered_p99", where="test")], ranking, codes, resamples=100, seed=0
        )
        assert answered.value == answered.high == 1.0
        assert (answered.low > 0.5) == proven


def test_the_ends_are_those_of_every_threshold(monkeypatch):
    """Thresholds that are not looked at widen the interval by less than their distance, never narrow it."""
    ranking = simulated(100, 25, 0.5, 7)
    codes = np.repeat(np.arange(100), PHOTOS)
    asked = [parse_metric(name, where="test") for name in NAMES[1:]]
    exact = estimate_statistics(asked, ranking, codes, resamples=100, seed=0)
    monkeypatch.setattr("pytest_prodbench.metrics.score_quality.THRESHOLDS", 20)
    coarse = estimate_statistics(asked, ranking, codes, resamples=100, seed=0)
    for one, other in zip(exact, coarse, strict=True):
        assert other.low <= one.low
        assert other.high >= one.high
    assert coarse[1].high - exact[1].high < 0.05
    assert exact[1].low - coarse[1].low < 0.05
