"""What the page says, worked out before any template sees it: views of the record, ready to be shown."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_prodbench.metrics import HEADLINE
from pytest_prodbench.report.all_numbers import Number, all_numbers
from pytest_prodbench.report.answers import Answers, answers
from pytest_prodbench.report.charts import charts
from pytest_prodbench.report.conditions import Column, Crossings, columns, crossings
from pytest_prodbench.report.confused import CONFUSED_SHOWN, PICTURES, Confused, confused
from pytest_prodbench.report.costs import Fact, costs
from pytest_prodbench.report.gallery import QUERIES_SHOWN, RESULTS_SHOWN, Gallery, gallery
from pytest_prodbench.report.matrix import Matrix, Reading, demands, matrix, reading
from pytest_prodbench.report.published_figures import PublishedSet, published_sets
from pytest_prodbench.report.sections import (
    METRICS,
    Section,
    accepted,
    narrowed_away,
    outcome,
    pair_anchors,
    reasons,
    sections,
)
from pytest_prodbench.report.standing import change_line, stamp, standing, waivers
from pytest_prodbench.report.terms import Terms
from pytest_prodbench.report.trade_offs import trade_offs
from pytest_prodbench.report.vega_lite import Chart

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    import pyarrow as pa

    from pytest_prodbench.evidence.types import PairRecord, RunRecord
    from pytest_prodbench.evidence.values import MetricValue

PAGE_THUMBNAILS = 1500
"""Bound of the photos on one page, about 8 MB: with many pairs each shows fewer queries."""

FEWEST_QUERIES = 2
"""Each pair shows so many, however many pairs there are."""

FEWEST_CONFUSED = 1
"""Likewise of its confused products."""


@dataclass(frozen=True, slots=True)
class Axis:
    """A stretch of numbers drawn 120 wide."""

    low: float
    high: float

    def x(self, value: float) -> str:
        """Return where a value is drawn, kept inside the drawing."""
        share = (value - self.low) / (self.high - self.low)
        return f"{4 + 112 * min(max(share, 0.0), 1.0):.1f}"

    @classmethod
    def around(cls, values: Iterable[float]) -> Axis:
        """Return the axis in whole tenths that holds all values."""
        known = list(values) or [0.0, 1.0]
        low, high = math.floor(min(known) * 10) / 10, math.ceil(max(known) * 10) / 10
        return cls(low, high if high > low else low + 0.1)


@dataclass(frozen=True, slots=True)
class PairView:
    """One pair: a row of the sector's table, and what unfolds below it."""

    anchor: str
    pair: PairRecord
    outcome: str
    why: tuple[str, ...]
    cells: tuple[Reading, ...]
    headline: MetricValue | None
    limit: float | None
    conditions: tuple[Column, ...]
    crossings: Crossings | None
    axis: Axis
    charts: tuple[Chart, ...]
    numbers: tuple[Number, ...]
    costs: tuple[Fact, ...]
    change: str | None
    confused: tuple[Confused, ...]
    gallery: Gallery | None
    root: str | None


@dataclass(frozen=True, slots=True)
class SectorView:
    """One sector: a card at the top of the page and a section below."""

    anchor: str
    section: Section
    pairs: tuple[PairView, ...]
    axis: Axis

    @property
    def best(self) -> PairView | None:
        """The accepted pair with the highest headline, if any is accepted."""
        passed = [view for view in self.pairs if view.headline and accepted(view.pair)]
        return max(
            passed, key=lambda view: view.headline.value if view.headline else 0, default=None
        )

    @property
    def troubles(self) -> list[PairView]:
        """The pairs that are not accepted."""
        return [view for view in self.pairs if view.why]


