"""How a metric is found by its name, and what holds for every one that is registered."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ranking_oracle import cases, random_case

from pytest_prodbench import registry
from pytest_prodbench.errors import SettingsError
from pytest_prodbench.metrics import default_metrics, parse_metric
from pytest_prodbench.metrics.first_hit import cumulative_match
from pytest_prodbench.metrics.metric import Statistic

REGISTERED = registry.registered("prodbench.metrics")


def values(name, ranking, k=3):
    """Values a query of a metric; for a statistic, its value on three weighted samples."""
    metric = registry.load("prodbench.metrics", name, where="test")
    if isinstance(metric, Statistic):
        q = len(ranking.ranks)
        weights = np.stack([np.ones(q), np.arange(q) % 3, np.arange(q) % 2]).astype(float)
        return metric, metric.by_query(ranking, k if metric.takes_k else None)(weights)
    return metric, metric.per_query(ranking, k if metric.takes_k else None)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("recal@1", "did you mean 'recall'"),
        ("recall", "recall@k with k from 1 to 1000"),
        ("recall@0", "recall@k with k from 1"),
        ("recall@1001", "recall@k with k"),
        ("recall@x", "recall@k with k"),
        ("recall@01", "recall@k with k"),
        ("mrr@10", "without a k"),
        ("median_rank@1", "without a k"),
        ("ndcg", "ndcg@k with k from 1"),
    ],
)
def test_a_metric_that_does_not_exist_is_an_error(text, message):
    with pytest.raises(SettingsError, match=r"suites/x\.toml.*" + message):
        parse_metric(text, where="suites/x.toml: thresholds")


def test_every_family_is_registered():
    wanted = {
        *("recall", "product_recall", "category_recall", "mrr", "median_rank"),
        *("coverage", "precision", "map", "map_at_r", "r_precision", "ndcg", "mmp"),
        *("instance_gap", "auroc", "fpr95", "dir_far_1pct", "dir_far_01pct"),
        *("eer", "tar_far_1pct", "tar_far_01pct"),
        *("eer_alike", "tar_far_1pct_alike", "tar_far_01pct_alike"),
        *("recall_10x", "recall_100x", "margin", "ece", "threshold_p99", "answered_p99"),
    }
    assert wanted <= set(REGISTERED)
    for name in wanted:
        assert registry.load("prodbench.metrics", name, where="test").name == name


@pytest.mark.parametrize("name", REGISTERED)
def test_each_says_where_it_comes_from_and_reads_no_list(name):
    metric = registry.load("prodbench.metrics", name, where="test")
    assert metric.source
    assert metric.low < metric.high
    assert isinstance(metric, Statistic) or not metric.needs_list


@pytest.mark.parametrize("name", REGISTERED)
def test_each_states_its_source_range_and_direction_where_it_is_computed(name):
    metric = registry.load("prodbench.metrics", name, where="test")
    function = metric.of if isinstance(metric, Statistic) else metric.per_query
    said = " ".join(getattr(function, "func", function).__doc__.split())
    assert metric.source.split()[0].rstrip(",") in said
    assert "Range" in said
    assert f"{'higher' if metric.higher_is_better else 'lower'} is" in said


def test_the_cumulative_curve_states_its_range_and_direction():
    assert "Range 0 … 1, higher is better" in cumulative_match.__doc__


@pytest.mark.parametrize("name", REGISTERED)
@settings(max_examples=15, deadline=None)
@given(case=cases(), k=st.integers(1, 30))
def test_each_stays_in_its_range_and_needs_no_list(name, case, k):
    ranking = case.ranking(top=0, verification=True)
    metric, found = values(name, ranking, k)
    assert found.dtype == np.float64
    assert found.shape == ((3,) if isinstance(metric, Statistic) else ranking.ranks.shape)
    some = found[~np.isnan(found)]
    assert ((metric.low <= some) & (some <= metric.high)).all()
    if not isinstance(metric, Statistic) and metric.binary:
        assert np.isin(some, (0.0, 1.0)).all()


NOT_ABOUT_RANKS = (
    "ece",  # a guesser that is known to be one is calibrated
    "threshold_p99",  # a number on the scale of the scores
)

DEFINED_WHERE_ABSENT = {
    "category_recall",  # the family of an absent product may well be in the gallery
    "ece",  # the first result is wrong, and its probability should say so
    "answered_p99",  # none may be answered
}


@pytest.mark.parametrize("name", REGISTERED)
def test_no_queries_and_absent_products_alone_give_no_number(name):
    _, found = values(name, random_case(1).queries([]).ranking(verification=True))
    assert np.isnan(found).all()
    _, found = values(name, random_case(1, q=4, absent=4).ranking(verification=True))
    assert np.isnan(found).all() == (name not in DEFINED_WHERE_ABSENT)


@pytest.mark.parametrize("name", sorted({*REGISTERED} - {*NOT_ABOUT_RANKS}))
def test_each_prefers_the_better_model(name):
    """A model that sees the product against one that guesses: each metric says so in its direction."""
    better = random_case(9, q=300, n=90, products=24, absent=60)
    right = better.query_products[:, None] == better.gallery_products
    kin = better.query_families[:, None] == better.gallery_families
    guess = better.mapped(lambda scores: scores - right * 0.25)
    if name == "instance_gap":  # a model that knows what, and not which
        guess = guess.mapped(lambda scores: scores + kin * 0.5)
    metric, worse_values = values(name, guess.ranking(top=0, verification=True))
    _, better_values = values(name, better.ranking(top=0, verification=True))
    if isinstance(metric, Statistic):
        worse_values, better_values = worse_values[:1], better_values[:1]
    gain = np.nanmean(better_values) - np.nanmean(worse_values)
    assert gain > 0.01 if metric.higher_is_better else gain < -0.01


def test_defaults_are_registered():
    for name in default_metrics():
        parse_metric(name, where="test")
