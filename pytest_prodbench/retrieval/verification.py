"""Pairs for "is this the very item?": drawn by a rule that no order of rows can change."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pytest_prodbench.protocol import VerificationPairs
from pytest_prodbench.retrieval.exact import exact_scores
from pytest_prodbench.retrieval.exclusion import Pairs, difference, distinct_pairs

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pytest_prodbench.retrieval.labels import Labels

    Floats = NDArray[np.float32]
    Ints = NDArray[np.int64]

GENUINE = 10
"""Most genuine pairs of one query."""

DRAWS = 20
"""Draws of strangers for one query, and again of look-alikes."""


def verification_pairs(
    queries: Floats, gallery: Floats, labels: Labels, excluded: Pairs, *, seed: int
) -> VerificationPairs:
    """Draw pairs of a query and a gallery image, and score them.

    The rule: *genuine* pairs are a query with each of its positives, ten drawn at most. *Impostor*
    pairs are 20 draws with replacement a query from the whole gallery and 20 more from its family;
    draws that hit a positive of the query, an excluded image or one drawn before are dropped. A pair
    from the family is a look-alike, whichever draw found it.

    The draws go through queries and gallery in the orders of ``Labels``, so that they depend on the
    contents and the seed alone.

    Args:
        queries, gallery: float32 unit vectors (q, d) and (n, d).
        labels: products, families and orders.
        excluded: pairs that must not meet.
        seed: of PCG64.
    """
    generator = np.random.Generator(np.random.PCG64([seed, 0x766572]))
    rows = np.argsort(labels.query_order)
    members = np.argsort(labels.gallery_order)
    strangers = members[generator.integers(0, len(members), (len(rows), DRAWS))]
    drawn_rows = [np.repeat(rows, DRAWS)]
    drawn = [strangers.ravel()]
    if labels.query_families is not None and labels.gallery_families is not None:
        codes = labels.gallery_families[members]
        by_family = np.argsort(codes, kind="stable")
        wanted = labels.query_families[rows]
        left = np.searchsorted(codes[by_family], wanted, side="left")
        right = np.searchsorted(codes[by_family], wanted, side="right")
        some = (wanted >= 0) & (right > left)
        shares = generator.random((len(rows), DRAWS))[some]
        at = left[some, None] + np.floor(shares * (right - left)[some, None]).astype(np.int64)
        drawn_rows.append(np.repeat(rows[some], DRAWS))
        drawn.append(members[by_family[at]].ravel())
    impostors = distinct_pairs(len(rows), np.concatenate(drawn_rows), np.concatenate(drawn))
    same = labels.positives()
    impostors = difference(difference(impostors, same), excluded)
    genuine = _some_of(difference(same, excluded), labels, generator)
    pair_rows = np.concatenate([genuine.rows, impostors.rows])
    columns = np.concatenate([genuine.columns, impostors.columns])
    is_genuine = np.arange(len(pair_rows)) < len(genuine.columns)
    alike = np.zeros(len(pair_rows), np.bool_)
    if labels.query_families is not None and labels.gallery_families is not None:
        family = labels.query_families[pair_rows]
        alike = ~is_genuine & (family >= 0) & (family == labels.gallery_families[columns])
    return VerificationPairs(
        rows=pair_rows,
        columns=columns,
        scores=exact_scores(queries, gallery, pair_rows, columns),
        genuine=is_genuine,
        alike=alike,
    )


def _some_of(genuine: Pairs, labels: Labels, generator: np.random.Generator) -> Pairs:
    """At most ``GENUINE`` pairs of each query, drawn without replacement."""
    rows = genuine.rows
    # One number an image of the gallery, in its own order: the lowest ones of a query are taken.
    lots = generator.random(len(labels.gallery_order))[labels.gallery_order]
    order = np.lexsort((lots[genuine.columns], rows))
    place = np.arange(len(rows)) - genuine.starts[rows[order]]
    kept = np.sort(order[place < GENUINE])
    return distinct_pairs(len(genuine.counts), rows[kept], genuine.columns[kept])
