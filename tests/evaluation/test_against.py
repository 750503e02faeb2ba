"""A pair against production: rankings made again from their queries, joined, and what is refused."""

from __future__ import annotations

import functools
import math
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_prodbench import compare, evaluate_embeddings, registry
from pytest_prodbench.evaluation.against import Result, compare_pair, metric_versions
from pytest_prodbench.evaluation.paired import NAMED, Resampling
from pytest_prodbench.evidence.queries import (
    query_names,
    ranking_of,
    read_parquet,
    to_parquet,
)
from pytest_prodbench.evidence.types import DatasetRecord, ModelRecord
from pytest_prodbench.metrics import HEADLINES, Metric
from pytest_prodbench.protocol import PROTOCOL_VERSION
from pytest_prodbench.settings.policy import Rule

REGISTERED = registry.registered("prodbench.metrics")
VERSIONS = metric_versions([*HEADLINES, "coverage@5"])
RESAMPLING = Resampling(resamples=100, seed=0, smallest_slice=5)


def metric(name):
    found = registry.load("prodbench.metrics", name, where="test")
    return found if isinstance(found, Metric) else None


PAIRED = [name for name in REGISTERED if metric(name) is not None]


@functools.cache
def search(seed=0, *, noise=1.0, products=12, shots=3, absent=0, families=True, extra=2):
    """A catalog of two photos a product and distractors; some queries' product is not in it."""
    rng = np.random.default_rng(7)
    names = [f"p{i:02}" for i in range(products)]
    centres = rng.normal(size=(products + absent + extra, 12))
    gone = [f"gone{i}" for i in range(absent)]
    asked = [*range(products), *range(products + extra, products + extra + absent)]
    queries = [name for name in (*names, *gone) for _ in range(shots)]
    gallery = [name for name in names for _ in range(2)] + [f"x{i}" for i in range(extra)]
    own = np.random.default_rng(seed)
    left = np.repeat(centres[asked], shots, axis=0)
    right = np.concatenate([np.repeat(centres[:products], 2, axis=0), centres[products:][:extra]])
    told = tuple([f"f{sum(map(ord, name)) % 3}" for name in some] for some in (queries, gallery))
    return evaluate_embeddings(
        left + noise * own.normal(size=left.shape),
        right + 0.3 * own.normal(size=right.shape),
        queries,
        gallery,
        open_set=bool(absent),
        families=told if families else None,
        resamples=100,
    )


