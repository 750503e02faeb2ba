"""Results ride on test reports; the controller takes them off, and nothing promised may be missing."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Generator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import pytest

from pytest_prodbench.errors import ProdbenchError
from pytest_prodbench.plugin.collection import PAIR_KEY, plan_of
from pytest_prodbench.plugin.in_use import SESSION_KEY
from pytest_prodbench.plugin.session import TAKE_UP, ProdbenchSession

if TYPE_CHECKING:
    from _pytest.terminal import TerminalReporter

    from pytest_prodbench.evidence.judgement import Verdict
    from pytest_prodbench.evidence.types import RunRecord

PAYLOAD = "prodbench"

UNDECIDED = 2
"""Exit code of a run that is asked to decide everything and does not; pytest's own for an interruption."""

DECIDED = (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED, pytest.ExitCode.NO_TESTS_COLLECTED)


def attach_result(
    item: pytest.Item, call: pytest.CallInfo[None], report: pytest.TestReport
) -> None:
    """Put a pair's result on its report; a test that passed without proof fails here."""
    if plan_of(item) is None or report.skipped:
        return
    pair = item.stash.get(PAIR_KEY, None)
    if call.when == "call" and pair is not None:
        unproven = pair.unproven() if report.passed else None
        if unproven is not None:
            report.outcome = "failed"
            report.longrepr = unproven
        outcome = pair.result(_said(report) if report.failed else None)
        setattr(report, PAYLOAD, outcome.payload())


