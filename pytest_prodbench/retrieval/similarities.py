"""Similarities of single pairs, exact wherever they are added up: on the CPU, or on a GPU."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_prodbench.retrieval.exact import exact_scores, from_sums

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pytest_prodbench.retrieval.gallery import Gallery

    Floats = NDArray[np.float32]
    Doubles = NDArray[np.float64]
    Ints = NDArray[np.int64]

ON_DEVICE_AT_ONCE = 16_384
"""Pairs whose vectors are gathered on a device at a time."""


class Similarities:
    """What a pair of these queries (q, d) and this gallery has as its similarity."""

    def __init__(self, queries: Floats, gallery: Gallery, *, device: str) -> None:
        """``device``: of torch, on which products are added up."""
        self._queries, self._gallery, self._device = queries, gallery, device
        self._moved: Any = None

    def of(self, some: Ints) -> Similarities:
        """The same for some of the queries, numbered anew."""
        return Similarities(self._queries[some], self._gallery, device=self._device)

    def __call__(self, rows: Ints, columns: Ints) -> Floats:
        """Similarity of p pairs of queries and rows of the gallery, float32 (p,), as ``exact_scores``."""
        vectors = self._gallery.vectors
        if self._device == "cpu":
            return exact_scores(self._queries, vectors, rows, columns)
        sums = self._added_up_on_device(rows, self._gallery.places()[columns])
        return from_sums(sums, self._queries, vectors, rows, columns)

    def _added_up_on_device(self, rows: Ints, places: Ints) -> Doubles:
        """float64 inner products (p,): in another order than on the CPU, within the same bound."""
        import torch

        gallery: Any = self._gallery.moved(self._device)
        if self._moved is None:
            self._moved = torch.from_numpy(self._queries).to(self._device)
        sums = np.empty(len(rows), np.float64)
        for start in range(0, len(rows), ON_DEVICE_AT_ONCE):
            part = slice(start, start + ON_DEVICE_AT_ONCE)
            left, right = (
                vectors[torch.from_numpy(at[part]).to(self._device)].double()
                for vectors, at in ((self._moved, rows), (gallery, places))
            )
            sums[part] = (left * right).sum(dim=1).cpu().numpy()
        return sums