@dataclass(frozen=True, slots=True)
class Page:
    """All that the template needs beside the record itself."""

    sectors: tuple[SectorView, ...]
    answers: Answers
    trade_offs: tuple[Chart, ...]
    away: list[str]
    metrics: tuple[tuple[str, str], ...]
    matrix: Matrix
    queries_shown: int
    results_shown: int
    terms: Terms
    published: tuple[PublishedSet, ...]
    verdicts: dict[str, int]
    stamp: str | None
    standing: list[str]
    waivers: list[str]

    @property
    def drawn(self) -> bool:
        """Return whether there is a chart on the page."""
        return bool(self.charts)

    @property
    def charts(self) -> list[Chart]:
        """Return all charts of the page."""
        rows = (row for view in self.sectors for row in view.pairs)
        return [*self.trade_offs, *(chart for row in rows for chart in row.charts)]

    @property
    def pictures(self) -> Iterator[tuple[str, str]]:
        """Yield (place of a dataset, image) of all photos of the page."""
        for row in (row for view in self.sectors for row in view.pairs):
            shots = row.gallery.shots if row.gallery else ()
            images = [image for one in row.confused for image in (one.query, one.right, one.wrong)]
            images += [
                image for shot in shots for image in (shot.query, *(r.image for r in shot.results))
            ]
            if row.root is not None:
                yield from ((row.root, image) for image in images if image)


def build(record: RunRecord, queries: Mapping[str, pa.Table]) -> Page:
    """Work out everything that the page shows."""
    limits = shares(len(queries))
    terms = Terms.of(record)
    found = sections(record)
    places = pair_anchors(found)
    views = []
    for number, section in enumerate(found, start=1):
        pairs = tuple(
            _pair(
                pair, places[section.name, pair.name], record, queries.get(pair.name), limits, terms
            )
            for pair in section.pairs
        )
        values = [
            value
            for view in pairs
            for value in (*_ends(view.headline), *([] if view.limit is None else [view.limit]))
        ]
        views.append(SectorView(f"sector-{number}", section, pairs, Axis.around(values)))
    return Page(
        sectors=tuple(views),
        answers=answers(record),
        trade_offs=trade_offs(record),
        away=narrowed_away(record),
        metrics=METRICS,
        matrix=matrix(record, found, places),
        queries_shown=limits[0],
        results_shown=RESULTS_SHOWN,
        terms=terms,
        published=published_sets(record),
        verdicts={
            verdict: sum(view.section.verdict == verdict for view in views)
            for verdict in ("accept", "reject", "incomplete")
        },
        stamp=stamp(record),
        standing=standing(record),
        waivers=waivers(record),
    )


def shares(tables: int) -> tuple[int, int]:
    """Return how many queries and how many confused products each pair shows with pictures.

    Args:
        tables: pairs that have a table of queries; they share the photos of the page.
    """
    photos = PAGE_THUMBNAILS // max(tables, 1)
    # Confused products get a quarter of the photos at most: queries show what else there is.
    pairs = min(CONFUSED_SHOWN, max(FEWEST_CONFUSED, photos // (4 * PICTURES)))
    room = (photos - pairs * PICTURES) // (1 + RESULTS_SHOWN)
    return min(QUERIES_SHOWN, max(FEWEST_QUERIES, room)), pairs


def _pair(
    pair: PairRecord,
    anchor: str,
    record: RunRecord,
    table: pa.Table | None,
    limits: tuple[int, int],
    terms: Terms,
) -> PairView:
    measured = pair.measurement.metrics if pair.measurement else {}
    headline = measured.get(HEADLINE)
    conditions = columns(pair.measurement) if pair.measurement else ()
    demanded = [check.limit for check in demands(pair, HEADLINE)]
    shown, pictured = limits
    dataset = record.datasets.get(pair.dataset)
    return PairView(
        anchor=anchor,
        pair=pair,
        outcome=outcome(pair),
        why=tuple(reasons(pair)),
        cells=tuple(reading(pair, name) for name, _ in METRICS),
        headline=headline,
        limit=max(demanded, default=None),
        conditions=conditions,
        crossings=crossings(pair.measurement) if pair.measurement else None,
        axis=Axis.around(
            value for column in conditions for part in column.slices for value in _ends(part.recall)
        ),
        charts=charts(pair.measurement, table) if pair.measurement else (),
        numbers=all_numbers(measured, terms.places),
        costs=costs(pair, record.models.get(pair.model)),
        change=change_line(pair),
        confused=(
            ()
            if table is None or pair.measurement is None
            else confused(table, pair.measurement.confusions, pictured)
        ),
        gallery=None if table is None else gallery(table, shown, pair.comparison),
        root=dataset.place if dataset else None,
    )


def _ends(value: MetricValue | None) -> tuple[float, ...]:
    return () if value is None else (value.low, value.value, value.high)
