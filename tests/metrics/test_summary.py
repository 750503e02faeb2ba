"""Every estimate of a summary against the metric on those queries alone; headlines; what is left out."""

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ranking_oracle import cases, random_case

from pytest_prodbench import registry
from pytest_prodbench.metrics import (
    DIGITS,
    Metric,
    Statistic,
    default_metrics,
    estimates,
    list_length,
    parse_metric,
    summarise,
    summary,
)
from pytest_prodbench.metrics.comparison import detectable_drop_alone
from pytest_prodbench.metrics.intervals import cluster_bootstrap
from pytest_prodbench.metrics.proportions import wilson, wilson_clustered
from pytest_prodbench.protocol import NO_RANK

MEANS = ("recall@1", "recall@5", "category_recall@1", "mrr", "map@20", "ndcg@10")
STATISTICS = ("median_rank", "auroc", "eer")
NAMES = MEANS + STATISTICS

REMARKS = {"light": ["dim", "bright", ""], "angle": ["front", "side"], "blur": ["", ""]}


@pytest.fixture
def registered(monkeypatch):
    """Metrics for one test: name → registered."""
    monkeypatch.setattr(registry, "_added", {})

    def add(metric):
        registry.add("prodbench.metrics", metric.name, metric)
        return metric.name

    return add


def mean_of(values, *, low=0.0, high=1.0, higher_is_better=True, name="made_up", binary=False):
    return Metric(
        name=name,
        per_query=lambda ranking, k: np.asarray(values, float),
        higher_is_better=higher_is_better,
        low=low,
        high=high,
        source="this test",
        binary=binary,
    )


def labelled(case, seed):
    rng = np.random.default_rng(seed)
    q = len(case.query_products)
    conditions = {
        name: [values[i] for i in rng.integers(0, len(values), q)]
        for name, values in REMARKS.items()
    }
    return [f"p{code}" for code in case.query_products], conditions


def expected_value(name, ranking):
    metric, k = parse_metric(name, where="test")
    if isinstance(metric, Statistic):
        found = float(metric.by_query(ranking, k)(np.ones((1, len(ranking.ranks))))[0])
        masks = [np.ones(len(ranking.ranks), bool)]
        if metric.populations is not None:
            masks = metric.populations(ranking)
        return found, {np.count_nonzero(mask) for mask in masks}
    values = metric.per_query(ranking, k)
    values = values[~np.isnan(values)]
    return (float(values.mean()) if len(values) else math.nan), {len(values)}


@settings(max_examples=30, deadline=None)
@given(cases(queries=(1, 14)), st.integers(0, 99), st.sampled_from([1, 3]))
def test_every_estimate_is_the_metric_on_those_queries_alone(case, seed, smallest):
    products, conditions = labelled(case, seed)
    ranking = case.ranking(verification=True)
    asked = ("eer", "median_rank")
    found = summarise(
        ranking,
        products,
        conditions,
        NAMES,
        resamples=20,
        seed=0,
        smallest_slice=smallest,
        asked=asked,
    )
    slices = [((), (), found.overall, NAMES)]
    slices += [
        ((column,), (value,), row, NAMES)
        for column, values in found.conditions.items()
        for value, row in values.items()
    ]
    crossed = (*MEANS, *asked)
    slices += [(c.columns, c.values, c.estimates, crossed) for c in found.crossings if not c.small]
    for columns, wanted, row, names in slices:
        rows = [
            i
            for i in range(len(products))
            if all(conditions[c][i] == v for c, v in zip(columns, wanted, strict=True))
        ]
        alone = case.queries(rows).ranking(verification=True)
        for name in NAMES:
            value, n = expected_value(name, alone)
            if math.isnan(value) or name not in names:
                assert name not in row
                continue
            if len(columns) == 2 and name not in row:
                assert min(n) < smallest
                continue
            metric, _ = parse_metric(name, where="test")
            estimate = row[name]
            assert len(columns) < 2 or estimate.n >= smallest
            assert estimate.value == pytest.approx(value, abs=2e-10)
            assert estimate.n in n
            assert 1 <= estimate.products <= len({products[i] for i in rows})
            assert metric.low <= estimate.low <= estimate.value <= estimate.high <= metric.high
            assert estimate.detectable is None or estimate.detectable > 0
    stated = {c: set(cells) - {""} for c, cells in conditions.items() if set(cells) - {""}}
    assert {c: set(values) for c, values in found.conditions.items()} == stated


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_the_order_of_queries_and_of_columns_changes_no_number(seed):
    case = random_case(seed, q=24, n=40, products=10, absent=3, ties=True)
    products, conditions = labelled(case, seed)
    order = np.random.default_rng(seed).permutation(24)
    one, two = (
        summarise(
            case.queries(rows).ranking(),
            [products[i] for i in rows],
            {name: [conditions[name][i] for i in rows] for name in names},
            (*MEANS, "median_rank"),
            resamples=100,
            seed=3,
            smallest_slice=5,
        )
        for rows, names in ((np.arange(24), list(conditions)), (order, sorted(conditions)[::-1]))
    )
    assert one == two


