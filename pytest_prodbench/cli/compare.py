"""``prodbench compare A B``: any two runs or baselines, query by query."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pytest_prodbench.cli.gate import named_baseline
from pytest_prodbench.cli.runs import open_run
from pytest_prodbench.evaluation.paired import Resampling
from pytest_prodbench.evaluation.two_runs import (
    compare_results,
    of_model,
    results_of_baseline,
    results_of_run,
)
from pytest_prodbench.evidence.baseline import BASELINE, read_baseline
from pytest_prodbench.metrics import SMALLEST_SLICE
from pytest_prodbench.report.compare_page import comparison_lines, write_comparison
from pytest_prodbench.settings.files import shown_path
from pytest_prodbench.settings.types import RunSettings

if TYPE_CHECKING:
    from pytest_prodbench.evaluation.two_runs import Results


def compare(
    before: str,
    after: str,
    *,
    before_model: str | None = None,
    after_model: str | None = None,
    rebase: bool = False,
    html: str | None = None,
) -> int:
    """Print how the second differs from the first; 0 whatever the difference, a verdict is the gate's.

    Args:
        before, after: folder of a run or of a baseline, or a baseline's role.
        before_model, after_model: one of several in a run; None: models are compared by name.
        rebase: compare although a dataset changed.
        html: page to write, with the photos that changed sides.
    """
    usual = RunSettings()
    pairs = compare_results(
        of_model(_results(before), before_model, "--before"),
        of_model(_results(after), after_model, "--after"),
        Resampling(usual.resamples, usual.seed, SMALLEST_SLICE),
        rebase=rebase,
    )
    print(*comparison_lines(pairs)[1:], sep="\n")
    if html is not None:
        print(f"  {write_comparison(pairs, Path.cwd() / html, Path.cwd())}")
    return 0


def _results(text: str) -> Results:
    project = Path.cwd()
    folder = named_baseline(text, project)
    if (folder / BASELINE).exists():
        return results_of_baseline(read_baseline(folder, shown_path(folder, project)))
    run = open_run(text)
    return results_of_run(run.record, run.tables)
