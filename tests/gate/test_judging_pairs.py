"""Planned minus accepted is never a pass."""

from __future__ import annotations

import pytest
from gate_builders import measured, pair
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_prodbench.gate import judge_pairs


def judge(planned, reported):
    found = judge_pairs(planned, reported)
    assert found.checks == {}
    return found.verdict, found.sectors


PLANNED = {"a:x": "diy", "b:x": "diy", "a:y": "retail"}
EVERYTHING = [pair("a:x"), pair("b:x"), pair("a:y", sector="retail")]
ORDER = {"reject": 0, "incomplete": 1, "accept": 2}
verdicts = st.sampled_from(["accept", "reject", "incomplete"])
names = st.sampled_from([*PLANNED, "new:x"])


def test_all_planned_and_accepted():
    assert judge(PLANNED, EVERYTHING) == ("accept", {"diy": "accept", "retail": "accept"})


def test_nothing_planned_accepts_nothing():
    assert judge({}, []) == ("incomplete", {})
    assert judge({}, [pair("a:x")]) == ("incomplete", {"diy": "incomplete"})


@pytest.mark.parametrize("missing", range(3))
def test_a_missing_pair(missing):
    reported = [found for i, found in enumerate(EVERYTHING) if i != missing]
    found, sectors = judge(PLANNED, reported)
    assert found == "incomplete"
    assert sectors[EVERYTHING[missing].sector] == "incomplete"


@pytest.mark.parametrize("status", ["failed", "lost", "not run"])
@pytest.mark.parametrize("said", ["incomplete", "accept"])
def test_a_pair_that_was_not_measured(status, said):
    reported = [*EVERYTHING[:2], pair("a:y", said, sector="retail", status=status)]
    found = judge(PLANNED, reported)
    assert found == ("incomplete", {"diy": "accept", "retail": "incomplete"})


def test_an_accepted_record_without_measurement():
    found, _ = judge({"a:x": "diy"}, [pair("a:x", measurement=None)])
    assert found == "incomplete"


def test_a_rejected_pair_rejects_its_sector_and_the_run():
    reported = [pair("a:x", "reject"), EVERYTHING[2]]
    assert judge(PLANNED, reported) == ("reject", {"diy": "reject", "retail": "accept"})


def test_an_unplanned_pair_can_only_make_it_worse():
    assert judge(PLANNED, [*EVERYTHING, pair("new:x", "reject")])[0] == "reject"
    assert judge(PLANNED, [*EVERYTHING, pair("new:x")])[0] == "incomplete"


def test_the_worse_of_two_reports_on_one_pair_counts():
    twice = [pair("a:x"), pair("a:x", "reject")]
    planned = {"a:x": "diy"}
    assert judge(planned, twice) == judge(planned, twice[::-1])
    assert judge(planned, twice)[0] == "reject"


reports = st.lists(st.builds(pair, names, verdicts), max_size=6)


@settings(deadline=None)
@given(reports, st.randoms())
def test_order_does_not_count(reported, random):
    shuffled = list(reported)
    random.shuffle(shuffled)
    assert judge(PLANNED, reported) == judge(PLANNED, shuffled)


@settings(deadline=None)
@given(reports)
def test_acceptance_is_proven(reported):
    found, sectors = judge(PLANNED, reported)
    accepted = {each.name for each in reported if each.verdict == "accept"}
    others = [each for each in reported if each.verdict != "accept" or each.name not in PLANNED]
    assert (found == "accept") == (accepted >= set(PLANNED) and not others)
    assert ORDER[found] == min(ORDER[each] for each in sectors.values())


@settings(deadline=None)
@given(reports, st.data())
def test_a_worse_pair_never_improves_the_run(reported, data):
    if not reported:
        return
    i = data.draw(st.integers(0, len(reported) - 1))
    worse = [*reported[:i], pair(reported[i].name, "reject"), *reported[i + 1 :]]
    assert ORDER[judge(PLANNED, worse)[0]] <= ORDER[judge(PLANNED, reported)[0]]


def test_inputs_are_left_as_they_are():
    reported = [pair("a:x", measurement=measured())]
    before = reported[0].model_copy(deep=True)
    judge(PLANNED, reported)
    assert reported[0] == before
