"""Unit vectors and labels to ranks and numbers: the part that images and bare vectors share."""

from __future__ import annotations

import time
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_prodbench.errors import DatasetError
from pytest_prodbench.evaluation.analysis import Place, confusions, embedding_facts
from pytest_prodbench.evaluation.curves import curves_of
from pytest_prodbench.evaluation.recording import recorded
from pytest_prodbench.evidence.timing import Timing
from pytest_prodbench.evidence.types import Measurement
from pytest_prodbench.metrics import default_metrics, list_length, summarise
from pytest_prodbench.protocol import answering, read_only
from pytest_prodbench.retrieval import (
    Gallery,
    Labels,
    Pairs,
    choose_backend,
    distinct_pairs,
    matching_pairs,
    rank,
    union,
    verification_pairs,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pytest_prodbench.protocol import ImageTable, Ranking
    from pytest_prodbench.settings.types import RunSettings

LIST_LENGTH = 20
"""Results listed for each query, at least."""

NAMED = 20
"""Queries named in one error."""


@dataclass(frozen=True, slots=True, eq=False)
class Measured:
    """Ranks, numbers, and what they cost."""

    ranking: Ranking
    measurement: Measurement
    timing: Timing


def codes(
    left: Sequence[Hashable], right: Sequence[Hashable], nothing: Hashable
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Map values to integers, equal for equal values, −1 for ``nothing``.

    A dictionary: no id is ever made a number, cut or padded on the way (EAN-13 codes as float32 collapse).
    """
    known: dict[Hashable, int] = {nothing: -1}
    encoded = [
        np.fromiter(
            (known.setdefault(value, len(known) - 1) for value in values), np.int64, len(values)
        )
        for values in (left, right)
    ]
    return encoded[0], encoded[1]


def measure(
    query_vectors: NDArray[np.float32],
    gallery_vectors: NDArray[np.float32],
    queries: ImageTable,
    gallery: ImageTable,
    *,
    query_keys: Sequence[Hashable],
    gallery_keys: Sequence[Hashable],
    query_contents: Sequence[str],
    gallery_contents: Sequence[str],
    open_set: bool,
    name: str,
    device: str,
    precision: str,
    settings: RunSettings,
    answers: Mapping[str, Sequence[str]] | None = None,
    ks: Sequence[int] = (1, 5, 10),
    extra: Sequence[str] = (),
) -> Measured:
    """Rank and count.

    Args:
        query_vectors, gallery_vectors: float32 unit vectors (q, d) and (n, d).
        queries, gallery: their labels.
        query_keys, gallery_keys: equal keys are one image and must not meet; None matches nothing.
        query_contents, gallery_contents: text an image that orders images of one product, whatever the
            order of the rows.
        open_set: whether queries without a positive are declared.
        name: of the dataset, for messages.
        device, precision: recorded; ranking runs on the device.
        settings: backend, threads, resamples, seed.
        answers: as in ``Dataset``.
        ks: of recall.
        extra: names of metrics to measure beside the default ones; statistics among them for pairs of
            conditions too.

    Raises:
        DatasetError: a query has no positive left and the set is not open; names the queries.
    """
    started = time.perf_counter()
    labels = _labels(
        queries,
        gallery,
        _order(queries, query_contents, query_keys),
        _order(gallery, gallery_contents, gallery_keys),
        answers or {},
    )
    excluded = _excluded(queries, gallery, query_keys, gallery_keys)
    metrics = tuple(dict.fromkeys((*default_metrics(ks), *extra)))
    work = float(query_vectors.size) * len(gallery_vectors)
    backend = choose_backend(settings.backend, device, work)
    place = Place(backend, device, settings.threads or 1)
    ready = Gallery(gallery_vectors, labels.gallery_products)
    ranking = replace(
        rank(
            query_vectors,
            ready,
            labels,
            excluded,
            top=max(LIST_LENGTH, list_length(metrics)),
            backend=place.backend,
            device=place.device,
            threads=place.threads,
        ),
        verification=verification_pairs(
            query_vectors, gallery_vectors, labels, excluded, seed=settings.seed
        ),
    )
    # Metrics of other packages read the same arrays.
    read_only(ranking)
    if not open_set:
        _require_positives(name, queries, ranking)
    ranked = time.perf_counter()
    summary = summarise(
        ranking,
        queries.product_ids,
        queries.conditions,
        metrics,
        resamples=settings.resamples,
        seed=settings.seed,
        asked=extra,
    )
    measurement = Measurement(
        **recorded(summary),
        curves=curves_of(ranking, queries, ks, settings),
        **confusions(ranking, queries, gallery),
        embedding=embedding_facts(ready, ranking, labels, place),
        ties=int(np.count_nonzero(ranking.ranks != ranking.ranks_optimistic)),
        near_ties=int(np.count_nonzero(ranking.near_ties)),
        excluded=len(excluded.columns),
        precision=precision,
        device=device.partition(":")[0],
        seed=settings.seed,
        resamples=settings.resamples,
    )
    timing = Timing(
        rank_s=ranked - started, metrics_s=time.perf_counter() - ranked, backend=backend
    )
    return Measured(ranking, measurement, timing)


def _labels(
    queries: ImageTable,
    gallery: ImageTable,
    query_order: NDArray[np.int64],
    gallery_order: NDArray[np.int64],
    answers: Mapping[str, Sequence[str]],
) -> Labels:
    query_products, gallery_products = codes(queries.product_ids, gallery.product_ids, None)
    query_families, gallery_families = codes(queries.families, gallery.families, "")
    some = bool((gallery_families >= 0).any())
    return Labels(
        query_products,
        gallery_products,
        query_families if some else None,
        gallery_families if some else None,
        gallery_order,
        query_order,
        _answers(
            dict(zip(queries.product_ids, query_products.tolist(), strict=True)),
            dict(zip(gallery.product_ids, gallery_products.tolist(), strict=True)),
            answers,
        ),
    )


def _answers(
    asked: Mapping[str, int], offered: Mapping[str, int], answers: Mapping[str, Sequence[str]]
) -> Pairs | None:
    """Codes of the products that answer each product asked for; None where each answers itself."""
    if not answers:
        return None
    rows: list[int] = []
    columns: list[int] = []
    for product, code in asked.items():
        found = [offered[answer] for answer in answering(answers, product) if answer in offered]
        rows += [code] * len(found)
        columns += found
    # Codes of queries come first, 0, 1, 2 …
    return distinct_pairs(len(asked), np.array(rows, np.int64), np.array(columns, np.int64))


def _order(
    table: ImageTable, contents: Sequence[str], keys: Sequence[Hashable]
) -> NDArray[np.int64]:
    """Place of each image in an order made of ids, contents, labels and keys alone, int64 (n,).

    Keys tell apart what looks the same: a query may meet one of two equal images and not the other. Names
    come last: those of bare vectors are their rows.
    """
    conditions = [table.conditions[name] for name in sorted(table.conditions)]
    rows = sorted(
        range(len(table)),
        key=lambda row: (
            table.product_ids[row],
            contents[row],
            table.boxes[row] or (),
            table.families[row],
            table.groups[row],
            tuple(values[row] for values in conditions),
            _sortable(keys[row]),
            table.images[row],
        ),
    )
    order = np.empty(len(table), np.int64)
    order[rows] = np.arange(len(table))
    return order


def _sortable(key: Hashable) -> tuple[str, Any]:
    """Make keys of several types comparable."""
    if isinstance(key, str | bytes):
        return type(key).__name__, key
    return ("int", key) if isinstance(key, int) else ("", repr(key))


def _excluded(
    queries: ImageTable,
    gallery: ImageTable,
    query_keys: Sequence[Hashable],
    gallery_keys: Sequence[Hashable],
) -> Pairs:
    same_image = matching_pairs(*codes(query_keys, gallery_keys, None))
    same_group = matching_pairs(*codes(queries.groups, gallery.groups, ""))
    return union(same_image, same_group)


def _require_positives(name: str, queries: ImageTable, ranking: Ranking) -> None:
    without = np.flatnonzero(ranking.positives == 0)
    if len(without):
        listed = ", ".join(
            f"{queries.images[i]} (product {queries.product_ids[i]})" for i in without[:NAMED]
        )
        more = f" and {len(without) - NAMED} more" if len(without) > NAMED else ""
        raise DatasetError(
            f"dataset {name!r}",
            found=f"{len(without)} queries without a positive in the gallery they may match: "
            f"{listed}{more}",
            expected="a gallery image of each query's product, other than the query image itself "
            "and those of its exclusion group",
            next_step="add the images, remove the queries, or declare open_set = true",
        )
