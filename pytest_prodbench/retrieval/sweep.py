"""One pass over all scores: counts against given limits, and the head of each list.

Fast arithmetic goes first. What its error bound settles is settled; a query of which it leaves too much
open goes on to the next backend, the last of which is exact.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pytest_prodbench import threads
from pytest_prodbench.retrieval.blocks import group_size
from pytest_prodbench.retrieval.head import Head, ResultLists
from pytest_prodbench.retrieval.tally import Limits, Tally

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pytest_prodbench.retrieval.backends import Backend, Opener
    from pytest_prodbench.retrieval.exclusion import Pairs
    from pytest_prodbench.retrieval.gallery import Gallery
    from pytest_prodbench.retrieval.labels import Labels
    from pytest_prodbench.retrieval.similarities import Similarities

    Floats = NDArray[np.float32]
    Ints = NDArray[np.int64]

OPEN_SHARE = 1.0 / 128.0
"""Share of the gallery that may stay open for a query before more precise arithmetic is cheaper."""

OPEN_LEAST = 256
"""So many scores may always stay open."""

GIVE_UP = 0.5
"""Share of queries handed on after which the rest is not tried with that backend."""

LEAST_QUERIES = 128
"""Queries of a thread, at least: each reads the gallery anew, and products of fewer rows are slower."""

TIES_AT_ONCE = 250_000
"""Candidates with exact scores from which those that only a tie keeps are let go before the end."""


@dataclass(frozen=True, slots=True, eq=False)
class Problem:
    """What is asked.

    Attributes:
        queries: float32 (q, d), unit vectors.
        gallery: what is searched.
        excluded: pairs (query, gallery row) that must not meet.
        labels: what is a positive; None if nothing is.
        limits: similarities to count against; None for lists alone.
        top: length of the lists; 0 for none.
        similarities: of pairs of them, one by one.
    """

    queries: Floats
    gallery: Gallery
    excluded: Pairs
    labels: Labels | None
    limits: Limits | None
    top: int
    similarities: Similarities


def sweep(
    problem: Problem,
    backends: Sequence[Opener],
    *,
    query_block: int | None = None,
    gallery_block: int | None = None,
) -> tuple[Tally | None, ResultLists]:
    """Answer a problem with the given backends, tried in turn; the last one must be exact.

    Args:
        problem: what is asked.
        backends: as from ``backends_in_turn``.
        query_block, gallery_block: size of a block instead of what suits each backend; it changes time
            and memory, never a result.

    Raises:
        RuntimeError: arithmetic that contradicts itself; no rank is better than a wrong one.
    """
    tally = (
        None
        if problem.limits is None
        else Tally(problem.limits, problem.gallery, problem.similarities)
    )
    lists = ResultLists(len(problem.queries), problem.labels, problem.top)
    todo = np.arange(len(problem.queries))
    for make in backends:
        if not len(todo):
            break
        backend = make()
        # Products are counted in runs of neighbours.
        assert tally is None or backend.gallery is problem.gallery  # noqa: S101
        size = query_block or _rows_of_a_pass(backend, len(todo))
        blocks = backend.blocks(gallery_block or backend.gallery_block)
        attempt = _Attempt(problem, backend, blocks, backend.gallery.places(), tally, lists)
        parts = [todo[first : first + size] for first in range(0, len(todo), size)]
        if backend.side_by_side:
            # Each part has rows of its own in all that is written: they may be done in any order.
            handed_on = threads.in_threads(attempt, parts)
        else:
            handed_on = [attempt(part) for part in parts]
        todo = np.concatenate(handed_on) if handed_on else todo[:0]
    if len(todo):
        raise RuntimeError(
            f"{len(todo)} queries could not be ranked: even in float64 their own images do not reach "
            "their own similarity on this machine; expected IEEE arithmetic (report this as a bug)"
        )
    return tally, lists


def _rows_of_a_pass(backend: Backend, queries: int) -> int:
    """How many queries are tried at a time: what suits the backend, or fewer to give all threads as many."""
    if not backend.side_by_side:
        return backend.query_block
    most = threads.allowed()
    turns = max(1, -(-queries // (most * backend.query_block)))
    return min(backend.query_block, max(LEAST_QUERIES, -(-queries // (most * turns))))


@dataclass(slots=True, eq=False)
class _Attempt:
    """Tries queries with one backend, until it has handed on too many of them."""

    problem: Problem
    backend: Backend
    blocks: Sequence[tuple[int, int]]
    places: Ints
    tally: Tally | None
    lists: ResultLists
    tried: int = 0
    handed_on: int = 0

    def __call__(self, some: Ints) -> Ints:
        """Return those of some queries that it could not settle."""
        # Threads may count past each other: it decides how long it takes, and never a result.
        if self.handed_on > GIVE_UP * self.tried:
            return some
        left = self._pass(some)
        self.tried += len(some)
        self.handed_on += len(left)
        return left

    def _pass(self, some: Ints) -> Ints:
        """Make one pass over the gallery; return those queries that it left open."""
        problem, backend = self.problem, self.backend
        queries = backend.open(problem.queries[some])

        def similarities(rows: Ints, places: Ints) -> Floats:
            return problem.similarities(some[rows], backend.gallery.rows(places))

        # Exact scores leave nothing open; candidates beyond need are thinned out instead.
        allowed = math.inf if queries.exact else max(OPEN_LEAST, OPEN_SHARE * len(problem.gallery))
        exact = queries.exact
        head = counts = None
        if problem.top:
            head = Head(len(some), problem.top, allowed, None if exact else similarities)
        if self.tally is not None:
            counts = self.tally.open(some, allowed, exact=exact)
        parts = [part for part in (head, counts) if part is not None]
        rows, columns = problem.excluded.of_rows(some)
        columns = self.places[columns]
        order = np.argsort(columns, kind="stable")
        rows, columns = rows[order], columns[order]
        most = max(TIES_AT_ONCE, 2 * len(some) * problem.top)
        dropped = np.zeros(len(some), np.bool_)
        for start, stop in self.blocks:
            block = queries.block(start, stop, group_size(stop - start, problem.top))
            here = slice(*np.searchsorted(columns, [start, stop]))
            block.exclude(rows[here], columns[here] - start)
            bounds = queries.bounds(start)
            for part in parts:
                part.drop(dropped)
                part.add(block, start, bounds)
                dropped |= part.open_scores > allowed
            if dropped.all():
                return some
            if head is not None and exact and head.size > most:
                head.thin(
                    lambda rows, places, scores: self.lists.first(
                        some[rows], backend.gallery.rows(places), scores
                    )[0]
                )
        settled = head is None or self._settle(head, some, dropped)
        if settled and (counts is None or counts.settle(~dropped)):
            return some[dropped]
        if not exact:
            warnings.warn(
                f"scores by {backend.name!r} miss their error bound on this machine; they are computed "
                "again with more precise arithmetic (no result is affected)",
                RuntimeWarning,
                stacklevel=2,
            )
        return some

    def _settle(self, head: Head, some: Ints, dropped: NDArray[np.bool_]) -> bool:
        """Enter the lists of what was not dropped; False if scores were not as exact as was said."""
        head.drop(dropped)
        found = head.settled()
        if found is None:
            return False
        rows, places, values = found
        self.lists.settle(some[rows], self.backend.gallery.rows(places), values)
        return True