CASES = {
    "plain": {},
    "open set": {"absent": 3},
    "no families": {"families": False},
    "no distractors": {"extra": 0},
    "one product": {"products": 1, "extra": 1},
    "nobody is there": {"products": 1, "absent": 6, "shots": 1},
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("name", PAIRED)
def test_every_metric_reads_the_same_from_the_queries_on_disk(tmp_path, name, case):
    done = search(noise=1.5, **CASES[case])
    (tmp_path / "q.parquet").write_bytes(to_parquet(done.queries))
    again = ranking_of(read_parquet(tmp_path / "q.parquet"))
    found = metric(name)
    for k in (1, 3, 50) if found.takes_k else (None,):
        np.testing.assert_array_equal(found.per_query(again, k), found.per_query(done.ranking, k))


def test_a_table_without_rows_is_a_ranking_of_nothing():
    empty = ranking_of(search().queries.slice(0, 0))
    assert len(empty.ranks) == 0
    assert metric("recall").per_query(empty, 1).shape == (0,)


def test_rows_in_another_order_and_in_pieces():
    done = search(absent=2)
    order = np.random.default_rng(0).permutation(done.queries.num_rows)
    pieces = pa.concat_tables([done.queries.take(order[:7]), done.queries.take(order[7:])])
    for name in PAIRED:
        k = 3 if metric(name).takes_k else None
        np.testing.assert_array_equal(
            metric(name).per_query(ranking_of(pieces), k),
            metric(name).per_query(done.ranking, k)[order],
        )


# --- compared with a slow one


def table(seed=0, *, contents=True, light=True, **more):
    """Queries with contents, as photos have them, and a condition."""
    found = search(seed, **more).queries
    n = found.num_rows
    if contents:
        column = pa.array([f"{i:064x}" for i in range(n)])
        found = found.set_column(found.column_names.index("content"), "content", column)
    if light:
        found = found.append_column(
            "condition.light", pa.array([("dim", "hard", "")[i % 3] for i in range(n)])
        ).append_column("condition.angle", pa.array([("side", "top")[i % 2] for i in range(n)]))
    return found


def result(queries, name="m", content_digest="c" * 64, **changes):
    fields = {
        "model": ModelRecord.model_construct(name=name, weights_digest="0" * 64),
        "dataset": DatasetRecord.model_construct(name="d", content_digest=content_digest),
        "protocol_version": PROTOCOL_VERSION,
        "metric_versions": VERSIONS,
        "table": queries,
    }
    return Result(**(fields | changes))


def against(before, after, rules=(), resampling=RESAMPLING, **more):
    return compare_pair(result(before, "champion"), result(after), rules, resampling, **more)


def per_row(queries, name):
    """Value of ``recall@1``, ``mrr`` … of each row, one row after the other."""
    values = {}
    for row, key in zip(queries.to_pylist(), query_names(queries), strict=True):
        rank, k = row["rank"], int(name.partition("@")[2] or 0)
        if name.startswith("recall"):
            values[key] = None if rank is None else float(rank <= k)
        elif name == "mrr":
            values[key] = None if rank is None else 1.0 / rank
        elif name == "product_recall@1":
            values[key] = None if rank is None else float(row["product_rank"] == 1)
        else:
            places = enumerate(row["positive_ranks"], 1)
            reached = [i / place for i, place in places if place <= k]
            positives = row["positives"]
            values[key] = math.fsum(reached) / min(k, positives) if positives else None
    return values


def slow(before, after, name, keep=lambda _: True):
    old, new = per_row(before, name), per_row(after, name)
    rows = dict(zip(query_names(after), after.to_pylist(), strict=True))
    both = [
        key for key in old if key in new and None not in (old[key], new[key]) and keep(rows[key])
    ]
    if not both:
        return None
    return (
        math.fsum(old[key] for key in both) / len(both),
        math.fsum(new[key] for key in both) / len(both),
        len(both),
    )


def same(change, expected):
    before, after, n = expected
    assert change.before == pytest.approx(before, abs=2e-10)
    assert change.after == pytest.approx(after, abs=2e-10)
    assert change.drop.value == pytest.approx(before - after, abs=2e-10)
    assert change.drop.n == n


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("name", ["recall@1", "recall@5", "map@20", "mrr", "product_recall@1"])
def test_the_drop_is_that_of_a_join_in_loops(name, case):
    before, after = table(1, **CASES[case]), table(2, noise=2.0, **CASES[case])
    found = against(before, after)
    expected = slow(before, after, name)
    if expected is None:
        assert name not in found.changes
    else:
        same(found.changes[name], expected)


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 5), st.randoms(use_true_random=False))
def test_rows_are_joined_in_whatever_order_they_stand(seed, random):
    before, after = table(seed), table(seed + 1, noise=2.0)
    shuffled = after.take(random.sample(range(after.num_rows), after.num_rows))
    one, other = against(before, after), against(before, shuffled)
    assert one.queries == other.queries == 36
    assert other.changes == one.changes
    assert other.conditions == one.conditions


@settings(deadline=None, max_examples=25)
@given(st.data())
def test_what_only_one_has_is_counted_and_left_out(data):
    before, after = table(1), table(2, noise=2.0)
    rows = st.lists(st.integers(0, 35), unique=True, min_size=1)
    left, right = sorted(data.draw(rows)), sorted(data.draw(rows))
    found = against(before.take(left), after.take(right))
    both = set(left) & set(right)
    assert (found.queries, found.only_before, found.only_after) == (
        len(both),
        len(left) - len(both),
        len(right) - len(both),
    )
    if both:
        same(found.changes["mrr"], slow(before.take(left), after.take(right), "mrr"))
    else:
        assert found.refused == ["no query is in both"]
        assert found.changes == {}


def test_duplicates_of_one_photo_are_joined_one_by_one():
    before, after = table(1), table(2, noise=2.0)
    double = [0, 0, 0, 1, 2]
    found = against(before.take(double), after.take(double))
    assert (found.queries, found.only_before, found.only_after) == (5, 0, 0)
    fewer = against(before.take(double), after.take([0, 0, 1]))
    assert (fewer.queries, fewer.only_before, fewer.only_after) == (3, 2, 0)


def test_one_photo_of_two_products_is_two_queries():
    before = table(1)
    content = ["a" * 64] * before.num_rows
    position = before.column_names.index("content")
    double = before.set_column(position, "content", pa.array(content))
    found = against(double, double)
    assert found.queries == before.num_rows
    assert found.changes["mrr"].drop.value == 0.0


def test_a_photo_that_was_labelled_anew_is_another_query():
    before = table(1)
    labels = before["product_id"].to_pylist()
    labels[0] = "another"
    after = before.set_column(
        before.column_names.index("product_id"), "product_id", pa.array(labels)
    )
    found = against(before, after)
    assert (found.queries, found.only_before, found.only_after) == (35, 1, 1)


