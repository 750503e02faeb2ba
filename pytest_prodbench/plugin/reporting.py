"""Results ride on test reports; the controller takes them off, and nothing promised may be missing."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Generator
from typing import TYPE_CHECKING, Any

import pytest

from pytest_prodbench.errors import ProdbenchError
from pytest_prodbench.plugin.collection import PAIR_KEY, plan_of
from pytest_prodbench.plugin.in_use import SESSION_KEY
from pytest_prodbench.plugin.session import TAKE_UP, ProdbenchSession
from pytest_prodbench.plugin.verdict_rows import Outcome, candidate_rows, sector_rows

if TYPE_CHECKING:
    from _pytest.terminal import TerminalReporter

PAYLOAD = "prodbench"

UNDECIDED = 2
"""Exit code of a run that is asked to decide everything and does not; pytest's own for an interruption."""

DECIDED = (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED, pytest.ExitCode.NO_TESTS_COLLECTED)

Location = tuple[str, int | None, str]


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
        self._open: list[pytest.TestReport] = []
        self._missed: dict[str, str] = {}
        self._attempts: list[object] = []

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
        # "rerun" of pytest-rerunfailures: another attempt follows.
        again = report.outcome not in {"passed", "failed", "skipped"}
        if again or (self._attempts and (report.when == "call" or not report.passed)):
            self._note_attempt(report, again=again)
        try:
            if again:
                # The word that counts is the last attempt's.
                vars(report).pop(PAYLOAD, None)
                if payload is not None and payload["pair"]["verdict"] == "reject":
                    # Not so for what was measured: it is not tried again until it is good enough.
                    state.run.add(payload)
                    self._missed[report.nodeid] = _said(report)
                return
            if payload is not None and report.passed and report.nodeid in self._missed:
                delattr(report, PAYLOAD)
                report.outcome = "failed"
                report.longrepr = (
                    f"{name}: an earlier attempt missed a threshold, and to measure it again is no proof:\n"
                    f"{self._missed[report.nodeid]}"
                )
            elif payload is not None:
                state.run.add(payload)
                # Taken: junitxml and the like need not carry the queries of the whole run.
                delattr(report, PAYLOAD)
            elif report.failed and not state.run.reported(name):
                reason = f"{_said(report)}; {TAKE_UP}"
                report.longrepr = f"{name}: lost: {reason}"
                state.run.lose(name, reason)
            if str(report.when) == "???":
                # xdist's word for "somewhere in a test whose worker died"; reporters that go by the phase
                # (pytest-html) leave such a report out.
                report.when = "call"
                self._open.append(report)
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

    def _note_attempt(self, report: pytest.TestReport, *, again: bool) -> None:
        """Remember the row that pytest's JUnit file will have for an attempt that was not the last."""
        from _pytest.junitxml import xml_key

        junit = self._config.stash.get(xml_key, None)
        if junit is not None:
            row = junit.node_reporter(report)
            if again:
                self._attempts.append(row)
            elif (
                row in self._attempts
            ):  # releases that end an attempt without a teardown share the row
                self._attempts.remove(row)

    def _drop_attempts(self) -> None:
        """Take those rows away: they say nothing and look passed; that of a dead worker has no name."""
        if self._attempts:
            from _pytest.junitxml import xml_key

            rows = self._config.stash[xml_key].node_reporters_ordered
            rows[:] = [row for row in rows if row not in self._attempts]

    @pytest.hookimpl(wrapper=True)
    def pytest_runtestloop(self, session: pytest.Session) -> Generator[None, object, object]:
        """After the last test: failures by name for what was not reported, and a row a sector.

        A wrapper of the loop, because a failure must still count in the exit code and reach JUnit and the
        terminal; in ``pytest_sessionfinish`` it would be too late for both. Whatever ended the loop, each
        selected pair has its row: ``-x``, an interrupt and ``pytest.exit`` leave none out.
        """
        from pytest_prodbench.plugin.progress import close_board

        stopped: str | None = None
        try:
            return (yield)
        except (KeyboardInterrupt, session.Failed, pytest.exit.Exception) as error:
            stopped = str(error) or "interrupted"
            raise
        finally:
            close_board(self._config)
            self._drop_attempts()
            self._report_missing(stopped)
            self._report_verdicts(session)

    def _report_missing(self, stopped: str | None) -> None:
        state = self._state
        if state is None or state.run is None:
            return
        for died in self._open:
            self._close(died)
        for name, (status, reason) in state.missing(stopped).items():
            with contextlib.suppress(OSError):
                state.run.lose(name, reason, status)
            path = state.plans[name].sector.source.parent
            self._row(
                state.nodeids.get(name, f"prodbench::lost[{name}]"),
                (str(path), None, name),
                "failed",
                f"{name}: {status}: {reason}",
                # -x and --stepwise stopped at a test on purpose: the next --lf must begin with that one.
                remembered=status == "lost",
            )

    def _report_verdicts(self, session: pytest.Session) -> None:
        """Report each verdict on a sector or model as a test: it counts, and is a row, wherever tests are."""
        state = self._state
        record = None if state is None else state.conclude()
        if state is None or record is None:
            return
        rows = [*sector_rows(state, record), *candidate_rows(state, record)]
        session.testscollected += len(rows)  # the share of tests that are done ends at 100 %
        terminal = self._config.pluginmanager.get_plugin("terminalreporter")
        if terminal is not None:
            terminal.ensure_newline()  # what was full at 100 % stays as it is
        for row in rows:
            location = (row.place, None, row.name)
            self._row(row.nodeid, location, *row.outcome, remembered=False)

    def _row(
        self, nodeid: str, location: Location, outcome: Outcome, longrepr: Any, *, remembered: bool
    ) -> None:
        """Report a test that no process ran; not ``remembered`` as failed for ``--lf`` and ``--stepwise``."""
        report = pytest.TestReport(
            nodeid=nodeid,
            location=location,
            keywords={},
            outcome=outcome,
            longrepr=longrepr,
            when="call",
        )
        manager = self._config.pluginmanager
        keepers = [] if remembered else map(manager.get_plugin, ("lfplugin", "stepwiseplugin"))
        log = manager.subset_hook_caller(
            "pytest_runtest_logreport", [keeper for keeper in keepers if keeper is not None]
        )
        log(report=report)
        self._close(report)

    def _close(self, report: pytest.TestReport) -> None:
        """Report the teardown of a test that had none: pytest-html shows no test before that."""
        closing = pytest.TestReport(
            nodeid=report.nodeid,
            location=report.location,
            keywords={},
            outcome="passed",
            longrepr=None,
            when="teardown",
        )
        if hasattr(report, "node"):
            closing.node = report.node  # type: ignore[attr-defined]  # xdist's: part of JUnit's key
        self._config.hook.pytest_runtest_logreport(report=closing)

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