def test_slices_of_a_large_evaluation_are_measured_in_portions(monkeypatch):
    case = random_case(0)
    products, conditions = labelled(case, 0)
    whole = summarise(case.ranking(), products, conditions, MEANS, resamples=50, seed=0)
    monkeypatch.setattr(estimates, "CELLS", 1)
    assert whole == summarise(case.ranking(), products, conditions, MEANS, resamples=50, seed=0)


def test_headlines():
    """Proportions: Wilson by product; other means: BCa; other statistics: percentiles."""
    case = random_case(1, absent=5)
    products, _ = labelled(case, 0)
    ranking = case.ranking()
    found = summarise(ranking, products, {}, NAMES, resamples=400, seed=2).overall
    codes = np.unique(products, return_inverse=True)[1]
    for name, method in (("recall@1", "wilson"), ("mrr", "bca"), ("auroc", "percentile")):
        assert found[name].method == method
        assert found[name].low < found[name].value < found[name].high
    for name in ("recall@1", "mrr"):
        metric, k = parse_metric(name, where="test")
        values = metric.per_query(ranking, k)
        known = ~np.isnan(values)
        sums = np.bincount(codes[known], values[known], minlength=codes.max() + 1)[:, None]
        counts = np.bincount(codes[known], minlength=codes.max() + 1)[:, None].astype(float)
        resampled = cluster_bootstrap(sums, counts, resamples=400, seed=2)
        low, high = wilson_clustered(sums, counts)
        if name == "mrr":
            low, high = resampled.bca_low, resampled.bca_high
        estimate = found[name]
        assert (estimate.low, estimate.high) == pytest.approx((low[0], high[0]), abs=1e-9)
        assert estimate.standard_error == pytest.approx(resampled.standard_error[0], abs=1e-9)
        arm = (estimate.value - estimate.low) / 1.959964
        step = max(arm, estimate.standard_error)
        assert estimate.detectable == pytest.approx(detectable_drop_alone(step), rel=1e-6)
        assert estimate.n == known.sum() == 35


@pytest.mark.parametrize(("low", "high", "value"), [(0, 1, 1.0), (-2, 2, 0.5), (0, 1, 0.0)])
def test_values_that_are_all_alike_still_leave_a_doubt(registered, low, high, value):
    case = random_case(2, q=30)
    products = [f"p{i // 3}" for i in range(30)]
    name = registered(mean_of([value] * 30, low=low, high=high))
    found = summarise(case.ranking(), products, {}, [name], resamples=50, seed=0).overall[name]
    share = (value - low) / (high - low)
    expected = [low + (high - low) * float(end) for end in wilson(share * 10, 10)]
    assert (found.low, found.high) == pytest.approx(expected)
    assert found.method == "wilson"
    assert found.standard_error == 0.0
    assert found.detectable > 0.1 * (high - low)


