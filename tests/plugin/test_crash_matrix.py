"""Workers die in every place: never a hang, never a lost row, never an accept."""

from __future__ import annotations

import signal
import xml.etree.ElementTree as ET

import pytest

LIMIT = 60.0
"""Seconds; a run takes two to five. Longer is a hang, and pytester kills it."""

SECTORS = {"automotive": "nuts", "diy": "bolts", "retail": "boxes"}
PAIRS = [f"{model}:{dataset}" for model in ("one", "two") for dataset in SECTORS.values()]

DEATHS = {
    "first": ["one:nuts"],
    "middle": ["one:bolts"],
    # Of the second model: the last item of the whole run is sent together with the word to shut down.
    "last": ["two:boxes"],
    "two in a row": ["two:bolts", "two:boxes"],
    "every": ["one:nuts", "one:bolts", "one:boxes"],
}
OPTIONS = ([], ["-x"], ["--maxfail=2"], ["--max-worker-restart=0"])

REMEMBER = """
import json
from pathlib import Path
from types import SimpleNamespace

from pytest_prodbench.evaluation.bench import Bench
from pytest_prodbench.evidence.types import PairRecord

MEASURED = Path({folder!r})
measure = Bench.evaluate

def evaluate(self, plan, on_progress=None):
    # Measured by the first case that comes here: who dies where does not depend on it.
    path = MEASURED / f"{{plan.name}}.json"
    if not path.exists():
        part = path.with_suffix(f".{{self._worker}}")
        part.write_text(json.dumps(measure(self, plan).payload()))
        part.replace(path)
    payload = json.loads(path.read_text())
    record = PairRecord.model_validate(payload["pair"])
    return SimpleNamespace(record=record, evaluation=payload, payload=lambda: payload)

Bench.evaluate = evaluate
"""

KILLER = """
import os

def pytest_runtest_call(item):
    if any(f"[{{name}}]" in item.nodeid for name in {names!r}):
        os.kill(os.getpid(), {signal})
"""


@pytest.fixture
def three_sectors(repository):
    """Two models on three datasets; the third dataset is the first under another name: all is cached."""
    manifest = repository.catalogs / "bolts/manifest.csv"
    repository.sector("automotive", "bolts")
    repository.write(
        "suites/automotive/sector.toml",
        f'[datasets.nuts]\npath = "{manifest}"\n[thresholds]\n"recall@1" = 0.01\n',
    )
    return repository


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    return tmp_path_factory.mktemp("measured")


def deadly(repository, names, measured):
    """Whoever runs one of these tests dies in it, each time."""
    text = REMEMBER.format(folder=str(measured))
    text += KILLER.format(names=names, signal=int(signal.SIGKILL))
    return repository.write("conftest.py", text)


def run(repository, *arguments, name="run"):
    return repository.run(*arguments, "--junitxml=own.xml", name=name, resamples=100, timeout=LIMIT)


def rows(path):
    """Every test case by name with the tag that says why it is red, or ``passed``; none stands twice."""
    cases = list(ET.parse(path).iter("testcase"))
    found = {case.attrib["name"]: "passed" for case in cases}
    assert len(found) == len(cases), sorted(case.attrib["name"] for case in cases)
    for case in cases:
        tags = [child.tag for child in case if child.tag in {"failure", "error", "skipped"}]
        if tags:
            found[case.attrib["name"]] = tags[0]
    return found


def own_rows(repository):
    """Rows of pairs, and rows of sectors and models, in pytest's own JUnit file."""
    found = rows(repository.path / "own.xml")
    verdicts = {n: tag for n, tag in found.items() if n.startswith(("sector[", "candidate["))}
    pairs = {name: tag for name, tag in found.items() if name not in verdicts}
    return pairs, verdicts


def assert_each_pair_has_its_row(repository, red):
    """``red``: pairs that must be failures; every other one passed, and a verdict is what its pairs are."""
    pairs, verdicts = own_rows(repository)
    assert pairs == {
        f"test_retrieval[{name}]": "failure" if name in red else "passed" for name in PAIRS
    }
    broken = {sector for sector, dataset in SECTORS.items() if any(dataset in n for n in red)}
    models = {name.partition(":")[0] for name in PAIRS}
    undone = {name.partition(":")[0] for name in red}
    assert verdicts == {
        f"sector[{name}]": "failure" if name in broken else "passed" for name in SECTORS
    } | {f"candidate[{name}]": "failure" if name in undone else "passed" for name in models}
    ours = rows(repository.path / "reports/run/junit.xml")
    assert set(ours) == {*PAIRS, *SECTORS, *models}
    assert {name for name, tag in ours.items() if tag != "passed"} == {*red, *broken, *undone}


