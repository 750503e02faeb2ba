"""Extrapolation from a tenth and a hundredth of a gallery, held against the whole one."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ranking_oracle import cases, random_case
from scipy.integrate import quad
from scipy.optimize import minimize
from scipy.special import betaln, ndtr
from scipy.stats import binom, norm

from pytest_prodbench.metrics import parse_metric
from pytest_prodbench.metrics.difficulty import CENSORED, Difficulty, extrapolated_recall
from pytest_prodbench.metrics.estimates import estimate_statistics
from pytest_prodbench.metrics.extrapolation import ASSUMPTION, fit_difficulty
from pytest_prodbench.metrics.first_hit import recall

FULL = 10**6
QUERIES = 4000


def counted(better, negatives):
    """A ranking of which only the counts matter: one positive, so many negatives, so many better."""
    better = np.asarray(better, np.int64)
    ranking = random_case(0, q=1).ranking(top=1)
    return dataclasses.replace(
        ranking,
        ranks=better + 1,
        positives=np.ones(len(better), np.int64),
        candidates=np.broadcast_to(np.int64(negatives + 1), better.shape),
    )


def chances(kind):
    """The chance of each query to be beaten by one image, of several shapes."""
    rng = np.random.default_rng(7)
    return {
        # Cosines: negatives normal about .1, best positives about .6.
        "normal cosines": ndtr(-(rng.normal(0.6, 0.15, QUERIES) - 0.1) / 0.12),
        # Some photos are hopeless and some are near copies: Student's t with 3 degrees of freedom.
        "heavy-tailed cosines": ndtr(-(0.4 + 0.2 * rng.standard_t(3, QUERIES)) / 0.1),
        "log-normal": np.exp(rng.normal(-9.0, 3.0, QUERIES)).clip(0, 1),
        "log-normal, wider": np.exp(rng.normal(-12.0, 4.0, QUERIES)).clip(0, 1),
    }[kind]


def grown(p, part):
    """Better negatives in a part of the gallery and in the whole of it."""
    rng = np.random.default_rng(3)
    whole = rng.binomial(FULL, p)
    return rng.hypergeometric(whole, FULL - whole, part), whole


def beta_recall(better, negatives, k):
    """The usual choice, to be compared with: p ~ Beta(a, b), fitted without censoring."""

    def misfit(at):
        a, b = np.exp(at)
        return -(betaln(a + better, b + negatives - better) - betaln(a, b)).sum()

    a, b = np.exp(minimize(misfit, np.log([0.3, 300.0]), method="Nelder-Mead").x)
    assert k == 1
    mine, rest = a + better, b + negatives - better
    stays = np.exp(betaln(mine, rest + FULL - negatives) - betaln(mine, rest))
    return np.where(better == 0, stays, 0.0).mean()


@pytest.mark.parametrize(
    ("kind", "tenth", "hundredth"),
    [
        ("normal cosines", 0.015, 0.025),
        ("heavy-tailed cosines", 0.015, 0.03),
        ("log-normal", 0.03, 0.06),
        ("log-normal, wider", 0.035, 0.1),
    ],
)
def test_from_a_part_of_the_gallery_to_the_whole(kind, tenth, hundredth):
    """Honest limits: one standard error of 4,000 queries is .008; shapes unlike the model cost more."""
    p = chances(kind)
    for part, tolerance in ((FULL // 10, tenth), (FULL // 100, hundredth)):
        seen, whole = grown(p, part)
        ranking = counted(seen, part)
        fit = fit_difficulty(ranking)
        for k in (1, 10):
            truth = (whole < k).mean()
            found = extrapolated_recall(ranking, k, FULL + 1, fit).mean()
            assert abs(found - truth) < tolerance, (part, k, found, truth)
            # It must do better than to say that nothing will change.
            assert abs(found - truth) < abs((seen < k).mean() - truth) / 2


@pytest.mark.parametrize("kind", ["normal cosines", "heavy-tailed cosines", "log-normal"])
def test_a_beta_distribution_would_promise_more_than_is_true(kind):
    seen, whole = grown(chances(kind), FULL // 10)
    truth = (whole == 0).mean()
    ours = counted(seen, FULL // 10)
    found = extrapolated_recall(ours, 1, FULL + 1, fit_difficulty(ours)).mean()
    beta = beta_recall(seen, FULL // 10, 1)
    assert beta > truth + 0.02
    assert abs(found - truth) < abs(beta - truth) / 2


def test_what_the_model_cannot_know_it_gets_wrong():
    """Two kinds of queries, easy and hard, with a gap that the small gallery does not show."""
    rng = np.random.default_rng(5)
    easy = rng.random(QUERIES) < 0.6
    p = np.where(easy, rng.beta(1, 1e5, QUERIES), rng.beta(1, 100, QUERIES))
    seen, whole = grown(p, FULL // 100)
    ranking = counted(seen, FULL // 100)
    found = extrapolated_recall(ranking, 1, FULL + 1, fit_difficulty(ranking)).mean()
    assert found > (whole == 0).mean() + 0.1
    assert "not measured" in ASSUMPTION


def test_the_fit_finds_the_mean_and_spread_that_made_the_counts():
    rng = np.random.default_rng(1)
    p = ndtr(rng.normal(-3.5, 0.8, 6000))
    fit = fit_difficulty(counted(rng.binomial(20_000, p), 20_000))
    assert fit.mean == pytest.approx(-3.5, abs=0.06)
    assert fit.spread == pytest.approx(0.8, abs=0.06)


@settings(max_examples=40, deadline=None)
@given(cases(absent=True), st.integers(1, 5), st.floats(-6, 0), st.floats(0.1, 5))
def test_bounds_and_monotony(case, k, mean, spread):
    ranking, fit = case.ranking(), Difficulty(mean, spread)
    full = case.scores.shape[1]
    now = recall(ranking, k)
    if not case.excluded.any():
        found = extrapolated_recall(ranking, k, full, fit)
        np.testing.assert_allclose(found, now, rtol=0, atol=1e-12)
    last = now
    for size in (full + 1, full + 10, 100 * full, 10**8):
        found = extrapolated_recall(ranking, k, size, fit)
        assert (np.isnan(found) == np.isnan(now)).all()
        assert (np.isnan(now) | ((found >= 0) & (found <= last + 1e-12))).all()
        wider = extrapolated_recall(ranking, k + 1, size, fit)
        assert (np.isnan(now) | (wider >= found - 1e-12)).all()
        last = found


@settings(max_examples=10, deadline=None)
@given(cases(queries=(2, 8), gallery=(4, 12)), st.data())
def test_the_order_of_the_queries_changes_no_bit(case, data):
    order = data.draw(st.permutations(range(len(case.scores))))
    ranking, shuffled = case.ranking(), case.queries(order).ranking()
    assert fit_difficulty(ranking) == fit_difficulty(shuffled)
    metric, k = parse_metric("recall_10x@2", where="test")
    weights = np.stack([np.ones(len(order)), np.arange(len(order)) % 3])
    np.testing.assert_array_equal(
        metric.by_query(shuffled, k)(weights[:, order]), metric.by_query(ranking, k)(weights)
    )


@pytest.mark.parametrize("better", [[0, 0, 0], [], [CENSORED, 5 * CENSORED]])
def test_counts_that_say_nothing_give_no_number(better):
    """Recall 1 in a small gallery is no proof of recall 1 in a large one."""
    ranking = counted(np.array(better, np.int64), 1000)
    assert fit_difficulty(ranking) is None
    for name in ("recall_10x@1", "recall_100x@5"):
        metric, k = parse_metric(name, where="test")
        assert np.isnan(metric.by_query(ranking, k)(np.ones((2, len(ranking.ranks))))).all()


def test_a_k_beyond_what_was_fitted_gives_no_number():
    ranking = counted([0, 3, 50, 7], 1000)
    metric, k = parse_metric(f"recall_10x@{CENSORED + 1}", where="test")
    assert np.isnan(metric.by_query(ranking, k)(np.ones((2, len(ranking.ranks))))).all()


def test_times_are_of_the_whole_gallery():
    ranking = counted(np.random.default_rng(0).integers(0, 30, 50), 1000)
    fit = fit_difficulty(ranking)
    for name, times in (("recall_10x@3", 10), ("recall_100x@3", 100)):
        metric, k = parse_metric(name, where="test")
        wanted = extrapolated_recall(ranking, 3, times * 1001, fit).mean()
        found = metric.by_query(ranking, k)(np.ones((1, 50)))[0]
        assert found == pytest.approx(wanted, abs=2e-6)  # two optimisers


@pytest.mark.parametrize("seed", range(6))
def test_each_sample_has_the_fit_of_its_own_queries(seed):
    """A resample is as if its queries were all there are: fitted anew, then extrapolated."""
    rng = np.random.default_rng(seed)
    better = rng.binomial(3000, ndtr(rng.normal(-3.5, 1.0, 120)))
    weights = rng.multinomial(120, np.full(120, 1 / 120), 5).astype(float)
    metric, k = parse_metric("recall_10x@1", where="test")
    found = metric.by_query(counted(better, 3000), k)(weights)
    for value, row in zip(found, weights, strict=True):
        drawn = counted(np.repeat(better, row.astype(int)), 3000)
        wanted = extrapolated_recall(drawn, 1, 10 * 3001, fit_difficulty(drawn)).mean()
        assert value == pytest.approx(wanted, abs=1e-5)


def test_the_extrapolation_is_the_integral_of_its_definition():
    """E[P(Binomial(M, p) <= k − 1 − B) | B, N] by quadrature over a normal z = Φ⁻¹(p)."""
    mean, spread, negatives, more = -2.5, 0.7, 400, 3600
    better = np.array([0, 1, 2, 5])
    found = extrapolated_recall(
        counted(better, negatives), 4, negatives + 1 + more, Difficulty(mean, spread)
    )
    for value, b in zip(found, better, strict=True):

        def seen(z, b=b):
            return norm.pdf(z, mean, spread) * binom.pmf(b, negatives, ndtr(z))

        whole = quad(seen, -8, 4, limit=200)[0]
        kept = quad(lambda z, b=b: seen(z) * binom.cdf(3 - b, more, ndtr(z)), -8, 4, limit=200)[0]
        assert value == pytest.approx(kept / whole, abs=1e-4)


def test_the_interval_holds_the_fit():
    """The model is true here; with one fit for all resamples 95 % intervals would hold it in 59 %."""
    held = 0
    truth = ndtr(-3.5 + 0.8 * np.random.default_rng(0).normal(size=20_000))
    truth = ((1 - truth) ** 10_010).mean()
    for seed in range(60):
        rng = np.random.default_rng(seed)
        better = rng.binomial(1000, ndtr(rng.normal(-3.5, 0.8, 200)))
        metric, k = parse_metric("recall_10x@1", where="test")
        (estimate,) = estimate_statistics(
            [(metric, k)], counted(better, 1000), np.arange(200), resamples=200, seed=1
        )
        held += estimate.low <= truth <= estimate.high
    assert held >= 53


def test_samples_without_a_beaten_query_and_with_none_left_are_the_ends_and_not_left_out():
    better = np.array([0, 0, 0, 3, 5000])
    metric, k = parse_metric("recall_10x@1", where="test")
    of = metric.by_query(counted(better, 100_000), k)
    weights = np.array([[1, 1, 1, 0, 0], [0, 0, 0, 0, 2], [1, 0, 0, 1, 0], [0] * 5], float)
    best, worst, other, none = of(weights)
    assert (best, worst) == (1.0, 0.0)
    assert 0 < other < 1
    assert np.isnan(none)


def test_with_few_beaten_queries_the_interval_of_an_extrapolation_reaches_far_enough():
    """Without the samples that hold no beaten query it lay wholly below the truth in one dataset of six."""
    metric, k = parse_metric("recall_10x@1", where="test")
    chance = ndtr(-4.5 + 0.6 * np.random.default_rng(9).normal(size=100_000))
    truth = ((1 - chance) ** 10_010).mean()
    covered = measured = 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        better = rng.binomial(1000, ndtr(rng.normal(-4.5, 0.6, 50)))
        (found,) = estimate_statistics(
            [(metric, k)], counted(better, 1000), np.arange(50), resamples=80, seed=0
        )
        if found is not None:
            measured += 1
            covered += found.low <= truth <= found.high
    assert measured > 25
    assert covered >= 0.9 * measured
