"""Intervals of 17 metrics of 10,000 queries from 10,000 resamples: ours beside an index loop and scipy.

python benchmarks/bootstrap.py [--rounds N] [--threads N] [--resamples N]

Twice: 10,000 products with one query each and 2,500 with four. Each round measures every contender in turn;
medians, their spread, and ratios to ours. Ours are percentile and BCa intervals of all 17 metrics (8 of
them 0/1) on one set of draws, by product. The others do what a loop does: one metric at a time, products
drawn as indices, sums gathered. scipy runs BCa, 1,000 resamples of one metric, and is scaled up to all (its
whole run would take minutes).

The statistics that are no means (medians, areas, error rates, thresholds) are measured apart, together on
the same draws: 10,000 queries of which a tenth has no product in the gallery, 41 verification pairs each.
Then all metrics and all statistics of one dataset, as a run measures them.

Every call has a seed of its own: draws are kept, and would else be made but once.

"multinomial" is what a 0/1 metric with one query a product would need at the least: its hits in a resample
are one binomial number. It shares no draws with other metrics, and has no interval of differences.
"""

from __future__ import annotations

import argparse
import itertools
import os
import statistics
import time
from collections.abc import Callable

# OpenBLAS reads these once, at the import of numpy; a core type that is forced slows some machines down.
os.environ.pop("OPENBLAS_CORETYPE", None)
PARSER = argparse.ArgumentParser(description=__doc__.splitlines()[0])
PARSER.add_argument("--rounds", type=int, default=7)
PARSER.add_argument("--threads", type=int, default=2)
PARSER.add_argument("--resamples", type=int, default=10_000)
GIVEN = PARSER.parse_args()
os.environ["OPENBLAS_NUM_THREADS"] = str(GIVEN.threads)

import numpy as np  # noqa: E402
from scipy import stats  # noqa: E402

from pytest_prodbench.metrics import Statistic, default_metrics, parse_metric  # noqa: E402
from pytest_prodbench.metrics.estimates import estimate_statistics  # noqa: E402
from pytest_prodbench.metrics.intervals import (  # noqa: E402
    cluster_bootstrap,
)
from pytest_prodbench.metrics.resampling import resample_weights  # noqa: E402
from pytest_prodbench.protocol import (  # noqa: E402
    NO_RANK,
    PositiveRanks,
    Ranking,
    VerificationPairs,
)

METRICS = 17
SEEDS = itertools.count()
SCIPY_RESAMPLES = 1_000


def data(products: int) -> tuple[np.ndarray, np.ndarray]:
    """Sums and counts by product, float64 (P, 17): 8 hits, 9 numbers in 0 … 1; 10,000 queries."""
    rng = np.random.default_rng(0)
    queries = 10_000 // products
    values = rng.random((products, queries, METRICS)) ** 2
    values[..., :8] = values[..., :8] < 0.7
    return values.sum(axis=1), np.full((products, METRICS), float(queries))


