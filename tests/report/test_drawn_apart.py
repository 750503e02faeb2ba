"""Drawings made by other processes are those that this one makes."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import time

import pytest

from pytest_prodbench.report import drawing, drawn_apart, vega
from pytest_prodbench.report.charts import charts
from pytest_prodbench.report.drawing import Drawings
from pytest_prodbench.report.drawn_apart import FEWEST, DrawnApart

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


@pytest.fixture
def started(monkeypatch):
    """All processes that a test starts, which must have ended with it."""
    made, start = [], drawn_apart._process

    def remembered():
        process = start()
        made.append(process)
        return process

    monkeypatch.setattr(drawn_apart, "_process", remembered)
    yield made
    for process in made:
        process.wait(timeout=30)


@pytest.fixture
def no_process(monkeypatch):
    monkeypatch.setattr(drawn_apart, "_process", lambda: pytest.fail("a process was started"))


def served(*requests):
    """What a process answers."""
    answers = io.StringIO()
    vega.serve(io.StringIO("".join(json.dumps(one) + "\n" for one in requests)), answers)
    return [json.loads(line) for line in answers.getvalue().splitlines()]


def program(text):
    """A process that runs something else than Vega."""
    return subprocess.Popen(
        [sys.executable, "-c", text],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )


def test_the_same_bytes_whoever_draws(specs, two_cores, forget, monkeypatch):
    here = Drawings()
    expected = [here.svg(spec) for spec in specs], here.script()
    forget()
    monkeypatch.setattr(drawing, "drawn", lambda text: pytest.fail("drawn here"))
    monkeypatch.setattr(drawing, "bundle", lambda _: pytest.fail("made here"))
    apart = Drawings()
    apart.begin(specs)
    assert ([apart.svg(spec) for spec in specs], apart.script()) == expected


def test_the_script_can_be_begun_before_any_drawing(specs, two_cores, started, monkeypatch):
    monkeypatch.setattr(drawing, "bundle", lambda _: pytest.fail("made here"))
    drawings = Drawings()
    drawings.ahead()
    drawings.begin(specs)
    assert "vegaEmbed" in drawings.script()
    for spec in specs:
        drawings.svg(spec)
    assert len(started) == 2  # one for the script, one for the drawings


@pytest.mark.skipif(sys.platform == "win32", reason="there is no niceness")
def test_a_process_stands_back_behind_the_one_that_writes_the_page():
    with drawn_apart._process() as process:
        assert drawn_apart._answer(process, {"texts": []}) == []
        ours = os.getpriority(os.PRIO_PROCESS, 0)
        assert os.getpriority(os.PRIO_PROCESS, process.pid) == min(ours + vega.NICE, 19)


def test_what_was_begun_for_nothing_is_ended(two_cores, started):
    drawings = Drawings()
    drawings.ahead()
    deadline = time.monotonic() + 30
    while len(drawings._apart._processes) < 2 and time.monotonic() < deadline:
        time.sleep(0.001)
    drawings.stop()
    assert drawings._apart.script() is None
    assert len(started) == 2
    assert all(process.wait(timeout=30) for process in started)


def test_one_core_draws_itself(no_process, monkeypatch):
    monkeypatch.setattr(drawn_apart.os, "cpu_count", lambda: 1)
    made = DrawnApart()
    made.ahead()
    made.begin([f"{n}" for n in range(100)], script=True)
    assert (made.drawing("1"), made.script()) == (None, None)


def test_a_few_are_drawn_where_they_are_asked_for(two_cores, no_process):
    made = DrawnApart()
    made.begin([f"{n}" for n in range(FEWEST - 1)], script=True)
    assert (made.drawing("1"), made.script()) == (None, None)


@pytest.mark.parametrize(
    "broken",
    [
        lambda: None,
        lambda: program("raise SystemExit(1)"),
        lambda: program("print('Vega says hello', flush=True); input()"),
        lambda: program("while input(): print('[]', flush=True)"),
        lambda: program("while input(): print('[1, 2, 3, 4]', flush=True)"),
        lambda: program("while input(): print('{}', flush=True)"),
    ],
)
def test_what_a_process_cannot_do_is_done_here(specs, two_cores, forget, monkeypatch, broken):
    expected = Drawings().svg(specs[0])
    forget()
    monkeypatch.setattr(drawn_apart, "_process", broken)
    drawings = Drawings()
    drawings.begin(specs)
    assert drawings.svg(specs[0]) == expected
    assert "vegaEmbed" in drawings.script()


def test_a_process_that_cannot_be_started_is_none(monkeypatch):
    monkeypatch.setattr(drawn_apart.sys, "executable", "/nowhere/python")
    assert drawn_apart._process() is None


def test_a_process_answers_what_it_can():
    fine = json.dumps({"mark": "point", "data": {"values": []}})
    first, refused, last = served(
        {"texts": [fine]}, {"texts": [fine, '{"mark": "no such mark"}']}, {"texts": [fine, fine]}
    )
    assert refused == []
    assert last == first * 2
    assert first[0].startswith("<svg")


def test_compiling_a_kind_once_changes_no_byte(specs):
    vl_convert = vega._vega()
    vega._compiled.cache_clear()
    vega._frame.cache_clear()
    for text in map(drawing._text, specs):
        whole = vl_convert.vegalite_to_svg(text, allowed_base_urls=[])
        assert vega._by_vega(json.loads(text)) == whole
        assert vega.drawn(text) == whole
    kinds = vega._compiled.cache_info()
    # Curves of matches and of growth, and the frames of both.
    assert kinds.misses == 4
    assert kinds.hits == len(specs) + vega._frame.cache_info().misses - 4


@pytest.mark.parametrize(
    "data", [None, {"name": "mine", "values": [{"a": 1}]}, {"sequence": {"start": 0, "stop": 3}}]
)
def test_what_has_no_rows_of_its_own_is_compiled_as_it_is(data):
    text = json.dumps({"mark": "point"} | ({} if data is None else {"data": data}))
    vega._compiled.cache_clear()
    assert vega.drawn(text) == vega._vega().vegalite_to_svg(text, allowed_base_urls=[])
    assert not vega._compiled.cache_info().misses


def test_loading_vega_leaves_the_fonts_of_the_process_alone(monkeypatch):
    for before in (None, "mine.conf"):
        if before is None:
            monkeypatch.delenv(vega.FONTS, raising=False)
        else:
            monkeypatch.setenv(vega.FONTS, before)
        vega._vega.cache_clear()
        vega._vega()
        assert os.environ.get(vega.FONTS) == before


def test_what_is_in_the_cache_is_not_drawn_again(
    specs, two_cores, tmp_path, forget, monkeypatch, no_process
):
    first = Drawings(tmp_path)
    expected = [first.svg(spec) for spec in specs], first.script()
    forget()
    monkeypatch.setattr(drawing, "drawn", lambda text: pytest.fail("drawn here"))
    again = Drawings(tmp_path)
    again.ahead()
    again.begin(specs)
    assert ([again.svg(spec) for spec in specs], again.script()) == expected


def test_what_the_process_has_drawn_it_does_not_draw_again(
    specs, two_cores, no_process, monkeypatch
):
    first = Drawings()
    expected = [first.svg(spec) for spec in specs], first.script()
    monkeypatch.setattr(drawing, "drawn", lambda text: pytest.fail("drawn here"))
    again = Drawings()
    again.ahead()
    again.begin(specs)
    assert ([again.svg(spec) for spec in specs], again.script()) == expected


def test_a_process_remembers_no_more_than_so_many(specs, monkeypatch):
    monkeypatch.setattr(drawing, "MOST_REMEMBERED", 3)
    for spec in specs[:5]:
        Drawings().svg(spec)
    assert len(drawing._remembered) == 3


def test_a_page_that_has_the_script_elsewhere_does_not_wait_for_it(specs, two_cores, started):
    drawings = Drawings()
    drawings.begin(specs, script=False)
    for spec in specs:
        drawings.svg(spec)
    assert len(started) == 1
    assert drawings._apart.script() is None


def test_many_pages_from_one(specs, two_cores, started, forget):
    drawings = Drawings()
    drawings.begin(specs, script=False)
    first = [drawings.svg(spec) for spec in specs]
    forget()
    drawings.begin(specs, script=False)
    assert [drawings.svg(spec) for spec in specs] == first
    assert len(started) == 2


@pytest.mark.parametrize(("cores", "processes"), [(2, 1), (3, 2), (64, 4)])
def test_a_core_is_left_for_the_photos(cores, processes, monkeypatch):
    monkeypatch.setattr(drawn_apart.os, "cpu_count", lambda: cores)
    queues = []
    monkeypatch.setattr(DrawnApart, "_start", lambda self, queue: queues.append(queue))
    made = DrawnApart()
    made.begin([f"{n}" for n in range(200)], script=True)
    script, *drawings = queues
    assert script.qsize() == 2
    assert len(drawings) == processes
    assert all(queue.qsize() == 50 + processes for queue in drawings)
