"""Where a run is behind the model in production: over all queries of a pair, or those of one condition."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_prodbench.metrics import HEADLINE, SMALLEST_SLICE

if TYPE_CHECKING:
    from pytest_prodbench.evidence.comparison import Change
    from pytest_prodbench.evidence.types import PairRecord, RunRecord


@dataclass(frozen=True, slots=True)
class Difference:
    """The headline of one pair against production; ``condition`` is None over all of its queries."""

    model: str
    dataset: str
    condition: tuple[str, str] | None
    change: Change


def differences(record: RunRecord) -> list[Difference]:
    """Return the headline of every pair and of every condition value with enough queries, the worst first.

    Pairs of conditions are left out: there are many, with few queries each, and by chance alone some of them
    would always be the worst.
    """
    found = [one for pair in record.pairs for one in _of_pair(pair)]
    return sorted(
        found,
        key=lambda one: (-one.change.drop.value, one.dataset, one.model, one.condition or ("", "")),
    )


def _of_pair(pair: PairRecord) -> Iterator[Difference]:
    compared = pair.comparison
    if compared is None or compared.refused:
        return
    if HEADLINE in compared.changes:
        yield Difference(pair.model, pair.dataset, None, compared.changes[HEADLINE])
    smallest = pair.measurement.smallest_slice if pair.measurement else SMALLEST_SLICE
    for column, values in compared.conditions.items():
        for value, changes in values.items():
            change = changes.get(HEADLINE)
            if change is not None and change.drop.n >= smallest:
                yield Difference(pair.model, pair.dataset, (column, value), change)
