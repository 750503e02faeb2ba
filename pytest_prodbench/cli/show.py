"""``prodbench show RUN``: what a run found, in the terminal."""

from __future__ import annotations

from pytest_prodbench.cli.runs import open_run
from pytest_prodbench.errors import SettingsError, did_you_mean
from pytest_prodbench.metrics import HEADLINE


def show(run: str, metric: str | None, pairs: list[str]) -> int:
    """Print a run, or some pairs of it; 0."""
    from rich.console import Console

    from pytest_prodbench.report.show import show_pair, show_run

    record = open_run(run).record
    console = Console(highlight=False)
    if metric is not None:
        measured = {name for p in record.pairs if p.measurement for name in p.measurement.metrics}
        _known("--metric", metric, sorted(measured))
    if not pairs:
        show_run(record, console, metric or HEADLINE)
    by_name = {pair.name: pair for pair in record.pairs}
    for name in pairs:
        _known("--pair", name, sorted(by_name))
        show_pair(by_name[name], record, console)
    return 0


def _known(option: str, name: str, names: list[str]) -> None:
    if name not in names:
        raise SettingsError(
            option,
            found=f"{name!r}, which this run does not have",
            next_step=did_you_mean(name, names),
        )
