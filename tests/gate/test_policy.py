"""Rules that make no sense are refused before anything is embedded."""

from __future__ import annotations

import datetime as dt
import math

import pytest
from gate_builders import WHERE, rule, sector, waiver

from pytest_prodbench import registry
from pytest_prodbench.errors import SettingsError
from pytest_prodbench.gate import check_policy, model_demands, pair_demands
from pytest_prodbench.metrics import Metric

TODAY = dt.date(2026, 6, 1)
MODELS = ("lite0", "lite1", "domain-a", "domain-b")


def check(sectors, today=TODAY):
    check_policy(sectors, MODELS, today)


def effective_rules(whole, dataset, model="lite0"):
    found = pair_demands(whole.rules, whole.waivers, whole.name, model, dataset)
    return [demand.rule for demand in found]


@pytest.mark.parametrize("limit", [0.5, 1.0, 1e-10])
def test_limits_within_the_range(limit):
    check([sector(rule(limit=limit))])


@pytest.mark.parametrize("limit", [0.0, -0.1, 1.1, 50.0, 1e-12])
def test_limits_outside_the_range_or_at_its_edge(limit):
    with pytest.raises(SettingsError, match="the range of recall") as caught:
        check([sector(rule(limit=limit))])
    assert caught.value.where == WHERE


@pytest.mark.parametrize("limit", [math.nan, math.inf, -math.inf])
def test_limits_that_are_no_numbers(limit):
    with pytest.raises(ValueError, match="finite"):
        rule(limit=limit)
    with pytest.raises(ValueError, match="finite"):
        waiver(limit)


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
        check([sector(rule(metric))])
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
            check([sector(rule(name))])


def test_rules_without_a_dataset():
    with pytest.raises(SettingsError, match="has no dataset"):
        check([sector(rule(), datasets=())])


def test_a_rule_of_the_dataset_replaces_that_of_the_sector():
    general, other = rule(limit=0.5), rule("mrr", 0.6)
    strict, loose = rule(limit=0.9, datasets="parts"), rule(limit=0.1, datasets="tools")
    whole = sector(strict, general, other, loose, datasets=("parts", "tools", "shoes"))
    assert set(effective_rules(whole, "parts")) == {strict, other}
    assert set(effective_rules(whole, "tools")) == {loose, other}
    assert set(effective_rules(whole, "shoes")) == {general, other}


@pytest.mark.parametrize("limit", [0.0, 0.3, 0.999])
def test_a_maximum_where_less_is_better(limit):
    check([sector(rule("eer", limit, bound="max"))])


@pytest.mark.parametrize("limit", [1.0, -0.1, 2.0])
def test_a_maximum_that_everything_meets_or_nothing_can(limit):
    with pytest.raises(SettingsError, match="less than 1"):
        check([sector(rule("eer", limit, bound="max"))])


def test_a_rank_has_no_greatest_value_but_infinity():
    check([sector(rule("median_rank", 10.0, bound="max"))])
    with pytest.raises(SettingsError, match="at least 1 and less than inf"):
        check([sector(rule("median_rank", 0.0, bound="max"))])


def test_a_maximum_where_more_is_better():
    with pytest.raises(SettingsError, match=r"more is better.*expected min"):
        check([sector(rule(bound="max"))])


def test_the_more_specific_of_model_and_dataset_holds():
    everyone = rule(limit=0.5)
    pattern = rule(limit=0.6, models="domain-*")
    name = rule(limit=0.7, models="domain-a")
    both = rule(limit=0.8, models="domain-a", datasets="tools")
    whole = sector(name, everyone, both, pattern, datasets=("parts", "tools"))
    check([whole])
    assert effective_rules(whole, "parts", "lite0") == [everyone]
    assert effective_rules(whole, "parts", "domain-b") == [pattern]
    assert effective_rules(whole, "parts", "domain-a") == [name]
    assert effective_rules(whole, "tools", "domain-a") == [both]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({}, {}),
        ({"models": "domain-a"}, {"datasets": "parts"}),
        ({"models": "domain-*"}, {"models": "*-a"}),
        ({"models": "domain-*", "datasets": "parts"}, {"models": "domain-a"}),
    ],
)
def test_two_rules_that_are_equally_specific(one, other):
    first, second = rule(where="first", **one), rule(limit=0.6, where="second", **other)
    for rules in ((first, second), (second, first)):
        with pytest.raises(SettingsError, match=r"equally specific for \w+\S*:parts") as caught:
            check([sector(*rules)])
        assert "first" in str(caught.value)
        assert "second" in str(caught.value)


