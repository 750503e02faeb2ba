"""What must not change a metric, for every one that is registered: orders, monotone maps, second images.

A metric that somebody registers is held to all of it. One that rightly differs stands in a table here,
with the reason.
"""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ranking_oracle import cases, random_case

from pytest_prodbench import registry
from pytest_prodbench.metrics.metric import Statistic

REGISTERED = registry.registered("prodbench.metrics")
METRICS = {name: registry.load("prodbench.metrics", name, where="test") for name in REGISTERED}
WITH_K = [name for name, metric in METRICS.items() if metric.takes_k]
LARGEST_K = 12
"""Result lists are one longer, for a metric that reads them."""

CHANGED_BY_A_MAP = {
    "margin": "a difference of two scores",
    "ece": "a logistic curve is fitted to the scores",
    "threshold_p99": "is a score itself, and goes where the map takes it",
}

SHARES_OF_ALL_PAIRS = "a share of all pairs that were drawn, and the second image makes one more"
TIMES_THE_GALLERY = "speaks of a gallery ten or a hundred times as large, and the gallery has grown"
CHANGED_BY_ANY_IMAGE = {
    **dict.fromkeys(("eer", "eer_alike"), SHARES_OF_ALL_PAIRS),
    **dict.fromkeys(("tar_far_1pct", "tar_far_01pct"), SHARES_OF_ALL_PAIRS),
    **dict.fromkeys(("tar_far_1pct_alike", "tar_far_01pct_alike"), SHARES_OF_ALL_PAIRS),
    **dict.fromkeys(("recall_10x", "recall_100x"), TIMES_THE_GALLERY),
}

FIRST_RESULT_ALONE = (
    "asks for the first result, and a second image never comes before its first one"
)
BLIND_TO_A_SECOND_IMAGE = {
    "product_recall": "counts products, and a product ranks by its best image",
    "margin": "knows the best negative alone",
    **dict.fromkeys(("auroc", "fpr95"), "knows the top score alone"),
    **dict.fromkeys(("instance_gap", "ece", "threshold_p99", "answered_p99"), FIRST_RESULT_ALONE),
    **dict.fromkeys(("dir_far_1pct", "dir_far_01pct"), FIRST_RESULT_ALONE),
}

FALLS_BELOW_R = "divides by min(k, R): grows until k is R, and so may fall before"
FALLING_IN_K = {
    "precision": "divides by k",
    **dict.fromkeys(("map", "mmp", "ndcg"), FALLS_BELOW_R),
}

FITTED = "where the hardest queries get easier, the fit may leave fewer that no new image can beat"
NOT_HELPED_BY_LUCK = {
    "ece": "a model that is right more often need not know better when it is",
    "instance_gap": "a difference: luck may find the family and not the product",
    **dict.fromkeys(("recall_10x", "recall_100x"), FITTED),
}


@st.composite
def searches(draw):
    """Corners; and a few products that are found more often than not, some of the queries unknown."""
    if draw(st.integers(0, 3)) == 0:
        return draw(cases(queries=(2, 8), gallery=(2, 14)))
    seed = draw(st.integers(0, 10**6))
    products = draw(st.integers(3, 8))
    case = random_case(
        seed,
        q=draw(st.integers(6, 12)),
        n=products + draw(st.integers(1, 16)),
        products=products,
        absent=draw(st.integers(1, 3)),
        ties=draw(st.booleans()),
    )
    some = np.random.default_rng(seed).random(case.scores.shape) < draw(st.sampled_from([0.0, 0.1]))
    return dataclasses.replace(case, excluded=some)


def found(name, case, k, weights, *, optimistic=False):
    """Values a query of a metric; of a statistic its value on the samples with these weights."""
    metric, k = METRICS[name], k if METRICS[name].takes_k else None
    ranking = case.ranking(top=LARGEST_K + 1, verification=True)
    if optimistic:
        ranking = in_the_models_favour(ranking)
    if isinstance(metric, Statistic):
        return metric.by_query(ranking, k)(weights)
    return metric.per_query(ranking, k)


def in_the_models_favour(ranking):
    every = ranking.every_positive
    return dataclasses.replace(
        ranking,
        ranks=ranking.ranks_optimistic,
        product_ranks=ranking.product_ranks_optimistic,
        family_ranks=ranking.family_ranks_optimistic,
        every_positive=dataclasses.replace(every, ranks=every.ranks_optimistic),
    )


def samples(case, seed):
    """All queries once, and three draws of them."""
    q = len(case.scores)
    return np.vstack([np.ones(q), np.random.default_rng(seed).integers(0, 4, (3, q))])


def hold(property_, examples=15):
    """Try a property, which tells whether its example defined the metric: a fifth of them must."""
    told = []

    @settings(max_examples=examples, deadline=None)
    @given(searches(), st.integers(1, LARGEST_K), st.integers(0, 10**6))
    def tried(case, k, seed):
        told.append(defined(property_(case, k, seed)))

    tried()
    assert sum(told) * 5 >= len(told)


def defined(values):
    return bool((~np.isnan(values)).any())


def without(table):
    return [name for name in REGISTERED if name not in table]


