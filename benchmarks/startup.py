"""What the plugin costs where it is not used: pytest with it and without it, in turn, fresh interpreters.

python benchmarks/startup.py [--runs N]

Processor time (user and system) of the whole process, for a folder with one empty test: medians of both,
and of the differences pair by pair. Wall time on a shared machine says more about its neighbours.
``import`` is the time to import the plugin into an interpreter that has pytest already.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

IMPORT = """
import sys, time, pytest
start = time.perf_counter()
import pytest_prodbench.plugin
print((time.perf_counter() - start) * 1000)
assert not {"torch", "numpy", "pydantic"} & set(sys.modules)
"""


def run(folder: Path, *arguments: str) -> float:
    """Processor time of one pytest run, in milliseconds."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, cwd=folder, check=True, capture_output=True)  # noqa: S603
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    spent = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    return spent * 1000


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=15)
    runs = parser.parse_args().runs
    # These slow numpy down on some machines; nothing here uses it, but benchmarks leave them alone.
    os.environ.pop("OPENBLAS_CORETYPE", None)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "test_nothing.py").write_text("def test_nothing():\n    pass\n", encoding="utf-8")
        (folder / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
        run(folder)
        pairs = [(run(folder), run(folder, "-p", "no:prodbench")) for _ in range(runs)]
        imports = [
            float(subprocess.check_output([sys.executable, "-c", IMPORT], text=True))  # noqa: S603
            for _ in range(runs)
        ]
    with_it = statistics.median(a for a, _ in pairs)
    without = statistics.median(b for _, b in pairs)
    cost = statistics.median(a - b for a, b in pairs)
    print(
        f"processor time with the plugin {with_it:.0f} ms, without {without:.0f} ms (medians of {runs})"
    )
    print(f"difference pair by pair: median {cost:.1f} ms, ratio {with_it / without:.3f}")
    print(f"import of the plugin: median {statistics.median(imports):.1f} ms")


if __name__ == "__main__":
    main()