# --- slices


def test_slices_of_one_column_and_of_two():
    before, after = table(1), table(2, noise=2.0)
    dim = (("light", "dim"),)
    rules = [
        Rule(metric="mrr", sector="s", limit=0.1, bound="max_drop", condition=dim),
        Rule(
            metric="mrr",
            sector="s",
            limit=0.1,
            bound="max_drop",
            condition=(("angle", "side"), *dim),
        ),
    ]
    found = against(before, after, rules)
    assert set(found.conditions["light"]) == {"dim", "hard"}
    for name in ("recall@1", "mrr"):
        expected = slow(before, after, name, lambda row: row["condition.light"] == "dim")
        same(found.conditions["light"]["dim"][name], expected)
    (crossed,) = found.crossings
    assert (crossed.columns, crossed.values) == (("angle", "light"), ("side", "dim"))
    both = slow(
        before,
        after,
        "mrr",
        lambda row: (row["condition.angle"], row["condition.light"]) == ("side", "dim"),
    )
    same(crossed.changes["mrr"], both)


def test_a_metric_of_the_worst_condition_is_compared_in_each_of_its_values():
    rule = Rule(metric="mrr", sector="s", limit=0.1, bound="max_drop", worst_condition="light")
    found = against(table(1), table(2), [rule])
    assert all("mrr" in changes for changes in found.conditions["light"].values())
    assert all("mrr" not in changes for changes in found.conditions["angle"].values())


def test_slices_of_few_queries_are_not_compared():
    found = against(table(1), table(2), resampling=replace(RESAMPLING, smallest_slice=13))
    assert "light" not in found.conditions
    assert set(found.conditions["angle"]) == {"side", "top"}


def test_a_slice_whose_queries_hardly_define_the_metric_is_not_compared():
    """Twelve photos, three of a product that is in the catalog: three are no proof."""
    before = table(1, products=1, absent=11, light=False)
    after = table(2, products=1, absent=11, light=False)
    before, after = (
        one.append_column("condition.light", pa.array(["dim"] * 12 + ["hard"] * 24))
        for one in (before, after)
    )
    found = against(before, after)
    assert found.conditions["light"]["dim"] == {}
    assert found.changes["recall@1"].drop.n == 3


def test_a_metric_that_a_rule_names_is_compared_as_well():
    rule = Rule(metric="coverage@5", sector="s", limit=0.1, bound="max_drop")
    assert "coverage@5" in against(table(1), table(2), [rule]).changes
    assert "coverage@5" not in against(table(1), table(2)).changes


# --- direction, and two models that are the same


def test_a_metric_of_which_less_is_better_drops_when_it_rises():
    before, after = table(1, noise=0.1), table(2, noise=3.0)
    rule = Rule(metric="instance_gap", sector="s", limit=0.1, bound="max_drop")
    versions = VERSIONS | metric_versions(["instance_gap"])
    found = compare_pair(
        result(before, metric_versions=versions),
        result(after, metric_versions=versions),
        [rule],
        RESAMPLING,
    ).changes["instance_gap"]
    assert found.drop.value == pytest.approx(found.after - found.before, abs=2e-10)
    assert found.drop.low <= found.drop.value <= found.drop.high


def test_a_model_against_itself():
    found = against(table(1), table(1))
    for change in found.changes.values():
        assert change.drop.value == 0.0
        assert math.copysign(1.0, change.drop.value) == 1.0
        assert change.drop.low < 0.0 < change.drop.high
    assert (found.newly_failing, found.newly_right) == ([], [])


def test_the_same_interval_and_test_as_compare():
    before, after = search(1), search(2, noise=2.0)
    found = against(before.queries, after.queries)
    for name in ("recall@1", "mrr", "map@20", "category_recall@1"):
        one = compare(before, after, name, resamples=100)
        change = found.changes[name]
        assert change.drop.value == pytest.approx(-one.difference.value, abs=2e-10)
        assert change.drop.method == one.difference.method
        assert change.drop.detectable == pytest.approx(one.difference.detectable, abs=2e-10)
        if one.difference.method == "adjusted":
            # The ends of a bootstrap are not symmetric to the last replicate.
            assert change.drop.low == pytest.approx(-one.difference.high, abs=2e-10)
            assert change.drop.high == pytest.approx(-one.difference.low, abs=2e-10)
        if one.mcnemar is None:
            assert (change.only_before, change.only_after, change.p_value) == (None, None, None)
        else:
            assert (change.only_before, change.only_after) == (
                one.mcnemar.only_left,
                one.mcnemar.only_right,
            )
            assert change.p_value == pytest.approx(one.mcnemar.p_value, abs=2e-10)


