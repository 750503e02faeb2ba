"""From the plan to test items: one item a pair, marked with its sector."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pytest

from pytest_prodbench.plugin.in_use import places, require_session, session_of

if TYPE_CHECKING:
    from pytest_prodbench.evaluation.bench import PairPlan
    from pytest_prodbench.plugin.pair import PairTest
    from pytest_prodbench.plugin.session import ProdbenchSession

FIXTURE = "prodbench"
DESELECTED = "prodbench_deselected"
PAIR_KEY: pytest.StashKey[PairTest] = pytest.StashKey()


def parametrize(metafunc: pytest.Metafunc) -> None:
    """Give a test one parameter a pair of its sector, with id ``model:dataset``."""
    state = require_session(metafunc.config)
    sector = state.sector_of(metafunc.definition.path)
    plans = [plan for plan in state.plans.values() if plan.sector.name == sector.name]
    if not plans:
        what = "dataset" if state.suite.models else "model"
        raise pytest.UsageError(
            f"prodbench: nothing to test in sector {sector.name!r}: no {what} is defined; "
            f"expected {'[datasets.NAME] in ' + str(sector.source) if what == 'dataset' else ''}"
            f"{'[models] in a models.toml above it' if what == 'model' else ''}"
        )
    # Registered here, where the sectors are known: --strict-markers must know them too.
    metafunc.config.addinivalue_line("markers", f"{sector.name}: pairs of sector {sector.name}")
    mark = getattr(pytest.mark, sector.name)
    metafunc.parametrize(
        FIXTURE,
        [pytest.param(plan, id=plan.name, marks=mark) for plan in plans],
        indirect=True,
    )


def plan_of(item: pytest.Item) -> PairPlan | None:
    """Return the plan of a test item; None for any other test."""
    callspec = getattr(item, "callspec", None)
    plan: PairPlan | None = callspec.params.get(FIXTURE) if callspec is not None else None
    return plan


def narrow_and_group(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect what the settings leave out, and bring the pairs of one model together.

    A model is loaded once, then, whether tests run one after the other or on workers.
    """
    places = [i for i, item in enumerate(items) if plan_of(item) is not None]
    state = session_of(config)
    if not places or state is None:
        return
    from pytest_prodbench.evaluation.planning import is_selected

    order = {name: place for place, name in enumerate(state.suite.models)}
    pairs = [(plan, items[i]) for i in places if (plan := plan_of(items[i])) is not None]
    pairs.sort(key=lambda pair: order[pair[0].model.name])
    for i, (_, item) in zip(places, pairs, strict=True):
        items[i] = item
    left_out = [item for plan, item in pairs if not is_selected(plan, state.settings)]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        gone = set(left_out)
        items[:] = [item for item in items if item not in gone]


def begin_run(config: pytest.Config, nodeids: Sequence[str]) -> None:
    """Start the run in the process that writes it, once the selected items are known."""
    if config.option.collectonly:
        return
    state = session_of(config)
    if state is not None:
        state.start_run(nodeids, _narrowing(config, state))


def remember_deselected(items: Sequence[pytest.Item]) -> None:
    """Keep the names of deselected pairs; a worker sends them to the controller when it ends."""
    config = items[0].config
    names = sorted(plan.name for item in items if (plan := plan_of(item)) is not None)
    state = session_of(config)
    if state is not None:
        state.deselected.update(names)
    output: dict[str, Any] | None = getattr(config, "workeroutput", None)
    if output is not None:
        output[DESELECTED] = sorted({*output.get(DESELECTED, ()), *names})


def _narrowing(config: pytest.Config, state: ProdbenchSession) -> list[str]:
    """How pytest's own options and arguments narrow a run, in words."""
    words = []
    for option, word in (("keyword", "-k"), ("markexpr", "-m")):
        if config.getoption(option, ""):
            words.append(f"{word} {config.getoption(option)}")
    for option, word in (("lf", "--last-failed"), ("stepwise", "--stepwise")):
        if config.getoption(option, False):
            words.append(word)
    for option in ("deselect", "ignore", "ignore_glob"):
        words += [
            f"--{option.replace('_', '-')} {value}" for value in config.getoption(option) or ()
        ]
    folders = [sector.source.parent for sector in state.suite.sectors.values()]
    for argument, place in zip(config.args, places(config), strict=True):
        # A folder that holds whole sectors narrows nothing: the sectors in it are what is planned.
        whole = place.is_dir() and any(f.is_relative_to(place.resolve()) for f in folders)
        if "::" in argument or not whole:
            words.append(f"path {argument}")
    return words


def pair_test(request: pytest.FixtureRequest) -> PairTest:
    """Make the value of the ``prodbench`` fixture."""
    from pytest_prodbench.plugin.pair import PairTest
    from pytest_prodbench.plugin.progress import progress_of

    others = sorted(set(request.node.callspec.params) - {FIXTURE})
    if others:
        # They would be part of the test's id, which says nothing but the pair: nobody could take its result.
        pytest.fail(
            f"{request.param.name}: the test has parameters of its own ({', '.join(others)}); expected the "
            "prodbench fixture alone, one test a pair; loop inside the test, or write a second one",
            pytrace=False,
        )
    config = request.config
    state = require_session(config)
    pair = PairTest(request.param, state.bench, progress_of(config, request.param.name))
    request.node.stash[PAIR_KEY] = pair
    return pair
