"""A small search that has everything that evaluation can find, and what the naive oracle says of it.

An exact tie, near ties, look-alikes, an excluded image, unknown queries, two conditions, and more than 100
gallery images, from where on the catalog's growth is a curve.
"""

from __future__ import annotations

import numpy as np
from ranking_oracle import ranking_from_scores

from pytest_prodbench import evaluate_embeddings
from pytest_prodbench.protocol import VerificationPairs

DIMENSION, FILLERS, KS = 64, 112, (1, 5)
NEAR = 1e-5
"""Between the near ties made here, 5 · 10⁻⁷ apart, and everything else, which is 10⁻³ apart."""

FAMILIES = {"a": "bolts", "b": "bolts", "c": "nuts", "d": "nuts", "e": "nuts", "z": "bolts"}

# Product and axes of the photos in the gallery. c and d have one picture, e and f all but one.
GALLERY = [
    ("a", {0: 1.0}),
    ("a", {1: 1.0}),
    ("b", {2: 1.0}),
    ("c", {3: 1.0}),
    ("d", {3: 1.0}),
    ("e", {4: 1.0}),
    ("f", {4: 1.0, 5: 1e-6}),
    ("g", {6: 1.0}),
]
QUERIES = [
    ("a", "dim", {0: 0.9, 2: 0.3}),
    ("a", "dim", {0: 0.6, 2: 0.7}),  # for b, by little
    ("a", "sun", {1: 0.5, 2: 0.8}),  # for b, by much
    ("c", "sun", {3: 0.9}),  # exactly tied with d
    ("e", "sun", {4: 0.8, 5: 0.5}),  # f is a hair better
    ("e", "dim", {4: 0.8, 5: -0.5}),  # f is a hair worse
    ("b", "dim", {2: 0.9, 0: 0.1}),
    ("b", "sun", {2: 0.4, 6: 0.7, 3: 0.5, 0: 0.45}),  # for g, then c and d, then a
    ("z", "dim", {0: 0.6, 5: 0.6}),
    ("z", "sun", {6: 0.6, 7: 0.7}),
    ("y", "dim", {7: 1.0}),
    ("a", "sun", {1: 0.95, 0: 0.3}),  # is the second photo of a
]
SAME_IMAGE = (11, 1)


def vectors(rows, seed, noise):
    made = np.zeros((len(rows), DIMENSION))
    for i, axes in enumerate(rows):
        made[i, list(axes)] = list(axes.values())
    made[:, 8:] += noise * np.random.default_rng(seed).normal(size=(len(rows), DIMENSION - 8))
    return made


def codes(values, nothing=None):
    known = {nothing: -1}
    return np.array([known.setdefault(value, len(known) - 1) for value in values])


class ConstructedSearch:
    """The vectors with their labels; what evaluation finds, and what the definitions say."""

    def __init__(self) -> None:
        self.asked = [product for product, _, _ in QUERIES]
        self.light = [light for _, light, _ in QUERIES]
        self.shown = [product for product, _ in GALLERY] + [f"filler-{i}" for i in range(FILLERS)]
        queries = vectors([axes for _, _, axes in QUERIES], 1, 0.01)
        named = vectors([axes for _, axes in GALLERY], 2, 0.0)
        rest = vectors([{}] * FILLERS, 3, 1.0)
        rest[:, :8] = 0.2 * np.random.default_rng(4).normal(size=(FILLERS, 8))
        gallery = np.concatenate([named, rest])
        keys = [f"q{i}" for i in range(len(queries))], [f"g{j}" for j in range(len(gallery))]
        keys[1][SAME_IMAGE[1]] = keys[0][SAME_IMAGE[0]]
        self.found = evaluate_embeddings(
            queries,
            gallery,
            self.asked,
            self.shown,
            query_keys=keys[0],
            gallery_keys=keys[1],
            families=FAMILIES,
            conditions={"light": self.light},
            k=KS,
            open_set=True,
            resamples=200,
        )
        self.unit = [self.normalised(part) for part in (queries, gallery)]
        wide = [part.astype(np.float64) for part in self.unit]
        self.scores = (wide[0] @ wide[1].T).astype(np.float32)
        self.excluded = np.zeros(self.scores.shape, np.bool_)
        self.excluded[SAME_IMAGE] = True
        self.ranking = self.expected(range(len(QUERIES)))

    @staticmethod
    def normalised(vectors):
        return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)

    def expected(self, rows, near=NEAR):
        """The ranking of some queries, by the oracle; which pairs are verified is taken as drawn."""
        rows = list(rows)
        products = codes([*self.asked, *self.shown])
        families = codes([FAMILIES.get(p, "") for p in [*self.asked, *self.shown]], "")
        q = len(QUERIES)
        drawn = self.found.ranking.verification
        mine = np.isin(drawn.rows, rows)
        row, column = drawn.rows[mine], drawn.columns[mine]
        genuine = products[row] == products[q + column]
        kin = (families[row] == families[q + column]) & (families[row] >= 0)
        return ranking_from_scores(
            self.scores[rows],
            products[rows],
            products[q:],
            query_families=families[rows],
            gallery_families=families[q:],
            excluded=self.excluded[rows],
            near=near,
            verification=VerificationPairs(
                rows=np.array([rows.index(r) for r in row], np.int64),
                columns=column,
                scores=self.scores[row, column],
                genuine=genuine,
                alike=kin & ~genuine,
            ),
        )
