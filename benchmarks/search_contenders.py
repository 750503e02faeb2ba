"""Exact searches by inner product of unit vectors: ours and those of other libraries.

A contender makes the gallery ready (``prepare``, timed apart) and then searches.
Each is called as its manual calls it, with what makes it fastest while it stays exact in float32.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch


@dataclass(frozen=True)
class Contender:
    """One exact search.

    Attributes:
        name: as it stands in the table.
        prepare: gallery → what is searched.
        search: (prepared, queries, k) → rows (q, k), best first.
        scores: bytes of scores held at once for (q, n); 0 where blocks bound them.
        ours: whether it is this project's.
    """

    name: str
    prepare: Callable[[np.ndarray], Any]
    search: Callable[[Any, np.ndarray, int], np.ndarray]
    scores: Callable[[int, int], int] = lambda q, n: 0  # noqa: ARG005
    ours: bool = False


def _ours_once(gallery: Any, queries: np.ndarray, k: int) -> np.ndarray:
    from pytest_prodbench.retrieval import search

    return search(queries, gallery, k, threads=torch.get_num_threads())[0]


def _ours_prepared(gallery: np.ndarray) -> Any:
    from pytest_prodbench.retrieval import Gallery
    from pytest_prodbench.retrieval.backends import backends_in_turn

    ready = Gallery(gallery)
    # The first of them makes the copy of the gallery that it needs.
    backends_in_turn("torch", ready, 1000, device="cpu", threads=1, listed=10)[0]()
    return ready


def _faiss_index(gallery: np.ndarray) -> Any:
    import faiss

    index = faiss.IndexFlatIP(gallery.shape[1])
    index.add(gallery)
    return index


def _faiss_knn(gallery: np.ndarray, queries: np.ndarray, k: int) -> np.ndarray:
    import faiss

    return faiss.knn(queries, gallery, k, metric=faiss.METRIC_INNER_PRODUCT)[1]


def _torch_blocks(
    gallery: np.ndarray, queries: np.ndarray, k: int, block: int = 16_384
) -> np.ndarray:
    """What one writes by hand: block by block of the gallery, topk, merge."""
    left, right = torch.from_numpy(queries), torch.from_numpy(gallery)
    kept: list[np.ndarray] = []
    for chunk in left.split(1024):
        values = torch.empty((len(chunk), 0))
        rows = torch.empty((len(chunk), 0), dtype=torch.int64)
        for start in range(0, len(right), block):
            scores = chunk @ right[start : start + block].T
            best = scores.topk(min(k, scores.shape[1]), dim=1)
            values, rows = (
                torch.cat([values, best.values], 1),
                torch.cat([rows, best.indices + start], 1),
            )
            values, places = values.topk(min(k, values.shape[1]), dim=1)
            rows = rows.gather(1, places)
        kept.append(rows.numpy())
    return np.concatenate(kept)


def _pml_faiss(gallery: np.ndarray) -> Any:
    from pytorch_metric_learning.utils.inference import InferenceModel

    model = InferenceModel(torch.nn.Identity(), data_device=torch.device("cpu"))
    model.train_knn(torch.from_numpy(gallery), batch_size=len(gallery))
    return model


def _pml_search(model: Any, queries: np.ndarray, k: int) -> np.ndarray:
    return model.get_nearest_neighbors(torch.from_numpy(queries), k)[1].numpy()


def _pml_custom(batch: int | None) -> Callable[[np.ndarray, np.ndarray, int], np.ndarray]:
    def search(gallery: np.ndarray, queries: np.ndarray, k: int) -> np.ndarray:
        from pytorch_metric_learning.distances import CosineSimilarity
        from pytorch_metric_learning.utils.inference import CustomKNN

        find = CustomKNN(CosineSimilarity(), batch_size=batch)
        return find(torch.from_numpy(queries), k, torch.from_numpy(gallery))[1].numpy()

    return search


class _Corpus:
    """What mteb's search asks of a corpus; documents are called by their rows."""

    def __init__(self, rows: range) -> None:
        self.rows = rows

    def __len__(self) -> int:
        return len(self.rows)

    def select(self, rows: range) -> _Corpus:
        return _Corpus(self.rows[rows.start : rows.stop])

    def __getitem__(self, column: str) -> list[int]:
        return list(self.rows)


