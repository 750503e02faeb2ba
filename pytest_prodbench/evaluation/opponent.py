"""What the candidates of a suite are compared with: the model in production, by its accepted evidence."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from pytest_prodbench.evaluation.against import Result, compare_pair, without_counterpart
from pytest_prodbench.evaluation.paired import Resampling
from pytest_prodbench.evidence.baseline import Baseline, interrupted, read_baseline
from pytest_prodbench.evidence.comparison import PairComparison
from pytest_prodbench.evidence.types import BaselineFacts
from pytest_prodbench.settings.files import shown_path
from pytest_prodbench.settings.policy import Rule
from pytest_prodbench.settings.types import RunSettings, Suite

BASELINES = "baselines"
PRODUCTION = "production"


@dataclass(frozen=True, slots=True, eq=False)
class Opponent:
    """A baseline, held against what a suite has today.

    Attributes:
        baseline: the accepted evidence.
        datasets: dataset → sector, of the suite.
        models: names of the suite.
        rebase: compare although a dataset changed.
    """

    baseline: Baseline
    datasets: dict[str, str]
    models: Sequence[str]
    rebase: bool = False

    @property
    def stale(self) -> dict[str, str]:
        """Dataset of the baseline that the suite has no more → its sector.

        Of sectors that the suite has: a job that runs one sector's folder knows nothing of the others.
        """
        entries, sectors = self.baseline.record.datasets, set(self.datasets.values())
        return {
            name: entry.dataset.sector
            for name, entry in sorted(entries.items())
            if name not in self.datasets and entry.dataset.sector in sectors
        }

    @property
    def facts(self) -> BaselineFacts:
        """What a run says of its baseline."""
        told = [
            f"dataset {name!r} of sector {sector!r}, which the suite has no more; accept a run anew"
            for name, sector in self.stale.items()
        ]
        if self.baseline.record.model.name not in self.models:
            name = self.baseline.record.model.name
            told.append(
                f"model {name!r}, which the suite has no more: its results are the accepted ones"
            )
        return self.baseline.facts(told)

    def compare(
        self, dataset: str, after: Result, rules: Iterable[Rule], resampling: Resampling
    ) -> PairComparison | None:
        """Compare a candidate's result; None where production was never measured on this dataset.

        A new dataset in a sector that lost another one may be the lost one under a new name: that is no
        first run, and nothing passes for it.
        """
        record = self.baseline.record
        if dataset not in record.datasets:
            gone = [n for n, sector in self.stale.items() if sector == self.datasets.get(dataset)]
            if not gone:
                return None
            reason = (
                f"the baseline has no dataset {dataset!r}, and of this sector it has "
                f"{', '.join(map(repr, gone))}, which the suite has no more: renamed?"
            )
            return without_counterpart(record.model.name, record.model.weights_digest, reason)
        before = accepted_result(self.baseline, dataset)
        return compare_pair(before, after, list(rules), resampling, rebase=self.rebase)


def accepted_result(baseline: Baseline, dataset: str) -> Result:
    """Return what production reached on one dataset."""
    record = baseline.record
    return Result(
        model=record.model,
        dataset=record.datasets[dataset].dataset,
        protocol_version=record.protocol_version,
        metric_versions=record.metric_versions,
        table=baseline.tables[dataset],
    )


def baseline_folder(settings: RunSettings, project: Path) -> Path | None:
    """Return the folder that settings name, or the default one if it is there, or was half replaced."""
    if settings.baseline is not None:
        return settings.baseline
    folder = project / BASELINES / PRODUCTION
    return folder if folder.exists() or interrupted(folder) else None


def opponent_of(suite: Suite, settings: RunSettings, project: Path) -> Opponent | None:
    """Open what a suite is compared with; None where nothing was accepted yet.

    Raises:
        EvidenceError: the baseline cannot be trusted, or was asked for by name and is not there.
    """
    folder = baseline_folder(settings, project)
    if folder is None:
        return None
    baseline = read_baseline(folder, shown_path(folder, project))
    datasets = {name: sector.name for sector in suite.sectors.values() for name in sector.datasets}
    return Opponent(baseline, datasets, list(suite.models), settings.rebase)
