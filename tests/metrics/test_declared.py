"""Metrics of other packages: what does not keep to its declaration is an error that names it."""

import importlib.metadata
import math

import numpy as np
import pytest
from ranking_oracle import random_case

from pytest_prodbench import evaluate_embeddings, registry
from pytest_prodbench.errors import MetricError, SettingsError
from pytest_prodbench.metrics import Metric, Statistic, parse_metric, summarise

Q = 40


@pytest.fixture(autouse=True)
def _nothing_added(monkeypatch):
    monkeypatch.setattr(registry, "_added", {})


def made(**changes):
    fields = {
        "name": "made_up",
        "per_query": lambda ranking, k: np.zeros(len(ranking.ranks)),
        "higher_is_better": True,
        "low": 0.0,
        "high": 1.0,
        "source": "test",
    }
    return Metric(**(fields | changes))


def measured(metric):
    registry.add("prodbench.metrics", "made_up", metric)
    ranking = random_case(1, q=Q).ranking()
    names = ["mrr", "made_up"]
    return summarise(ranking, ["p"] * Q, {}, names, resamples=100, seed=0).overall


@pytest.mark.parametrize(
    ("registered", "found", "expected"),
    [
        (made(name="other"), "a metric whose name is 'other'", "'made_up'"),
        (made(low=1.0, high=1.0), "a range from 1.0 to 1.0", "low < high"),
        (made(low=math.nan), "a range from nan to 1.0", "low < high"),
        (made(high="1"), "a range from 0.0 to '1'", "low < high"),
        (made(version=0), "version 0", "a whole number from 1 on"),
        (made(per_query=None), "per_query is None", "a function"),
        (made, "function", "a Metric or a Statistic"),
        (Metric, "type", "a Metric or a Statistic"),
        (None, "NoneType", "a Metric or a Statistic"),
    ],
)
def test_what_is_registered_is_a_metric_of_that_name(registered, found, expected):
    registry.add("prodbench.metrics", "made_up", registered)
    with pytest.raises(SettingsError) as caught:
        parse_metric("made_up", where="somewhere")
    assert caught.value.where == "registry.add('prodbench.metrics', 'made_up', …)"
    assert found in caught.value.found
    assert expected in caught.value.expected
    assert caught.value.next_step


def test_an_entry_point_is_named(monkeypatch):
    entry = importlib.metadata.EntryPoint(
        "hits", "pytest_prodbench.metrics.first_hit:RECALL", "prodbench.metrics"
    )
    monkeypatch.setattr(registry, "_found", lambda group: {"hits": entry})
    with pytest.raises(SettingsError, match=r"metrics:hits \(pytest_prodbench.*whose name is 'rec"):
        parse_metric("hits@1", where="somewhere")


@pytest.mark.parametrize(
    ("values", "more", "found"),
    [
        ([0.0] * 39 + [1.5], {}, r"the value 1.5 \(1 such"),
        ([-0.1] * 2 + [1.0] * 38, {}, r"the value -0.1 \(2 such"),
        ([math.inf] + [1.0] * 39, {"high": math.inf}, "the value inf"),
        ([0.5] * 40, {"binary": True}, "the value 0.5 .*0 or 1"),
        ([0.5] * 39, {}, r"values of shape \(39,\); expected \(40,\)"),
        ([[0.5]] * 40, {}, r"values of shape \(40, 1\)"),
        (0.5, {}, r"values of shape \(\)"),
        (["a"] * 40, {}, "no array of numbers"),
        (None, {}, r"values of shape \(\)"),
    ],
)
def test_values_that_are_not_as_declared_name_the_metric(values, more, found):
    with pytest.raises(MetricError, match=f"metric 'made_up': .*{found}"):
        measured(made(per_query=lambda ranking, k: values, **more))


@pytest.mark.filterwarnings("ignore:invalid value")
@pytest.mark.parametrize("value", [1.5, -0.1, math.inf])
def test_a_statistic_outside_its_range_names_it(value):
    statistic = Statistic(
        name="made_up",
        of=lambda ranking, k, units: lambda weights: np.full(len(weights), value),
        higher_is_better=True,
        low=0.0,
        high=1.0,
        source="test",
    )
    with pytest.raises(MetricError, match="metric 'made_up'"):
        measured(statistic)


def test_rounding_and_undefined_queries_are_no_error():
    values = [math.nan, 1.0 + 1e-15, -1e-17, *[0.5] * 37]
    assert measured(made(per_query=lambda ranking, k: values))["made_up"].n == 39
    assert parse_metric("made_up", where="here")[0].name == "made_up"


def test_no_metric_writes_into_the_ranking_that_others_read():
    unit = np.eye(30)
    ids = [f"p{i}" for i in range(30)]
    ranking = evaluate_embeddings(unit, unit, ids, ids, resamples=100).ranking
    for array in (
        ranking.ranks,
        ranking.top_relevant,
        ranking.every_positive.ranks,
        ranking.verification.scores,
    ):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0
