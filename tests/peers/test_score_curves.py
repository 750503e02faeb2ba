"""What is read off curves of scores: the same as off scikit-learn's curves, with ties and without."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from ranking_oracle import random_case, ranking_from_scores

from pytest_prodbench.metrics import parse_metric
from pytest_prodbench.metrics.open_set import open_set_curve
from pytest_prodbench.metrics.verification import verification_curve
from pytest_prodbench.protocol import NO_RANK, Ranking

if TYPE_CHECKING:
    from types import ModuleType


@pytest.fixture(params=[(seed, ties) for seed in range(4) for ties in (False, True)], ids=str)
def ranking(request: pytest.FixtureRequest) -> Ranking:
    """150 queries, of which 60 ask for a product that is not there; every pair for verification."""
    seed, ties = request.param
    case = random_case(seed, q=150, n=60, products=20, absent=60, ties=ties)
    return case.ranking(verification=True)


def statistic(name: str, ranking: Ranking) -> float:
    metric, _ = parse_metric(name, where="test")
    return float(metric.by_query(ranking, None)(np.ones((1, len(ranking.ranks))))[0])


def known(ranking: Ranking) -> np.ndarray:
    return ranking.ranks != NO_RANK


def top_scores(ranking: Ranking) -> np.ndarray:
    return ranking.top_scores[:, 0]


def test_auroc(sklearn: ModuleType, torchmetrics_scores: ModuleType, ranking: Ranking) -> None:
    found = statistic("auroc", ranking)
    assert 0.55 < found < 0.999
    expected = sklearn.roc_auc_score(known(ranking), top_scores(ranking))
    assert found == pytest.approx(expected, abs=1e-9)
    # torchmetrics passes scores that are not probabilities through a sigmoid in float32.
    probability = torch.from_numpy((top_scores(ranking) + 1.0) / 2.0)
    theirs = torchmetrics_scores.binary_auroc(probability, torch.from_numpy(known(ranking)))
    assert found == pytest.approx(theirs.item(), abs=1e-6)


def test_fpr_at_95_percent(sklearn: ModuleType, ranking: Ranking) -> None:
    false, true, _ = sklearn.roc_curve(known(ranking), top_scores(ranking), drop_intermediate=False)
    assert statistic("fpr95", ranking) == pytest.approx(false[true >= 0.95 - 1e-12][0], abs=1e-9)


@pytest.mark.parametrize(("name", "rate"), [("dir_far_1pct", 0.01), ("dir_far_01pct", 0.001)])
def test_identification_at_a_false_accept_rate(
    sklearn: ModuleType, ranking: Ranking, name: str, rate: float
) -> None:
    false, _, thresholds = sklearn.roc_curve(
        known(ranking), top_scores(ranking), drop_intermediate=False
    )
    threshold = thresholds[false <= rate][-1]
    right = (ranking.ranks == 1) & (top_scores(ranking) >= threshold)
    expected = right.sum() / known(ranking).sum()
    assert statistic(name, ranking) == pytest.approx(expected, abs=1e-9)


def test_open_set_curve(sklearn: ModuleType, ranking: Ranking) -> None:
    curve = open_set_curve(ranking)
    assert curve is not None
    false, true, thresholds = sklearn.roc_curve(
        known(ranking), top_scores(ranking), drop_intermediate=False
    )
    np.testing.assert_allclose(curve.thresholds, thresholds)
    np.testing.assert_allclose(curve.false_accepts, false)
    np.testing.assert_allclose(curve.accepts, true)


def test_equal_error_rate(sklearn: ModuleType, ranking: Ranking) -> None:
    from scipy.optimize import brentq

    pairs = ranking.verification
    assert pairs is not None
    false, true, _ = sklearn.roc_curve(pairs.genuine, pairs.scores)
    # The usual recipe: where the ROC, joined by straight lines, meets the falling diagonal.
    expected = brentq(lambda rate: 1.0 - rate - np.interp(rate, false, true), 0.0, 1.0)
    found = statistic("eer", ranking)
    assert 0.01 < found < 0.4
    assert found == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(("name", "rate"), [("tar_far_1pct", 0.01), ("tar_far_01pct", 0.001)])
def test_true_accepts_at_a_false_accept_rate(
    sklearn: ModuleType, ranking: Ranking, name: str, rate: float
) -> None:
    pairs = ranking.verification
    assert pairs is not None
    false, true, _ = sklearn.roc_curve(pairs.genuine, pairs.scores, drop_intermediate=False)
    expected = true[false <= rate][-1]
    assert statistic(name, ranking) == pytest.approx(expected, abs=1e-9)


def test_verification_curve(sklearn: ModuleType, ranking: Ranking) -> None:
    pairs, curve = ranking.verification, verification_curve(ranking)
    assert pairs is not None
    assert curve is not None
    false, true, thresholds = sklearn.roc_curve(
        pairs.genuine, pairs.scores, drop_intermediate=False
    )
    np.testing.assert_allclose(curve.thresholds, thresholds)
    np.testing.assert_allclose(curve.false_accepts, false)
    np.testing.assert_allclose(curve.true_accepts, true)


def test_threshold_with_99_percent_precision(sklearn: ModuleType, ranking: Ranking) -> None:
    right = ranking.ranks == 1
    precision, _, thresholds = sklearn.precision_recall_curve(right, top_scores(ranking))
    # Its last point has no threshold: no query is accepted there.
    enough = thresholds[precision[:-1] >= 0.99]
    answered = statistic("answered_p99", ranking)
    if not len(enough):
        assert answered == 0.0
        assert np.isnan(statistic("threshold_p99", ranking))
        return
    assert statistic("threshold_p99", ranking) == pytest.approx(enough[0], abs=1e-9)
    assert answered == pytest.approx((top_scores(ranking) >= enough[0]).mean(), abs=1e-9)


def test_platt_scaling(sklearn: ModuleType, ranking: Ranking) -> None:
    # What the calibration error maps similarities to probabilities with; scikit-learn has it by L-BFGS.
    from sklearn.calibration import _SigmoidCalibration

    from pytest_prodbench.metrics.calibration import platt

    scores, right = top_scores(ranking).astype(np.float64), ranking.ranks == 1
    values, place = np.unique(scores, return_inverse=True)
    slope, intercept = platt(
        values,
        np.bincount(place, right, len(values))[None],
        np.bincount(place, minlength=len(values)).astype(np.float64)[None],
    )
    found = 1.0 / (1.0 + np.exp(-(slope[0] * values + intercept[0])))
    theirs = _SigmoidCalibration().fit(scores, right).predict(values)
    np.testing.assert_allclose(found, theirs, atol=1e-3)
    assert np.ptp(found) > 0.1


def test_torchmetrics_takes_similarity_for_probability(torchmetrics_scores: ModuleType) -> None:
    # 400 first results with a similarity of about 0.8, every other one right: as good as a coin, and a
    # similarity says so once it is mapped to a probability.
    top = np.linspace(0.79, 0.81, 400, dtype=np.float32)
    low = np.full(400, 0.1, np.float32)
    right = np.arange(400) % 2 == 0
    scores = np.where(right[:, None], np.stack([top, low], 1), np.stack([low, top], 1))
    ranking = ranking_from_scores(scores, np.ones(400, np.int64), np.array([1, 0]), top=2)
    theirs = torchmetrics_scores.binary_calibration_error(
        torch.from_numpy(top), torch.from_numpy(right)
    )
    assert theirs.item() == pytest.approx(0.30, abs=1e-3)
    assert statistic("ece", ranking) < 0.05
