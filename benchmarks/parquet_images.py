"""Images inside Parquet: how long the first one takes, all of them, and what memory that needs.

python benchmarks/parquet_images.py [--megabytes 1200] [--folder /tmp]

Two files of one size: a single row group of 20 kB images, as data frames are written, and groups of 100
images of 200 kB, as hubs write them. Read as a dataset's digests are: every image, in the threads of
``for_each``. Then a set with as many judgements as MIEB's RP2K (4.5 million), opened without its images.
Processor time of the process, because wall time on a shared machine says more about its neighbours.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from peak_memory import in_a_fresh_process, peak_above

from pytest_prodbench.datasets.opening import open_dataset
from pytest_prodbench.datasets.parquet_files import ParquetFiles, image_name
from pytest_prodbench.datasets.threads import for_each
from pytest_prodbench.settings.types import DatasetSpec

IMAGE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
FORMS = {"one group, 20 kB": (20_000, 0), "groups of 100, 200 kB": (200_000, 100)}


def write(path: Path, images: int, size: int, group: int) -> None:
    """Write random bytes: nothing that a codec could make small."""
    rng = np.random.default_rng(0)
    rows = [{"bytes": rng.bytes(size), "path": ""} for _ in range(images)]
    table = pa.table({"id": [f"d{i}" for i in range(images)], "image": pa.array(rows, IMAGE)})
    pq.write_table(table, path, row_group_size=group or images)


def write_judged(root: Path, images: int = 39_457, product: int = 115) -> None:
    """Write a set whose every image queries all others of its product."""
    for name in ("corpus", "query"):
        write(root / f"{name}-00000-of-00001.parquet", images, 100, 0)
    ids = np.array([f"d{i}" for i in range(images)])
    left = np.repeat(np.arange(images), product)
    right = left // product * product + np.tile(np.arange(product), images)
    keep = (left != right) & (right < images)
    columns = {"query-id": ids[left[keep]], "corpus-id": ids[right[keep]]}
    table = pa.table({**columns, "score": np.ones(keep.sum(), np.int8)})
    pq.write_table(table, root / "qrels-00000-of-00001.parquet")


def read(path: Path, count: int) -> None:
    """Read all images, and print how long the first took and how long all."""
    files = ParquetFiles(path.parent)
    names = [image_name(path.name, row) for row in range(1, count + 1)]
    start = time.process_time()
    files.open(names[0]).close()
    first = time.process_time() - start
    size = sum(for_each(names, lambda name: len(files.open(name).read())))
    print(
        f"first {first * 1000:.0f} ms, all {time.process_time() - start:.1f} s of {size / 1e6:,.0f} MB",
        file=sys.stderr,
    )


def opened(root: Path) -> None:
    """Open a judged set, and print how long that took."""
    start = time.process_time()
    spec = DatasetSpec(name="judged", layout="hub_retrieval", path=root)
    dataset = open_dataset(spec, max_pixels=1, check_images=False)
    assert not dataset.answers
    print(f"opened {time.process_time() - start:.1f} s", file=sys.stderr)


def child(case: list[str]) -> None:
    """Do one piece of work in a fresh process, and print its peak memory above what it begins with."""
    path = Path(case[0])
    count = int(case[1])
    import scipy.sparse.csgraph  # noqa: F401 - loaded before, so that it is not counted

    print(peak_above(lambda: read(path, count) if count else opened(path)))


def main() -> None:
    """Measure and print."""
    if "--child" in sys.argv:
        child(json.loads(sys.argv[-1]))
        return
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--megabytes", type=int, default=1200)
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()))
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        path = Path(name, "a.parquet")
        for form, (size, group) in FORMS.items():
            count = options.megabytes * 1_000_000 // size
            write(path, count, size, group)
            print(f"{form}: {in_a_fresh_process([str(path), count]):.0f} MiB at the peak")
        path.unlink()
        write_judged(Path(name))
        print(f"4.5 million judgements: {in_a_fresh_process([name, 0]):.0f} MiB at the peak")


if __name__ == "__main__":
    main()