@pytest.mark.parametrize("options", OPTIONS, ids=lambda options: " ".join(options) or "plain")
@pytest.mark.parametrize("death", DEATHS)
@pytest.mark.parametrize("workers", [1, 2, 3])
def test_a_death_costs_its_pair_and_no_row(three_sectors, measured, workers, death, options):
    deadly(three_sectors, DEATHS[death], measured)
    # Every kind of report where no other option is set; the kind that is read below in any case.
    kinds = ["--prodbench-report=junit"] if options else []
    result = run(three_sectors, f"-n{workers}", *options, *kinds)
    assert result.ret == pytest.ExitCode.TESTS_FAILED, result.stdout.str()
    evidence = three_sectors.evidence()
    assert evidence["verdict"] == "incomplete"
    assert evidence["planned"] == evidence["selected"] == sorted(PAIRS)
    statuses = {name: pair["status"] for name, pair in three_sectors.pairs().items()}
    lost = [name for name in PAIRS if statuses[name] == "lost"]
    if "--max-worker-restart=0" in options:
        # Who dies is not replaced, and no more is handed out: the others end what they hold.
        assert set(lost) & set(DEATHS[death])
        assert not set(DEATHS[death]) - set(lost)
    else:
        # -x and --maxfail do not change that: xdist counts failures of tests, and a death is none.
        assert lost == DEATHS[death]
    assert {name for name, status in statuses.items() if status == "evaluated"} == (
        set(PAIRS) - set(lost)
    )
    assert_each_pair_has_its_row(three_sectors, lost)


def test_the_next_run_takes_it_up(three_sectors, measured):
    killer = deadly(three_sectors, DEATHS["every"], measured)
    assert run(three_sectors, "-n2").ret == pytest.ExitCode.TESTS_FAILED
    killer.unlink()
    assert run(three_sectors, "-n2", name="again").ret == 0
    evidence = three_sectors.evidence("again")
    assert evidence["verdict"] == "accept"
    assert evidence["evaluated"] == sorted(PAIRS)


@pytest.mark.parametrize("stop", ["-x", "--maxfail=1"])
@pytest.mark.parametrize("way", [["-p", "no:xdist"], ["-n1"], ["-n2"], ["-n3"]], ids=" ".join)
def test_what_a_stop_left_out_is_red_by_name(three_sectors, way, stop):
    """A pair that misses its threshold stops the run; of what came before nothing is lost either."""
    three_sectors.sector("diy", "bolts", minimum=1.0)
    result = run(three_sectors, *way, stop)
    assert result.ret != 0
    pairs, verdicts = own_rows(three_sectors)
    statuses = {name: pair["status"] for name, pair in three_sectors.pairs().items()}
    assert set(statuses) == set(PAIRS)
    assert set(statuses.values()) <= {"evaluated", "not run"}
    assert set(pairs) == {f"test_retrieval[{name}]" for name in PAIRS}
    for name, status in statuses.items():
        missed = name.endswith("bolts") or status == "not run"
        assert pairs[f"test_retrieval[{name}]"] == ("failure" if missed else "passed"), name
    assert verdicts["sector[diy]"] == "failure"
    assert len(verdicts) == len(SECTORS) + len({name.partition(":")[0] for name in PAIRS})
    assert three_sectors.evidence()["verdict"] == "reject"
    if way[-1] in {"no:xdist", "-n1"}:
        # In one process it is known what was reached.
        assert [name for name in PAIRS if statuses[name] == "evaluated"][:2] == PAIRS[:2]
        result.stdout.fnmatch_lines(
            ["*two:boxes: not run: the run was stopped*(stopping after 1 *"]
        )


ENDINGS = {"an interrupt": "raise KeyboardInterrupt", "an exit": "pytest.exit('enough')"}


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("way", [["-p", "no:xdist"], ["-n1"], ["-n2"]], ids=" ".join)
def test_whatever_ends_a_run_leaves_no_row_out(three_sectors, way, ending):
    three_sectors.write(
        "conftest.py",
        "import pytest\n"
        "def pytest_runtest_call(item):\n"
        f"    if '[one:bolts]' in item.nodeid:\n        {ENDINGS[ending]}\n",
    )
    result = run(three_sectors, *way)
    assert result.ret not in (0, pytest.ExitCode.NO_TESTS_COLLECTED), result.stdout.str()
    pairs, verdicts = own_rows(three_sectors)
    assert set(pairs) == {f"test_retrieval[{name}]" for name in PAIRS}
    models = {name.partition(":")[0] for name in PAIRS}
    assert set(verdicts) == {f"sector[{name}]" for name in SECTORS} | {
        f"candidate[{name}]" for name in models
    }
    for name, pair in three_sectors.pairs().items():
        evaluated = pair["status"] == "evaluated"
        assert (pairs[f"test_retrieval[{name}]"] == "passed") is evaluated, name
    assert pairs["test_retrieval[one:bolts]"] == "failure"
    assert three_sectors.evidence()["verdict"] == "incomplete"


def test_a_replacement_that_collects_something_else_is_no_hang(three_sectors, measured):
    """It gets no work; as it is the only one left, nobody does the rest."""
    conftest = deadly(three_sectors, DEATHS["middle"], measured)
    conftest.write_text(
        conftest.read_text() + "\n"
        "def pytest_collection_modifyitems(items):\n"
        "    if os.environ['PYTEST_XDIST_WORKER'] != 'gw0':\n"
        "        del items[0]\n"
    )
    result = run(three_sectors, "-n1")
    assert result.ret == pytest.ExitCode.TESTS_FAILED, result.stdout.str()
    result.stdout.fnmatch_lines(["*Different tests were collected between the others and gw1*"])
    pairs, _ = own_rows(three_sectors)
    assert pairs.pop("gw1") == "error"
    assert pairs == {
        f"test_retrieval[{name}]": "passed" if name == PAIRS[0] else "failure" for name in PAIRS
    }
    statuses = {name: pair["status"] for name, pair in three_sectors.pairs().items()}
    assert [name for name in PAIRS if statuses[name] == "lost"] == PAIRS[1:]
