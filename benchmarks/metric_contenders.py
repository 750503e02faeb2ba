"""Eight metrics of the same result lists: ours and those of other evaluators.

A contender builds what it reads from ``Lists`` (``build``) and measures (``measure``); both are on the
clock, apart. ``measure`` gives means by our names; what a peer means otherwise it gives under its own
name, and a peer that lacks one of the eight leaves it out.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

BELOW = 10**9
"""Rank of positives that are not in the list: so far below that no mean shows it."""


@dataclass(frozen=True, eq=False)
class Lists:
    """Result lists of q queries, m long, best first.

    Attributes:
        documents: int64 (q, m), rows of the gallery.
        relevant: bool (q, m), whether each is a positive.
        positives: int64 (q,), R: positives in the gallery.
        scores: float32 (q, m), falling, above 0.
        query_products: int64 (q,).
        gallery_products: int64 (n,), sorted.
    """

    documents: np.ndarray
    relevant: np.ndarray
    positives: np.ndarray
    scores: np.ndarray
    query_products: np.ndarray
    gallery_products: np.ndarray


@dataclass(frozen=True)
class Contender:
    """One evaluator.

    Attributes:
        name: as it stands in the table.
        build: lists → what it reads.
        measure: what it reads → means.
        note: what else the reader must know.
    """

    name: str
    build: Callable[[Lists], Any]
    measure: Callable[[Any], dict[str, float]]
    note: str = ""


OURS = "pytest-prodbench"
METRICS = (
    "recall@1",
    "recall@10",
    "mrr",
    "map@20",
    "ndcg@10",
    "precision@10",
    "coverage@10",
    "r_precision",
)


def _ranking(lists: Lists) -> Any:
    """Ranks from the relevance matrix and R; positives beyond the list are ranked far below it."""
    from pytest_prodbench.protocol import PositiveRanks, Ranking

    q, n = len(lists.positives), len(lists.gallery_products)
    starts = np.concatenate([[0], np.cumsum(lists.positives)])
    rows, places = np.divmod(np.flatnonzero(lists.relevant), lists.relevant.shape[1])
    found = np.bincount(rows, minlength=q)
    nth = np.arange(len(rows)) - np.repeat(np.cumsum(found) - found, found)
    within = np.arange(starts[-1]) - np.repeat(starts[:-1], lists.positives)
    ranks = BELOW + within
    ranks[starts[rows] + nth] = places + 1
    columns = np.full(starts[-1], -1)
    columns[starts[rows] + nth] = lists.documents[rows, places]
    scores = np.zeros(starts[-1], np.float32)
    scores[starts[rows] + nth] = lists.scores[rows, places]
    best = ranks[starts[:-1]]
    unknown = np.full(q, np.nan, np.float32)
    return Ranking(
        ranks=best,
        ranks_optimistic=best,
        product_ranks=best,
        product_ranks_optimistic=best,
        family_ranks=None,
        family_ranks_optimistic=None,
        positives=lists.positives,
        candidates=np.full(q, n),
        every_positive=PositiveRanks(starts, columns, ranks, ranks, scores),
        positive_scores=scores[starts[:-1]],
        negative_scores=unknown,
        near_ties=np.zeros(q, np.int64),
        top_indices=lists.documents,
        top_scores=lists.scores,
        top_relevant=lists.relevant,
    )


def _ours(ranking: Any) -> dict[str, float]:
    from pytest_prodbench.metrics import parse_metric

    means = {}
    for name in METRICS:
        metric, k = parse_metric(name, where="benchmark")
        means[name] = float(metric.per_query(ranking, k).mean())
    return means


def _dictionaries(lists: Lists) -> tuple[dict[str, Any], dict[str, Any]]:
    names = [f"d{row}" for row in range(len(lists.gallery_products))]
    starts = np.searchsorted(lists.gallery_products, lists.query_products)
    qrels, run = {}, {}
    for query, (start, count, documents, scores) in enumerate(
        zip(
            starts.tolist(),
            lists.positives.tolist(),
            lists.documents.tolist(),
            lists.scores.tolist(),
            strict=True,
        )
    ):
        qrels[f"q{query}"] = dict.fromkeys(names[start : start + count], 1)
        run[f"q{query}"] = {names[row]: score for row, score in zip(documents, scores, strict=True)}
    return qrels, run


def _pytrec_eval(built: Any) -> dict[str, float]:
    import pytrec_eval

    qrels, run = built
    measures = {
        "success.1,10",
        "recip_rank",
        "map_cut.20",
        "ndcg_cut.10",
        "P.10",
        "recall.10",
        "Rprec",
    }
    found = pytrec_eval.RelevanceEvaluator(qrels, measures).evaluate(run)
    names = {
        "recall@1": "success_1",
        "recall@10": "success_10",
        "mrr": "recip_rank",
        "map@20 over R": "map_cut_20",
        "ndcg@10": "ndcg_cut_10",
        "precision@10": "P_10",
        "coverage@10": "recall_10",
        "r_precision": "Rprec",
    }
    return {
        mine: sum(values[theirs] for values in found.values()) / len(found)
        for mine, theirs in names.items()
    }


RANX = {
    "recall@1": "hit_rate@1",
    "recall@10": "hit_rate@10",
    "mrr": "mrr",
    "map@20 over R": "map@20",
    "ndcg@10": "ndcg@10",
    "precision@10": "precision@10",
    "coverage@10": "recall@10",
    "r_precision": "r-precision",
}


def _ranx_objects(lists: Lists) -> Any:
    import ranx

    qrels, run = _dictionaries(lists)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return ranx.Qrels(qrels), ranx.Run(run)


def _ranx_arrays(lists: Lists) -> Any:
    """Its shortest way, past its own types: document and score as numbers, positives padded."""
    most = int(lists.positives.max())
    starts = np.searchsorted(lists.gallery_products, lists.query_products)
    rows = starts[:, None] + np.arange(most)
    judged = np.arange(most) < lists.positives[:, None]
    qrels = np.stack([np.where(judged, rows, -1), judged], axis=2).astype(np.float64)
    return qrels, np.stack([lists.documents, lists.scores], axis=2).astype(np.float64)


def _ranx(built: Any) -> dict[str, float]:
    import ranx

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = ranx.evaluate(*built, list(RANX.values()), save_results_in_run=False)
    return {mine: float(found[theirs]) for mine, theirs in RANX.items()}


def _tensors(lists: Lists) -> Any:
    """Flat tensors; positives that are not in the list follow it, or nobody would count them."""
    import torch

    q, m = lists.relevant.shape
    missing = lists.positives - lists.relevant.sum(axis=1)
    absent = np.repeat(np.arange(q), missing)
    queries = np.concatenate([np.repeat(np.arange(q), m), absent])
    hits = np.concatenate([lists.relevant.ravel(), np.ones(len(absent), np.bool_)])
    lowest = np.full(len(absent), 1e-6, np.float32)
    scores = np.concatenate([lists.scores.ravel(), lowest])
    return torch.from_numpy(scores), torch.from_numpy(hits), torch.from_numpy(queries)


def _torchmetrics(built: Any) -> dict[str, float]:
    from torchmetrics import retrieval

    metrics = {
        "recall@1": retrieval.RetrievalHitRate(top_k=1),
        "recall@10": retrieval.RetrievalHitRate(top_k=10),
        "mrr": retrieval.RetrievalMRR(top_k=100),
        "map@20 over found": retrieval.RetrievalMAP(top_k=20),
        "ndcg@10": retrieval.RetrievalNormalizedDCG(top_k=10),
        "precision@10": retrieval.RetrievalPrecision(top_k=10),
        "coverage@10": retrieval.RetrievalRecall(top_k=10),
        "r_precision": retrieval.RetrievalRPrecision(),
    }
    means = {}
    for name, metric in metrics.items():
        metric.update(*built)
        means[name] = float(metric.compute())
    return means


def _mteb(built: Any) -> dict[str, float]:
    from mteb._evaluators.retrieval_metrics import calculate_retrieval_scores

    qrels, run = built
    found = calculate_retrieval_scores(run, qrels, [1, 10, 20, 100])
    return {
        "recall@1": found.hit_rate["HitRate@1"],
        "recall@10": found.hit_rate["HitRate@10"],
        "mrr": found.mrr["MRR@100"],
        "map@20 over R": found.map["MAP@20"],
        "ndcg@10": found.ndcg["NDCG@10"],
        "precision@10": found.precision["P@10"],
        "coverage@10": found.recall["Recall@10"],
    }


def _sentence_transformers(built: Any) -> dict[str, float]:
    from sentence_transformers.sentence_transformer.evaluation import InformationRetrievalEvaluator

    qrels, run = built
    evaluator = InformationRetrievalEvaluator(
        dict.fromkeys(run, ""),
        {},
        {query: set(documents) for query, documents in qrels.items()},
        accuracy_at_k=[1, 10],
        precision_recall_at_k=[10],
        mrr_at_k=[100],
        ndcg_at_k=[10],
        map_at_k=[20],
    )
    found = evaluator.compute_metrics(
        [
            [{"corpus_id": document, "score": score} for document, score in documents.items()]
            for documents in run.values()
        ]
    )
    return {
        "recall@1": found["accuracy@k"][1],
        "recall@10": found["accuracy@k"][10],
        "mrr": found["mrr@k"][100],
        "map@20": found["map@k"][20],
        "ndcg@10": found["ndcg@k"][10],
        "precision@10": found["precision@k"][10],
        "coverage@10": found["recall@k"][10],
    }


def _pml_labels(lists: Lists) -> Any:
    import torch

    return [
        torch.from_numpy(part)
        for part in (lists.query_products, lists.gallery_products, lists.documents)
    ]


def _pml(built: Any) -> dict[str, float]:
    """Its search is replaced by the lists that are there: what is timed is its metrics."""
    import torch
    from pytorch_metric_learning.utils.accuracy_calculator import AccuracyCalculator

    query_products, gallery_products, documents = built
    calculator = AccuracyCalculator(
        include=("precision_at_1", "mean_reciprocal_rank", "r_precision", "mean_average_precision"),
        k=documents.shape[1],
        device=torch.device("cpu"),
        knn_func=lambda *_: (None, documents),
    )
    found = calculator.get_accuracy(
        torch.zeros(len(query_products), 1),
        query_products,
        torch.zeros(len(gallery_products), 1),
        gallery_products,
    )
    return {
        "recall@1": found["precision_at_1"],
        "mrr": found["mean_reciprocal_rank"],
        "map@100 over R": found["mean_average_precision"],
        "r_precision": found["r_precision"],
    }


CONTENDERS = (
    Contender(OURS, _ranking, _ours),
    Contender("pytrec_eval", _dictionaries, _pytrec_eval),
    Contender("ranx, Qrels and Run", _ranx_objects, _ranx),
    Contender("ranx, bare arrays", _ranx_arrays, _ranx),
    Contender("mteb", _dictionaries, _mteb, note="four cuts and nAUC; no R-precision"),
    Contender(
        "sentence-transformers", _dictionaries, _sentence_transformers, note="no R-precision"
    ),
    Contender("pytorch-metric-learning", _pml_labels, _pml, note="four metrics"),
    Contender("torchmetrics", _tensors, _torchmetrics),
)
