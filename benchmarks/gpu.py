"""Exact search and full-depth ranks on a GPU: ours against torch's own product and top-k, in one process.

    python benchmarks/gpu.py [--sizes 10000x1000000x512 …] [--k 10] [--data clusters] [--rounds N]

Every contender holds the gallery on the GPU already, and goes from queries in the host's memory to lists in
the host's memory; *to the GPU* is what ours takes to bring the gallery there, once. Each one's lists are
compared with a float64 oracle on some queries. The limits are 2·q·n·d over the rate of one large product on
the same GPU. *Ranks* are those of all positives over the whole gallery, ten images a product, with a list of
twenty.
"""

from __future__ import annotations

import argparse
import statistics
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from unittest import mock

import numpy as np
import torch
from search import EXAMINED, make, oracle

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SIZES = (
    "1000x10000x512",
    "1000x100000x512",
    "10000x100000x512",
    "1000x1000000x512",
    "10000x1000000x512",
)
DEVICE = "cuda"
COLUMNS = 65_536
"""Gallery images a block of the plain loop."""


def plain(moved: torch.Tensor, queries: np.ndarray, k: int) -> np.ndarray:
    """What people write: products of blocks, top-k of each, top-k of those; in the dtype of the gallery."""
    found = []
    for start in range(0, len(queries), 1024):
        part = torch.from_numpy(queries[start : start + 1024]).to(DEVICE, moved.dtype)
        best = [
            (part @ moved[column : column + COLUMNS].T).topk(min(k, len(moved) - column), dim=1)
            for column in range(0, len(moved), COLUMNS)
        ]
        rows = torch.cat([one.indices + i * COLUMNS for i, one in enumerate(best)], 1)
        chosen = torch.cat([one.values for one in best], 1).topk(k, dim=1).indices
        found.append(rows.gather(1, chosen).cpu().numpy())
    return np.concatenate(found)


@contextmanager
def tf32(*, allowed: bool) -> Iterator[None]:
    """Allow the tensor cores for float32 products, or not."""
    before = torch.backends.cuda.matmul.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = allowed
    try:
        yield
    finally:
        torch.backends.cuda.matmul.allow_tf32 = before


@contextmanager
def first_pass(*, wanted: bool) -> Iterator[None]:
    """Let ours take its bfloat16 pass at any size, or never."""
    least = 0.0 if wanted else float("inf")
    with mock.patch("pytest_prodbench.retrieval.backends.WORTH_REDUCING", least):
        yield


def seconds(work: Callable[[], Any]) -> tuple[float, Any]:
    """How long, and what came of it; the lists are on the host, so that the GPU is done."""
    torch.cuda.synchronize()
    start = time.perf_counter()
    found = work()
    torch.cuda.synchronize()
    return time.perf_counter() - start, found


def rate(dtype: torch.dtype) -> float:
    """Multiplications and additions a second of one large product: the best of several."""
    left = torch.randn(8192, 8192, device=DEVICE).to(dtype)
    right = torch.randn(8192, 8192, device=DEVICE).to(dtype)
    return max(2.0 * 8192**3 / seconds(lambda: left @ right)[0] for _ in range(8))


def compare(asked: argparse.Namespace, size: str) -> None:
    """Time everybody in turn, check the lists, print a table."""
    from pytest_prodbench.retrieval import Gallery, Labels, matching_pairs, rank, search

    q, n, d = map(int, size.split("x"))
    queries, gallery = make(asked.data, q, n, d)
    examined = np.linspace(0, q - 1, EXAMINED).astype(int)
    expected = oracle(queries[examined], gallery, asked.k)
    moved = torch.from_numpy(gallery).to(DEVICE)
    halves = moved.to(torch.bfloat16)
    ready = Gallery(gallery)
    to_gpu = seconds(lambda: ready.reduced(DEVICE))[0]

    def ours(*, reduced: bool) -> Callable[[], np.ndarray]:
        def run() -> np.ndarray:
            with first_pass(wanted=reduced):
                return search(queries, ready, asked.k, device=DEVICE)[0]

        return run

    def torchs(matrix: torch.Tensor, *, allowed: bool) -> Callable[[], np.ndarray]:
        def run() -> np.ndarray:
            with tf32(allowed=allowed):
                return plain(matrix, queries, asked.k)

        return run

    contenders = {
        "ours": ours(reduced=True),
        "ours, float32 alone": ours(reduced=False),
        "torch, float32": torchs(moved, allowed=False),
        "torch, TF32": torchs(moved, allowed=True),
        "torch, bfloat16": torchs(halves, allowed=False),
    }
    times: dict[str, list[float]] = {name: [] for name in contenders}
    right: dict[str, float] = {}
    for turn in range(asked.rounds + 1):
        for name, run in contenders.items():
            taken, lists = seconds(run)
            if turn:
                times[name].append(taken)
            right[name] = float((lists[examined] == expected).all(1).mean())
    products = np.arange(n) // 10
    wanted = np.random.default_rng(1).integers(0, products[-1] + 1, q)
    labels = Labels(wanted, products, None, None, np.arange(n), np.arange(q))
    nothing = matching_pairs(np.full(q, -1), np.full(n, -1))
    laid_out = Gallery(gallery, products)
    ranks: dict[bool, list[float]] = {True: [], False: []}
    for turn in range(asked.rounds + 1):
        for reduced, taken_by in ranks.items():
            with first_pass(wanted=reduced):
                taken, _ = seconds(
                    lambda: rank(queries, laid_out, labels, nothing, top=20, device=DEVICE)
                )
            if turn:
                taken_by.append(taken)
    base = statistics.median(times["torch, float32"])
    print(f"\n### {size}, {asked.data}, k = {asked.k}\n")
    print("| | ms | to torch, float32 | lists as the oracle's |")
    print("|---|---:|---:|---:|")
    for name, taken_by in times.items():
        middle = statistics.median(taken_by)
        print(f"| {name} | {1000 * middle:,.1f} | {middle / base:.2f} | {right[name]:.0%} |")
    print(f"| ranks of all positives | {1000 * statistics.median(ranks[True]):,.1f} | | |")
    print(f"| the same, float32 alone | {1000 * statistics.median(ranks[False]):,.1f} | | |")
    print(f"| *to the GPU* | {1000 * to_gpu:,.1f} | | |")
    work = 2.0 * q * n * d
    print(f"| limit, float32 | {1000 * work / asked.float32:,.1f} | | |")
    print(f"| limit, bfloat16 | {1000 * work / asked.bfloat16:,.1f} | | |", flush=True)
    assert right["ours"] == right["ours, float32 alone"] == 1.0


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", nargs="+", metavar="QxNxD", default=SIZES)
    parser.add_argument("--k", type=int, default=10)
    parser.add_argument("--data", choices=("random", "clusters"), default="clusters")
    parser.add_argument("--rounds", type=int, default=5)
    asked = parser.parse_args()
    with tf32(allowed=False):
        asked.float32, asked.bfloat16 = rate(torch.float32), rate(torch.bfloat16)
    print(
        f"{torch.cuda.get_device_name()}, torch {torch.__version__}, {asked.rounds} rounds; one large "
        f"product: {asked.float32 / 1e12:.0f} TFLOP/s in float32, {asked.bfloat16 / 1e12:.0f} in bfloat16."
    )
    for size in asked.sizes:
        compare(asked, size)


if __name__ == "__main__":
    main()
