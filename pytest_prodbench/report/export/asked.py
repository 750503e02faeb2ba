"""The table of all queries of all pairs, pair by pair: what Parquet holds as lists, CSV holds as JSON."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from pytest_prodbench.evidence.queries import CONDITION_PREFIX
from pytest_prodbench.report.export.form import PAIR, of_pair, whole_text
from pytest_prodbench.report.gallery import changed_sides, margin_of, outcome_of

if TYPE_CHECKING:
    import pyarrow as pa

    from pytest_prodbench.evidence.types import PairRecord

QUERIES = "queries"


def queries_schema(queries: Mapping[str, pa.Table]) -> pa.Schema:
    """Return the columns: of the files of queries, what the page says of each query, every condition."""
    import pyarrow as pa

    text, whole, score = pa.string(), pa.int64(), pa.float32()
    columns = {
        **{name: text for name, _ in PAIR},
        "row": whole,
        **dict.fromkeys(("query", "content", "product_id", "family", "outcome", "change"), text),
        **dict.fromkeys(("rank", "rank_optimistic", "product_rank", "product_rank_optimistic"), whole),
        **dict.fromkeys(("family_rank", "family_rank_optimistic"), whole),
        **dict.fromkeys(("positives", "candidates", "near_ties"), whole),
        **dict.fromkeys(("positive_score", "negative_score"), score),
        "margin": pa.float64(),
        **dict.fromkeys(("positive_ranks", "positive_ranks_optimistic"), pa.list_(whole)),
        **dict.fromkeys(("top_images", "top_products"), pa.list_(text)),
        "top_scores": pa.list_(score),
        "top_relevant": pa.list_(pa.bool_()),
    }  # fmt: skip
    conditions = {
        name
        for table in queries.values()
        for name in table.column_names
        if name.startswith(CONDITION_PREFIX)
    }
    columns |= dict.fromkeys(sorted(conditions), text)
    return pa.schema(list(columns.items()))


def asked(
    pairs: Sequence[PairRecord], queries: Mapping[str, pa.Table], schema: pa.Schema
) -> Iterator[pa.Table]:
    """Give one table a pair, by model and dataset; within it the queries as the dataset lists them."""
    for pair in sorted(pairs, key=lambda pair: (pair.model, pair.dataset)):
        if pair.name in queries:
            yield _of_pair(pair, queries[pair.name], schema)


def _of_pair(pair: PairRecord, table: pa.Table, schema: pa.Schema) -> pa.Table:
    import pyarrow as pa

    length = len(table)
    changes = changed_sides(pair.comparison)
    derived: dict[str, object] = {
        **{name: [whole_text(str(value))] * length for name, value in of_pair(pair).items()},
        "row": range(length),
        "change": [changes.get(name) for name in table["query"].to_pylist()],
        "outcome": list(
            map(outcome_of, table["rank"].to_pylist(), table["rank_optimistic"].to_pylist())
        ),
        "margin": list(
            map(margin_of, table["positive_score"].to_pylist(), table["negative_score"].to_pylist())
        ),
    }
    columns = []
    for field in schema:
        if field.name in derived:
            columns.append(pa.array(derived[field.name], field.type))
        elif field.name in table.column_names:
            columns.append(table[field.name].cast(field.type))
        else:
            # A condition of another dataset.
            columns.append(pa.nulls(length, field.type))
    return pa.table(columns, schema=schema)
