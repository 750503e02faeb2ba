"""From checks to verdicts: the whole truth table, and that nothing worse ever looks better."""

from __future__ import annotations

import itertools

import pytest
from gate_builders import measured, pair, rule
from hypothesis import given
from hypothesis import strategies as st

from pytest_prodbench.evidence.judgement import Check
from pytest_prodbench.gate import judge_pairs
from pytest_prodbench.gate.judge import verdict_of

SEVERITIES = ("block", "warn", "info")
OUTCOMES = ("holds", "no baseline", "inconclusive", "undecided", "fails")
LET_PASS = ("block", "warn", "pass")
ORDER = ("reject", "incomplete", "accept")


def check(severity, outcome, inconclusive="block", metric="recall@1", **more):
    passed = outcome in {"holds", "no baseline"} or (
        outcome == "inconclusive" and inconclusive != "block"
    )
    fields = {
        "metric": metric,
        "what": metric,
        "model": "lite0",
        "dataset": "parts",
        "severity": severity,
        "bound": "min",
        "limit": 0.5,
        "confidence": None,
        "value": None,
        "outcome": outcome,
        "inconclusive": inconclusive,
        "passed": passed,
        "message": "m",
        "where": "w",
    }
    return Check(**(fields | more))


KINDS = [
    check(severity, outcome, inconclusive, metric)
    for severity, outcome, inconclusive, metric in itertools.product(
        SEVERITIES, OUTCOMES, LET_PASS, ("recall@1", "latency_p95_ms")
    )
    if (outcome == "inconclusive" or inconclusive == "block")
    # A cost has neither an interval nor a drop.
    and (metric == "recall@1" or outcome in {"holds", "undecided", "fails"})
]


def expected(checks):
    """By hand: a failure rejects; an accept needs proof that something is found, and nothing open."""
    blocking = [c for c in checks if c.severity == "block"]
    if "fails" in [c.outcome for c in blocking]:
        return "reject"
    still_open = [
        c
        for c in blocking
        if c.outcome == "undecided" or (c.outcome == "inconclusive" and c.inconclusive == "block")
    ]
    found = [
        c for c in blocking if c.metric == "recall@1" and c.outcome in {"holds", "inconclusive"}
    ]
    return "accept" if found and not still_open else "incomplete"


@pytest.mark.parametrize("count", [0, 1, 2, 3])
def test_every_combination(count):
    for checks in itertools.combinations_with_replacement(KINDS, count):
        assert verdict_of(checks) == expected(checks), [(c.severity, c.outcome) for c in checks]


@given(st.lists(st.sampled_from(KINDS), max_size=6), st.randoms())
def test_the_order_of_checks_is_irrelevant(checks, random):
    mixed = list(checks)
    random.shuffle(mixed)
    assert verdict_of(mixed) == verdict_of(checks)


@given(st.lists(st.sampled_from(KINDS), min_size=1, max_size=5), st.data())
def test_a_worse_outcome_never_improves_a_verdict(checks, data):
    at = data.draw(st.integers(0, len(checks) - 1))
    one = checks[at]
    worse = OUTCOMES[OUTCOMES.index(one.outcome) :]
    outcome = data.draw(st.sampled_from(worse))
    changed = [*checks]
    changed[at] = check(one.severity, outcome, one.inconclusive, one.metric)
    if outcome == "inconclusive" and one.outcome == "no baseline" and one.inconclusive != "block":
        return  # an interval that may pass is proof, and an absent baseline is none
    assert ORDER.index(verdict_of(changed)) <= ORDER.index(verdict_of(checks))


@given(st.lists(st.sampled_from(KINDS), max_size=5), st.sampled_from(KINDS))
def test_another_warning_changes_nothing_and_another_open_rule_never_helps(checks, more):
    before, after = verdict_of(checks), verdict_of([*checks, more])
    if more.severity != "block":
        assert after == before
    elif more.outcome in {"undecided", "fails"}:
        assert ORDER.index(after) <= ORDER.index(before)
        assert after != "accept"


# --- pairs, sectors, models

STATUSES = ("evaluated", "failed", "lost", "not run")


def records(*words):
    return [pair(f"{model}:{dataset}", verdict) for (model, dataset), verdict in words]