def test_where_the_range_has_no_end_nothing_is_claimed_to_be_detectable(registered):
    case = random_case(2, q=6)
    name = registered(mean_of([3.0] * 6, low=0, high=math.inf, higher_is_better=False))
    found = summarise(case.ranking(), ["p"] * 6, {}, [name], resamples=50, seed=0).overall[name]
    assert (found.low, found.high, found.detectable) == (3.0, 3.0, None)


def test_the_arm_that_counts_is_the_one_on_the_side_of_the_worse(registered):
    case = random_case(2, q=40)
    values = [0.0] * 38 + [1.0, 1.0]
    products = [f"p{i}" for i in range(40)]
    up = registered(mean_of(values, binary=True))
    down = registered(mean_of(values, binary=True, higher_is_better=False, name="made_down"))
    found = summarise(case.ranking(), products, {}, [up, down], resamples=200, seed=0).overall
    assert found[down].detectable > found[up].detectable
    assert found[down].detectable == pytest.approx(
        detectable_drop_alone((found[down].high - 0.05) / 1.959964), rel=1e-6
    )


def test_pairs_of_conditions_with_few_queries_are_counted_and_not_measured():
    case = random_case(3, q=60)
    products, _ = labelled(case, 0)
    light = ["dim" if i < 25 else "bright" for i in range(60)]
    angle = ["side" if i % 25 < 5 else "front" for i in range(60)]
    found = summarise(
        case.ranking(), products, {"light": light, "angle": angle}, NAMES, resamples=50, seed=0
    )
    shown = {(c.columns, c.values): c for c in found.crossings}
    assert [c.values for c in found.crossings] == [
        ("front", "bright"),
        ("front", "dim"),
        ("side", "bright"),
        ("side", "dim"),
    ]
    for (columns, (facing, lit)), crossing in shown.items():
        rows = [i for i in range(60) if angle[i] == facing and light[i] == lit]
        assert columns == ("angle", "light")
        assert (crossing.n, crossing.products) == (len(rows), len({products[i] for i in rows}))
        assert crossing.small == (len(rows) < 20)
        # Nobody asked for statistics.
        assert set(crossing.estimates) == (set() if crossing.small else set(MEANS))


def test_spreads_rank_what_has_enough_queries():
    case = random_case(4, q=60)
    products, _ = labelled(case, 0)
    light = [["dim", "bright", "odd"][0 if i < 25 else 1 if i < 55 else 2] for i in range(60)]
    found = summarise(case.ranking(), products, {"light": light}, NAMES, resamples=50, seed=0)
    assert {(s.column, s.metric) for s in found.spreads} == {
        ("light", name) for name in NAMES if name in found.overall
    }
    for spread in found.spreads:
        values = {v: found.conditions["light"][v][spread.metric].value for v in ("dim", "bright")}
        assert spread.small == ("odd",)
        assert spread.spread == pytest.approx(abs(values["dim"] - values["bright"]))
        metric, _ = parse_metric(spread.metric, where="test")
        worst = min(values.values()) if metric.higher_is_better else max(values.values())
        assert values[spread.worst] == worst


def test_a_pair_of_which_a_metric_counts_few_queries_has_no_value_of_it():
    case = random_case(3, q=60)
    products, _ = labelled(case, 0)
    light = ["dim" if i < 30 else "bright" for i in range(60)]
    ranking = case.ranking()
    # All but one of the dim queries are of products that are not in the catalog.
    ranking.ranks[1:30] = NO_RANK
    conditions = {"light": light, "angle": ["side"] * 60}
    found = summarise(ranking, products, conditions, NAMES, resamples=50, seed=0)
    shown = {c.values[1]: c for c in found.crossings}
    assert (shown["dim"].n, shown["dim"].small) == (30, False)
    assert "recall@1" not in shown["dim"].estimates
    assert "mrr" not in shown["dim"].estimates
    assert shown["bright"].estimates["recall@1"].n == 30
    assert found.conditions["light"]["dim"]["recall@1"].n == 1


