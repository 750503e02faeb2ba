"""Which gallery images a query must not meet, and which are its positives: sparse (row, column) pairs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

NO_CODE = -1
"""Code that matches nothing, not even itself."""


@dataclass(frozen=True, slots=True, eq=False)
class Pairs:
    """Distinct (query, gallery) pairs, sorted by query, then gallery.

    Attributes:
        starts: int64 (q + 1,), pairs of query i stand at ``starts[i]:starts[i + 1]``.
        columns: int64 (p,), their gallery rows.
    """

    starts: NDArray[np.int64]
    columns: NDArray[np.int64]

    @property
    def rows(self) -> NDArray[np.int64]:
        """Query of each pair, int64 (p,)."""
        import numpy as np

        return np.repeat(np.arange(len(self.starts) - 1), np.diff(self.starts))

    @property
    def counts(self) -> NDArray[np.int64]:
        """Pairs of each query, int64 (q,)."""
        import numpy as np

        return np.diff(self.starts)

    def of_rows(self, rows: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return (position in ``rows``, gallery) of the pairs of some queries."""
        import numpy as np

        counts = self.counts[rows]
        within = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
        at = np.repeat(self.starts[rows], counts) + within
        return np.repeat(np.arange(len(rows)), counts), self.columns[at]


def matching_pairs(query_codes: NDArray[np.int64], gallery_codes: NDArray[np.int64]) -> Pairs:
    """Return every pair with equal codes (q,) and (n,); ``NO_CODE`` matches nothing."""
    import numpy as np

    order = np.argsort(gallery_codes, kind="stable")
    ordered = gallery_codes[order]
    left = np.searchsorted(ordered, query_codes, side="left")
    right = np.searchsorted(ordered, query_codes, side="right")
    counts = np.where(query_codes == NO_CODE, 0, right - left)
    starts = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    # Position of each pair inside its query's run: 0, 1, 2 … restarted at each query.
    within = np.arange(starts[-1]) - np.repeat(starts[:-1], counts)
    columns = order[np.repeat(left, counts) + within].astype(np.int64)
    # The stable sort keeps equal codes in gallery order, so columns are sorted within each query.
    return Pairs(starts, columns)


def union(first: Pairs, *others: Pairs) -> Pairs:
    """Return the pairs that are in any of the given sets over the same queries."""
    import numpy as np

    queries = len(first.starts) - 1
    rows = np.concatenate([pairs.rows for pairs in (first, *others)])
    columns = np.concatenate([pairs.columns for pairs in (first, *others)])
    return distinct_pairs(queries, rows, columns)


def difference(pairs: Pairs, without: Pairs) -> Pairs:
    """Return the pairs of the first set that are not in the second."""
    import numpy as np

    if not len(without.columns) or not len(pairs.columns):
        return pairs
    width = int(max(pairs.columns.max(), without.columns.max())) + 1
    rows = pairs.rows
    keys, out = rows * width + pairs.columns, without.rows * width + without.columns
    keep = ~among(keys, out)
    counts = np.bincount(rows[keep], minlength=len(pairs.counts)).astype(np.int64)
    return _starting(counts, pairs.columns[keep])


def distinct_pairs(queries: int, rows: NDArray[np.int64], columns: NDArray[np.int64]) -> Pairs:
    """Return the pairs (rows[i], columns[i]) of so many queries, each once."""
    import numpy as np

    width = int(columns.max()) + 1 if len(columns) else 1
    rows, columns = np.divmod(distinct_keys(rows * width + columns), width)
    starts = np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=queries))])
    return Pairs(starts.astype(np.int64), columns.astype(np.int64))


def among(keys: NDArray[np.int64], known: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return which keys are among some sorted ones; many times faster than np.isin, which hashes."""
    import numpy as np

    if not len(known):
        return np.zeros(len(keys), np.bool_)
    at = np.minimum(np.searchsorted(known, keys), len(known) - 1)
    found: NDArray[np.bool_] = known[at] == keys
    return found


def distinct_keys(keys: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return each key once, sorted.

    np.unique hashes before it sorts: on millions of pairs that took 80 times as long.
    """
    import numpy as np

    keys = np.sort(keys)
    new = np.ones(len(keys), np.bool_)
    new[1:] = keys[1:] != keys[:-1]
    return keys[new]


def select(pairs: Pairs, rows: NDArray[np.int64]) -> Pairs:
    """Return the pairs of some queries, numbered anew from 0."""
    _, columns = pairs.of_rows(rows)
    return _starting(pairs.counts[rows], columns)


def none(queries: int) -> Pairs:
    """Return no pair for so many queries."""
    import numpy as np

    return _starting(np.zeros(queries, np.int64), np.empty(0, np.int64))


def _starting(counts: NDArray[np.int64], columns: NDArray[np.int64]) -> Pairs:
    import numpy as np

    return Pairs(np.concatenate([[0], np.cumsum(counts)]).astype(np.int64), columns)
