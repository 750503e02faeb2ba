"""The shipped suite, cold and warm, as a user runs it: ``pytest suites/ -n auto``.

python benchmarks/suite.py [--rounds N]

Wall time of the whole command with an empty cache and with a full one, in turn; medians.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path


def run(cache: Path, reports: Path) -> float:
    """Wall time in seconds; the suite must be green."""
    command = [
        sys.executable,
        "-m",
        "pytest",
        "suites/",
        "-n",
        "auto",
        f"--prodbench-cache-dir={cache}",
        f"--prodbench-report-dir={reports}",
    ]
    start = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)  # noqa: S603
    return time.perf_counter() - start


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    rounds = parser.parse_args().rounds
    cold, warm = [], []
    with tempfile.TemporaryDirectory() as name:
        for number in range(rounds):
            cache, reports = Path(name) / f"cache-{number}", Path(name) / "reports"
            cold.append(run(cache, reports))
            warm.append(run(cache, reports))
    for label, found in (("cold", cold), ("warm", warm)):
        spread = f"{min(found):.1f} to {max(found):.1f}"
        print(f"{label}: median {statistics.median(found):.1f} s ({spread}, {rounds} rounds)")


if __name__ == "__main__":
    main()
