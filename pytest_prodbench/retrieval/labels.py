"""Integer codes that decide what is a positive."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class Labels:
    """Codes of q queries and n gallery images.

    Attributes:
        query_products, gallery_products: int64 (q,) and (n,); equal codes are one product.
        query_families, gallery_families: the same for families; None where there are none.
        gallery_order: int64 (n,), a total order of the gallery that does not depend on how it was
            written down (made from ids and contents); decides the listing of tied images.
        query_order: int64 (q,), the same for the queries; decides what is drawn for whom.
    """

    query_products: NDArray[np.int64]
    gallery_products: NDArray[np.int64]
    query_families: NDArray[np.int64] | None
    gallery_families: NDArray[np.int64] | None
    gallery_order: NDArray[np.int64]
    query_order: NDArray[np.int64]
