"""Full-depth ranks of every positive, of products and of families, beside a search for twenty results.

    python benchmarks/ranks.py

For each of several models (how far photos lie from their product) and catalogs (images a product): time of
``rank`` with torch (bfloat16 first where the processor has it) and with faiss as backends, as a ratio to
``faiss.IndexFlatIP.search`` of the same vectors for 20 results, side by side in one run, medians. The first
copies of the gallery are counted in.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time

if "OPENBLAS_CORETYPE" in os.environ:
    # It slows numpy; a benchmark of this project is not about that.
    os.environ.pop("OPENBLAS_CORETYPE")
    os.execv(sys.executable, [sys.executable, *sys.argv])  # noqa: S606

import numpy as np

CASES = (
    # name, images a product, noise of a photo, common part of all vectors
    ("one image a product, good model", 1, 1.5, 0.8),
    ("four images, good model", 4, 1.5, 0.8),
    ("four images, middling model", 4, 5.0, 0.8),
    ("four images, random ranks", 4, 300.0, 0.8),
    ("fifty images, middling model", 50, 5.0, 0.8),
    ("four images, nearly collapsed model", 4, 5.0, 300.0),
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


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--queries", type=int, default=1000)
    parser.add_argument("--gallery", type=int, default=100_000)
    parser.add_argument("--dimension", type=int, default=512)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    asked = parser.parse_args()
    import faiss
    import torch

    from pytest_prodbench.retrieval import Labels, matching_pairs, rank

    torch.set_num_threads(asked.threads)
    faiss.omp_set_num_threads(asked.threads)
    print(
        f"{asked.queries} × {asked.gallery} × {asked.dimension}, {asked.threads} threads, "
        f"{asked.rounds} rounds\n"
    )
    print("| | recall@1 | median rank | torch | faiss | search for 20 |")
    print("|---|---:|---:|---:|---:|---:|")
    for name, images, noise, common in CASES:
        photos, catalog, wanted, products = vectors(
            asked.queries, asked.gallery, asked.dimension, images, noise, common
        )
        labels = Labels(
            wanted,
            products,
            wanted // 50,
            products // 50,
            np.arange(len(products)),
            np.arange(len(wanted)),
        )
        nothing = matching_pairs(np.full(len(wanted), -1), np.full(len(products), -1))
        index = faiss.IndexFlatIP(asked.dimension)
        index.add(catalog)
        times: dict[str, list[float]] = {"torch": [], "faiss": [], "search": []}
        ranks = {}
        for _ in range(asked.rounds):
            for backend in ("torch", "faiss"):
                start = time.perf_counter()
                found = rank(
                    photos, catalog, labels, nothing, backend=backend, threads=asked.threads
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


if __name__ == "__main__":
    main()