def _mteb(gallery: np.ndarray, queries: np.ndarray, k: int) -> np.ndarray:
    """Its search over a whole corpus; the loader of texts and images is left out of the time."""
    from mteb.models import search_wrappers
    from mteb.similarity_functions import dot_score

    def encode(part: _Corpus, **_: Any) -> torch.Tensor:
        return torch.from_numpy(gallery[part.rows.start : part.rows.stop])

    loader = search_wrappers.create_dataloader
    search_wrappers.create_dataloader = lambda part, **_: part
    try:
        found: Any = search_wrappers.chunked_full_corpus_search(
            task_corpus=_Corpus(range(len(gallery))),  # type: ignore[arg-type]
            corpus_chunk_size=50_000,
            query_idx_to_id={row: str(row) for row in range(len(queries))},
            query_embeddings=torch.from_numpy(queries),
            task_metadata=None,  # type: ignore[arg-type]
            hf_subset="",
            hf_split="",
            top_k=k,
            encode_kwargs={"show_progress_bar": False},
            encode_fn=encode,
            similarity_fn=dot_score,
            search_k_offset=1,
        )
    finally:
        search_wrappers.create_dataloader = loader
    return np.array([[row for _, row in sorted(heap, reverse=True)] for heap in found.values()])


def _sklearn(metric: str) -> Callable[[np.ndarray], Any]:
    def fit(gallery: np.ndarray) -> Any:
        from sklearn.neighbors import NearestNeighbors

        return NearestNeighbors(algorithm="brute", metric=metric).fit(gallery)

    return fit


def _sklearn_search(fitted: Any, queries: np.ndarray, k: int) -> np.ndarray:
    return fitted.kneighbors(queries, k, return_distance=False)


def _sentence_transformers(gallery: np.ndarray, queries: np.ndarray, k: int) -> np.ndarray:
    from sentence_transformers.util import dot_score, semantic_search

    found = semantic_search(
        torch.from_numpy(queries), torch.from_numpy(gallery), top_k=k, score_function=dot_score
    )
    return np.array([[hit["corpus_id"] for hit in hits] for hits in found])


def _usearch(gallery: np.ndarray, queries: np.ndarray, k: int) -> np.ndarray:
    from usearch.index import MetricKind, search

    found = search(gallery, queries, k, MetricKind.IP, exact=True, threads=torch.get_num_threads())
    return np.asarray(found.keys).astype(np.int64).reshape(len(queries), -1)


def _as_given(gallery: np.ndarray) -> np.ndarray:
    return gallery


REFERENCE = "faiss IndexFlatIP"

CONTENDERS = (
    Contender(
        REFERENCE,
        _faiss_index,
        lambda index, queries, k: index.search(queries, k)[1],
    ),
    Contender(
        "pytest-prodbench, prepared",
        _ours_prepared,
        _ours_once,
        ours=True,
    ),
    Contender("pytest-prodbench, with preparation", _as_given, _ours_once, ours=True),
    Contender("faiss.knn", _as_given, _faiss_knn),
    Contender("torch float32 blocks", _as_given, _torch_blocks),
    Contender("pytorch-metric-learning FaissKNN", _pml_faiss, _pml_search),
    Contender("pytorch-metric-learning CustomKNN, batches of 256", _as_given, _pml_custom(256)),
    Contender(
        "pytorch-metric-learning CustomKNN",
        _as_given,
        _pml_custom(None),
        scores=lambda q, n: 4 * q * n,
    ),
    Contender("mteb chunked search", _as_given, _mteb),
    Contender("scikit-learn brute, cosine", _sklearn("cosine"), _sklearn_search),
    Contender("scikit-learn brute, euclidean", _sklearn("euclidean"), _sklearn_search),
    Contender("sentence-transformers semantic_search", _as_given, _sentence_transformers),
    Contender("usearch exact", _as_given, _usearch),
)
