"""Integer codes that decide what is a positive, and the similarity of the protocol itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class Labels:
    """Codes of q queries and n gallery images.

    Attributes:
        query_products, gallery_products: int64 (q,) and (n,); equal codes are one product.
        query_families, gallery_families: the same for families; None where there are none.
        gallery_order: int64 (n,), a total order of the gallery that does not depend on how it was
            written down (made from ids and contents); decides the listing of tied images.
    """

    query_products: NDArray[np.int64]
    gallery_products: NDArray[np.int64]
    query_families: NDArray[np.int64] | None
    gallery_families: NDArray[np.int64] | None
    gallery_order: NDArray[np.int64]


def exact_scores(
    queries: NDArray[np.float32],
    gallery: NDArray[np.float32],
    rows: NDArray[np.int64],
    columns: NDArray[np.int64],
) -> NDArray[np.float32]:
    """Inner products of p pairs of rows, summed in float64 and rounded to float32 once, (p,).

    This *is* the similarity of the protocol; backends only approximate it.
    """
    out = np.empty(len(rows), np.float32)
    step = max(1, 8_000_000 // queries.shape[1])
    for start in range(0, len(rows), step):
        part = slice(start, start + step)
        left = queries[rows[part]].astype(np.float64)
        out[part] = np.einsum("ij,ij->i", left, gallery[columns[part]].astype(np.float64))
    return out
