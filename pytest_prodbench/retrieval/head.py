"""The first m results of each query, in the order of the protocol."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_prodbench.retrieval.backends import ScoreBlocks, score_error
from pytest_prodbench.retrieval.labels import Labels, exact_scores

if TYPE_CHECKING:
    from numpy.typing import NDArray

LOWEST_SCORE = np.float32(-2.0)
"""Below every inner product of unit vectors, above the −inf that stands for 'must not meet'."""


class Head:
    """Collects candidates block by block and settles their order in float64.

    Order: higher score first; among equal scores negatives before positives (pessimistic), then
    ``Labels.gallery_order``.

    Attributes:
        indices: int64 (q, m), −1 where there are fewer than m.
        scores: float32 (q, m), NaN where there are fewer than m.
        relevant: bool (q, m).
    """

    def __init__(
        self,
        queries: NDArray[np.float32],
        gallery: NDArray[np.float32],
        labels: Labels,
        m: int,
    ) -> None:
        self._queries, self._gallery, self._labels, self._m = queries, gallery, labels, m
        self._margin = np.float32(2.0 * score_error(queries.shape[1]) + 1e-6)
        self.indices = np.full((len(queries), m), -1, np.int64)
        self.scores = np.full((len(queries), m), np.nan, np.float32)
        self.relevant = np.zeros((len(queries), m), np.bool_)
        self._rows: list[NDArray[np.int64]] = []
        self._columns: list[NDArray[np.int64]] = []
        self._floor: NDArray[np.float32] | None = None

    def add(self, scores: ScoreBlocks, block: Any, first: int, start: int) -> None:
        """Keep every score of a block that may be among the first m; ``start`` is its first row."""
        # Two scores can change places only if they are within twice the error of each other.
        limit = np.maximum(scores.largest(block, self._m) - self._margin, LOWEST_SCORE)
        self._floor = limit if self._floor is None else np.maximum(self._floor, limit)
        rows, columns = scores.between(block, self._floor, np.full(len(limit), np.inf, np.float32))
        self._rows.append(rows + first)
        self._columns.append(columns + start)

    def close(self, first: int, last: int) -> None:
        """Settle the queries first:last; every gallery block has been added."""
        rows, columns = np.concatenate(self._rows), np.concatenate(self._columns)
        self._rows, self._columns, self._floor = [], [], None
        values = exact_scores(self._queries, self._gallery, rows, columns)
        labels = self._labels
        relevant = labels.query_products[rows] == labels.gallery_products[columns]
        order = np.lexsort((labels.gallery_order[columns], relevant, -values, rows))
        rows, columns = rows[order], columns[order]
        counts = np.bincount(rows - first, minlength=last - first)
        starts = np.cumsum(counts) - counts
        place = np.arange(len(rows)) - np.repeat(starts, counts)
        keep = place < self._m
        target = (rows[keep], place[keep])
        self.indices[target] = columns[keep]
        self.scores[target] = values[order][keep]
        self.relevant[target] = relevant[order][keep]
