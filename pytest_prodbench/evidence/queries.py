"""One row a query, as Parquet: what a reader needs to see why a query was a hit or a miss.

Columns (``SCHEMA``): ``query`` image path relative to the dataset's root; ``content`` sha256 of its bytes
and box (joins two runs by content); ``product_id``; ``family`` and one ``condition.<name>`` string column
per condition; ``rank``, ``rank_optimistic``, ``product_rank``, ``product_rank_optimistic``,
``family_rank``, ``family_rank_optimistic`` (int64; null where the product is absent or there are no
families); ``positives``, ``candidates``, ``near_ties`` (int64); ``positive_ranks``,
``positive_ranks_optimistic`` (lists of int64: every positive, best first);
``positive_score``, ``negative_score`` (float32, null where there is none); ``top_images``,
``top_products``, ``top_scores``, ``top_relevant``: lists, best first.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_prodbench.errors import EvidenceError
from pytest_prodbench.protocol import NO_RANK

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    import pyarrow as pa

    from pytest_prodbench.protocol import ImageTable, Ranking

CONDITION_PREFIX = "condition."


def query_table(
    queries: ImageTable, gallery: ImageTable, ranking: Ranking, contents: Sequence[str]
) -> pa.Table:
    """Join q queries with their ranks; ``contents`` holds one sha256 (hex) a query."""
    import numpy as np
    import pyarrow as pa

    def ranks(values: np.ndarray[Any, Any] | None) -> pa.Array:
        if values is None:
            return pa.nulls(len(queries), pa.int64())
        return pa.array(values, pa.int64(), mask=values == NO_RANK)

    def scores(values: np.ndarray[Any, Any]) -> pa.Array:
        return pa.array(values, pa.float32(), mask=np.isnan(values))

    def lists(values: np.ndarray[Any, Any]) -> pa.Array:
        starts = pa.array(ranking.every_positive.starts, pa.int64())
        return pa.LargeListArray.from_arrays(starts, pa.array(values, pa.int64())).cast(
            pa.list_(pa.int64())
        )

    heads = [row[row >= 0].tolist() for row in ranking.top_indices]
    columns: dict[str, pa.Array] = {
        "query": pa.array(queries.images, pa.string()),
        "content": pa.array(contents, pa.string()),
        "product_id": pa.array(queries.product_ids, pa.string()),
        "family": pa.array(queries.families, pa.string()),
        "rank": ranks(ranking.ranks),
        "rank_optimistic": ranks(ranking.ranks_optimistic),
        "product_rank": ranks(ranking.product_ranks),
        "product_rank_optimistic": ranks(ranking.product_ranks_optimistic),
        "family_rank": ranks(ranking.family_ranks),
        "family_rank_optimistic": ranks(ranking.family_ranks_optimistic),
        "positives": pa.array(ranking.positives, pa.int64()),
        "candidates": pa.array(ranking.candidates, pa.int64()),
        "near_ties": pa.array(ranking.near_ties, pa.int64()),
        "positive_ranks": lists(ranking.every_positive.ranks),
        "positive_ranks_optimistic": lists(ranking.every_positive.ranks_optimistic),
        "positive_score": scores(ranking.positive_scores),
        "negative_score": scores(ranking.negative_scores),
        "top_images": pa.array(
            [[gallery.images[i] for i in head] for head in heads], pa.list_(pa.string())
        ),
        "top_products": pa.array(
            [[gallery.product_ids[i] for i in head] for head in heads], pa.list_(pa.string())
        ),
        "top_scores": pa.array(
            [row[: len(h)].tolist() for row, h in zip(ranking.top_scores, heads, strict=True)],
            pa.list_(pa.float32()),
        ),
        "top_relevant": pa.array(
            [row[: len(h)].tolist() for row, h in zip(ranking.top_relevant, heads, strict=True)],
            pa.list_(pa.bool_()),
        ),
    }
    for name, values in queries.conditions.items():
        columns[CONDITION_PREFIX + name] = pa.array(values, pa.string())
    return pa.table(columns)


def to_parquet(table: pa.Table) -> bytes:
    """Serialise a table; the same table gives the same bytes."""
    import pyarrow.parquet as pq

    sink = io.BytesIO()
    pq.write_table(table, sink, compression="zstd")
    return sink.getvalue()


def read_parquet(path: Path) -> pa.Table:
    """Read one file of queries.

    Raises:
        EvidenceError: missing or damaged; names the file.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return pq.read_table(path)
    except (OSError, pa.ArrowException) as error:
        raise EvidenceError(
            str(path),
            found=f"cannot be read as Parquet ({error})",
            expected="the queries of one pair",
            next_step="run the pair again; its embeddings are still in the cache",
        ) from error
