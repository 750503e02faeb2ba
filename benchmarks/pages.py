"""The page of a run: seconds, bytes and memory, for a run that lies on disk and for one of many queries.

python benchmarks/pages.py RUN [--queries 100000] [--rounds N]

RUN is the folder of a finished run whose photos lie where they did. Each page is written by a fresh process
that runs ``prodbench report RUN --kind html`` (Python, imports, reading the evidence: all counted), with an
empty cache of pictures and with a full one. Processor time is that of all processes together. The large run
is made of RUN's first dataset: the rows of its queries again and again under other names and digests, with
all its models. Peak memory is that of the process that writes the page; those that draw charts are not in it.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import io
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa

    from pytest_prodbench.evidence.types import RunRecord


def write_page(run: Path, project: Path, cache: Path) -> dict[str, float]:
    """Write the page of a run in this process; returns its bytes and the peak of memory in MiB."""
    import resource

    from pytest_prodbench.cli import main

    os.environ["PRODBENCH_CACHE_DIR"] = str(cache)
    cache.mkdir(exist_ok=True)
    os.chdir(project)
    with contextlib.redirect_stdout(io.StringIO()):
        assert main(["report", str(run), "--kind", "html"]) == 0
    page = run / "index.html"
    assert "are shown:" in page.read_text("utf-8")
    assert any(cache.rglob("*.jpg"))
    assert any(cache.rglob("*.svg"))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"bytes": page.stat().st_size, "peak": peak}


def in_a_fresh_process(run: Path, project: Path, cache: Path) -> dict[str, float]:
    """Write the page in a process that does nothing else; adds wall and processor time in seconds."""
    import resource

    command = [sys.executable, __file__, "--child", str(run), str(project), str(cache)]
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    child = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)  # noqa: S603
    seconds, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    spent = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    return json.loads(child.stdout) | {"seconds": seconds, "processor": spent}


def many_queries(table: pa.Table, queries: int) -> pa.Table:
    """Repeat the rows of a table up to so many queries; each copy has names and digests of its own."""
    import pyarrow as pa

    copies = []
    for number in range(-(-queries // len(table))):
        # Another path to the same photo, so that there is something to show.
        names = [
            f"../copy-{number}/{name}" if number else name for name in table["query"].to_pylist()
        ]
        digests = [
            hashlib.sha256(f"{content}{number}".encode()).hexdigest()
            for content in table["content"].to_pylist()
        ]
        changed = {"query": names, "content": digests}
        copies.append(
            pa.table(
                {name: changed.get(name, table[name]) for name in table.column_names},
                schema=table.schema,
            )
        )
    return pa.concat_tables(copies)[:queries].combine_chunks()


def large_run(run: Path, folder: Path, queries: int) -> tuple[Path, Path]:
    """Write the evidence of a run of one dataset and so many queries; returns run and project."""
    from pytest_prodbench.evidence.queries import to_parquet
    from pytest_prodbench.evidence.store import EVIDENCE, evidence_json, read_evidence, read_queries

    record = read_evidence(run)
    tables = read_queries(run, record)
    dataset = min(record.datasets)
    made, project = folder / "run", folder / "project"
    (made / "queries").mkdir(parents=True)
    (project / "data").mkdir(parents=True)
    photos = Path.cwd() / record.datasets[dataset].root
    pairs = []
    for pair in record.pairs:
        if pair.dataset != dataset or pair.queries_file is None:
            continue
        data = to_parquet(many_queries(tables[pair.name], queries))
        (made / pair.queries_file).write_bytes(data)
        digest = hashlib.sha256(data).hexdigest()
        pairs.append(pair.model_copy(update={"queries_digest": digest}))
    for number in range(-(-queries // min(map(len, tables.values())))):
        (project / "data" / f"copy-{number}").symlink_to(photos)
    one = record.datasets[dataset].model_copy(update={"root": "data/copy-0", "queries": queries})
    names = [pair.name for pair in pairs]
    changed: dict[str, Any] = {
        "pairs": pairs,
        "datasets": {dataset: one},
        "contests": [],
        "planned": names,
        "selected": names,
        "evaluated": names,
    }
    large: RunRecord = record.model_copy(update=changed)
    (made / EVIDENCE).write_text(evidence_json(large), encoding="utf-8")
    return made, project


def measure(title: str, run: Path, project: Path, rounds: int) -> None:
    """Write a page some times, cold and warm in turn; print a row of each."""
    import shutil

    found: dict[str, list[dict[str, float]]] = {"cold": [], "warm": []}
    # Nothing is removed between two pages: the file system would be at it while the next is written.
    with tempfile.TemporaryDirectory() as name:
        for number in range(rounds):
            cache = Path(name) / f"cache-{number}"
            for state, results in found.items():
                here = Path(name) / f"{state}-{number}"
                here.mkdir()
                # Nothing of an earlier page beside it.
                shutil.copy(run / "evidence.json", here)
                (here / "queries").symlink_to((run / "queries").resolve())
                results.append(in_a_fresh_process(here, project, cache))
    for state, results in found.items():
        seconds = sorted(result["seconds"] for result in results)
        cells = (
            title,
            state,
            f"{statistics.median(seconds):.1f} ({seconds[0]:.1f} to {seconds[-1]:.1f})",
            f"{min(result['processor'] for result in results):.1f}",
            f"{results[0]['bytes'] / 1e6:.1f}",
            f"{max(result['peak'] for result in results):,.0f}",
        )
        print(f"| {' | '.join(cells)} |", flush=True)


def main() -> None:
    """Measure and print."""
    if sys.argv[1:2] == ["--child"]:
        print(json.dumps(write_page(*map(Path, sys.argv[2:]))))
        return
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("--queries", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    print(f"load of the machine: {os.getloadavg()[0]:.1f}\n")
    print("| run | pictures | seconds, median (range) | least processor seconds | MB | peak MiB |")
    print("|---|---|---:|---:|---:|---:|")
    measure(given.run.name, given.run, Path.cwd(), given.rounds)
    with tempfile.TemporaryDirectory() as name:
        made, project = large_run(given.run, Path(name), given.queries)
        measure(f"{given.queries:,} queries a pair", made, project, given.rounds)


if __name__ == "__main__":
    main()
