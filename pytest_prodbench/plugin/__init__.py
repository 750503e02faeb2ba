"""The pytest plugin: hook implementations and nothing else.

This module is imported in every repository where the package is installed: it imports nothing heavy,
and it does nothing where no ``sector.toml`` is near what is collected.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import TYPE_CHECKING, Any

import pytest

from pytest_prodbench.plugin.in_use import SESSION_KEY, session_of
from pytest_prodbench.settings.options import OPTIONS

if TYPE_CHECKING:
    from _pytest.terminal import TerminalReporter

    from pytest_prodbench.plugin.pair import PairTest

DISTRIBUTION = "prodbench-distribution"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Offer every option of a run as ``--prodbench-NAME``."""
    group = parser.getgroup("prodbench", "visual product search: may this model ship?")
    for option in OPTIONS:
        group.addoption(
            f"--prodbench-{option.name}",
            dest=f"prodbench_{option.key}",
            **option.arguments,
            help=f"{option.help} Environment: {option.variable}.",
        )


def pytest_addhooks(pluginmanager: pytest.PytestPluginManager) -> None:
    """Declare the hooks of ``hookspecs``."""
    from pytest_prodbench.plugin import hookspecs

    pluginmanager.add_hookspecs(hookspecs)


def pytest_plugin_registered(plugin_name: str, manager: pytest.PytestPluginManager) -> None:
    """Bring the xdist part only where xdist is: by its entry point, or as ``-p xdist.plugin``."""
    if plugin_name in {"xdist", "xdist.plugin"} and not manager.has_plugin(DISTRIBUTION):
        from pytest_prodbench.plugin.distribution import Distribution

        manager.register(Distribution(), DISTRIBUTION)


@pytest.hookimpl(tryfirst=True)
def pytest_sessionstart(session: pytest.Session) -> None:
    """Read the configuration before anything else, so that a mistake in it costs no time."""
    config = session.config
    if session_of(config) is not None and not hasattr(config, "workerinput"):
        from pytest_prodbench.plugin.progress import open_board
        from pytest_prodbench.plugin.reporting import Controller

        config.pluginmanager.register(Controller(config), "prodbench-controller")
        open_board(config)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Make one item a pair of every test that asks for the ``prodbench`` fixture."""
    if "prodbench" in metafunc.fixturenames:
        from pytest_prodbench.plugin.collection import parametrize

        parametrize(metafunc)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what ``--prodbench-model`` and so on leave out; bring each model's pairs together."""
    if config.stash.get(SESSION_KEY, None) is not None:
        from pytest_prodbench.plugin.collection import narrow_and_group

        narrow_and_group(config, items)


def pytest_deselected(items: Sequence[pytest.Item]) -> None:
    """Remember pairs that were taken out: they are left out on purpose, not missing."""
    if items and items[0].config.stash.get(SESSION_KEY, None) is not None:
        from pytest_prodbench.plugin.collection import remember_deselected

        remember_deselected(items)


def pytest_collection_finish(session: pytest.Session) -> None:
    """Without xdist: the selection is known, so the run begins."""
    if session.config.stash.get(SESSION_KEY, None) is not None:
        from pytest_prodbench.plugin.collection import begin_run

        begin_run(session.config, [item.nodeid for item in session.items])


@pytest.fixture
def prodbench(request: pytest.FixtureRequest) -> PairTest:
    """One model on one dataset: ``prodbench.evaluate().check()``."""
    from pytest_prodbench.plugin.collection import pair_test

    return pair_test(request)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Let the result ride on the test report, as JSON primitives."""
    report = yield
    if item.config.stash.get(SESSION_KEY, None) is not None:
        from pytest_prodbench.plugin.reporting import attach_result

        attach_result(item, call, report)
    return report


def pytest_terminal_summary(terminalreporter: TerminalReporter, config: pytest.Config) -> Any:
    """Show a table a sector, the verdict, and where the report lies."""
    if config.stash.get(SESSION_KEY, None) is not None:
        from pytest_prodbench.plugin.reporting import show_summary

        show_summary(terminalreporter, config)
