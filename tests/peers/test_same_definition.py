"""Where a peer means what we mean, it gives our number for each query, to 1e-6."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from tie_free import TieFree, ours

if TYPE_CHECKING:
    from types import ModuleType

SAME = {"rtol": 0, "atol": 1e-6}
KS = (1, 5, 10)


@pytest.mark.parametrize("k", KS)
@pytest.mark.parametrize(
    ("mine", "theirs"),
    [
        ("recall@{k}", "hit_rate@{k}"),
        ("coverage@{k}", "recall@{k}"),
        ("precision@{k}", "precision@{k}"),
        ("ndcg@{k}", "ndcg@{k}"),
        ("mrr", "mrr"),
        ("r_precision", "r-precision"),
        ("map@60", "map"),
    ],
)
def test_ranx(ranx: ModuleType, data: TieFree, mine: str, theirs: str, k: int) -> None:
    run = ranx.Run(data.run)
    name = theirs.format(k=k)
    with warnings.catch_warnings():
        # numba's own, while it compiles ranx.
        warnings.simplefilter("ignore")
        ranx.evaluate(ranx.Qrels(data.qrels), run, [name])
    values = [run.scores[name][query] for query in data.run]
    np.testing.assert_allclose(ours(mine.format(k=k), data.ranking), values, **SAME)


@pytest.mark.parametrize("k", KS)
@pytest.mark.parametrize(
    ("mine", "measure", "theirs"),
    [
        ("recall@{k}", "success.{k}", "success_{k}"),
        ("coverage@{k}", "recall.{k}", "recall_{k}"),
        ("precision@{k}", "P.{k}", "P_{k}"),
        ("ndcg@{k}", "ndcg_cut.{k}", "ndcg_cut_{k}"),
        ("mrr", "recip_rank", "recip_rank"),
        ("r_precision", "Rprec", "Rprec"),
        ("map@60", "map", "map"),
    ],
)
def test_pytrec_eval(
    pytrec_eval: ModuleType, data: TieFree, mine: str, measure: str, theirs: str, k: int
) -> None:
    evaluator = pytrec_eval.RelevanceEvaluator(data.qrels, {measure.format(k=k)})
    found = evaluator.evaluate(data.run)
    values = [found[query][theirs.format(k=k)] for query in data.run]
    np.testing.assert_allclose(ours(mine.format(k=k), data.ranking), values, **SAME)


@pytest.mark.parametrize("k", KS)
@pytest.mark.parametrize(
    ("mine", "theirs", "cut"),
    [
        ("recall@{k}", "retrieval_hit_rate", True),
        ("coverage@{k}", "retrieval_recall", True),
        ("precision@{k}", "retrieval_precision", True),
        ("ndcg@{k}", "retrieval_normalized_dcg", True),
        ("mrr", "retrieval_reciprocal_rank", False),
        ("r_precision", "retrieval_r_precision", False),
        ("map@60", "retrieval_average_precision", False),
    ],
)
def test_torchmetrics(
    torchmetrics: ModuleType, data: TieFree, mine: str, theirs: str, cut: bool, k: int
) -> None:
    # Scores are above 0 and each call gets the whole gallery: see test_other_definition.py.
    metric = getattr(torchmetrics, theirs)
    arguments = {"top_k": k} if cut else {}
    values = [
        metric(torch.from_numpy(scores), torch.from_numpy(relevant), **arguments).item()
        for scores, relevant in zip(data.scores, data.relevant, strict=True)
    ]
    np.testing.assert_allclose(ours(mine.format(k=k), data.ranking), values, **SAME)


@pytest.mark.parametrize(
    ("mine", "theirs"),
    [
        ("recall@1", "precision_at_1"),
        ("mrr", "mean_reciprocal_rank"),
        ("r_precision", "r_precision"),
        ("map_at_r", "mean_average_precision_at_r"),
        ("map@60", "mean_average_precision"),
    ],
)
def test_pytorch_metric_learning(
    pml: ModuleType, faiss: ModuleType, data: TieFree, mine: str, theirs: str
) -> None:
    # It wants vectors: a row of scores against the identity has just these scores as inner products.
    from pytorch_metric_learning.utils.inference import FaissKNN

    search = FaissKNN(index_init_fn=faiss.IndexFlatIP)
    # It searches only where one of these four is asked for; precision_at_1 is here for that.
    calculator = pml.AccuracyCalculator(
        include=(theirs, "precision_at_1"), knn_func=search, device=torch.device("cpu")
    )
    gallery = torch.eye(data.scores.shape[1])
    values = [
        calculator.get_accuracy(
            torch.from_numpy(scores[None]),
            torch.tensor([product]),
            gallery,
            torch.from_numpy(data.gallery_products),
        )[theirs]
        for scores, product in zip(data.scores, data.query_products, strict=True)
    ]
    np.testing.assert_allclose(ours(mine, data.ranking), values, **SAME)


@pytest.mark.parametrize("k", [*KS, 60])
def test_scikit_learn_ndcg(sklearn: ModuleType, data: TieFree, k: int) -> None:
    values = [
        sklearn.ndcg_score([relevant], [scores], k=k)
        for scores, relevant in zip(data.scores, data.relevant.astype(int), strict=True)
    ]
    np.testing.assert_allclose(ours(f"ndcg@{k}", data.ranking), values, **SAME)


def test_scikit_learn_average_precision(sklearn: ModuleType, data: TieFree) -> None:
    values = [
        sklearn.average_precision_score(relevant, scores)
        for scores, relevant in zip(data.scores, data.relevant, strict=True)
    ]
    np.testing.assert_allclose(ours("map@60", data.ranking), values, **SAME)


@pytest.mark.parametrize("k", KS)
def test_mteb(mteb_metrics: ModuleType, data: TieFree, k: int) -> None:
    found = mteb_metrics.calculate_retrieval_scores(data.run, data.qrels, [k, 60])
    pairs = [
        ("recall@{k}", "success_{k}"),
        ("coverage@{k}", "recall_{k}"),
        ("precision@{k}", "P_{k}"),
        ("ndcg@{k}", "ndcg_cut_{k}"),
        ("map@60", "map_cut_60"),
    ]
    for mine, theirs in pairs:
        values = [found.all_scores[query][theirs.format(k=k)] for query in data.run]
        np.testing.assert_allclose(ours(mine.format(k=k), data.ranking), values, **SAME)
    # What it publishes: means, rounded to five decimals (but the MRR).
    hits = ours(f"recall@{k}", data.ranking).mean()
    assert found.hit_rate[f"HitRate@{k}"] == pytest.approx(hits, abs=0.5e-5 + 1e-12)
    assert found.mrr["MRR@60"] == pytest.approx(ours("mrr", data.ranking).mean(), abs=1e-6)


@pytest.mark.parametrize("k", KS)
def test_sentence_transformers(sentence_transformers: ModuleType, data: TieFree, k: int) -> None:
    # The one peer with our normaliser of AP@k, min(k, R).
    evaluator = sentence_transformers.InformationRetrievalEvaluator(
        dict.fromkeys(data.run, ""),
        dict.fromkeys(next(iter(data.run.values())), ""),
        {query: set(documents) for query, documents in data.qrels.items()},
        accuracy_at_k=[k],
        precision_recall_at_k=[k],
        mrr_at_k=[60],
        ndcg_at_k=[k],
        map_at_k=[k],
    )
    lists: list[Any] = [
        [{"corpus_id": document, "score": score} for document, score in documents.items()]
        for documents in data.run.values()
    ]
    found = evaluator.compute_metrics(lists)
    pairs = [
        (f"recall@{k}", "accuracy@k", k),
        (f"precision@{k}", "precision@k", k),
        (f"coverage@{k}", "recall@k", k),
        (f"ndcg@{k}", "ndcg@k", k),
        (f"map@{k}", "map@k", k),
        ("mrr", "mrr@k", 60),
    ]
    for mine, theirs, cut in pairs:
        expected = pytest.approx(ours(mine, data.ranking).mean(), abs=1e-6)
        assert found[theirs][cut] == expected, mine
