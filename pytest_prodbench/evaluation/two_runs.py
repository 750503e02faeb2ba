"""Any two results, from runs or baselines, compared dataset by dataset."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_prodbench.errors import EvidenceError, SettingsError
from pytest_prodbench.evaluation.against import Result, compare_pair
from pytest_prodbench.evaluation.judging import result_of
from pytest_prodbench.evaluation.opponent import accepted_result
from pytest_prodbench.evaluation.paired import Resampling
from pytest_prodbench.metrics import HEADLINE
from pytest_prodbench.metrics.comparison import holm

if TYPE_CHECKING:
    import pyarrow as pa

    from pytest_prodbench.evidence.baseline import Baseline
    from pytest_prodbench.evidence.comparison import PairComparison
    from pytest_prodbench.evidence.types import RunRecord

Results = dict[tuple[str, str], Result]
"""(model, dataset) → result."""


@dataclass(frozen=True, slots=True, eq=False)
class PairOfResults:
    """One dataset, searched by two models, or by one in two runs.

    Attributes:
        before, after: the results.
        comparison: after against before.
        adjusted_p: McNemar's p of the headline, corrected for the number of pairs (Holm); None where nothing
            was compared.
    """

    before: Result
    after: Result
    comparison: PairComparison
    adjusted_p: float | None


def results_of_run(record: RunRecord, tables: Mapping[str, pa.Table]) -> Results:
    """Return every result of a run."""
    return {
        (pair.model, pair.dataset): result_of(record, pair, tables)
        for pair in record.pairs
        if pair.status == "evaluated"
    }


def results_of_baseline(baseline: Baseline) -> Results:
    """Return every result of a baseline."""
    model = baseline.record.model.name
    return {(model, name): accepted_result(baseline, name) for name in baseline.record.datasets}


def of_model(results: Results, model: str | None, option: str) -> Results:
    """Return the results of one model, or all of them where none is named.

    Raises:
        SettingsError: there is no such model.
    """
    if model is None:
        return results
    found = {key: value for key, value in results.items() if key[0] == model}
    if not found:
        known = ", ".join(sorted({name for name, _ in results}))
        raise SettingsError(option, found=f"model {model!r}", expected=f"one of {known}")
    return found


def compare_results(
    before: Results, after: Results, resampling: Resampling, *, rebase: bool = False
) -> list[PairOfResults]:
    """Compare what two sides have on the same datasets, by sector and dataset.

    One model on each side is compared with the other, whatever their names; several are compared by name.

    Raises:
        EvidenceError: the sides have nothing in common.
    """
    by_name = len({m for m, _ in before}) > 1 or len({m for m, _ in after}) > 1
    joined = [
        (left, right)
        for left in before
        for right in after
        if left[1] == right[1] and (not by_name or left[0] == right[0])
    ]
    if not joined:
        raise EvidenceError(
            "compare",
            found=f"{', '.join(sorted({f'{m}:{d}' for m, d in before}))} and "
            f"{', '.join(sorted({f'{m}:{d}' for m, d in after}))}, which have nothing in common",
            expected="one dataset, and one model on each side or models of one name",
            next_step="name the models with --before and --after",
        )
    found = [
        (
            before[left],
            after[right],
            compare_pair(before[left], after[right], [], resampling, rebase=rebase),
        )
        for left, right in joined
    ]
    found.sort(key=lambda one: (one[1].dataset.sector, one[1].dataset.name, one[1].model.name))
    tested = [
        None if change is None else change.p_value
        for change in (comparison.changes.get(HEADLINE) for _, _, comparison in found)
    ]
    adjusted = iter(holm([p for p in tested if p is not None]))
    return [
        PairOfResults(*one, adjusted_p=None if p is None else next(adjusted))
        for one, p in zip(found, tested, strict=True)
    ]