@pytest.mark.parametrize("verdicts", list(itertools.product(ORDER, repeat=4)))
def test_a_sector_and_a_model_are_as_bad_as_their_worst_pair(verdicts):
    names = [(m, d) for m in ("a", "b") for d in ("p", "q")]
    planned = {"a:p": "one", "b:p": "one", "a:q": "two", "b:q": "two"}
    found = judge_pairs(planned, records(*zip(names, verdicts, strict=True)))
    by_name = {f"{m}:{d}": v for (m, d), v in zip(names, verdicts, strict=True)}

    def worst(keys):
        return min((by_name[key] for key in keys), key=ORDER.index)

    assert found.sectors == {"one": worst(["a:p", "b:p"]), "two": worst(["a:q", "b:q"])}
    assert found.candidates == {"a": worst(["a:p", "a:q"]), "b": worst(["b:p", "b:q"])}
    assert found.verdict == worst(by_name)


@pytest.mark.parametrize("status", STATUSES[1:])
@pytest.mark.parametrize("said", ORDER)
def test_what_was_not_measured_is_no_accept_whatever_it_says(status, said):
    found = judge_pairs({"a:p": "diy"}, [pair("a:p", said, status=status)])
    assert found.verdict == ("reject" if said == "reject" else "incomplete")
    assert found.candidates == {"a": found.verdict}


def test_a_measurement_that_is_not_there_is_no_accept():
    found = judge_pairs({"a:p": "diy"}, [pair("a:p", "accept", measurement=None)])
    assert found.verdict == "incomplete"


@given(st.sets(st.sampled_from(["a:p", "a:q", "b:p", "b:q"])))
def test_a_planned_pair_that_nobody_reported_is_missed_by_sector_and_model(absent):
    planned = {"a:p": "one", "b:p": "one", "a:q": "two", "b:q": "two"}
    reported = [pair(name, sector=planned[name]) for name in planned if name not in absent]
    found = judge_pairs(planned, reported)
    assert found.verdict == ("incomplete" if absent else "accept")
    for sector in ("one", "two"):
        missed = any(planned[name] == sector for name in absent)
        assert found.sectors[sector] == ("incomplete" if missed else "accept")
    for model in ("a", "b"):
        missed = any(name.startswith(f"{model}:") for name in absent)
        assert found.candidates[model] == ("incomplete" if missed else "accept")


def test_nothing_planned_is_no_accept():
    found = judge_pairs({}, [])
    assert (found.verdict, found.sectors, found.candidates) == ("incomplete", {}, {})


@pytest.mark.parametrize("first", ORDER)
@pytest.mark.parametrize("second", ORDER)
def test_of_two_reports_the_worse_one_counts(first, second):
    for pairs in ([first, second], [second, first]):
        found = judge_pairs({"a:p": "diy"}, [pair("a:p", verdict) for verdict in pairs])
        assert found.verdict == min(first, second, key=ORDER.index)


@pytest.mark.parametrize("verdict", ORDER)
def test_a_pair_that_nobody_planned_can_only_harm(verdict):
    reported = [pair("a:p"), pair("z:p", verdict)]
    found = judge_pairs({"a:p": "diy"}, reported)
    assert found.verdict == ("reject" if verdict == "reject" else "incomplete")
    assert found.candidates["a"] == "accept"
    assert found.candidates["z"] != "accept"


@pytest.mark.parametrize(
    ("aggregate", "values", "limit", "verdict"),
    [
        ("mean", (0.4, 0.8), 0.6, "accept"),
        ("mean", (0.4, 0.8), 0.61, "reject"),
        ("worst", (0.4, 0.8), 0.4, "accept"),
        ("worst", (0.4, 0.8), 0.41, "reject"),
    ],
)
def test_a_rule_on_the_sector_counts_for_the_model_it_is_held_against(
    aggregate, values, limit, verdict
):
    made = rule(limit=limit, aggregate=aggregate, models="a")
    planned = {f"{model}:{dataset}": "diy" for model in ("a", "b") for dataset in ("p", "q")}
    reported = [
        pair(f"{model}:{dataset}", measurement=measured(recall_at_1=value))
        for model in ("a", "b")
        for dataset, value in zip(("p", "q"), values, strict=True)
    ]
    found = judge_pairs(planned, reported, [made])
    assert found.candidates == {"a": verdict, "b": "accept"}
    assert found.sectors == {"diy": verdict}
