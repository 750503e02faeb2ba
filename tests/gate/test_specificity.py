"""Which rule holds for which pair, and which waiver stands in for it: every pattern against every other."""

from __future__ import annotations

import datetime as dt
import fnmatch
import itertools

import pytest
from gate_builders import rule, sector, waiver
from hypothesis import given
from hypothesis import strategies as st

from pytest_prodbench.errors import SettingsError
from pytest_prodbench.gate import check_policy, lead_demands, model_demands, pair_demands

MODEL, DATASET = "lite0", "parts"
MODELS = ("*", "lite*", "lite0")
DATASETS = ("*", "p*", "parts")
"""From all, over a pattern, to a name: each is more specific than the one before."""

SCOPES = list(itertools.product(MODELS, DATASETS))


def scope_level(scope):
    return MODELS.index(scope[0]), DATASETS.index(scope[1])


def scoped(scope, limit, **more):
    return rule(limit=limit, models=scope[0], datasets=scope[1], **more)


def holding(rules, waivers=(), model=MODEL, dataset=DATASET):
    return pair_demands(rules, waivers, "diy", model, dataset)


@pytest.mark.parametrize(("one", "other"), list(itertools.product(SCOPES, SCOPES)))
def test_of_two_rules_the_one_that_is_nowhere_less_and_somewhere_more_specific(one, other):
    rules = [scoped(one, 0.1), scoped(other, 0.2)]
    here, there = scope_level(one), scope_level(other)
    first = here != there and all(a >= b for a, b in zip(here, there, strict=True))
    second = here != there and all(a <= b for a, b in zip(here, there, strict=True))
    if first or second:
        (found,) = holding(rules)
        assert found.limit == (0.1 if first else 0.2)
    else:
        with pytest.raises(SettingsError, match="equally specific for lite0:parts"):
            holding(rules)


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_a_third_rule_settles_two_that_cannot_be_told_apart(order):
    rules = [
        scoped(("lite0", "*"), 0.1),
        scoped(("*", "parts"), 0.2),
        scoped(("lite0", "parts"), 0.3),
    ]
    (found,) = holding([rules[i] for i in order])
    assert found.limit == 0.3
    with pytest.raises(SettingsError, match="equally specific"):
        holding(rules[:2])
    # For another pair there is nothing to settle.
    (other,) = holding(rules, model="lite1")
    assert other.limit == 0.2


@given(st.permutations([0.1, 0.2, 0.3]), st.permutations(["*", "lite*", "lite0"]))
def test_the_order_of_rules_is_irrelevant(limits, patterns):
    rules = [scoped((p, "*"), limit) for p, limit in zip(patterns, limits, strict=True)]
    (found,) = holding(rules)
    assert found.limit == limits[patterns.index("lite0")]


@pytest.mark.parametrize(
    "difference",
    [
        {"severity": "warn"},
        {"metric": "mrr"},
        {"condition": (("light", "dim"),)},
        {"worst_condition": "light"},
        {"bound": "max_drop"},
    ],
    ids=lambda change: next(iter(change)),
)
def test_rules_on_other_subjects_or_of_another_severity_do_not_compete(difference):
    rules = [rule(limit=0.1), rule(**{"metric": "recall@1", "limit": 0.2} | difference)]
    assert [found.limit for found in holding(rules)] == [0.1, 0.2]


def test_each_kind_of_demand_is_asked_for_alone():
    rules = [rule(limit=0.1), rule(limit=0.2, aggregate="mean"), rule(limit=0.3, beats="lite1")]
    asked = [
        pair_demands(rules, (), "diy", MODEL, DATASET),
        model_demands(rules, (), "diy", MODEL),
        lead_demands(rules, (), "diy", MODEL, DATASET),
    ]
    assert [[found.limit for found in demands] for demands in asked] == [[0.1], [0.2], [0.3]]


def test_leads_over_others_are_other_subjects():
    rules = [rule(limit=0.1, beats="lite1"), rule(limit=0.2, beats="family:open")]
    found = lead_demands(rules, (), "diy", MODEL, DATASET)
    assert [demand.limit for demand in found] == [0.1, 0.2]


def test_a_rule_of_another_sector_is_not_ours():
    theirs = rule(limit=0.9).model_copy(update={"sector": "retail"})
    (found,) = holding([rule(limit=0.1), theirs])
    assert found.limit == 0.1


