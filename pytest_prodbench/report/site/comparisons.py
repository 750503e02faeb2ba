"""Which runs are compared with which, and what is said where they have nothing in common."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_prodbench.errors import EvidenceError
from pytest_prodbench.evaluation.paired import Resampling
from pytest_prodbench.evaluation.two_runs import PairOfResults, compare_results, results_of_run
from pytest_prodbench.metrics import SMALLEST_SLICE
from pytest_prodbench.settings.types import RunSettings

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pytest_prodbench.report.site.history import SiteRun

COMPARED = 6
"""Newest runs of which each is compared with each, unless more are asked for."""


@dataclass(frozen=True, slots=True, eq=False)
class RunPair:
    """Two runs, the older one first."""

    before: SiteRun
    after: SiteRun

    @property
    def slug(self) -> str:
        """What its page is called."""
        return f"{self.before.slug}--{self.after.slug}"


def run_pairs(runs: Sequence[SiteRun], newest: int) -> Iterator[RunPair]:
    """Yield each pair of the newest runs.

    Args:
        runs: oldest first.
        newest: how many of them.
    """
    chosen = runs[-newest:] if newest > 0 else ()
    for place, after in enumerate(chosen):
        for before in chosen[:place]:
            yield RunPair(before, after)


def compared(pair: RunPair) -> list[PairOfResults] | str:
    """Compare two runs as ``prodbench compare`` does, or say why they cannot be compared."""
    usual = RunSettings()
    try:
        return compare_results(
            results_of_run(pair.before.record, pair.before.tables()),
            results_of_run(pair.after.record, pair.after.tables()),
            Resampling(usual.resamples, usual.seed, SMALLEST_SLICE),
        )
    except EvidenceError as error:
        return str(error)