def test_a_third_rule_settles_two_that_are_equally_specific():
    rules = [
        rule(models="domain-a"),
        rule(limit=0.6, datasets="parts"),
        rule(limit=0.7, models="domain-a", datasets="parts"),
    ]
    check([sector(*rules)])
    assert effective_rules(sector(*rules), "parts", "domain-a") == rules[2:]


def test_other_subjects_and_severities_do_not_compete():
    rules = [
        rule(),
        rule("mrr"),
        rule(limit=0.8, severity="warn"),
        rule(condition=(("light", "dim"),)),
        rule(condition=(("light", "hard"),)),
        rule(worst_condition="light"),
    ]
    check([sector(*rules)])
    assert effective_rules(sector(*rules), "parts") == rules


@pytest.mark.parametrize(
    "scope",
    [{"models": "lite9"}, {"models": "big-*"}, {"datasets": "part"}, {"datasets": "x*"}],
)
def test_a_rule_that_matches_no_pair(scope):
    with pytest.raises(SettingsError, match=r"match no pair.*lite0, lite1.*parts") as caught:
        check([sector(rule(**scope))])
    assert caught.value.where == WHERE


def test_rules_on_all_datasets_of_a_sector_are_for_models():
    mean = rule(aggregate="mean")
    worst = rule(aggregate="worst", models="domain-*")
    whole = sector(mean, worst, rule())
    check([whole])
    found = [
        [demand.rule for demand in model_demands(whole.rules, (), "diy", model)]
        for model in ("lite0", "domain-a")
    ]
    assert found == [[mean], [mean, worst]]


def test_a_waiver_stands_in_for_the_rule_where_it_says():
    whole = sector(rule(limit=0.5), rule("mrr"), waivers=(waiver(0.4, models="lite0"),))
    check([whole])
    for model, limit in (("lite0", 0.4), ("lite1", 0.5)):
        demands = pair_demands(whole.rules, whole.waivers, "diy", model, "parts")
        assert [demand.limit for demand in demands] == [limit, 0.5]


@pytest.mark.parametrize(
    ("today", "said"),
    [
        (dt.date(2027, 1, 1), "expired on 2026-12-31"),
        (dt.date(2030, 1, 1), "expired on 2026-12-31"),
        (dt.date(2025, 12, 31), "granted on 2026-01-01, and a clock that says 2025-12-31"),
        (dt.date(1970, 1, 1), "a clock that says 1970-01-01"),
    ],
)
def test_a_waiver_out_of_its_time_stops_everything(today, said):
    whole = sector(rule(), waivers=(waiver(0.4),))
    with pytest.raises(SettingsError, match=said) as caught:
        check([whole], today)
    assert "waivers[0]" in caught.value.where


@pytest.mark.parametrize("today", [dt.date(2026, 1, 1), dt.date(2026, 12, 31)])
def test_a_waiver_holds_on_its_first_and_its_last_day(today):
    check([sector(rule(), waivers=(waiver(0.4),))], today)


@pytest.mark.parametrize(
    "useless",
    [
        waiver(0.5),
        waiver(0.6),
        waiver(0.4, "mrr"),
        waiver(0.4, condition=(("light", "dim"),)),
        waiver(0.4, aggregate="mean"),
    ],
    ids=["the same", "harder", "another metric", "another slice", "an aggregate"],
)
def test_a_waiver_that_makes_nothing_easier(useless):
    with pytest.raises(SettingsError, match="makes no rule of this sector easier"):
        check([sector(rule(), waivers=(useless,))])


def test_a_waiver_for_nobody_and_a_second_one():
    with pytest.raises(SettingsError, match="match no pair"):
        check([sector(rule(), waivers=(waiver(0.4, models="lite9"),))])
    twice = (waiver(0.4), waiver(0.3, models="lite0", where="elsewhere"))
    with pytest.raises(
        SettingsError, match="a second waiver for recall@1 of lite0:parts: elsewhere"
    ):
        check([sector(rule(), waivers=twice)])


@pytest.mark.parametrize("limit", [0.0, 1.5])
def test_the_limit_of_a_waiver_is_checked_as_well(limit):
    with pytest.raises(SettingsError, match="range of recall"):
        check([sector(rule(), waivers=(waiver(limit),))])
