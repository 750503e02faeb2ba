"""Eight metrics of 10,000 queries x top-100: ours against other evaluators, in turn, in one process.

python benchmarks/metrics.py [--queries 10000] [--rounds N] [--threads 2] [--only TEXT …]

Needs ``pip install -e '.[dev,peers]'``. Everybody starts from the same arrays, and what each builds out of
them (dictionaries, tensors, our ranking) is counted in. The first call is timed apart: ranx compiles in it.
Means must be ours to 1e-5 (mteb rounds) wherever a peer means the same.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from search import quiet_environment

if TYPE_CHECKING:
    from metric_contenders import Contender, Lists


def make(queries: int, length: int = 100, gallery: int = 50_000) -> Lists:
    """Lists in which positives stand early, some not at all; 1 to 20 positives a query."""
    from metric_contenders import Lists

    rng = np.random.default_rng(0)
    gallery_products = np.repeat(np.arange(gallery), rng.integers(1, 21, gallery))[:gallery]
    products = int(gallery_products[-1]) + 1
    query_products = rng.integers(0, products, queries)
    starts = np.searchsorted(gallery_products, query_products)
    positives = np.searchsorted(gallery_products, query_products, side="right") - starts
    documents = np.empty((queries, length), np.int64)
    for query in range(queries):
        others = rng.choice(gallery - 20, length, replace=False)
        # Rows of other products alone: those beyond the query's own move up by as many as it has.
        others[others >= starts[query]] += positives[query]
        documents[query] = others
        found = rng.random(positives[query]) < 0.8
        mine = starts[query] + np.flatnonzero(found)
        places = rng.choice(length, len(mine), replace=False) ** 2 // length
        documents[query, np.unique(places)] = mine[: len(np.unique(places))]
    relevant = gallery_products[documents] == query_products[:, None]
    scores = np.sort(rng.random((queries, length), dtype=np.float32) * 0.9 + 0.05, axis=1)[:, ::-1]
    # No ties: neighbours are at least one step of the grid apart.
    scores = (np.arange(length, 0, -1, dtype=np.float32) + scores) / np.float32(2 * length)
    return Lists(documents, relevant, positives, scores, query_products, gallery_products)


@dataclass
class Times:
    """Seconds of one contender: of its first call, and of the rounds."""

    first: float = 0.0
    build: list[float] = field(default_factory=list)
    measure: list[float] = field(default_factory=list)


def run(contender: Contender, lists: Lists) -> tuple[float, float, dict[str, float]]:
    """Seconds to build, seconds to measure, means."""
    start = time.perf_counter()
    built = contender.build(lists)
    between = time.perf_counter()
    means = contender.measure(built)
    end = time.perf_counter()
    return between - start, end - between, means


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--queries", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--only", nargs="+", default=[""], metavar="TEXT")
    arguments = parser.parse_args()
    quiet_environment(arguments.threads)
    with tempfile.TemporaryDirectory() as compiled:
        # ranx keeps what it compiled: the first call is to show what a fresh CI machine waits for.
        os.environ["NUMBA_CACHE_DIR"] = compiled
        measure(arguments)


def measure(arguments: argparse.Namespace) -> None:
    """Time everybody in turn, print a table."""
    import torch
    from metric_contenders import CONTENDERS, METRICS, OURS

    torch.set_num_threads(arguments.threads)
    lists = make(arguments.queries)
    times = {
        contender.name: Times()
        for contender in CONTENDERS
        if contender.name == OURS or any(text in contender.name for text in arguments.only)
    }
    running = [contender for contender in CONTENDERS if contender.name in times]
    _, _, ours = run(CONTENDERS[0], lists)
    for turn in range(arguments.rounds + 1):
        for contender in running:
            own = times[contender.name]
            build, took, means = run(contender, lists)
            if turn:
                own.build.append(build)
                own.measure.append(took)
                continue
            own.first = build + took
            for name in means.keys() & ours.keys():
                difference = abs(means[name] - ours[name])
                assert difference < 1e-5, f"{contender.name}: {name} differs by {difference}"
    q, m = lists.relevant.shape
    print(
        f"{len(METRICS)} metrics of {q:,} queries x top-{m}, {arguments.threads} threads, medians.\n"
    )
    print("| evaluator | build ms | measure ms | together ms | ours = 1 | first call ms | |")
    print("|---|---:|---:|---:|---:|---:|---|")
    reference = statistics.median(
        map(sum, zip(times[OURS].build, times[OURS].measure, strict=True))
    )
    for contender in running:
        own = times[contender.name]
        build, measure = statistics.median(own.build), statistics.median(own.measure)
        together = statistics.median(map(sum, zip(own.build, own.measure, strict=True)))
        print(
            f"| {contender.name} | {build * 1e3:,.1f} | {measure * 1e3:,.1f} | {together * 1e3:,.1f} "
            f"| {together / reference:,.1f} | {own.first * 1e3:,.0f} | {contender.note} |"
        )


if __name__ == "__main__":
    main()
