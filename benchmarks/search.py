"""Exact top-k search on the CPU: ours against every exact peer, in turn, in one process.

python benchmarks/search.py [--sizes 1000x100000x512 …] [--k 10 …] [--data random clusters] [--rounds N]
                            [--threads 2] [--only TEXT …] [--memory]

Needs ``pip install -e '.[dev,peers]'``. Each round runs every contender once; the table gives medians, and
ratios to faiss IndexFlatIP are taken within a round. What takes longer than --once-above seconds runs once
only; what would hold more scores than --room at a time is left out and said so. Each contender's lists are
compared with a float64 oracle on some queries: ours must be the oracle's.

``random`` vectors are the easy case: no two scores are close. In ``clusters`` ten images of each product,
twenty products of each family, all of one world, have similarities of 0.3 to 0.9 to each other.

--memory measures each contender in a process of its own instead: peak memory of one search, of its
preparation too, above that of the two matrices.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from peak_memory import MEBIBYTE, in_a_fresh_process, peak_above

if TYPE_CHECKING:
    import numpy as np
    from search_contenders import Contender

SIZES = ("1000x10000x512", "1000x100000x512", "10000x100000x512", "1000x100000x1024")
EXAMINED = 16
"""Queries whose lists are compared with the oracle."""


def quiet_environment(threads: int) -> None:
    """Start again where threads or the kernels of BLAS are set otherwise: both are read at import."""
    wanted = {
        name: str(threads)
        for name in (
            "OMP_NUM_THREADS",
            "MKL_NUM_THREADS",
            "OPENBLAS_NUM_THREADS",
            "NUMBA_NUM_THREADS",
        )
    }
    right = all(os.environ.get(name) == value for name, value in wanted.items())
    if right and "OPENBLAS_CORETYPE" not in os.environ:
        return
    os.environ.pop("OPENBLAS_CORETYPE", None)
    os.environ.update(wanted)
    os.execv(sys.executable, [sys.executable, *sys.argv])  # noqa: S606


def unit(vectors: np.ndarray) -> np.ndarray:
    """Normalise in place, some rows at a time."""
    import numpy as np

    for start in range(0, len(vectors), 8192):
        part = vectors[start : start + 8192]
        part /= np.linalg.norm(part, axis=1, keepdims=True)
    return vectors


def make(data: str, q: int, n: int, d: int) -> tuple[np.ndarray, np.ndarray]:
    """Queries and gallery, float32 unit vectors (q, d) and (n, d)."""
    import numpy as np

    rng = np.random.default_rng(0)

    def noise(rows: int) -> np.ndarray:
        return unit(rng.standard_normal((rows, d), dtype=np.float32))

    if data == "random":
        return noise(q), noise(n)
    products = max(1, n // 10)
    world, families = noise(1), noise(max(1, products // 20))
    centres = noise(products)
    centres *= np.float32(0.6) ** 0.5
    centres += np.float32(0.2) ** 0.5 * families[np.arange(products) % len(families)]
    centres += np.float32(0.2) ** 0.5 * world
    unit(centres)

    def photos(of: np.ndarray) -> np.ndarray:
        kept = rng.uniform(0.3, 0.9, (len(of), 1)).astype(np.float32)
        made = noise(len(of))
        made *= (1 - kept) ** 0.5
        for start in range(0, len(of), 8192):
            part = slice(start, start + 8192)
            made[part] += kept[part] ** 0.5 * centres[of[part]]
        return unit(made)

    return photos(rng.integers(0, products, q)), photos(rng.permutation(n) % products)


def oracle(queries: np.ndarray, gallery: np.ndarray, k: int) -> np.ndarray:
    """Lists by float64 products rounded to float32, equal scores in the order of the gallery."""
    import numpy as np

    exact = queries.astype(np.float64)
    blocks = [
        (exact @ gallery[start : start + 8192].astype(np.float64).T).astype(np.float32)
        for start in range(0, len(gallery), 8192)
    ]
    return np.argsort(-np.concatenate(blocks, axis=1), axis=1, kind="stable")[:, :k]


def matrix_rate(d: int) -> float:
    """Float32 multiplications and additions a second of one large product: the best of several."""
    import torch

    left, right = torch.randn(1024, d), torch.randn(8192, d)
    out = torch.empty(1024, 8192)
    best = 0.0
    for _ in range(20):
        start = time.perf_counter()
        torch.mm(left, right.T, out=out)
        best = max(best, 2.0 * out.numel() * d / (time.perf_counter() - start))
    return best


def compare(arguments: argparse.Namespace, size: str, data: str, k: int) -> None:
    """Time everybody in turn, check the lists, print a table."""
    import numpy as np

    q, n, d = map(int, size.split("x"))
    queries, gallery = make(data, q, n, d)
    examined = np.linspace(0, q - 1, EXAMINED).astype(int)
    expected = oracle(queries[examined], gallery, k)
    results, once = {}, set()
    running = [one for one in chosen(arguments) if one.scores(q, n) <= arguments.room * 2**30]
    for contender in running:
        # What is imported or compiled at the first call is no search.
        contender.search(contender.prepare(gallery[:2000]), queries[:8], k)
        results[contender.name] = Result()
    for turn in range(arguments.rounds + 1):
        for contender in running:
            own = results[contender.name]
            if contender.name in once:
                continue
            # A gallery is made ready anew, so that no two copies of it are held at once.
            start = time.perf_counter()
            ready = contender.prepare(gallery)
            between = time.perf_counter()
            found = contender.search(ready, queries, k)
            took = time.perf_counter() - between
            del ready
            if turn == 0:
                own.equal = int((found[examined] == expected).all(axis=1).sum())
                if contender.ours:
                    assert own.equal == EXAMINED, f"{contender.name}: not the oracle's lists"
                if took > arguments.once_above and contender.name != running[0].name:
                    once.add(contender.name)
            # The first round warms up, and stands for those that get no second one.
            if turn or contender.name in once:
                own.search.append(took)
                own.prepare.append(between - start)
    print(f"\n### {q:,} x {n:,} x {d}, k = {k}, {data}\n")
    rate = matrix_rate(d)
    table(results, 2.0 * q * n * d / rate, rate)
    for contender in chosen(arguments):
        if contender.name not in results:
            need = contender.scores(q, n) / 2**30
            print(f"\nLeft out: {contender.name}, which needs {need:.1f} GiB of scores at once.")


@dataclass
class Result:
    """Seconds of each round, and how many of the examined lists are the oracle's."""

    search: list[float] = field(default_factory=list)
    prepare: list[float] = field(default_factory=list)
    equal: int = 0


