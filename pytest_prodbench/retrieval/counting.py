"""Rank of the best positive by counting: how many negatives exceed it, how many equal it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_prodbench.protocol import NO_RANK
from pytest_prodbench.retrieval.backends import ScoreBlocks, score_error
from pytest_prodbench.retrieval.labels import exact_scores

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pytest_prodbench.retrieval.exclusion import Pairs


class Counter:
    """Counts the negatives above and level with each query's best positive.

    Attributes:
        positives: the pairs that count as positive, after exclusion.
        best: float32 (q,), score of the best positive; NaN where a query has none.
        near: int64 (q,), negatives whose exact score is within ``score_error`` of the best positive's.
    """

    def __init__(
        self,
        queries: NDArray[np.float32],
        gallery: NDArray[np.float32],
        positives: Pairs,
        *,
        products: NDArray[np.int64] | None = None,
    ) -> None:
        """``products``: codes >= 0 of the gallery (n,), to count distinct products as well."""
        self._queries, self._gallery, self._products = queries, gallery, products
        self.positives = positives
        count = len(queries)
        self.best = np.full(count, np.nan, np.float32)
        some = positives.counts > 0
        if some.any():
            values = exact_scores(queries, gallery, positives.rows, positives.columns)
            self.best[some] = np.maximum.reduceat(values, positives.starts[:-1][some])
        self._error = score_error(queries.shape[1])
        # Twice the error: an approximate score in the band for every exact one within the error, so that
        # ``near`` too is the same from every backend. Outwards to the next float32, so that rounding the
        # limits never narrows the band.
        wide = self.best.astype(np.float64)
        self._low = np.nextafter((wide - 2 * self._error).astype(np.float32), np.float32(-np.inf))
        self._high = np.nextafter((wide + 2 * self._error).astype(np.float32), np.float32(np.inf))
        self._greater = np.zeros(count, np.int64)
        self._equal = np.zeros(count, np.int64)
        self.near = np.zeros(count, np.int64)
        self._products_ahead = np.zeros(count, np.int64)
        self._seen: NDArray[np.bool_] | None = None

    @contextmanager
    def negatives_only(
        self,
        scores: ScoreBlocks,
        block: Any,
        query_range: tuple[int, int],
        gallery_range: tuple[int, int],
    ) -> Iterator[None]:
        """Hide the positives of a block inside the ``with``, and put them back after it."""
        rows, columns = self.positives.of(*query_range)
        start, stop = gallery_range
        here = (columns >= start) & (columns < stop)
        rows, columns = rows[here], columns[here] - start
        hidden = scores.put(block, rows, columns, -np.inf)
        try:
            yield
        finally:
            scores.put(block, rows, columns, hidden)

    def add(
        self, scores: ScoreBlocks, block: Any, query_range: tuple[int, int], start: int
    ) -> None:
        """Count one block of negatives; ``start`` is its first gallery row."""
        first, last = query_range
        span = slice(first, last)
        self._greater[span] += scores.count_above(block, self._high[span])
        rows, columns = scores.between(block, self._low[span], self._high[span])
        values = exact_scores(self._queries, self._gallery, rows + first, columns + start)
        best = self.best[span][rows]
        greater, equal = values > best, values == best
        near = np.abs(values.astype(np.float64) - best) <= self._error
        size = last - first
        self.near[span] += np.bincount(rows[near], minlength=size)
        self._greater[span] += np.bincount(rows[greater], minlength=size)
        self._equal[span] += np.bincount(rows[equal], minlength=size)
        if self._products is None:
            return
        if self._seen is None:
            self._seen = np.zeros((size, int(self._products.max()) + 1), np.bool_)
        level = greater | equal
        self._seen[rows[level], self._products[columns[level] + start]] = True
        above = np.nextafter(self._high[span], np.float32(np.inf))
        rows, columns = scores.between(block, above, np.full(size, np.inf, np.float32))
        self._seen[rows, self._products[columns + start]] = True

    def close(self, first: int, last: int) -> None:
        """Finish the queries first:last; every gallery block has been added."""
        if self._seen is not None:
            self._products_ahead[first:last] = self._seen.sum(axis=1)
            self._seen = None

    def ranks(self, *, pessimistic: bool) -> NDArray[np.int64]:
        """Rank of the best positive, int64 (q,); tied negatives go first if pessimistic."""
        ahead = self._greater + self._equal if pessimistic else self._greater
        return np.where(self.positives.counts > 0, ahead + 1, NO_RANK)

    def product_ranks(self) -> NDArray[np.int64]:
        """Pessimistic rank of the query's product among distinct products, int64 (q,)."""
        return np.where(self.positives.counts > 0, self._products_ahead + 1, NO_RANK)