# --- which photos


def test_queries_that_changed_sides_are_named_the_largest_fall_first():
    before, after = table(1), table(2, noise=2.0)
    found = against(before, after)
    ranks = {
        row["query"]: (row["rank"], other["rank"])
        for row, other in zip(before.to_pylist(), after.to_pylist(), strict=True)
    }
    lost = {query for query, (old, new) in ranks.items() if old == 1 < new}
    won = {query for query, (old, new) in ranks.items() if new == 1 < old}
    assert set(found.newly_failing) == lost != set()
    assert set(found.newly_right) == won
    falls = [ranks[query][1] for query in found.newly_failing]
    assert falls == sorted(falls, reverse=True)
    assert len(lost) == found.changes["recall@1"].only_before
    assert len(won) == found.changes["recall@1"].only_after


def test_no_more_queries_are_named_than_somebody_reads():
    before = table(1, noise=0.01, shots=8)
    worse = before.set_column(
        before.column_names.index("rank"), "rank", pa.array([2] * before.num_rows)
    )
    assert len(against(before, worse).newly_failing) == NAMED
    assert against(before, worse).changes["recall@1"].only_before > NAMED


def test_an_absent_product_neither_fails_nor_is_right():
    before = table(1, absent=4)
    found = against(before, table(2, absent=4, noise=2.0))
    gone = {r["query"] for r in before.to_pylist() if r["product_id"].startswith("gone")}
    assert not gone & {*found.newly_failing, *found.newly_right}


# --- what is refused


@pytest.mark.parametrize("rebase", [False, True])
@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {"protocol_version": PROTOCOL_VERSION - 1},
            f"protocol version {PROTOCOL_VERSION - 1} in the baseline, now {PROTOCOL_VERSION}",
        ),
        (
            {"metric_versions": VERSIONS | {"recall": 99}},
            f"version 99 of metric recall in the baseline, now {VERSIONS['recall']}",
        ),
    ],
)
def test_another_definition_is_never_compared(changes, said, rebase):
    before = result(table(1), **changes)
    found = compare_pair(before, result(table(2)), [], RESAMPLING, rebase=rebase)
    assert found.refused == [said]
    assert (found.changes, found.conditions, found.newly_failing) == ({}, {}, [])


def test_the_version_of_a_metric_that_nobody_asks_for_refuses_nothing():
    before = result(table(1), metric_versions=VERSIONS | {"coverage": 99})
    assert compare_pair(before, result(table(2)), [], RESAMPLING).refused == []


def test_a_dataset_that_changed_is_refused_and_says_what_is_left():
    before = result(table(1).slice(0, 30), content_digest="d" * 64)
    (said,) = compare_pair(before, result(table(2)), [], RESAMPLING).refused
    assert said == (
        "the content of the dataset changed (digest dddddddddddd in the baseline, now cccccccccccc); "
        "30 of 36 queries remain comparable under --prodbench-rebase"
    )


def test_rebase_compares_what_both_have_and_says_so():
    before, after = table(1), table(2, noise=2.0)
    old = result(before.slice(0, 30), content_digest="d" * 64)
    found = compare_pair(old, result(after.slice(6)), [], RESAMPLING, rebase=True)
    assert (found.refused, found.queries) == ([], 24)
    assert (found.only_before, found.only_after) == (6, 6)
    assert found.rebased == [
        "the content of the dataset changed (digest dddddddddddd in the baseline, now cccccccccccc)"
    ]
    same(found.changes["mrr"], slow(before.slice(6, 24), after.slice(6, 24), "mrr"))


def test_rebase_of_the_same_dataset_changes_nothing():
    assert against(table(1), table(2), rebase=True) == against(table(1), table(2))


def test_nothing_in_common_is_refused_under_rebase_as_well():
    old = result(table(1).slice(0, 10), content_digest="d" * 64)
    found = compare_pair(old, result(table(2).slice(10)), [], RESAMPLING, rebase=True)
    assert found.refused == ["no query is in both"]
    assert (found.changes, found.queries) == ({}, 0)


def test_everything_that_differs_is_said_at_once():
    old = result(table(1), content_digest="d" * 64, protocol_version=0)
    found = compare_pair(old, result(table(2)), [], RESAMPLING)
    assert [said.partition(" ")[0] for said in found.refused] == ["protocol", "the"]


def test_two_comparisons_are_the_same_byte_for_byte():
    one, other = (against(table(1), table(2, noise=2.0)) for _ in range(2))
    assert one.model_dump_json() == other.model_dump_json()
