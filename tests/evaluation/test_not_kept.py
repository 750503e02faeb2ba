"""A metric is compared by what the queries on disk hold, or a rule on it is undecided."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from pytest_prodbench import evaluate_embeddings, registry
from pytest_prodbench.evaluation.against import Result, compare_pair
from pytest_prodbench.evaluation.paired import Resampling
from pytest_prodbench.evidence.not_kept import NotKept, NotKeptError
from pytest_prodbench.evidence.queries import ranking_of
from pytest_prodbench.evidence.types import DatasetRecord, ModelRecord
from pytest_prodbench.gate.checking import check_lead, check_model, check_pair
from pytest_prodbench.gate.policy import Demand
from pytest_prodbench.metrics import Metric
from pytest_prodbench.protocol import PROTOCOL_VERSION
from pytest_prodbench.settings.policy import Rule


def listed(ranking, k):
    return ranking.top_relevant[:, :k].any(axis=1).astype(float)


def worst_score(ranking, k):
    return np.minimum.reduceat(ranking.every_positive.scores, ranking.every_positive.starts[:-1])


def verified(ranking, k):
    pairs = ranking.verification
    if pairs is None:
        return np.ones(len(ranking.ranks))
    return np.bincount(pairs.rows[pairs.genuine], minlength=len(ranking.ranks)) / 10.0


def rows(ranking, k):
    return (ranking.top_indices[:, 0] >= 0).astype(float)


READS = {
    "listed": (listed, {"takes_k": True, "needs_list": True}),
    "undeclared": (listed, {"takes_k": True}),
    "no_length": (listed, {"needs_list": True}),
    "worst_score": (worst_score, {"low": -1.0}),
    "verified": (verified, {}),
    "rows": (rows, {"takes_k": True, "needs_list": True}),
}


@pytest.fixture(autouse=True)
def _registered(monkeypatch):
    monkeypatch.setattr(registry, "_added", {})
    for name, (of, more) in READS.items():
        fields = {"higher_is_better": True, "low": 0.0, "high": 1.0, "source": "test"} | more
        registry.add("prodbench.metrics", name, Metric(name=name, per_query=of, **fields))


RNG = np.random.default_rng(0)
GALLERY = RNG.normal(size=(60, 16))
IDS = [f"p{i}" for i in range(60)]
GOOD = evaluate_embeddings(GALLERY, GALLERY, IDS, IDS, resamples=100)
BAD = evaluate_embeddings(RNG.normal(size=GALLERY.shape), GALLERY, IDS, IDS, resamples=100)


def result(evaluation, name, **changes):
    fields = {
        "model": ModelRecord.model_construct(name=name, weights_digest="0" * 64),
        "dataset": DatasetRecord.model_construct(name="d", content_digest="c" * 64),
        "protocol_version": PROTOCOL_VERSION,
        "metric_versions": dict.fromkeys([*READS, "recall", "mrr"], 1),
        "table": evaluation.queries,
    }
    return Result(**(fields | changes))


def compared(metric, before=None):
    rule = Rule(metric=metric, sector="s", limit=0.02, bound="max_drop")
    found = compare_pair(
        before or result(GOOD, "old"), result(BAD, "new"), [rule], Resampling(50, 0, 5)
    )
    return Demand(rule), found


def test_a_metric_that_reads_the_list_is_compared_by_the_lists_on_disk():
    demand, found = compared("listed@5")
    change = found.changes["listed@5"]
    assert change.before == 1.0
    assert change.after == pytest.approx(listed(BAD.ranking, 5).mean(), abs=2e-10)
    assert change.drop.n == 60
    assert found.not_compared == {}
    assert check_pair("new", "d", BAD.measurement, demand, found).outcome == "fails"


@pytest.mark.parametrize(
    ("metric", "lacks"),
    [
        ("listed@50", "result lists of 50 results (top_scores has 20)"),
        ("undeclared@5", "result lists (top_relevant)"),
        ("no_length", "result lists of a length that it does not state"),
        ("worst_score", "scores of all positives (every_positive.scores)"),
        ("verified", "verification pairs"),
        ("rows@1", "gallery rows of results (top_indices)"),
    ],
)
def test_what_the_queries_on_disk_lack_leaves_the_rule_undecided(metric, lacks):
    demand, found = compared(metric)
    why = f"metric {metric} reads {lacks}, which the stored queries lack"
    assert metric not in found.changes
    assert found.not_compared == {metric: why}
    assert "mrr" in found.changes
    check = check_pair("new", "d", BAD.measurement, demand, found)
    assert (check.outcome, check.passed) == ("undecided", False)
    assert why in check.message
    for other in (
        check_model("new", {"d": BAD.measurement}, demand, {"d": found}),
        check_lead("new", "d", demand, {"old": found}),
    ):
        assert (other.outcome, other.passed) == ("undecided", False)
        assert why in other.message


def test_a_baseline_without_lists_leaves_the_rule_undecided():
    table = GOOD.queries.drop_columns(["top_relevant"])
    _, found = compared("listed@5", result(GOOD, "old", table=table))
    assert "listed@5" not in found.changes
    assert "result lists (top_relevant)" in found.not_compared["listed@5"]


def test_lists_made_again_are_those_of_the_ranking():
    again = ranking_of(BAD.queries, 7)
    np.testing.assert_array_equal(again.top_scores, BAD.ranking.top_scores[:, :7])
    np.testing.assert_array_equal(again.top_relevant, BAD.ranking.top_relevant[:, :7])
    # Of a gallery that is shorter than the list, the list ends with it.
    few = evaluate_embeddings(GALLERY[:4], GALLERY[:4], IDS[:4], IDS[:4], resamples=100)
    again = ranking_of(few.queries, 7)
    np.testing.assert_array_equal(again.top_scores, few.ranking.top_scores[:, :7])


@pytest.mark.parametrize(
    "read",
    [
        lambda x: x[:, 0],
        lambda x: x.shape,
        len,
        list,
        np.asarray,
        np.isnan,
        lambda x: np.sort(x, axis=1),
        lambda x: x > 0,
        lambda x: 1.0 - x,
        lambda x: ~x,
        lambda x: x == 1,
        bool,
        lambda x: dataclasses.replace(GOOD.ranking, top_scores=x).top_scores.any(),
    ],
)
def test_whatever_is_asked_of_what_is_not_kept_is_an_error(read):
    with pytest.raises(NotKeptError, match="the lists"):
        read(NotKept("the lists"))
