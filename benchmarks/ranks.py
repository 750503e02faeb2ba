"""Full-depth ranks of every positive, of products and of families, beside a search for twenty results.

    python benchmarks/ranks.py [--sizes 1000x100000x512 …] [--rounds N] [--threads 2] [--memory]

For each of several models (how far photos lie from their product) and catalogs (images a product): time of
``rank`` with torch (bfloat16 first where the processor has it) and with faiss as backends, as a ratio to
``faiss.IndexFlatIP.search`` of the same vectors for 20 results, side by side in one run, medians. The first
copies of the gallery are counted in.

--memory measures the peak above the two matrices instead, for each case and backend in a process of its own,
and holds it to a bound.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import time
from typing import TYPE_CHECKING, Any

if "OPENBLAS_CORETYPE" in os.environ:
    # It slows numpy; a benchmark of this project is not about that.
    os.environ.pop("OPENBLAS_CORETYPE")
    os.execv(sys.executable, [sys.executable, *sys.argv])  # noqa: S606

import numpy as np
from peak_memory import MEBIBYTE, in_a_fresh_process, peak_above

if TYPE_CHECKING:
    from pytest_prodbench.retrieval import Labels, Pairs

SIZES = ("1000x100000x512",)
MEMORY_SIZES = ("1000x100000x512", "10000x100000x512")

CASES = (
    # name, images a product, noise of a photo, common part of all vectors
    ("one image a product, good model", 1, 1.5, 0.8),
    ("four images, good model", 4, 1.5, 0.8),
    ("four images, middling model", 4, 5.0, 0.8),
    ("four images, random ranks", 4, 300.0, 0.8),
    ("fifty images, middling model", 50, 5.0, 0.8),
    ("four images, nearly collapsed model", 4, 5.0, 300.0),
)

TOP = 20
"""Length of each list."""

MEMORY_CASES = (
    *(case for case in CASES if case[1] == 4 and "good" not in case[0]),
    ("sixteen images, collapsed model", 16, 5.0, 1e6),
)


def vectors(
    queries: int, gallery: int, d: int, images: int, noise: float, common: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Unit vectors of products as noisy copies of centres, and the product of each."""
    rng = np.random.default_rng(0)
    products = np.arange(gallery) // images
    centres = rng.standard_normal((gallery // images + 1, d), dtype=np.float32)
    shift = common * rng.standard_normal(d).astype(np.float32)
    catalog = shift + centres[products] + 0.7 * rng.standard_normal((gallery, d), dtype=np.float32)
    asked = rng.integers(0, gallery // images, queries)
    photos = shift + centres[asked] + noise * rng.standard_normal((queries, d), dtype=np.float32)
    catalog /= np.linalg.norm(catalog, axis=1, keepdims=True)
    photos /= np.linalg.norm(photos, axis=1, keepdims=True)
    return photos, catalog, asked, products


def labels_of(wanted: np.ndarray, products: np.ndarray) -> Labels:
    """Fifty products a family; any order."""
    from pytest_prodbench.retrieval import Labels

    return Labels(
        wanted,
        products,
        wanted // 50,
        products // 50,
        np.arange(len(products)),
        np.arange(len(wanted)),
    )


def no_pairs(wanted: np.ndarray, products: np.ndarray) -> Pairs:
    """Nothing is excluded."""
    from pytest_prodbench.retrieval import matching_pairs

    return matching_pairs(np.full(len(wanted), -1), np.full(len(products), -1))


def compare(asked: argparse.Namespace, size: str) -> None:
    """Time both backends and a search in turn, print a table."""
    import faiss

    from pytest_prodbench.retrieval import rank

    queries, gallery, d = map(int, size.split("x"))
    print(f"\n### {queries:,} x {gallery:,} x {d}\n")
    print("| | recall@1 | median rank | torch | faiss | search for 20 |")
    print("|---|---:|---:|---:|---:|---:|")
    for name, images, noise, common in CASES:
        photos, catalog, wanted, products = vectors(queries, gallery, d, images, noise, common)
        labels, nothing = labels_of(wanted, products), no_pairs(wanted, products)
        index = faiss.IndexFlatIP(d)
        index.add(catalog)
        times: dict[str, list[float]] = {"torch": [], "faiss": [], "search": []}
        ranks = {}
        for _ in range(asked.rounds):
            for backend in ("torch", "faiss"):
                start = time.perf_counter()
                found = rank(
                    photos,
                    catalog,
                    labels,
                    nothing,
                    top=TOP,
                    backend=backend,
                    threads=asked.threads,
                )
                times[backend].append(time.perf_counter() - start)
                ranks[backend] = found.ranks
            start = time.perf_counter()
            index.search(photos, 20)
            times["search"].append(time.perf_counter() - start)
        assert (ranks["torch"] == ranks["faiss"]).all()
        base = statistics.median(times["search"])
        ratios = [statistics.median(times[backend]) / base for backend in ("torch", "faiss")]
        print(
            f"| {name} | {(found.ranks == 1).mean():.2f} | {np.median(found.ranks):,.0f} "
            f"| {ratios[0]:.2f} | {ratios[1]:.2f} | {base:.2f} s |",
            flush=True,
        )


def memory(size: str) -> None:
    """Measure each case and backend in a process of its own, print a table, hold the peaks to a bound."""
    q, n, d = map(int, size.split("x"))
    print(f"\n### Peak memory above the two matrices, MiB, {q:,} x {n:,} x {d}\n")
    print("| | torch | faiss | bound |")
    print("|---|---:|---:|---:|")
    for name, images, noise, common in MEMORY_CASES:
        peaks = [
            in_a_fresh_process([backend, q, n, d, images, noise, common])
            for backend in ("torch", "faiss")
        ]
        bound = our_bound(q, n, d, images)
        print(f"| {name} | {peaks[0]:,.0f} | {peaks[1]:,.0f} | {bound:,.0f} |", flush=True)
        assert max(peaks) <= bound, f"{name}: {max(peaks):.0f} MiB, promised {bound:.0f} MiB"


def child(
    backend: str, q: int, n: int, d: int, images: int, noise: float, common: float, threads: int
) -> None:
    """Print the peak of one ``rank`` above what stands when the matrices are there."""
    from pytest_prodbench.retrieval import rank

    photos, catalog, wanted, products = vectors(q, n, d, images, noise, common)
    # A catalog comes in any order; laid out by product it would spare copies of its parts.
    order = np.random.default_rng(1).permutation(n)
    catalog, products = catalog[order], products[order]
    labels, nothing = labels_of(wanted, products), no_pairs(wanted, products)
    how: dict[str, Any] = {"top": TOP, "backend": backend, "threads": threads}
    few = labels_of(wanted[:8], products[:1000])
    rank(
        photos[:8],
        catalog[:1000],
        few,
        no_pairs(wanted[:8], products[:1000]),
        **how,
    )
    print(peak_above(lambda: rank(photos, catalog, labels, nothing, **how)))


def our_bound(q: int, n: int, d: int, images: int) -> float:
    """Our promise in MiB; no q x n in it.

    What the answer itself holds of each query, result and positive; codes and places of each image; the
    pairs that may stay open in one block of 1,024 queries (1 in 128 images of the gallery, 256 at
    least, and some of each limit's own), 100 bytes each while they are settled; blocks and what is made
    of them; and a bfloat16 copy of either matrix where the processor has it.
    """
    from pytest_prodbench.retrieval.torch_backends import ReducedBackend

    answer = 64 * q * (TOP + images) + 64 * n
    open_pairs = 100 * 1024 * (max(256, n / 128) + 4 * (images + 1))
    copies = 2 * (n + q) * d if ReducedBackend.suits("cpu") else 0
    return (answer + open_pairs + copies) / MEBIBYTE + 96


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", nargs="+", metavar="QxNxD")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--memory", action="store_true")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    import faiss
    import torch

    torch.set_num_threads(asked.threads)
    faiss.omp_set_num_threads(asked.threads)
    if asked.child:
        child(*json.loads(asked.child), threads=asked.threads)
        return
    print(f"{asked.threads} threads, {asked.rounds} rounds.")
    for size in asked.sizes or (MEMORY_SIZES if asked.memory else SIZES):
        if asked.memory:
            memory(size)
        else:
            compare(asked, size)


if __name__ == "__main__":
    main()
