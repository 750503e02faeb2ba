"""Progress is drawn on a terminal and nowhere else."""

from __future__ import annotations

import sys

import pytest

pexpect = pytest.importorskip("pexpect", reason="drives a pseudo-terminal; in the dev extra")


def command(repository, *arguments):
    return [
        "-m",
        "pytest",
        "suites",
        f"--prodbench-cache-dir={repository.cache}",
        "--prodbench-model=one",
        "--prodbench-batch-size=1",
        *arguments,
    ]


@pytest.mark.parametrize("xdist", [["-p", "no:xdist"], ["-n2"]])
def test_a_terminal_shows_images_rate_and_time_left(cold_repository, xdist):
    # Slow enough that several redraws fall into one embedding.
    cold_repository.write(
        "conftest.py",
        "import time\nimport pytest_prodbench.embedding.embed as e\n"
        "real = e._Job._forward\n"
        "def slow(self, *a):\n    time.sleep(0.1)\n    return real(self, *a)\n"
        "e._Job._forward = slow\n",
    )
    child = pexpect.spawn(
        sys.executable,
        command(cold_repository, *xdist),
        cwd=str(cold_repository.path),
        dimensions=(24, 160),
        timeout=120,
        encoding="utf-8",
    )
    child.expect(r"one:\w+ \d+/18 images, \d+\.\d/s, 0:\d\d left")
    child.expect("3 passed")  # two pairs and their model
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 0


@pytest.mark.parametrize("xdist", ["-pno:xdist", "-n2"])
def test_nothing_is_drawn_where_the_output_is_no_terminal(cold_repository, xdist):
    result = cold_repository.pytester.run(
        sys.executable, *command(cold_repository, xdist), timeout=120
    )
    assert result.ret == 0
    assert "images," not in result.stdout.str()
    assert "\x1b" not in result.stdout.str()
