"""The three questions that every run answers: how general models transfer, the domain model, conditions.

Each answer is given dataset by dataset, with 95 % intervals; which model stands for its kind is said.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_prodbench.evaluation.contests import DOMAIN, best_general
from pytest_prodbench.gate.values import lead_of
from pytest_prodbench.metrics import HEADLINE
from pytest_prodbench.report.conditions import Column, columns

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pytest_prodbench.evidence.comparison import Change
    from pytest_prodbench.evidence.types import Measurement, PairRecord, RunRecord
    from pytest_prodbench.evidence.values import MetricValue

KIND = "category_recall@1"


@dataclass(frozen=True, slots=True)
class Transfer:
    """How far the best general model gets on a dataset.

    Attributes:
        identical: the share of queries whose identical product comes first.
        kind: of those whose family comes first; None where the dataset states no families.
    """

    dataset: str
    model: str
    identical: MetricValue
    kind: MetricValue | None


@dataclass(frozen=True, slots=True)
class Lead:
    """A domain model against the best general one, on the same photos.

    Attributes:
        lead: of the headline; above zero the domain model is better. None where they were not compared.
    """

    dataset: str
    model: str
    general: str
    lead: MetricValue | None
    change: Change | None

    @property
    def proven(self) -> str:
        """``better``, ``worse`` or ``open``: which side of zero the whole interval lies on."""
        if self.lead is None:
            return "open"
        return "better" if self.lead.low > 0 else "worse" if self.lead.high < 0 else "open"


@dataclass(frozen=True, slots=True)
class Cost:
    """What a condition costs: the headline at its best value less that at its worst.

    Attributes:
        low, high: of the difference of the two estimates taken as independent. Both have photos of the same
            products, which can only make it narrower than said.
    """

    best: str
    worst: str
    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class CostRow:
    """One condition over the datasets; ``mean`` over those that have it, to sort by."""

    column: str
    cells: tuple[Cost | None, ...]
    mean: float


@dataclass(frozen=True, slots=True)
class Answers:
    """All three; empty where a run has nothing to say.

    Attributes:
        models: for each dataset, dataset and the model that the costs are read off: its best.
    """

    transfer: tuple[Transfer, ...]
    leads: tuple[Lead, ...]
    models: tuple[tuple[str, str], ...]
    costs: tuple[CostRow, ...]

    @property
    def sentences(self) -> tuple[tuple[str, str], ...]:
        """All answers that there are, each with what it is about."""
        found = (
            ("General models", "the best one finds ", self.transferred),
            ("Domain model against the best general one", "", self.compared),
            (
                "Conditions",
                "R@1 lost from best to worst value: ",
                self.costly if self.costs else "",
            ),
        )
        return tuple((about, before + said) for about, before, said in found if said)

    @property
    def transferred(self) -> str:
        """First answer in a sentence; empty if there is none."""
        if not self.transfer:
            return ""
        said = f"the identical product first for {_range(t.identical for t in self.transfer)} of the photos"
        kinds = [t.kind for t in self.transfer if t.kind is not None]
        return f"{said}, one of its family for {_range(kinds)}" if kinds else said

    @property
    def compared(self) -> str:
        """Second answer in a sentence; empty if no domain model was measured."""
        if not self.leads:
            return ""
        counts = {
            word: sum(lead.proven == word for lead in self.leads)
            for word in ("better", "worse", "open")
        }
        parts = [f"proven better on {counts['better']} of {len(self.leads)}"]
        if counts["worse"]:
            parts.append(f"worse on {counts['worse']}")
        if counts["open"]:
            parts.append(f"not told apart on {counts['open']}")
        return ", ".join(parts)

    @property
    def costly(self) -> str:
        """Third answer in a sentence; empty if no dataset states conditions."""
        shown = [f"{row.column} {row.mean:.2f}" for row in self.costs]
        return ", ".join(shown)


def answers(record: RunRecord) -> Answers:
    """Work out what a run says to the three questions."""
    pairs = {pair.name: pair for pair in record.pairs}
    datasets = sorted({pair.dataset for pair in record.pairs if pair.measurement is not None})
    transfer, leads = [], []
    best: list[tuple[str, PairRecord]] = []
    for dataset in datasets:
        measured = [
            pair
            for pair in record.pairs
            if pair.dataset == dataset and pair.measurement and HEADLINE in pair.measurement.metrics
        ]
        if not measured:
            continue
        best.append((dataset, min(measured, key=_order)))
        general = best_general(dataset, pairs, record.models)
        if general is None:
            continue
        metrics = next(
            p.measurement for p in measured if p.model == general and p.measurement
        ).metrics
        transfer.append(Transfer(dataset, general, metrics[HEADLINE], metrics.get(KIND)))
        leads += [
            _lead(record, pair.model, general, dataset)
            for pair in measured
            if record.models[pair.model].family == DOMAIN
        ]
    return Answers(
        tuple(transfer),
        tuple(leads),
        tuple((dataset, pair.model) for dataset, pair in best),
        _costs([pair.measurement for _, pair in best if pair.measurement]),
    )


def _order(pair: PairRecord) -> tuple[float, str]:
    assert pair.measurement is not None  # noqa: S101 - asked of measured pairs alone
    return -pair.measurement.metrics[HEADLINE].value, pair.model


def _lead(record: RunRecord, model: str, general: str, dataset: str) -> Lead:
    for contest in record.contests:
        if (contest.model, contest.other, contest.dataset) == (model, general, dataset):
            change = contest.changes.get(HEADLINE)
            if change is not None:
                return Lead(dataset, model, general, lead_of(change), change)
    return Lead(dataset, model, general, None, None)


def _costs(measurements: Sequence[Measurement]) -> tuple[CostRow, ...]:
    by_column = [
        {column.name: _cost(column) for column in columns(measurement)}
        for measurement in measurements
    ]
    rows = []
    for name in sorted({column for found in by_column for column in found}):
        cells = tuple(found.get(name) for found in by_column)
        known = [cell.value for cell in cells if cell is not None]
        if known:
            rows.append(CostRow(name, cells, math.fsum(known) / len(known)))
    return tuple(sorted(rows, key=lambda row: (-row.mean, row.column)))


def _cost(column: Column) -> Cost | None:
    """None where fewer than two values are ranked."""
    if column.apart is None:
        return None
    values = {part.name: part.recall for part in column.slices}
    best, worst = values.get(column.apart.best), values.get(column.apart.worst)
    if best is None or worst is None:
        return None
    return Cost(column.apart.best, column.apart.worst, *difference(best, worst))


def difference(one: MetricValue, other: MetricValue) -> tuple[float, float, float]:
    """Return how much higher one estimate is than an independent one, with its 95 % interval (low, high).

    Zou & Donner, Construction of confidence limits about effect measures, 2008.
    """
    value = one.value - other.value
    below = math.hypot(one.value - one.low, other.high - other.value)
    above = math.hypot(one.high - one.value, other.value - other.low)
    return value, value - below, value + above


def _range(values: Iterable[MetricValue]) -> str:
    found = sorted(value.value for value in values)
    low, high = f"{100 * found[0]:.0f}", f"{100 * found[-1]:.0f}"
    return f"{low} %" if low == high else f"{low} to {high} %"
