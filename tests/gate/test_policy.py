"""Rules that make no sense are refused before anything is embedded."""

from __future__ import annotations

import math

import pytest
from gate_builders import WHERE, rule, sector

from pytest_prodbench import registry
from pytest_prodbench.errors import SettingsError
from pytest_prodbench.gate import check_policy, effective_rules
from pytest_prodbench.metrics import Metric


@pytest.mark.parametrize("limit", [0.5, 1.0, 1e-10])
def test_limits_within_the_range(limit):
    check_policy([sector(rule(limit=limit))])


@pytest.mark.parametrize("limit", [0.0, -0.1, 1.1, 50.0, 1e-12, math.nan, math.inf, -math.inf])
def test_limits_outside_the_range_or_at_its_edge(limit):
    with pytest.raises(SettingsError, match="the range of recall") as caught:
        check_policy([sector(rule(limit=limit))])
    assert caught.value.where == WHERE


@pytest.mark.parametrize(
    ("metric", "said"),
    [
        ("recal@1", "did you mean 'recall'"),
        ("accuracy", "nothing registers"),
        ("recall", "k from 1 to 1000"),
        ("recall@0", "k from 1 to 1000"),
        ("recall@-1", "k from 1 to 1000"),
        ("recall@1.5", "k from 1 to 1000"),
        ("recall@ 1", "k from 1 to 1000"),
        ("recall@1001", "k from 1 to 1000"),
        ("mrr@5", "without a k"),
        ("", "nothing registers"),
    ],
)
def test_metrics_that_do_not_exist(metric, said):
    with pytest.raises(SettingsError, match=said) as caught:
        check_policy([sector(rule(metric))])
    assert caught.value.where == WHERE


def test_a_minimum_on_a_metric_of_which_less_is_better(monkeypatch):
    monkeypatch.setattr(registry, "_added", {})
    wrong = Metric(
        name="worse",
        per_query=lambda r, _: r.ranks,
        higher_is_better=False,
        low=0.0,
        high=1e9,
        source="test",
    )
    registry.add("prodbench.metrics", "worse", wrong)
    for name in ("worse", "median_rank", "eer", "instance_gap"):
        with pytest.raises(SettingsError, match="less is better"):
            check_policy([sector(rule(name))])


def test_rules_without_a_dataset():
    with pytest.raises(SettingsError, match="has no dataset"):
        check_policy([sector(rule(), datasets=())])


def test_a_rule_of_the_dataset_replaces_that_of_the_sector():
    general, other = rule(limit=0.5), rule("mrr", 0.6)
    strict, loose = rule(limit=0.9, dataset="parts"), rule(limit=0.1, dataset="tools")
    whole = sector(strict, general, other, loose, datasets=("parts", "tools", "shoes"))
    assert set(effective_rules(whole, "parts")) == {strict, other}
    assert set(effective_rules(whole, "tools")) == {loose, other}
    assert set(effective_rules(whole, "shoes")) == {general, other}
