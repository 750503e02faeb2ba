"""Drawings made by other processes are those that this one makes."""

from __future__ import annotations

import subprocess

import pytest

from pytest_prodbench.report import drawing, drawn_apart
from pytest_prodbench.report.charts import charts
from pytest_prodbench.report.drawing import Drawings
from pytest_prodbench.report.drawn_apart import FEWEST, SCRIPT_WEIGHT, DrawnApart, shares

from . import builders as b


@pytest.fixture(scope="module")
def specs():
    """As many as it takes; no two alike."""
    made = []
    for number in range(FEWEST):
        match, growth, *_ = charts(b.detailed(0.5 + number / 100))
        made.append((match, growth)[number % 2].spec)
    assert len({str(spec) for spec in made}) == FEWEST
    return made


@pytest.fixture(autouse=True)
def forget(monkeypatch):
    """Make the process forget what it has drawn; a test may do so again."""

    def again():
        monkeypatch.setattr(drawing, "_remembered", {})

    again()
    return again


@pytest.fixture
def two_cores(monkeypatch):
    monkeypatch.setattr(drawn_apart.os, "cpu_count", lambda: 2)


def test_the_same_bytes_whoever_draws(specs, two_cores, forget, monkeypatch):
    here = Drawings()
    expected = [here.svg(spec) for spec in specs], here.script()
    forget()
    monkeypatch.setattr(drawing, "_drawn", lambda text: pytest.fail("drawn here"))
    monkeypatch.setattr(drawing, "_bundle", lambda: pytest.fail("made here"))
    apart = Drawings()
    apart.begin(specs)
    assert ([apart.svg(spec) for spec in specs], apart.script()) == expected


def test_one_core_draws_itself(specs, monkeypatch):
    monkeypatch.setattr(drawn_apart.os, "cpu_count", lambda: 1)
    monkeypatch.setattr(drawn_apart, "_draw", lambda *_: pytest.fail("a process was started"))
    assert DrawnApart([f"{n}" for n in range(100)], script=True).script() is None


def test_a_few_are_drawn_where_they_are_asked_for(two_cores, monkeypatch):
    monkeypatch.setattr(drawn_apart, "_draw", lambda *_: pytest.fail("a process was started"))
    made = DrawnApart([f"{n}" for n in range(FEWEST - 1)], script=True)
    assert (made.drawing("1"), made.script()) == (None, None)


@pytest.mark.parametrize(
    "broken",
    [
        lambda: OSError("no room for a process"),
        lambda: subprocess.CalledProcessError(1, "python"),
        lambda: subprocess.CompletedProcess([], 0, stdout="Vega says hello"),
        lambda: subprocess.CompletedProcess([], 0, stdout='{"drawn": [], "script": null}'),
        lambda: subprocess.CompletedProcess([], 0, stdout="[]"),
    ],
)
def test_what_a_process_cannot_do_is_done_here(specs, two_cores, forget, monkeypatch, broken):
    def run(*_, **__):
        what = broken()
        if isinstance(what, Exception):
            raise what
        return what

    expected = Drawings().svg(specs[0])
    forget()
    monkeypatch.setattr(drawn_apart.subprocess, "run", run)
    drawings = Drawings()
    drawings.begin(specs)
    assert drawings.svg(specs[0]) == expected
    assert "vegaEmbed" in drawings.script()


def test_what_is_in_the_cache_is_not_drawn_again(specs, two_cores, tmp_path, forget, monkeypatch):
    first = Drawings(tmp_path)
    expected = [first.svg(spec) for spec in specs], first.script()
    forget()
    monkeypatch.setattr(drawn_apart, "_draw", lambda *_: pytest.fail("a process was started"))
    again = Drawings(tmp_path)
    again.begin(specs)
    assert ([again.svg(spec) for spec in specs], again.script()) == expected


def test_what_the_process_has_drawn_it_does_not_draw_again(specs, two_cores, monkeypatch):
    first = Drawings()
    expected = [first.svg(spec) for spec in specs], first.script()
    monkeypatch.setattr(drawn_apart, "_draw", lambda *_: pytest.fail("a process was started"))
    monkeypatch.setattr(drawing, "_drawn", lambda text: pytest.fail("drawn here"))
    again = Drawings()
    again.begin(specs)
    assert ([again.svg(spec) for spec in specs], again.script()) == expected


def test_a_process_remembers_no_more_than_so_many(specs, monkeypatch):
    monkeypatch.setattr(drawing, "MOST_REMEMBERED", 3)
    for spec in specs[:5]:
        Drawings().svg(spec)
    assert len(drawing._remembered) == 3


def test_a_page_that_has_the_script_elsewhere_does_not_wait_for_it(specs, two_cores, monkeypatch):
    asked = []
    monkeypatch.setattr(drawn_apart, "_draw", lambda texts, script: asked.append(script) or {})
    drawings = Drawings()
    drawings.begin(specs, script=False)
    for spec in specs:  # waits for both processes
        drawings.svg(spec)
    assert asked == ["", ""]


@pytest.mark.parametrize(("count", "processes"), [(24, 2), (81, 2), (81, 4), (500, 4)])
def test_work_is_dealt_evenly(count, processes):
    texts = [str(number) for number in range(count)]
    parts = shares(texts, processes, SCRIPT_WEIGHT)
    assert sorted(text for part in parts for text in part) == sorted(texts)
    rest = [len(part) for part in parts[1:]]
    assert max(rest) - min(rest) <= 1
    assert len(parts[0]) == 0 or abs(len(parts[0]) + SCRIPT_WEIGHT - max(rest)) <= 1
