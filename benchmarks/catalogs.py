"""Opening a catalog of a million rows: seconds and peak memory, images untouched, fresh processes.

python benchmarks/catalogs.py [--rows N] [--rounds N] [--kinds csv jsonl parquet sqlite] [--boxes]

The catalog has N gallery rows, four images a product, and 10,000 queries of other photos; columns image,
product_id, role, family, light, view, with ``--boxes`` a box a row. Seconds are those of
``open_dataset(..., check_images=False)`` with everything that it imports; processor seconds are those of
the whole process, interpreter included: of a shared machine they say more. Peak is the most that the whole
process held at once (VmHWM).
"""

from __future__ import annotations

import argparse
import csv
import json
import sqlite3
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

QUERIES = 10_000
NAMES = ["image", "product_id", "role", "family", "light", "view"]
LIGHTS = ["", "daylight", "lamp", "flash", "dim"]

CHILD = """
import sys, time
from pathlib import Path
start = time.perf_counter()
from pytest_prodbench.datasets.opening import open_dataset
from pytest_prodbench.settings.types import DatasetSpec
path = Path(sys.argv[1])
columns = "image, product_id, family, light, view" + ", bbox" * (sys.argv[4] == "True")
asked = f"SELECT {columns} FROM catalog WHERE role = "
options = {
    "url": f"sqlite:///{path.name}", "queries_sql": asked + "'query'", "gallery_sql": asked + "'gallery'",
}
is_table = path.suffix != ".sqlite"
spec = DatasetSpec(
    name="large", layout="manifest" if is_table else "sql", path=path if is_table else path.parent,
    options={} if is_table else options, where="benchmark",
)
dataset = open_dataset(spec, max_pixels=100_000_000, check_images=False)
seconds = time.perf_counter() - start
assert (len(dataset.gallery), len(dataset.queries)) == (int(sys.argv[2]), int(sys.argv[3]))
status = Path("/proc/self/status").read_text()
peak = next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1]
print(seconds, time.process_time(), int(peak) / 1024)
"""


def rows(count: int, *, boxes: bool) -> Iterator[list[str]]:
    """Yield the catalog row by row; 13-digit ids, as an EAN has them."""
    for i in range(count):
        product = i // 4
        code = f"{4006381000000 + product * 7}"
        row = [
            f"gallery/{code[-5:-2]}/{code}_{i % 4}.jpg",
            code,
            "gallery",
            f"family {product % 997}",
        ]
        yield [*row, "studio", f"view {i % 4}", *([f"{i % 50} 10 {200 + i % 99} 180"] * boxes)]
    for i in range(min(QUERIES, count)):
        product = i * max(count // QUERIES, 1) // 4
        code = f"{4006381000000 + product * 7}"
        row = [f"queries/{i:06}.jpg", code, "query", f"family {product % 997}"]
        yield [*row, LIGHTS[i % 5], "", *([""] * boxes)]


def write(folder: Path, kind: str, count: int, *, boxes: bool) -> Path:
    """Write the catalog in one format."""
    path = folder / f"manifest.{kind}"
    names = [*NAMES, *(["bbox"] * boxes)]
    if kind == "parquet":
        import pyarrow as pa
        from pyarrow import parquet

        columns = zip(*rows(count, boxes=boxes), strict=True)
        parquet.write_table(pa.table(dict(zip(names, map(list, columns), strict=True))), path)
        return path
    if kind == "sqlite":
        with sqlite3.connect(path) as database:
            database.execute(f"CREATE TABLE catalog ({', '.join(names)})")
            marks = ", ".join("?" * len(names))
            database.executemany(
                f"INSERT INTO catalog VALUES ({marks})",  # noqa: S608
                rows(count, boxes=boxes),
            )
        return path
    with path.open("w", encoding="utf-8", newline="") as file:
        if kind == "csv":
            writer = csv.writer(file)
            writer.writerow(names)
            writer.writerows(rows(count, boxes=boxes))
        else:
            for row in rows(count, boxes=boxes):
                file.write(json.dumps(dict(zip(names, row, strict=True))) + "\n")
    return path


def measure(path: Path, count: int, *, boxes: bool) -> tuple[float, ...]:
    """Open once in a fresh process: seconds to open, processor seconds of the process, peak in MiB."""
    command = [sys.executable, "-c", CHILD, str(path), str(count)]
    command += [str(min(QUERIES, count)), str(boxes)]
    return tuple(map(float, subprocess.check_output(command, text=True).split()))  # noqa: S603


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--kinds", nargs="+", default=["csv", "parquet", "jsonl", "sqlite"])
    parser.add_argument("--boxes", action="store_true")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        for kind in given.kinds:
            path = write(Path(name), kind, given.rows, boxes=given.boxes)
            size = path.stat().st_size / 2**20
            rounds = [measure(path, given.rows, boxes=given.boxes) for _ in range(given.rounds)]
            path.unlink()
            opened, spent, peak = (
                f"{statistics.median(values):.2f} ({min(values):.2f} to {max(values):.2f})"
                for values in zip(*rounds, strict=True)
            )
            print(
                f"{kind}, {size:.0f} MiB: opened in {opened} s, {spent} processor s, peak {peak} MiB"
            )


if __name__ == "__main__":
    main()