@pytest.mark.parametrize("name", REGISTERED)
def test_each_is_the_same_in_any_order_of_the_gallery(name):
    def same(case, k, seed):
        weights = samples(case, seed)
        columns = np.random.default_rng(seed).permutation(case.scores.shape[1])
        values = found(name, case, k, weights)
        np.testing.assert_array_equal(found(name, case.gallery(columns), k, weights), values)
        return values

    hold(same)


@pytest.mark.parametrize("name", REGISTERED)
def test_each_is_the_same_in_any_order_of_the_queries(name):
    def same(case, k, seed):
        weights = samples(case, seed)
        order = np.random.default_rng(seed).permutation(len(case.scores))
        values = found(name, case, k, weights)
        moved = found(name, case.queries(order), k, weights[:, order])
        expected = values if isinstance(METRICS[name], Statistic) else values[order]
        np.testing.assert_array_equal(moved, expected)
        return values

    hold(same)


def rising_map(case, seed):
    """Another level for each of the scores, in the same order."""
    levels = np.unique(case.scores)
    room = np.linspace(-1, 1, 8193, dtype=np.float32)
    aims = np.sort(np.random.default_rng(seed).choice(room, len(levels), replace=False))
    return lambda scores: aims[np.searchsorted(levels, scores)]


@pytest.mark.parametrize("name", without(CHANGED_BY_A_MAP))
def test_each_is_the_same_after_any_strictly_rising_map_of_the_scores(name):
    def same(case, k, seed):
        weights = samples(case, seed)
        values = found(name, case, k, weights)
        moved = found(name, case.mapped(rising_map(case, seed)), k, weights)
        np.testing.assert_array_equal(moved, values)
        return values

    hold(same)


def test_a_threshold_goes_where_the_scores_go():
    def mapped(case, k, seed):
        weights, bend = samples(case, seed), rising_map(case, seed)
        values = found("threshold_p99", case, k, weights)
        moved = found("threshold_p99", case.mapped(bend), k, weights)
        some = ~np.isnan(values)
        np.testing.assert_array_equal(moved[some], bend(values[some].astype(np.float32)))
        assert np.isnan(moved[~some]).all()
        return values

    hold(mapped)


def with_a_second_image(case, seed, *, last):
    """A product that nobody asks for, and the same with a second image of it, never above the first.

    In half of the queries the second image is level with the first. ``last``: it is the last of all.
    """
    rng = np.random.default_rng(seed)
    n = case.scores.shape[1]
    column = rng.integers(n)
    products = case.gallery_products.copy()
    products[column] = max(case.query_products.max(), products.max()) + 1
    one = dataclasses.replace(case, gallery_products=products)
    two = one.gallery([*range(n), column])
    scores = two.scores.copy()
    scores[:, -1] -= rng.integers(0, 2, len(scores)) * np.float32(rng.choice([1 / 64, 1 / 4]))
    if last:
        scores[:, -1] = -2.0
    order = np.append(one.gallery_order, n)
    return one, dataclasses.replace(two, scores=scores, gallery_order=order)


def difference(name, before, after):
    """How much better ``after`` is in the direction of the metric; what is defined stays so."""
    np.testing.assert_array_equal(np.isnan(after), np.isnan(before))
    better = after - before if METRICS[name].higher_is_better else before - after
    return better[~np.isnan(better)]


@pytest.mark.parametrize("name", without(CHANGED_BY_ANY_IMAGE))
@pytest.mark.parametrize("last", [False, True], ids=["below its first", "last of all"])
def test_each_never_gains_by_a_second_image_of_what_nobody_asks_for(name, last):
    def never_better(case, k, seed):
        one, two = with_a_second_image(case, seed, last=last)
        weights = samples(case, seed)
        values = found(name, one, k, weights)
        gain = difference(name, values, found(name, two, k, weights))
        assert (gain <= 0.0).all()
        if last or name in BLIND_TO_A_SECOND_IMAGE:
            assert (gain == 0.0).all()
        return values

    hold(never_better)


@pytest.mark.parametrize("name", WITH_K)
def test_each_with_a_k_never_falls_with_it(name):
    def rising(case, k, seed):
        weights = samples(case, seed)
        values = found(name, case, k, weights)
        more = found(name, case, k + 1, weights)
        if name == "precision":
            values, more = values * k, more * (k + 1)
        if FALLING_IN_K.get(name) == FALLS_BELOW_R:
            enough = case.ranking(top=0).positives <= k
            values, more = values[enough], more[enough]
        assert (difference(name, values, more) >= -1e-12).all()
        return values

    hold(rising)


@pytest.mark.parametrize("name", without(NOT_HELPED_BY_LUCK))
def test_each_is_no_better_than_with_ties_broken_for_the_model(name):
    def pessimistic(case, k, seed):
        weights = samples(case, seed)
        values = found(name, case, k, weights)
        lucky = found(name, case, k, weights, optimistic=True)
        both = ~(np.isnan(values) | np.isnan(lucky))
        assert (difference(name, values[both], lucky[both]) >= 0.0).all()
        return values

    hold(pessimistic)
