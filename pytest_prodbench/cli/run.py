"""``prodbench run``: the straight way over all pairs, one after the other, without pytest."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import time
from typing import TYPE_CHECKING

from pytest_prodbench.cli.suite import open_suite
from pytest_prodbench.evaluation.bench import (
    Bench,
    PairOutcome,
    failed,
    failure_message,
    without_folders,
)
from pytest_prodbench.evaluation.opponent import opponent_of
from pytest_prodbench.evaluation.planning import check_hardware, selected_pairs
from pytest_prodbench.evaluation.run import Run
from pytest_prodbench.evidence.store import read_queries
from pytest_prodbench.report.annotations import in_workflow
from pytest_prodbench.report.reporter import ReportInput
from pytest_prodbench.report.terminal import sector_tables
from pytest_prodbench.report.writing import check_reports, write_reports

if TYPE_CHECKING:
    from pytest_prodbench.embedding import OnProgress, ProgressEvent
    from pytest_prodbench.evidence.types import RunRecord

EXIT_CODES = {"accept": 0, "reject": 1, "incomplete": 2}
REDRAW_SECONDS = 0.2


def run_suite(given: argparse.Namespace) -> int:
    """Evaluate, judge, report; returns 0 accept, 1 reject, 2 incomplete."""
    opened = open_suite(given)
    check_hardware(opened.settings)
    check_reports(opened.settings.reports, where="--report")
    plans, chosen = selected_pairs(opened.suite, opened.settings, "prodbench run")
    order = {name: place for place, name in enumerate(opened.suite.models)}
    chosen.sort(key=lambda plan: order[plan.model.name])
    opponent = opponent_of(opened.suite, opened.settings, opened.project)
    run = Run(opened.suite, opened.settings, opened.project, plans, opponent)
    run.select([plan.name for plan in chosen])
    bench = Bench(opened.settings, opened.project, opponent=opponent)
    for plan in chosen:
        try:
            outcome = bench.evaluate(plan, _progress(plan.name))
        # A full disk, a bug in a library: it costs the pair, never the run.
        except Exception as error:
            reason = without_folders(f"{type(error).__name__}: {error}", opened.project)
            outcome = PairOutcome(failed(plan, reason), None)
        run.add(outcome.payload())
        _clear()
        problem = failure_message(outcome.record, opened.settings.gate)
        print(f"{plan.name}: {outcome.record.verdict}" if problem is None else problem)
    record = run.finish()
    folder = run.folder.path
    files = [run.folder.write_evidence(record)]
    queries, cache_dir = read_queries(folder, record), opened.settings.cache_dir
    files += write_reports(
        ReportInput(record, queries, folder, opened.project, cache_dir), opened.settings.reports
    )
    width = shutil.get_terminal_size((100, 24)).columns
    print(*sector_tables(record, width), *(f"  {path}" for path in files), sep="\n")
    for command in in_workflow(record, os.environ, opened.project):
        print(command)
    undecided = record.partial or record.verdict == "incomplete"
    if opened.settings.require_full and undecided:
        return EXIT_CODES["incomplete"]
    return exit_code(record)


def exit_code(record: RunRecord) -> int:
    """Return 0 accept, 1 reject, 2 incomplete; where the gate is not enforced 0, if all was measured."""
    if record.gate == "enforce":
        return EXIT_CODES[record.verdict]
    return 0 if set(record.planned) <= set(record.evaluated) else EXIT_CODES["incomplete"]


def _progress(pair: str) -> OnProgress | None:
    if not sys.stderr.isatty():
        return None
    last = 0.0

    def draw(event: ProgressEvent) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last < REDRAW_SECONDS and event.done < event.total:
            return
        last = now
        sys.stderr.write(f"\r\x1b[2K{event.words(pair)}")
        sys.stderr.flush()

    return draw


def _clear() -> None:
    if sys.stderr.isatty():
        sys.stderr.write("\r\x1b[2K")
        sys.stderr.flush()
