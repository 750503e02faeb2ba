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
from pytest_prodbench.evidence.not_kept import NotKept, NotKeptError
from pytest_prodbench.protocol import NO_RANK

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    import pyarrow as pa

    from pytest_prodbench.protocol import ImageTable, Ranking

CONDITION_PREFIX = "condition."

COMPARED_COLUMNS = frozenset(
    {
        *("query", "content", "product_id", "rank", "rank_optimistic"),
        *("product_rank", "product_rank_optimistic", "family_rank", "family_rank_optimistic"),
        *("positives", "candidates", "near_ties", "positive_ranks", "positive_ranks_optimistic"),
        *("positive_score", "negative_score"),
    }
)
"""What ``ranking_of`` (without lists) and ``query_names`` read."""


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


def ranking_of(table: pa.Table, listed: int = 0) -> Ranking:
    """Make the ranking of a table's queries again: a metric that is a mean over queries reads the same.

    What is not in the table raises ``NotKeptError`` when it is read: gallery rows (``columns``,
    ``top_indices``), scores of positives other than the best, verification pairs, and result lists beyond
    the length asked for.

    Args:
        table: columns as above.
        listed: length of the result lists to make again (scores and relevance); 0 for none.

    Raises:
        NotKeptError: the lists on disk are not that long.
    """
    import numpy as np

    from pytest_prodbench.protocol import PositiveRanks, Ranking

    def absent(what: str) -> Any:
        return NotKept(what)

    def whole(name: str, absent: int) -> np.ndarray[Any, Any]:
        filled: np.ndarray[Any, Any] = table[name].fill_null(absent).to_numpy()
        return filled.astype(np.int64)

    def scores(name: str) -> np.ndarray[Any, Any]:
        filled: np.ndarray[Any, Any] = table[name].fill_null(float("nan")).to_numpy()
        return filled.astype(np.float32)

    def every(name: str) -> np.ndarray[Any, Any]:
        flat = table[name].combine_chunks().flatten()
        values: np.ndarray[Any, Any] = flat.to_numpy(zero_copy_only=False)
        return values.astype(np.int64)

    families = table["family_rank"].null_count < len(table) or not len(table)
    lengths = [len(row) for row in table["positive_ranks"].to_pylist()]
    starts = np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)]).astype(np.int64)
    return Ranking(
        ranks=whole("rank", NO_RANK),
        ranks_optimistic=whole("rank_optimistic", NO_RANK),
        product_ranks=whole("product_rank", NO_RANK),
        product_ranks_optimistic=whole("product_rank_optimistic", NO_RANK),
        family_ranks=whole("family_rank", NO_RANK) if families else None,
        family_ranks_optimistic=whole("family_rank_optimistic", NO_RANK) if families else None,
        positives=whole("positives", 0),
        candidates=whole("candidates", 0),
        every_positive=PositiveRanks(
            starts=starts,
            columns=absent("gallery rows of positives (every_positive.columns)"),
            ranks=every("positive_ranks"),
            ranks_optimistic=every("positive_ranks_optimistic"),
            scores=absent("scores of all positives (every_positive.scores)"),
        ),
        positive_scores=scores("positive_score"),
        negative_scores=scores("negative_score"),
        near_ties=whole("near_ties", 0),
        top_indices=absent("gallery rows of results (top_indices)"),
        top_scores=(
            _lists(table, "top_scores", listed, np.full((len(table), listed), np.nan, np.float32))
            if listed
            else absent("result lists (top_scores)")
        ),
        top_relevant=(
            _lists(table, "top_relevant", listed, np.zeros((len(table), listed), np.bool_))
            if listed
            else absent("result lists (top_relevant)")
        ),
        verification=absent("verification pairs"),
    )


def _lists(
    table: pa.Table, column: str, length: int, filled: np.ndarray[Any, Any]
) -> np.ndarray[Any, Any]:
    """Enter the head of each list of a column into (q, length)."""
    import numpy as np

    if column not in table.column_names:
        raise NotKeptError(f"result lists ({column})")
    rows = table[column].to_pylist()
    counts = np.array([len(row) for row in rows], np.int64)
    # A list ends early only where the gallery does.
    short = counts < np.minimum(table["candidates"].to_numpy(), length)
    if short.any():
        raise NotKeptError(
            f"result lists of {length} results ({column} has {int(counts[short].min())})"
        )
    for place, row in enumerate(rows):
        head = row[:length]
        filled[place, : len(head)] = head
    return filled


def product_codes(table: pa.Table) -> np.ndarray[Any, np.dtype[np.intp]]:
    """Return the product of each query as a number, equal for equal ids, intp (q,)."""
    import numpy as np

    products = table["product_id"].to_pylist()
    place = {product: code for code, product in enumerate(sorted(set(products)))}
    return np.array([place[product] for product in products], np.intp)


def query_names(table: pa.Table) -> list[tuple[str, str, str, int]]:
    """What each query is: content, product, and which of several equal ones; bare vectors by row."""
    seen: dict[tuple[str, str, str], int] = {}
    names = []
    for content, product, image in zip(
        *(table[column].to_pylist() for column in ("content", "product_id", "query")), strict=True
    ):
        key = (content, product, "" if content else image)
        seen[key] = seen.get(key, 0) + 1
        names.append((*key, seen[key]))
    return names


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
        # ``pq.read_table`` does the same by way of ``pyarrow.dataset``, which imports pandas where it is
        # installed: half a second.
        with pq.ParquetFile(path) as file:
            return file.read()
    except (OSError, pa.ArrowException) as error:
        raise EvidenceError(
            str(path),
            found=f"cannot be read as Parquet ({error})",
            expected="the queries of one pair",
            next_step="run the pair again; its embeddings are still in the cache",
        ) from error