class Controller:
    """What runs in the process that sees every report: the only one without xdist, else the controller."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config

    @property
    def _state(self) -> ProdbenchSession | None:
        return self._config.stash.get(SESSION_KEY, None)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take the result off a report and put it on disk."""
        state = self._state
        if state is None or state.run is None:
            return
        name = state.pair_of(report.nodeid)
        if name is None:
            return
        payload: dict[str, Any] | None = getattr(report, PAYLOAD, None)
        if report.outcome not in {"passed", "failed", "skipped"}:
            # "rerun" of pytest-rerunfailures: the word that counts is the last attempt's.
            vars(report).pop(PAYLOAD, None)
            return
        try:
            if payload is not None:
                state.run.add(payload)
                # Taken: junitxml and the like need not carry the queries of the whole run.
                delattr(report, PAYLOAD)
            elif report.failed and not state.run.reported(name):
                reason = f"{_said(report)}; {TAKE_UP}"
                report.longrepr = f"{name}: lost: {reason}"
                state.run.lose(name, reason)
            if report.failed:
                state.run.refuse(name, _said(report))
            if report.skipped:
                state.skipped[name] = _why_skipped(report)
        except (ProdbenchError, ValueError, KeyError, OSError) as error:
            vars(report).pop(PAYLOAD, None)
            reason = f"its result could not be kept: {error}"
            # Red in every report of pytest, not in the exit code alone.
            report.outcome, report.longrepr = "failed", f"{name}: {reason}"
            state.problems.append(f"{name}: {reason}")
            # The disk may be full: then the journal cannot take this either.
            with contextlib.suppress(OSError):
                state.run.lose(name, reason)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtestloop(self, session: pytest.Session) -> Generator[None, object, object]:
        """After the last test: failures by name for what was not reported, and a row a sector.

        A wrapper of the loop, because a failure must still count in the exit code and reach JUnit and the
        terminal; in ``pytest_sessionfinish`` it would be too late for both.
        """
        from pytest_prodbench.plugin.progress import close_board

        interrupted = True
        try:
            result = yield
            interrupted = False
        except KeyboardInterrupt:
            session.shouldstop = session.shouldstop or "interrupted"
            raise
        finally:
            close_board(self._config)
            if not (session.shouldstop or session.shouldfail):
                self._report_lost()
            if not interrupted:
                self._report_verdicts(session)
        return result

    def _report_lost(self) -> None:
        state = self._state
        if state is None or state.run is None:
            return
        for name, reason in state.missing().items():
            with contextlib.suppress(OSError):
                state.run.lose(name, reason)
            path = state.plans[name].sector.source.parent
            report = pytest.TestReport(
                nodeid=state.nodeids.get(name, f"prodbench::lost[{name}]"),
                location=(str(path), None, name),
                keywords={},
                outcome="failed",
                longrepr=f"{name}: lost: {reason}",
                when="call",
            )
            self._config.hook.pytest_runtest_logreport(report=report)

    def _report_verdicts(self, session: pytest.Session) -> None:
        """Report each verdict on a sector or model as a test: it counts, and is a row, wherever tests are."""
        state = self._state
        record = None if state is None else state.conclude()
        if state is None or record is None:
            return
        rows = [*_sector_rows(state, record), *_candidate_rows(state, record)]
        session.testscollected += len(rows)  # the share of tests that are done ends at 100 %
        for row in rows:
            self._config.hook.pytest_runtest_logreport(report=row.report())

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Write the evidence and every report, and never leave a success that is not proven."""
        state = self._state
        if state is None or state.run is None:
            return
        state.write()
        # Also after pytest.exit(returncode=0), or a plugin that turned failures into something else.
        if (state.problems or state.unproven()) and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED
        if state.undecided() and session.exitstatus in DECIDED:
            session.exitstatus = UNDECIDED


@dataclass(frozen=True, slots=True)
class Row:
    """A verdict that is reported as a test.

    Attributes:
        nodeid, place, name: of the test.
        verdict: what was decided.
        reasons: why it is not an accept.
        forgiven: why that is held against nobody; None if it is.
    """

    nodeid: str
    place: str
    name: str
    verdict: Verdict
    reasons: list[str]
    forgiven: str | None

    def report(self) -> pytest.TestReport:
        """Return the report of the test."""
        told = "\n".join(self.reasons)
        longrepr: Any = None
        outcome: Literal["passed", "failed", "skipped"] = "passed"
        if self.verdict != "accept":
            outcome, longrepr = "failed", f"{self.name}: {self.verdict}\n{told}"
            if self.forgiven is not None:
                words = f"Skipped: {self.verdict}, {self.forgiven}; {told}"
                outcome, longrepr = "skipped", (self.place, None, words)
        return pytest.TestReport(
            nodeid=self.nodeid,
            location=(self.place, None, self.name),
            keywords={},
            outcome=outcome,
            longrepr=longrepr,
            when="call",
        )


def _sector_rows(state: ProdbenchSession, record: RunRecord) -> list[Row]:
    from pytest_prodbench.report.sections import sections

    rows = []
    for section in sections(record):
        spec = state.suite.sectors.get(section.name)
        rows.append(
            Row(
                nodeid=f"prodbench::sector[{section.name}]",
                place=str(spec.source if spec else state.project),
                name=section.name,
                verdict=section.verdict,
                reasons=section.reasons,
                forgiven=section.forgiven(record.gate),
            )
        )
    return rows


def _candidate_rows(state: ProdbenchSession, record: RunRecord) -> list[Row]:
    from pytest_prodbench.report.standing import candidate_forgiven, candidate_reasons

    return [
        Row(
            nodeid=f"prodbench::candidate[{model}]",
            place=str(state.project),
            name=model,
            verdict=verdict,
            reasons=candidate_reasons(record, model),
            forgiven=candidate_forgiven(record, model),
        )
        for model, verdict in sorted(record.candidates.items())
    ]


def show_summary(terminal: TerminalReporter, config: pytest.Config) -> None:
    """Write the tables of all sectors."""
    state = config.stash.get(SESSION_KEY, None)
    if state is None or state.record is None:
        return
    from pytest_prodbench.report.annotations import in_workflow
    from pytest_prodbench.report.terminal import sector_tables

    terminal.section("visual product search", sep="=")
    for line in sector_tables(state.record, terminal._tw.fullwidth):
        terminal.write_line(line)
    for command in in_workflow(state.record, os.environ, state.project):
        terminal.write_line(command)
    for path in state.report_files:
        terminal.write_line(f"  {path}")
    for problem in state.problems:
        terminal.write_line(f"prodbench: {problem}", red=True, bold=True)


def _said(report: pytest.TestReport) -> str:
    """Return why a test failed, in short: without traceback, and without paths of this machine."""
    crash = getattr(report.longrepr, "reprcrash", None)
    return str(crash.message) if crash is not None else str(report.longrepr)


def _why_skipped(report: pytest.TestReport) -> str:
    if hasattr(report, "wasxfail"):
        return f"expected to fail ({report.wasxfail})" if report.wasxfail else "expected to fail"
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    return f"skipped ({reason.removeprefix('Skipped: ')})"