def test_a_value_that_no_query_defines_is_named_among_the_small():
    case = random_case(3, q=75)
    products, _ = labelled(case, 0)
    ranking = case.ranking()
    ranking.ranks[25:50] = NO_RANK
    light = ["a"] * 25 + ["b"] * 25 + ["c"] * 25
    found = summarise(ranking, products, {"light": light}, ("recall@1",), resamples=50, seed=0)
    (spread,) = found.spreads
    assert spread.small == ("b",)
    assert {spread.worst, spread.best} <= {"a", "c"}


def test_an_absent_product_is_counted_apart_never_as_a_hit_or_a_miss():
    case = random_case(5, absent=4)
    found = summarise(case.ranking(), ["p"] * 40, {}, MEANS, resamples=50, seed=0).overall
    for name in ("recall@1", "mrr", "map@20"):
        assert found[name].n == 36
    assert found["mrr"].value > 0.01


def test_a_statistic_of_a_large_dataset_gets_fewer_resamples_never_too_few():
    assert [
        estimates.statistic_resamples(2000, q) for q in (0, 50, 16000, 20000, 10**5, 10**6)
    ] == [*(2000, 2000, 2000, 1600, 400, 400)]
    assert estimates.statistic_resamples(100, 10**6) == 100


def test_what_is_asked_for_gets_all_resamples_in_slices_and_the_rest_few(monkeypatch):
    case = random_case(8, q=60)
    products, _ = labelled(case, 0)
    drawn = []
    real = summary.estimate_statistics

    def counting(statistics, ranking, codes, *, resamples, seed):
        drawn.append((len(codes), [of.name for of, _ in statistics], resamples))
        return real(statistics, ranking, codes, resamples=resamples, seed=seed)

    monkeypatch.setattr(summary, "estimate_statistics", counting)
    light = ["dim" if i < 25 else "bright" for i in range(60)]
    names = ("recall@1", "median_rank", "auroc")
    summarise(
        case.ranking(), products, {"light": light}, names, resamples=500, seed=0, asked=["auroc"]
    )
    assert drawn == [
        (60, ["median_rank", "auroc"], 500),
        *((n, [name], b) for n in (35, 25) for name, b in (("auroc", 500), ("median_rank", 400))),
    ]


def test_no_query_no_number():
    ranking = random_case(6).queries([]).ranking()
    found = summarise(ranking, [], {"light": []}, NAMES, resamples=20, seed=0)
    assert (found.overall, found.conditions, found.crossings, found.spreads) == ({}, {}, (), ())


def test_numbers_are_plain_and_rounded():
    """Evidence is JSON: no numpy scalar, no NaN, ten decimals."""
    case = random_case(7)
    products, conditions = labelled(case, 1)
    found = summarise(case.ranking(), products, conditions, NAMES, resamples=60, seed=0)
    for estimate in found.overall.values():
        for value in dataclasses.astuple(estimate):
            assert type(value) in (float, int, str, type(None))
            assert not isinstance(value, float) or value == round(value, DIGITS)


def test_the_list_is_as_long_as_the_metrics_read(registered):
    reads = dataclasses.replace(mean_of([]), takes_k=True, needs_list=True)
    assert list_length([f"{registered(reads)}@7", "made_up@30", "recall@100"]) == 30
    assert list_length(["recall@100", "mrr", "median_rank"]) == 0
    assert list_length([]) == 0


def test_the_defaults_follow_the_ks_and_hold_the_headlines():
    names = default_metrics((2, 7))
    assert names[:2] == ("recall@2", "recall@7")
    assert {"map@20", "mrr", "median_rank", "auroc"} < set(names)
    assert len(set(default_metrics())) == len(default_metrics())