def index_loop(sums: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Percentile interval of one metric: draw indices, gather, divide."""
    rng = np.random.default_rng(0)
    found = np.empty(GIVEN.resamples)
    for i in range(GIVEN.resamples):
        drawn = rng.integers(0, len(sums), len(sums))
        found[i] = sums[drawn].sum() / counts[drawn].sum()
    return np.quantile(found, [0.025, 0.975])


def scipys(sums: np.ndarray, counts: np.ndarray) -> object:
    """BCa interval of one metric."""
    return stats.bootstrap(
        (sums, counts),
        lambda y, n, axis=-1: y.sum(axis=axis) / n.sum(axis=axis),
        paired=True,
        n_resamples=SCIPY_RESAMPLES,
        batch=100,
        method="BCa",
        rng=0,
    )


def multinomial(sums: np.ndarray) -> np.ndarray:
    """Percentile interval of one 0/1 metric with one query a product."""
    hits = np.random.default_rng(0).binomial(len(sums), sums.mean(), GIVEN.resamples)
    return np.quantile(hits / len(sums), [0.025, 0.975])


def ranked(queries: int = 10_000) -> Ranking:
    """Ranks and scores of which only the statistics matter; a tenth of the products is absent."""
    rng = np.random.default_rng(0)
    known = rng.random(queries) > 0.1
    best = np.where(known, rng.normal(0.6, 0.12, queries), np.nan).astype(np.float32)
    rival = rng.normal(0.5, 0.08, queries).astype(np.float32)
    below = 1 + rng.geometric(0.01, queries)
    ranks = np.where(known, np.where(best > rival, 1, below), NO_RANK)
    rows = np.repeat(np.arange(queries), 41)
    genuine = np.arange(len(rows)) % 41 == 0
    rows, genuine = rows[~genuine | known[rows]], genuine[~genuine | known[rows]]
    alike = ~genuine & (rng.random(len(rows)) < 0.5)
    middle = np.where(genuine, 0.6, np.where(alike, 0.4, 0.2))
    scores = (middle + 0.1 * rng.normal(size=len(rows))).astype(np.float32)
    nothing = np.zeros(0, np.int64)
    return Ranking(
        ranks=ranks,
        ranks_optimistic=ranks,
        product_ranks=ranks,
        product_ranks_optimistic=ranks,
        family_ranks=None,
        family_ranks_optimistic=None,
        positives=known.astype(np.int64),
        candidates=np.full(queries, 100_000),
        every_positive=PositiveRanks(
            np.zeros(queries + 1, np.int64), nothing, nothing, nothing, best[:0]
        ),
        positive_scores=best,
        negative_scores=rival,
        near_ties=np.zeros(queries, np.int64),
        top_indices=np.zeros((queries, 0), np.int64),
        top_scores=np.zeros((queries, 0), np.float32),
        top_relevant=np.zeros((queries, 0), np.bool_),
        verification=VerificationPairs(rows, np.zeros_like(rows), scores, genuine, alike),
    )


def statistics_of(ranking: Ranking) -> dict[str, Callable[[], object]]:
    """All metrics and statistics, all statistics, each alone; resampled by products of four queries."""
    queries = len(ranking.ranks)
    codes = np.arange(queries) // 4
    parsed = [(name, *parse_metric(name, where="benchmark")) for name in default_metrics()]
    asked = {name: (m, k) for name, m, k in parsed if isinstance(m, Statistic)}

    sums, counts = data(queries // 4)

    def run(names: list[str], *, means: bool = False) -> object:
        seed = next(SEEDS)
        if means:
            cluster_bootstrap(sums, counts, resamples=GIVEN.resamples, seed=seed)
        return estimate_statistics(
            [asked[name] for name in names], ranking, codes, resamples=GIVEN.resamples, seed=seed
        )

    alone = {name: (lambda name=name: run([name])) for name in asked}
    together = {
        f"{METRICS} metrics and {len(asked)} statistics": lambda: run(list(asked), means=True),
        f"all {len(asked)} statistics": lambda: run(list(asked)),
    }
    return together | alone


def draws(products: int) -> None:
    """Only the weights."""
    for _ in resample_weights(products, resamples=GIVEN.resamples, seed=next(SEEDS)):
        pass


def seconds(run: Callable[[], object]) -> float:
    """Wall time of one call."""
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def main() -> None:
    """Measure and print."""
    print(f"{GIVEN.threads} threads of OpenBLAS, {GIVEN.resamples:,} resamples, {METRICS} metrics")
    for products in (10_000, 2_500):
        sums, counts = data(products)
        one, n = sums[:, 0].copy(), counts[:, 0].copy()
        contenders: dict[str, tuple[float, Callable[[], object]]] = {
            "ours, all metrics, percentile and BCa": (
                1.0,
                lambda s=sums, c=counts: cluster_bootstrap(
                    s, c, resamples=GIVEN.resamples, seed=next(SEEDS)
                ),
            ),
            "  of this, drawing the weights": (1.0, lambda p=products: draws(p)),
            "index loop x 17, percentile": (METRICS, lambda a=one, b=n: index_loop(a, b)),
            "scipy.stats.bootstrap x 17, BCa (scaled)": (
                METRICS * GIVEN.resamples / SCIPY_RESAMPLES,
                lambda a=one, b=n: scipys(a, b),
            ),
        }
        if products == len(one) == 10_000:
            contenders["multinomial, one 0/1 metric alone"] = (1.0, lambda a=one: multinomial(a))
        found: dict[str, list[float]] = {name: [] for name in contenders}
        contenders["ours, all metrics, percentile and BCa"][1]()  # warm up
        for _ in range(GIVEN.rounds):
            for name, (factor, run) in contenders.items():
                found[name].append(factor * seconds(run))
        medians = {name: statistics.median(times) for name, times in found.items()}
        ours = medians["ours, all metrics, percentile and BCa"]
        print(f"{products:,} products, {10_000 // products} queries each")
        for name, times in found.items():
            spread = f"{min(times) * 1000:.1f} to {max(times) * 1000:.1f}"
            print(
                f"  {name:42} {medians[name] * 1000:10.1f} ms ({spread})"
                f"  {medians[name] / ours:8.2f}"
            )
    ranking = ranked()
    print("statistics that are no means, 2,500 products of four queries")
    for name, run in statistics_of(ranking).items():
        times = [seconds(run) for _ in range(GIVEN.rounds)]
        spread = f"{min(times):.2f} to {max(times):.2f}"
        print(f"  {name:42} {statistics.median(times):10.2f} s ({spread})")


if __name__ == "__main__":
    main()
