"""From the files of a published set to its official metric, against the authors' rule on the same scores."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_ilias import ilias, write_distractors, write_ilias
from test_instre import POSITIVES, instre, write_instre
from test_uned import INFO, uned, write_uned

from pytest_prodbench import evaluate_embeddings
from pytest_prodbench.metrics import parse_metric
from pytest_prodbench.protocol import Dataset

SEEDS = range(8)


def measured(dataset: Dataset, seed: int) -> tuple[dict[str, Any], Any]:
    """Values a query of the official metrics, and the scores (q, n) they come from.

    Equal paths have equal vectors, and a query does not meet itself.
    """
    random = np.random.default_rng(seed)
    paths = dict.fromkeys((*dataset.queries.images, *dataset.gallery.images))
    vectors = {path: random.normal(size=6).astype(np.float32) for path in paths}
    sides = [
        np.stack([vectors[path] for path in table.images])
        for table in (dataset.queries, dataset.gallery)
    ]
    found = evaluate_embeddings(
        sides[0],
        sides[1],
        dataset.queries.product_ids,
        dataset.gallery.product_ids,
        query_keys=dataset.queries.images,
        gallery_keys=dataset.gallery.images,
        answers=dataset.answers,
        resamples=100,
    )
    units = [side / np.linalg.norm(side, axis=1, keepdims=True) for side in sides]
    values = {}
    for name in dataset.official_metrics:
        metric, k = parse_metric(name, where="test")
        values[name] = metric.per_query(found.ranking, k)  # type: ignore[union-attr]
    return values, units[0] @ units[1].T


def lists(dataset: Dataset, scores: Any, relevant: Callable[[int, int], bool]) -> list[list[bool]]:
    """The whole result list of each query, best first, without the query itself."""
    listed = []
    for i, query in enumerate(dataset.queries.images):
        order = np.argsort(-scores[i], kind="stable").tolist()
        listed.append([relevant(i, j) for j in order if dataset.gallery.images[j] != query])
    return listed


def average_precision(listed: Sequence[bool], k: int) -> float:
    hits = [place for place, hit in enumerate(listed[:k], start=1) if hit]
    return sum(n / place for n, place in enumerate(hits, start=1)) / min(k, sum(listed))


def trapezoids(listed: Sequence[bool]) -> float:
    area = 0.0
    hits = [place for place, hit in enumerate(listed) if hit]
    for n, place in enumerate(hits):
        before = n / place if place else 1.0
        area += (before + (n + 1) / (place + 1)) / 2 / len(hits)
    return area


@pytest.mark.parametrize("seed", SEEDS)
def test_ilias(tmp_path: Path, seed: int) -> None:
    root = write_distractors(write_ilias(tmp_path), how="stems")
    dataset = ilias(root, part="mini")
    values, scores = measured(dataset, seed)

    def same_instance(i: int, j: int) -> bool:
        query, found = dataset.queries.images[i], dataset.gallery.images[j]
        return query.split("/")[1] == found.split("/")[1]

    expected = [average_precision(each, 1000) for each in lists(dataset, scores, same_instance)]
    assert values["map@1000"] == pytest.approx(expected)


@pytest.mark.parametrize("seed", SEEDS)
def test_uned(tmp_path: Path, seed: int) -> None:
    dataset = uned(write_uned(tmp_path))
    labels = {
        (name.split("/")[0], path): set(label) if isinstance(label, list) else {label}
        for name, entries in INFO.items()
        for path, label in entries
    }
    values, scores = measured(dataset, seed)

    def shares_a_class(i: int, j: int) -> bool:
        query = (dataset.queries.conditions["domain"][i], dataset.queries.images[i])
        found = (dataset.gallery.conditions["domain"][j], dataset.gallery.images[j])
        return query[0] == found[0] and bool(labels[query] & labels[found])

    listed = lists(dataset, scores, shares_a_class)
    reach = [min(5, sum(each)) for each in listed]
    assert values["recall@1"].tolist() == [each[0] for each in listed]
    assert values["mmp@5"] == pytest.approx(
        [sum(each[:n]) / n for each, n in zip(listed, reach, strict=True)]
    )


@pytest.mark.parametrize("seed", SEEDS)
def test_instre(tmp_path: Path, seed: int) -> None:
    dataset = instre(write_instre(tmp_path))
    values, scores = measured(dataset, seed)
    listed = lists(dataset, scores, lambda i, j: j + 1 in POSITIVES[i])
    assert values["oxford_map"] == pytest.approx([trapezoids(each) for each in listed])
