"""Where a peer means something else: a small case by hand, its number and ours.

docs/protocol.md explains each. A peer that changes its mind turns its test red: then change the page.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from tie_free import one_query, ours

from pytest_prodbench import evaluate_embeddings
from pytest_prodbench.errors import DatasetError

if TYPE_CHECKING:
    from types import ModuleType

# Hits at places 1 and 4 of the first five results; eight more positives stand below them, so R = 10.
HEAD, HITS = [0.9, 0.8, 0.7, 0.6, 0.5], [1, 0, 0, 1, 0]
DEEP = [0.1 - 0.01 * place for place in range(8)]
FIVE_OF_THIRTEEN = one_query(HEAD + DEEP, HITS + [1] * 8)
QRELS = {
    "q": {**{f"d{i}": 1 for i, hit in enumerate(HITS) if hit}, **{f"x{i}": 1 for i in range(8)}}
}
RUN = {"q": {f"d{i}": score for i, score in enumerate(HEAD)}}


def ranx_values(
    ranx: ModuleType, qrels: dict[str, Any], run: dict[str, Any], name: str
) -> dict[str, float]:
    found = ranx.Run(run)
    with warnings.catch_warnings():
        # numba's own, while it compiles ranx.
        warnings.simplefilter("ignore")
        ranx.evaluate(ranx.Qrels(qrels), found, [name])
    return dict(found.scores[name])


def pytrec_value(pytrec_eval: ModuleType, measure: str, run: dict[str, Any] = RUN) -> float:
    found = pytrec_eval.RelevanceEvaluator(QRELS, {measure}).evaluate(run)
    (value,) = found["q"].values()
    return value


class TestDenominators:
    """The same five results give three numbers; so do nDCG, recall and R-precision of a cut list."""

    def test_ours(self) -> None:
        assert ours("map@5", FIVE_OF_THIRTEEN) == pytest.approx([0.30])  # 1.5 / min(5, 10)
        assert ours("ndcg@5", FIVE_OF_THIRTEEN) == pytest.approx([0.485229], abs=1e-6)
        assert ours("coverage@5", FIVE_OF_THIRTEEN) == pytest.approx([0.2])
        assert ours("recall@5", FIVE_OF_THIRTEEN) == [1.0]

    def test_trec_eval_and_its_heirs_divide_ap_by_all_positives(
        self, ranx: ModuleType, pytrec_eval: ModuleType, mteb_metrics: ModuleType
    ) -> None:
        assert ranx_values(ranx, QRELS, RUN, "map@5")["q"] == pytest.approx(0.15)
        assert pytrec_value(pytrec_eval, "map_cut.5") == pytest.approx(0.15)
        found = mteb_metrics.calculate_retrieval_scores(RUN, QRELS, [1, 5])
        assert found.map["MAP@5"] == 0.15

    def test_pytorch_metric_learning_divides_ap_by_all_positives(
        self, pml: ModuleType, faiss: ModuleType
    ) -> None:
        from pytorch_metric_learning.utils.inference import FaissKNN

        calculator = pml.AccuracyCalculator(
            include=("mean_average_precision",),
            k=5,
            knn_func=FaissKNN(index_init_fn=faiss.IndexFlatIP),
            device=torch.device("cpu"),
        )
        found = calculator.get_accuracy(
            torch.tensor([HEAD + DEEP]),
            torch.tensor([1]),
            torch.eye(13),
            torch.tensor(HITS + [1] * 8),
        )
        assert found["mean_average_precision"] == pytest.approx(0.15)

    def test_torchmetrics_divides_by_the_positives_found(self, torchmetrics: ModuleType) -> None:
        scores, hits = torch.tensor(HEAD + DEEP), torch.tensor(HITS + [1] * 8)
        found = torchmetrics.retrieval_average_precision(scores, hits, top_k=5)
        assert found.item() == pytest.approx(0.75)

    def test_torchmetrics_knows_no_positives_but_those_it_is_given(
        self, torchmetrics: ModuleType
    ) -> None:
        scores, hits = torch.tensor(HEAD), torch.tensor(HITS)
        assert torchmetrics.retrieval_recall(scores, hits, top_k=5).item() == 1.0
        assert torchmetrics.retrieval_r_precision(scores, hits).item() == 0.5
        found = torchmetrics.retrieval_normalized_dcg(scores, hits, top_k=5)
        assert found.item() == pytest.approx(0.877215, abs=1e-6)

    def test_nor_does_scikit_learn(self, sklearn: ModuleType) -> None:
        assert sklearn.average_precision_score(HITS, HEAD) == pytest.approx(0.75)
        assert sklearn.ndcg_score([HITS], [HEAD], k=5) == pytest.approx(0.877215, abs=1e-6)


def test_recall_of_ranx_and_pytrec_eval_is_our_coverage(
    ranx: ModuleType, pytrec_eval: ModuleType
) -> None:
    assert ranx_values(ranx, QRELS, RUN, "recall@1")["q"] == pytest.approx(0.1)
    assert pytrec_value(pytrec_eval, "recall.1") == pytest.approx(0.1)
    assert ours("coverage@1", FIVE_OF_THIRTEEN) == pytest.approx([0.1])
    assert ours("recall@1", FIVE_OF_THIRTEEN) == [1.0]


@pytest.mark.parametrize(
    ("theirs", "mine", "found"),
    [
        ("retrieval_recall", "coverage@1", 0.0),
        ("retrieval_precision", "precision@1", 0.0),
        ("retrieval_reciprocal_rank", "mrr", 0.0),
        ("retrieval_average_precision", "map@1", 0.0),
        # And these do count it.
        ("retrieval_hit_rate", "recall@1", 1.0),
        ("retrieval_normalized_dcg", "ndcg@1", 1.0),
    ],
)
def test_torchmetrics_overlooks_positives_with_a_score_of_zero_or_less(
    torchmetrics: ModuleType, theirs: str, mine: str, found: float
) -> None:
    scores, hits = [-0.1, -0.2, -0.3], [1, 0, 0]
    metric = getattr(torchmetrics, theirs)
    assert metric(torch.tensor(scores), torch.tensor(hits), top_k=1).item() == found
    assert ours(mine, one_query(scores, hits)) == [1.0]


class TestTies:
    """A positive and a negative with one score: a hit for us never, elsewhere by accident."""

    tied = one_query([0.5, 0.5], [1, 0])

    def test_ours_is_pessimistic_and_keeps_the_optimistic_rank(self) -> None:
        for ranking in (self.tied, one_query([0.5, 0.5], [0, 1])):
            assert ours("recall@1", ranking) == [0.0]
            assert ours("mrr", ranking) == [0.5]
            assert ranking.ranks_optimistic == [1]

    @pytest.mark.parametrize(("positive", "negative", "hit"), [("a", "b", 0.0), ("b", "a", 1.0)])
    def test_pytrec_eval_and_mteb_go_by_name(
        self,
        pytrec_eval: ModuleType,
        mteb_metrics: ModuleType,
        positive: str,
        negative: str,
        hit: float,
    ) -> None:
        qrels = {"q": {positive: 1}}
        for order in ((positive, negative), (negative, positive)):
            run = {"q": dict.fromkeys(order, 0.5)}
            found = pytrec_eval.RelevanceEvaluator(qrels, {"success.1"}).evaluate(run)
            assert found["q"]["success_1"] == hit
            published = mteb_metrics.calculate_retrieval_scores(run, qrels, [1])
            assert published.hit_rate["HitRate@1"] == hit

    @pytest.mark.parametrize(("positive", "negative", "hit"), [("a", "b", 1.0), ("b", "a", 0.0)])
    def test_sentence_transformers_goes_by_name_the_other_way(
        self, sentence_transformers: ModuleType, positive: str, negative: str, hit: float
    ) -> None:
        evaluator = sentence_transformers.InformationRetrievalEvaluator(
            {"q": ""}, {"a": "", "b": ""}, {"q": {positive}}, accuracy_at_k=[1]
        )
        results = [{"corpus_id": name, "score": 0.5} for name in (positive, negative)]
        assert evaluator.compute_metrics([results])["accuracy@k"][1] == hit

    def test_ranx_goes_by_insertion(self, ranx: ModuleType) -> None:
        first = ranx_values(ranx, {"q": {"a": 1}}, {"q": {"a": 0.5, "b": 0.5}}, "hit_rate@1")
        last = ranx_values(ranx, {"q": {"a": 1}}, {"q": {"b": 0.5, "a": 0.5}}, "hit_rate@1")
        assert (first["q"], last["q"]) == (1.0, 0.0)

    def test_torchmetrics_goes_by_place(self, torchmetrics: ModuleType) -> None:
        scores = torch.tensor([0.5, 0.5])
        for hits, hit in (([1, 0], 1.0), ([0, 1], 0.0)):
            found = torchmetrics.retrieval_hit_rate(scores, torch.tensor(hits), top_k=1)
            assert found.item() == hit

    def test_ndcg_of_scikit_learn_and_torchmetrics_is_the_mean_over_orders(
        self, sklearn: ModuleType, torchmetrics: ModuleType
    ) -> None:
        scores, hits = torch.tensor([0.5, 0.5]), torch.tensor([1, 0])
        assert sklearn.ndcg_score([[1, 0]], [[0.5, 0.5]], k=1) == 0.5
        assert torchmetrics.retrieval_normalized_dcg(scores, hits, top_k=1).item() == 0.5
        assert ours("ndcg@1", self.tied) == [0.0]


def test_pytorch_metric_learning_takes_neighbouring_ean_codes_for_one_product(
    pml: ModuleType,
) -> None:
    queries = ["4006381333931", "4006381333948"]
    gallery = ["4006381333948", "4006381333931", "4006381333955", "4006381333962"]
    vectors = np.eye(4, dtype=np.float32)
    calculator = pml.AccuracyCalculator(
        include=("precision_at_1",), k=1, device=torch.device("cpu")
    )
    found = calculator.get_accuracy(
        torch.from_numpy(vectors[:2]),
        torch.tensor([int(code) for code in queries]),
        torch.from_numpy(vectors),
        torch.tensor([int(code) for code in gallery]),
    )
    assert found["precision_at_1"] == 1.0  # every first hit is another product
    assert (
        evaluate_embeddings(vectors[:2], vectors, queries, gallery).metrics["recall@1"].value == 0.0
    )


class TestQueriesWithoutAPositive:
    """Two queries; the first finds its product, the product of the second is not in the gallery."""

    vectors = np.eye(3, dtype=np.float32)
    qrels: dict[str, dict[str, int]] = {"q1": {"d1": 1}, "q2": {}}  # noqa: RUF012
    run = {"q1": {"d1": 0.9, "d2": 0.1}, "q2": {"d1": 0.4, "d2": 0.3}}  # noqa: RUF012

    def test_ours_is_an_error_or_counted_apart(self) -> None:
        products = (["a", "z"], ["a", "b", "c"])
        with pytest.raises(DatasetError):
            evaluate_embeddings(self.vectors[:2], self.vectors, *products)
        found = evaluate_embeddings(self.vectors[:2], self.vectors, *products, open_set=True)
        assert (found.metrics["recall@1"].value, found.metrics["recall@1"].n) == (1.0, 1)

    def test_pytorch_metric_learning_drops_them(self, pml: ModuleType) -> None:
        calculator = pml.AccuracyCalculator(
            include=("precision_at_1",), k=1, device=torch.device("cpu")
        )
        found = calculator.get_accuracy(
            torch.from_numpy(self.vectors[:2]),
            torch.tensor([1, 99]),
            torch.from_numpy(self.vectors),
            torch.tensor([1, 2, 3]),
        )
        assert found["precision_at_1"] == 1.0

    @pytest.mark.parametrize(
        ("action", "mean"), [(None, 0.5), ("neg", 0.5), ("skip", 1.0), ("pos", 1.0)]
    )
    def test_torchmetrics_scores_them_zero_one_or_not_at_all(
        self, torchmetrics: ModuleType, action: str | None, mean: float
    ) -> None:
        from torchmetrics.retrieval import RetrievalHitRate

        metric = RetrievalHitRate(top_k=1, **({"empty_target_action": action} if action else {}))
        metric.update(
            torch.tensor([0.9, 0.1, 0.4, 0.3]),
            torch.tensor([1, 0, 0, 0]),
            torch.tensor([0, 0, 1, 1]),
        )
        assert metric.compute().item() == mean

    def test_ranx_and_pytrec_eval_score_them_zero(
        self, ranx: ModuleType, pytrec_eval: ModuleType
    ) -> None:
        judged = {"q1": {"d1": 1}, "q2": {"d1": 0}}
        assert ranx_values(ranx, judged, self.run, "hit_rate@1") == {"q1": 1.0, "q2": 0.0}
        found = pytrec_eval.RelevanceEvaluator(judged, {"success.1"}).evaluate(self.run)
        assert [found[query]["success_1"] for query in judged] == [1.0, 0.0]

    def test_ranx_and_pytrec_eval_drop_queries_that_one_side_lacks(
        self, ranx: ModuleType, pytrec_eval: ModuleType
    ) -> None:
        one = {"q1": {"d1": 1}}
        found = pytrec_eval.RelevanceEvaluator(one, {"success.1"}).evaluate(self.run)
        assert list(found) == ["q1"]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            mean = ranx.evaluate(
                ranx.Qrels(one), ranx.Run(self.run), "hit_rate@1", make_comparable=True
            )
        assert mean == 1.0


class TestTheQueryItself:
    """How a query that is in the gallery is taken out: by us, by identity; by mteb, by place or name."""

    def test_mteb_drops_the_first_hit_whatever_it_is(self, mteb_metrics: ModuleType) -> None:
        # The positive is a perfect copy of the query; which of the two comes first is an accident.
        hits = []
        for order in (("query", "copy"), ("copy", "query")):
            run = {"q": {**dict.fromkeys(order, 1.0), "other": 0.5}}
            found = mteb_metrics.calculate_retrieval_scores(
                run, {"q": {"copy": 1}}, [1], skip_first_result=True
            )
            hits.append(found.hit_rate["HitRate@1"])
        assert hits == [1.0, 0.0]

    def test_ours_takes_out_the_query_and_no_other(self) -> None:
        vectors = np.array([[1, 0], [1, 0], [0.5, 0.75**0.5]], np.float32)
        for order in ([0, 1, 2], [1, 0, 2], [2, 1, 0]):
            found = evaluate_embeddings(
                vectors[:1],
                vectors[order],
                ["a"],
                [["a", "a", "b"][place] for place in order],
                query_keys=["query"],
                gallery_keys=[["query", "copy", "other"][place] for place in order],
            )
            assert found.metrics["recall@1"].value == 1.0

    def test_tasks_of_mteb_that_drop_the_first_hit(self, mteb_metrics: ModuleType) -> None:
        import mteb

        dropping = {
            name
            for name in (
                "RP2kI2IRetrieval",
                "SOPI2IRetrieval",
                "CUB200I2IRetrieval",
                "METI2IRetrieval",
            )
            if mteb.get_task(name).skip_first_result
        }
        assert dropping == {
            "RP2kI2IRetrieval", "SOPI2IRetrieval", "CUB200I2IRetrieval", "METI2IRetrieval"
        }  # fmt: skip

    def test_mteb_drops_a_document_that_has_the_query_s_name(
        self, mteb_evaluator: ModuleType
    ) -> None:
        # Ids of queries and documents are two lists: 7 and 7 need not be one image.
        evaluate = mteb_evaluator.RetrievalEvaluator.evaluate
        kept = evaluate(None, {"7": {"7": 1}}, {"7": {"7": 0.9, "8": 0.1}}, [1])
        lost = evaluate(
            None, {"7": {"7": 1}}, {"7": {"7": 0.9, "8": 0.1}}, [1], ignore_identical_ids=True
        )
        assert (kept.hit_rate["HitRate@1"], lost.hit_rate["HitRate@1"]) == (1.0, 0.0)


class TestPrecisionOfPublishedNumbers:
    """What is cut off or rounded away."""

    def test_reciprocal_ranks_end_with_the_list(
        self, pml: ModuleType, mteb_metrics: ModuleType
    ) -> None:
        ranking = one_query([0.9, 0.4, 0.1], [0, 1, 0])
        assert ours("mrr", ranking) == [0.5]
        calculator = pml.AccuracyCalculator(
            include=("mean_reciprocal_rank", "precision_at_1"), k=1, device=torch.device("cpu")
        )
        found = calculator.get_accuracy(
            torch.tensor([[0.9, 0.4, 0.1]]),
            torch.tensor([2]),
            torch.eye(3),
            torch.tensor([1, 2, 3]),
        )
        assert found["mean_reciprocal_rank"] == 0.0
        run = {"q": {"d1": 0.9, "d2": 0.4, "d3": 0.1}}
        published = mteb_metrics.calculate_retrieval_scores(run, {"q": {"d2": 1}}, [1])
        assert published.mrr["MRR@1"] == 0.0

    def test_mteb_rounds_to_five_decimals(self, mteb_metrics: ModuleType) -> None:
        run = {str(query): {"a": 0.9, "b": 0.1} for query in range(3)}
        qrels = {"0": {"a": 1}, "1": {"b": 1}, "2": {"b": 1}}
        published = mteb_metrics.calculate_retrieval_scores(run, qrels, [1])
        assert published.hit_rate["HitRate@1"] == 0.33333
