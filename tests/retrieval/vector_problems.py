"""Small problems with real vectors, their similarities from the definition, and every way to rank them."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, fields, replace
from fractions import Fraction
from functools import partial
from unittest import mock

import numpy as np
from hypothesis import strategies as st
from ranking_oracle import ranking_from_scores

from pytest_prodbench.protocol import PositiveRanks, Ranking
from pytest_prodbench.retrieval import (
    Labels,
    Pairs,
    distinct_pairs,
    matching_pairs,
    normalise,
    rank,
)
from pytest_prodbench.retrieval import sweep as sweep_module
from pytest_prodbench.retrieval.backends import (
    ExactBackend,
    FaissBackend,
    Float32Backend,
    near_tie_distance,
)
from pytest_prodbench.retrieval.device_block import DeviceBlock
from pytest_prodbench.retrieval.similarities import Similarities

KINDS = ("faiss", "torch", "reduced", "exact", "handed on", "device")

SEARCHES = (*KINDS, "int8")
"""Lists alone are found in integers too."""


def similarity(x, y) -> np.float32:
    """The exact rational inner product, rounded once: to float32, or to 2⁻³⁰ where that is coarser."""
    exact = sum(
        (Fraction(float(a)) * Fraction(float(b)) for a, b in zip(x, y, strict=True)), Fraction(0)
    )
    if abs(exact) < Fraction(1, 64):
        return np.float32(round(exact * 2**30) / 2**30)
    # The float32 neighbours of the float64 value; the nearer one, the even one in the middle.
    near = np.float32(float(exact))
    around = [near, np.nextafter(near, np.float32(-9)), np.nextafter(near, np.float32(9))]
    return min(around, key=lambda v: (abs(Fraction(float(v)) - exact), int(v.view(np.int32)) & 1))


@dataclass(frozen=True)
class VectorProblem:
    queries: np.ndarray
    gallery: np.ndarray
    labels: Labels
    excluded: Pairs

    def scores(self) -> np.ndarray:
        return np.array(
            [[similarity(x, y) for y in self.gallery] for x in self.queries], np.float32
        )

    def forbidden(self) -> np.ndarray:
        mask = np.zeros((len(self.queries), len(self.gallery)), np.bool_)
        mask[self.excluded.rows, self.excluded.columns] = True
        return mask

    def expected(self, top=20):
        labels = self.labels
        return ranking_from_scores(
            self.scores(),
            labels.query_products,
            labels.gallery_products,
            query_families=labels.query_families,
            gallery_families=labels.gallery_families,
            excluded=self.forbidden(),
            gallery_order=labels.gallery_order,
            top=top,
            near=near_tie_distance(self.gallery.shape[1]),
            answers=None if labels.answers is None else self.answers(),
        )

    def answers(self) -> dict[int, set[int]]:
        answers = self.labels.answers
        return {
            product: set(answers.columns[start:end].tolist())
            for product, (start, end) in enumerate(
                zip(answers.starts[:-1], answers.starts[1:], strict=True)
            )
        }

    def found(self, kind, top=20, **options):
        with ways(kind):
            return rank(self.queries, self.gallery, self.labels, self.excluded, top=top, **options)

    def reordered(self, order):
        """The same gallery in another order."""
        order = np.asarray(order)
        labels = self.labels
        mask = self.forbidden()[:, order]
        rows, columns = mask.nonzero()
        starts = np.concatenate([[0], np.cumsum(mask.sum(axis=1))]).astype(np.int64)
        assert len(rows) == starts[-1]
        return replace(
            self,
            gallery=self.gallery[order],
            labels=replace(
                labels,
                gallery_products=labels.gallery_products[order],
                gallery_families=labels.gallery_families[order],
                gallery_order=labels.gallery_order[order],
            ),
            excluded=Pairs(starts, columns.astype(np.int64)),
        )


def assert_same(found: Ranking, expected: Ranking) -> None:
    for field in fields(Ranking):
        left, right = getattr(found, field.name), getattr(expected, field.name)
        if field.name == "verification":
            continue
        if isinstance(left, PositiveRanks):
            for inner in fields(PositiveRanks):
                np.testing.assert_array_equal(
                    getattr(left, inner.name), getattr(right, inner.name), inner.name
                )
        else:
            np.testing.assert_array_equal(left, right, field.name)


@contextmanager
def ways(kind):
    """Rank with one backend and the exact one behind it, whatever the size of the problem."""
    from pytest_prodbench.retrieval.int8 import Int8Backend
    from pytest_prodbench.retrieval.torch_backends import DeviceBackend, ReducedBackend

    def backends(_backend, gallery, _queries, *, device, threads=1, listed=0):
        last = partial(ExactBackend, gallery)
        own = device == "cpu" and kind != "device"
        plain = partial(Float32Backend, gallery) if own else partial(DeviceBackend, gallery, device)
        reduced = partial(ReducedBackend, gallery, device)
        # Right on every processor: where torch's products are not, they are made in float64.
        int8 = partial(Int8Backend, gallery) if listed else reduced
        return {
            "faiss": [partial(FaissBackend, gallery, threads), last],
            "torch": [plain, last],
            "exact": [last],
            "int8": [int8, plain, last],
            "handed on": [int8, reduced, plain, last],
        }.get(kind, [reduced, plain, last])

    # "handed on": nothing may stay open, so that every doubtful query takes the whole way.
    least = 0 if kind == "handed on" else sweep_module.OPEN_LEAST
    share = 0.0 if kind == "handed on" else sweep_module.OPEN_SHARE
    with ExitStack() as stack:
        if kind == "device":
            # The blocks of a GPU, on the CPU.
            stack.enter_context(
                mock.patch(
                    "pytest_prodbench.retrieval.torch_backends.Bfloat16Block",
                    lambda tensor, _group: DeviceBlock(tensor),
                )
            )
            # A name of the CPU by which it is a device like others.
            for room in ("rank", "search"):
                stack.enter_context(
                    mock.patch(
                        f"pytest_prodbench.retrieval.{room}.Similarities",
                        lambda *of, device: Similarities(*of, device=f"{device}:0"),
                    )
                )
        for patch in (
            mock.patch("pytest_prodbench.retrieval.rank.backends_in_turn", backends),
            mock.patch("pytest_prodbench.retrieval.search.backends_in_turn", backends),
            mock.patch.object(sweep_module, "OPEN_LEAST", least),
            mock.patch.object(sweep_module, "OPEN_SHARE", share),
            mock.patch("pytest_prodbench.retrieval.head.NEEDED", 0 if kind == "handed on" else 32),
            # Small problems have several segments too, and lists whose floor is raised on the way.
            mock.patch("pytest_prodbench.retrieval.quantised.SEGMENT", 8),
            mock.patch("pytest_prodbench.retrieval.head.OPEN_AT_ONCE", 1 if kind == "int8" else 8),
            mock.patch("pytest_prodbench.retrieval.head.GROWTH", 1 if kind == "int8" else 4),
        ):
            stack.enter_context(patch)
        yield


@st.composite
def problems(draw, *, most=25):
    """Few directions, so that exact ties, duplicates and near ties are common."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    q, n = draw(st.integers(1, 9)), draw(st.integers(1, most))
    d = draw(st.sampled_from([1, 2, 3, 16]))
    kind = draw(st.sampled_from(["coarse", "random", "near"]))
    vectors = rng.integers(-1, 2, (q + n, d)).astype(np.float64)
    if kind == "random":
        vectors = rng.normal(size=(q + n, d))
    if kind == "near":
        vectors = vectors + rng.normal(size=vectors.shape) * 1e-7
    vectors[~vectors.any(axis=1)] = 1.0
    unit = normalise(vectors.astype(np.float32), str)
    products = rng.integers(0, draw(st.integers(1, 8)), q + n)
    families = np.where(products == 5, -1, products // 2)
    keys = rng.integers(-1, 6, q + n)
    answers = None
    if draw(st.booleans()):
        answers = distinct_pairs(8, *np.nonzero(rng.random((8, 8)) < 0.3))
    labels = Labels(
        query_products=products[:q],
        gallery_products=products[q:],
        query_families=families[:q],
        gallery_families=families[q:],
        gallery_order=rng.permutation(n),
        query_order=rng.permutation(q),
        answers=answers,
    )
    return VectorProblem(unit[:q], unit[q:], labels, matching_pairs(keys[:q], keys[q:]))


def large_problem(seed, *, q=120, n=3000, d=32, products=700, spread=0.7, exclude=True):
    """Clusters of several images a product, with duplicates, over several blocks."""
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(products, d)) + 1.0
    gallery_products = rng.integers(0, products, n)
    gallery = centres[gallery_products] + spread * rng.normal(size=(n, d))
    copies = min(40, n // 2)
    gallery[n // 2 : n // 2 + copies] = gallery[:copies]
    query_products = rng.integers(0, products, q)
    queries = centres[query_products] + spread * rng.normal(size=(q, d))
    queries[:3] = gallery[:3]
    unit = normalise(np.concatenate([queries, gallery]).astype(np.float32), str)
    keys = rng.integers(0, n, q) if exclude else np.full(q, -1)
    labels = Labels(
        query_products=query_products,
        gallery_products=gallery_products,
        query_families=query_products // 5,
        gallery_families=gallery_products // 5,
        gallery_order=rng.permutation(n),
        query_order=rng.permutation(q),
    )
    return VectorProblem(unit[:q], unit[q:], labels, matching_pairs(keys, np.arange(n)))