def table(results: dict[str, Result], limit: float, rate: float) -> None:
    """Print one row a contender; the first is the reference."""
    print(
        f"Limit: 2qnd over {rate / 1e9:.0f} GF/s (float32 product, best of 20) = {limit:.3f} s.\n"
    )
    print("| search | prepare s | search s | spread s | faiss = 1 | limit = 1 | oracle's lists |")
    print("|---|---:|---:|---:|---:|---:|---:|")
    reference = next(iter(results.values())).search
    for name, own in results.items():
        median = statistics.median(own.search)
        if len(own.search) == len(reference):
            # In the same round both had the same neighbours on the machine.
            ratio = statistics.median(a / b for a, b in zip(own.search, reference, strict=True))
            runs = f"{min(own.search):.3f} to {max(own.search):.3f}"
        else:
            ratio, runs = median / statistics.median(reference), "one run"
        print(
            f"| {name} | {statistics.median(own.prepare):.3f} | {median:.3f} | {runs} | {ratio:.2f} "
            f"| {median / limit:.2f} | {own.equal} of {EXAMINED} |"
        )


def memory(arguments: argparse.Namespace, size: str, data: str, k: int) -> None:
    """Measure each contender's peak in a process of its own, print a table, hold ours to its bound."""
    q, n, d = map(int, size.split("x"))
    print(f"\n### Peak memory above the matrices, {q:,} x {n:,} x {d}, k = {k}, {data}\n")
    print("| search | MiB |\n|---|---:|")
    for contender in chosen(arguments):
        if contender.scores(q, n) > arguments.room * 2**30:
            print(f"| {contender.name} | more than {contender.scores(q, n) // MEBIBYTE:,} |")
            continue
        peak = in_a_fresh_process([contender.name, size, data, k])
        print(f"| {contender.name} | {peak:,.0f} |", flush=True)
        if contender.ours:
            bound = our_bound(q, n, d, k)
            assert peak <= bound, f"{contender.name}: {peak:.0f} MiB, promised {bound:.0f} MiB"
            print(f"| … its bound | {bound:,.0f} |")


def our_bound(q: int, n: int, d: int, k: int) -> float:
    """Our promise in MiB: a bfloat16 copy of either matrix, the lists, and a constant; no q x n."""
    return (2 * (n + q) * d + 64 * q * k) / MEBIBYTE + 128


def child(name: str, size: str, data: str, k: int) -> None:
    """Print the peak of one contender above what stands when the matrices are there."""
    from search_contenders import CONTENDERS

    (contender,) = (one for one in CONTENDERS if one.name == name)
    queries, gallery = make(data, *map(int, size.split("x")))
    # Libraries and their threads come first: they are not the search.
    contender.search(contender.prepare(gallery[:2000].copy()), queries[:8].copy(), k)
    print(peak_above(lambda: contender.search(contender.prepare(gallery), queries, k)))


def chosen(arguments: argparse.Namespace) -> list[Contender]:
    """Contenders whose name holds one of --only; the reference always."""
    from search_contenders import CONTENDERS, REFERENCE

    return [
        contender
        for contender in CONTENDERS
        if contender.name == REFERENCE or any(text in contender.name for text in arguments.only)
    ]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", nargs="+", default=SIZES, metavar="QxNxD")
    parser.add_argument("--k", nargs="+", type=int, default=[10])
    parser.add_argument("--data", nargs="+", choices=["random", "clusters"], default=["random"])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--only", nargs="+", default=[""], metavar="TEXT")
    parser.add_argument("--once-above", type=float, default=20.0, metavar="SECONDS")
    parser.add_argument("--room", type=float, default=3.0, metavar="GIB")
    parser.add_argument("--memory", action="store_true")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    quiet_environment(arguments.threads)
    import faiss
    import torch

    faiss.omp_set_num_threads(arguments.threads)
    torch.set_num_threads(arguments.threads)
    if arguments.child:
        child(*json.loads(arguments.child))
        return
    print(
        f"{arguments.threads} threads for everybody, torch {torch.__version__}, {arguments.rounds} rounds."
    )
    for size in arguments.sizes:
        for data in arguments.data:
            for k in arguments.k:
                (memory if arguments.memory else compare)(arguments, size, data, k)


if __name__ == "__main__":
    main()