@given(
    st.text("lite01*?[]-", min_size=1, max_size=6), st.sampled_from(["lite0", "lite1", "l", "-"])
)
def test_patterns_are_those_of_the_shell_and_mind_the_case(pattern, name):
    found = holding([rule(models=pattern)], model=name)
    assert bool(found) is fnmatch.fnmatchcase(name, pattern)
    assert not holding([rule(models=name.upper())], model=name) or name == "-"


# --- waivers


@pytest.mark.parametrize("scope", SCOPES)
def test_a_waiver_stands_in_whatever_its_pattern(scope):
    easier = waiver(0.4, models=scope[0], datasets=scope[1])
    (found,) = holding([rule(limit=0.5)], [easier])
    assert found.waiver == easier
    assert found.limit == 0.4


@pytest.mark.parametrize(("one", "other"), list(itertools.combinations_with_replacement(SCOPES, 2)))
def test_two_waivers_for_one_rule_are_one_too_many_however_specific(one, other):
    both = [waiver(0.4, models=scope[0], datasets=scope[1]) for scope in (one, other)]
    with pytest.raises(SettingsError, match="a second waiver"):
        holding([rule(limit=0.5)], both)


@pytest.mark.parametrize(
    "difference",
    [
        {"metric": "mrr"},
        {"condition": (("light", "dim"),)},
        {"worst_condition": "light"},
        {"aggregate": "mean"},
        {"bound": "max_drop"},
        {"beats": "lite1"},
        {"models": "lite1"},
        {"datasets": "tools"},
    ],
    ids=lambda change: next(iter(change)),
)
def test_a_waiver_for_something_else_stands_in_for_nothing(difference):
    other = waiver(**{"limit": 0.4, "metric": "recall@1"} | difference)
    (found,) = holding([rule(limit=0.5)], [other])
    assert found.waiver is None
    assert found.limit == 0.5


@pytest.mark.parametrize(
    ("metric", "bound", "limit", "easier", "harder"),
    [
        ("recall@1", "min", 0.5, 0.4, 0.6),
        ("eer", "max", 0.2, 0.3, 0.1),
        ("recall@1", "max_drop", 0.02, 0.05, 0.01),
    ],
)
def test_only_an_easier_limit_is_a_waiver(metric, bound, limit, easier, harder):
    made = rule(metric, limit, bound=bound)
    for given_limit, stands_in in ((easier, True), (harder, False), (limit, False)):
        one = waiver(given_limit, metric, bound=bound)
        (found,) = holding([made], [one])
        assert (found.waiver is not None) is stands_in
        assert found.limit == (given_limit if stands_in else limit)
        whole = sector(made, waivers=(one,))
        if stands_in:
            check_policy([whole], [MODEL], dt.date(2026, 6, 1))
        else:
            with pytest.raises(SettingsError, match="makes no rule of this sector easier"):
                check_policy([whole], [MODEL], dt.date(2026, 6, 1))


@pytest.mark.parametrize(
    ("today", "said"),
    [
        (dt.date(2025, 12, 31), "granted on 2026-01-01, and a clock that says 2025-12-31"),
        (dt.date(2026, 1, 1), None),
        (dt.date(2026, 12, 31), None),
        (dt.date(2027, 1, 1), "expired on 2026-12-31"),
    ],
)
@pytest.mark.parametrize(
    ("made", "one"),
    [
        (rule(), waiver(0.4)),
        (rule(limit=0.02, bound="max_drop"), waiver(0.05, bound="max_drop")),
        (rule("latency_p95_ms", 80.0, bound="max"), waiver(99.0, "latency_p95_ms", bound="max")),
        (rule(limit=0.05, beats="lite1"), waiver(0.01, beats="lite1")),
        (rule(limit=0.5, aggregate="mean"), waiver(0.4, aggregate="mean")),
    ],
    ids=["min", "max_drop", "budget", "lead", "aggregate"],
)
def test_a_waiver_holds_on_its_days_and_is_an_error_on_others(made, one, today, said):
    whole = sector(rule(limit=0.1, metric="mrr"), made, waivers=(one,))
    if said is None:
        check_policy([whole], ["lite0", "lite1"], today)
    else:
        with pytest.raises(SettingsError, match=said):
            check_policy([whole], ["lite0", "lite1"], today)
