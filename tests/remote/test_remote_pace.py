"""The token bucket that processes share."""

from __future__ import annotations

import itertools
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_prodbench.embedding.remote.pace import FARTHEST, Pace


class Clock:
    def __init__(self, now: float = 1_000_000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


@settings(deadline=None, max_examples=40)  # each step is a file on disk
@given(
    gaps=st.lists(st.floats(0, 30), min_size=1, max_size=40),
    per_minute=st.sampled_from([1.0, 7.0, 60.0, 600.0]),
    burst=st.integers(1, 5),
)
def test_it_is_a_token_bucket(
    tmp_path_factory: pytest.TempPathFactory, gaps: list[float], per_minute: float, burst: int
) -> None:
    """Against one kept by the definition: tokens come at a rate, at most ``burst`` of them are kept."""
    clock = Clock()
    pace = Pace(
        tmp_path_factory.mktemp("pace") / "p.json",
        per_minute=per_minute,
        burst=burst,
        clock=clock,
    )
    tokens, seen = float(burst), clock.now
    for gap in gaps:
        clock.now += gap
        tokens = min(float(burst), tokens + (clock.now - seen) * per_minute / 60)
        seen = clock.now
        tokens -= 1
        expected = max(0.0, -tokens * 60 / per_minute)
        assert pace.take() == pytest.approx(expected, abs=1e-4)


def test_a_pause_holds_for_all(tmp_path: Path) -> None:
    clock = Clock()
    one, other = (
        Pace(tmp_path / "p.json", per_minute=limit, clock=clock) for limit in (None, 600.0)
    )
    assert one.take() == 0.0
    one.pause(12.0)
    assert other.take() == pytest.approx(12.0)
    clock.now += 5
    one.pause(1.0)  # a shorter one does not end it
    assert one.take() == pytest.approx(7.0, abs=0.2)


def test_without_a_limit_nobody_waits(tmp_path: Path) -> None:
    pace = Pace(tmp_path / "p.json", per_minute=None)
    assert [pace.take() for _ in range(5)] == [0.0] * 5


@pytest.mark.parametrize("text", ["", "{", "[]", '{"full": "x", "paused": 1}', '{"full": 1}'])
def test_a_damaged_file_is_made_anew(tmp_path: Path, text: str) -> None:
    path = tmp_path / "p.json"
    path.write_text(text)
    assert Pace(path, per_minute=60.0).take() == 0.0


def test_a_clock_that_was_set_back_does_not_stop_us(tmp_path: Path) -> None:
    clock = Clock()
    pace = Pace(tmp_path / "p.json", per_minute=60.0, clock=clock)
    pace.take()
    clock.now -= 10 * FARTHEST
    assert pace.take() == 0.0


def test_waiting_ends_when_it_is_stopped(tmp_path: Path) -> None:
    pace = Pace(tmp_path / "p.json", per_minute=1.0)
    stopped = threading.Event()
    pace.wait(stopped)
    threading.Timer(0.2, stopped.set).start()
    started = time.monotonic()
    pace.wait(stopped)
    assert time.monotonic() - started < 30


def test_processes_share_it(tmp_path: Path) -> None:
    """Three processes of four requests each: their twelve places are all apart."""
    code = (
        "import sys, time\n"
        "from pathlib import Path\n"
        "from pytest_prodbench.embedding.remote.pace import Pace\n"
        "seen = []\n"
        "def clock():\n"
        "    seen.append(time.time())\n"
        "    return seen[-1]\n"
        "pace = Pace(Path(sys.argv[1]), per_minute=600.0, clock=clock)\n"
        "for _ in range(4):\n"
        "    seconds = pace.take()\n"
        "    print(seen[-1] + seconds)\n"
    )
    path = tmp_path / "p.json"
    running = [
        subprocess.Popen([sys.executable, "-c", code, path], stdout=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    outputs = [process.communicate()[0] for process in running]
    assert all(process.returncode == 0 for process in running)
    places = sorted(float(line) for output in outputs for line in output.split())
    assert len(places) == 12
    assert all(b - a > 0.0999 for a, b in itertools.pairwise(places)), places
