"""Integer codes that decide what is a positive."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_prodbench.retrieval.exclusion import (
    NO_CODE,
    Pairs,
    among,
    distinct_pairs,
    matching_pairs,
)

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
        answers: (code of a query's product, code of a product whose images are its positives), of every
            code that a query has; None: of each product its own.
    """

    query_products: NDArray[np.int64]
    gallery_products: NDArray[np.int64]
    query_families: NDArray[np.int64] | None
    gallery_families: NDArray[np.int64] | None
    gallery_order: NDArray[np.int64]
    query_order: NDArray[np.int64]
    answers: Pairs | None = None

    def positives(self) -> Pairs:
        """Return each query's positives, whether they may meet or not."""
        if self.answers is None:
            return matching_pairs(self.query_products, self.gallery_products)
        rows, products = self.answers.of_rows(self.query_products)
        images = matching_pairs(products, self.gallery_products)
        return distinct_pairs(len(self.query_products), rows[images.rows], images.columns)

    def relevant(self, rows: NDArray[np.int64], columns: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return for pairs of queries and gallery rows whether the one is a positive of the other."""
        asked, found = self.query_products[rows], self.gallery_products[columns]
        if self.answers is None:
            same: NDArray[np.bool_] = (asked != NO_CODE) & (asked == found)
            return same
        width = int(max(self.answers.columns.max(initial=0), found.max(initial=0))) + 1
        # Pairs are sorted, and so are these.
        known = self.answers.rows * width + self.answers.columns
        return among(asked * width + found, known)
