"""Judgements "this document answers this query" → products, where they sort the documents into products.

``qrels`` is what a retrieval benchmark calls its table of such pairs. Where every query of a product has all
its documents for positives (one class of an equivalence), the class is a product, and intervals and metrics
by product mean what they say. Elsewhere each image stays a product of its own, and the pairs are kept as
``Tables.answers``. Either way the positives of a query are exactly those that the pairs state.

Ids of queries and of documents are two lists, in which equal ids need not be equal things; so the product
ids made here begin with ``query:`` or ``corpus:``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Related:
    """Columns of both roles, as ``ImageTable`` and ``Tables`` take them.

    Attributes:
        query_products: product id of each query.
        document_products: product id of each document.
        query_groups: exclusion group of each query: it meets not its own image.
        document_groups: the same of each document.
        answers: empty where the pairs are products.
    """

    query_products: tuple[str, ...]
    document_products: tuple[str, ...]
    query_groups: tuple[str, ...]
    document_groups: tuple[str, ...]
    answers: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def relate(
    queries: Sequence[str],
    documents: Sequence[str],
    query_rows: NDArray[np.int64],
    document_rows: NDArray[np.int64],
) -> Related:
    """Make products of pairs.

    A document with the id of a query, which the other queries of its product have for a positive and this
    one has not, is the query's own image: the pair (query, itself) is left out of most tables. It belongs to
    the product, and query and document get an exclusion group, so that they never meet.

    Args:
        queries: id of each query, unique.
        documents: id of each document, unique.
        query_rows: int64 (p,), query of each positive pair; each pair once.
        document_rows: int64 (p,), document of each pair.
    """
    import numpy as np
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    q, d = len(queries), len(documents)
    edges = np.ones(len(query_rows), np.int8)
    graph = coo_array((edges, (query_rows, q + document_rows)), shape=(q + d, q + d))
    parts, part = connected_components(graph, directed=False)
    query_part, document_part = part[:q], part[q:]
    size = np.bincount(document_part, minlength=parts)
    missing = size[query_part] - np.bincount(query_rows, minlength=q)

    row_of = {document: row for row, document in enumerate(documents)}
    own = np.fromiter((row_of.get(query, -1) for query in queries), np.int64, q)
    stated = np.isin(np.arange(q) * d + own, query_rows * d + document_rows)
    # -1 takes the last document, whatever it is: the first condition has refused it.
    is_own = (own >= 0) & (np.append(document_part, -1)[own] == query_part) & ~stated
    if not np.array_equal(missing, is_own.astype(missing.dtype)):
        return _pairs(queries, documents, query_rows, document_rows)

    names: dict[int, str] = {}
    for query, number in zip(queries, query_part.tolist(), strict=True):
        names.setdefault(number, f"query:{query}")
    query_groups, document_groups = [""] * q, [""] * d
    for row in np.flatnonzero(is_own).tolist():
        query_groups[row] = document_groups[own[row]] = f"query:{queries[row]}"
    return Related(
        query_products=tuple(names[number] for number in query_part.tolist()),
        document_products=tuple(
            names.get(number) or f"corpus:{document}"
            for document, number in zip(documents, document_part.tolist(), strict=True)
        ),
        query_groups=tuple(query_groups),
        document_groups=tuple(document_groups),
    )


def _pairs(
    queries: Sequence[str],
    documents: Sequence[str],
    query_rows: NDArray[np.int64],
    document_rows: NDArray[np.int64],
) -> Related:
    import numpy as np

    query_products = tuple(f"query:{query}" for query in queries)
    document_products = tuple(f"corpus:{document}" for document in documents)
    order = np.lexsort((document_rows, query_rows))
    bounds = np.searchsorted(query_rows[order], np.arange(len(queries) + 1)).tolist()
    rows = document_rows[order].tolist()
    return Related(
        query_products=query_products,
        document_products=document_products,
        query_groups=("",) * len(queries),
        document_groups=("",) * len(documents),
        answers={
            product: tuple(document_products[row] for row in rows[bounds[i] : bounds[i + 1]])
            for i, product in enumerate(query_products)
        },
    )
