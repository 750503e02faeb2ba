"""Ways to end with exit code 0 and nothing proven; and rules that were not the sector's own."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest

WAYS = [["-p", "no:xdist"], ["-n2"]]


def test_an_exit_with_code_0_in_mid_run(repository):
    """``pytest.exit`` says what the exit code is, whatever was not run."""
    repository.write(
        "conftest.py",
        "import pytest\ndef pytest_runtest_teardown():\n    pytest.exit('enough', returncode=0)\n",
    )
    assert repository.run("-p", "no:xdist").ret == pytest.ExitCode.TESTS_FAILED
    assert repository.evidence()["verdict"] == "incomplete"


@pytest.mark.parametrize("way", WAYS, ids=" ".join)
@pytest.mark.parametrize("thresholds", [True, False])
def test_a_test_that_swallows_the_failure_of_check(repository, way, thresholds):
    repository.sector(
        "diy",
        "bolts",
        minimum=1.0,
        test=(
            "def test_it(prodbench):\n"
            "    judged = prodbench.evaluate()\n"
            "    try:\n"
            "        judged.check()\n"
            "    except BaseException:\n"
            "        pass\n"
        ),
    )
    if not thresholds:
        path = repository.path / "suites/diy/sector.toml"
        path.write_text(path.read_text().partition("[thresholds]")[0])
    result = repository.run(*way)
    result.assert_outcomes(passed=3, failed=5)
    assert result.ret == pytest.ExitCode.TESTS_FAILED


@pytest.mark.parametrize("way", WAYS, ids=" ".join)
def test_a_test_with_parameters_of_its_own(repository, way):
    """Its id would not be a pair's: each test fails, and so does each pair that is missed."""
    test = (
        "import pytest\n"
        "@pytest.mark.parametrize('size', [1, 2])\n"
        "def test_it(prodbench, size):\n"
        "    prodbench.evaluate().check()\n"
    )
    repository.sector("diy", "bolts", test=test)
    repository.sector("retail", "boxes", test=test)
    result = repository.run(*way)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.assert_outcomes(errors=8, failed=8)
    assert repository.evidence()["verdict"] == "incomplete"
    result.stdout.fnmatch_lines(["one:bolts: the test has parameters of its own (size)*"])


@pytest.mark.parametrize("way", WAYS, ids=" ".join)
def test_a_sector_below_another_keeps_its_own_rules(repository, way):
    """A sector.toml above must not decide for the tests of one further down."""
    manifest = repository.catalogs / "boxes/manifest.csv"
    general = f'[datasets.general]\npath = "{manifest}"\n[thresholds]\n"recall@1" = 0.01\n'
    repository.write("suites/sector.toml", 'sector = "general"\n' + general)
    repository.write("suites/test_general.py", repository_test())
    repository.sector("diy", "bolts", minimum=1.0)
    result = repository.run(*way)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert repository.evidence()["sectors"] == {
        "diy": "reject",
        "general": "accept",
        "retail": "accept",
    }


def test_a_sector_too_far_below_is_not_judged_by_the_one_above(repository):
    manifest = repository.catalogs / "boxes/manifest.csv"
    deep = f'[datasets.deep]\npath = "{manifest}"\n[thresholds]\n"recall@1" = 1.0\n'
    repository.write("suites/diy/a/b/c/sector.toml", deep)
    repository.write("suites/diy/a/b/c/test_deep.py", repository_test())
    result = repository.run("-p", "no:xdist")
    assert result.ret != 0
    result.stdout.fnmatch_lines(["*suites/diy/a/b/c/sector.toml: the sector of test_deep.py, but*"])


@pytest.mark.parametrize("way", WAYS, ids=" ".join)
def test_sectors_of_pyproject_however_they_are_spelled(repository, way):
    """Dotted keys are the same table: the controller must know that there is a run to write."""
    keys = ""
    for sector, dataset in (("diy", "bolts"), ("retail", "boxes")):
        (repository.path / f"suites/{sector}/sector.toml").unlink()
        manifest = repository.catalogs / dataset / "manifest.csv"
        keys += f'sectors.{sector}.datasets.{dataset}.path = "{manifest}"\n'
        keys += f'sectors.{sector}.thresholds."recall@1" = 0.01\n'
    models = (repository.path / "suites/models.toml").read_text().replace("[models]", "")
    models = models.replace("one =", "models.one =").replace("two =", "models.two =")
    (repository.path / "suites/models.toml").unlink()
    repository.write("pyproject.toml", "[tool.prodbench]\n" + models + keys)
    assert repository.run(*way).ret == 0
    assert repository.evidence()["verdict"] == "accept"


@pytest.mark.parametrize("name", ["xfail", "skip", "usefixtures"])
def test_a_sector_that_bears_the_name_of_a_mark_of_pytest(repository, name):
    """Its tests would be skipped, or forgiven."""
    (repository.path / "suites/diy").rename(repository.path / "suites" / name)
    result = repository.run("-p", "no:xdist")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"*sector name '{name}', a mark of pytest*"])


@pytest.mark.parametrize("way", WAYS, ids=" ".join)
def test_an_attempt_that_is_run_again_is_not_the_last_word(repository, way):
    """As pytest-rerunfailures does it: the report of a failed attempt has the outcome ``rerun``."""
    repository.write(
        "conftest.py",
        """
import pytest
from _pytest.runner import runtestprotocol

ATTEMPTS = {}

def pytest_report_teststatus(report):
    if report.outcome == "rerun":
        return "rerun", "R", "RERUN"

@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item, nextitem):
    item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
    reports = runtestprotocol(item, nextitem=nextitem, log=False)
    if any(report.failed for report in reports):
        for report in reports:
            if report.failed:
                report.outcome = "rerun"
                item.ihook.pytest_runtest_logreport(report=report)
        item._initrequest()
        reports = runtestprotocol(item, nextitem=nextitem, log=False)
    for report in reports:
        item.ihook.pytest_runtest_logreport(report=report)
    item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
    return True
""",
    )
    repository.sector(
        "diy",
        "bolts",
        test=(
            "CALLS = []\n"
            "def test_it(prodbench):\n"
            "    CALLS.append(prodbench.plan.name)\n"
            "    assert CALLS.count(prodbench.plan.name) > 1, 'no network, once'\n"
            "    prodbench.evaluate().check()\n"
        ),
    )
    result = repository.run(*way, "--junitxml=own.xml")
    assert result.ret == 0, result.stdout.str()
    assert repository.evidence()["verdict"] == "accept"
    # One row a pair, whatever number of attempts.
    rows = [case.attrib["name"] for case in ET.parse("own.xml").iter("testcase")]
    assert len(rows) == len(set(rows)) == 4 + 2 + 2


def repository_test():
    return "def test_retrieval(prodbench):\n    prodbench.evaluate().check()\n"


def test_a_catalog_that_is_edited_between_two_workers(repository):
    """The second pair would be measured on another catalog: it is red, by name, and not kept."""
    manifest = repository.catalogs / "bolts/manifest.csv"
    repository.write("edited.csv", manifest.read_text())
    for image in manifest.parent.glob("*.png"):
        (repository.path / image.name).symlink_to(image)
    path = repository.path / "suites/diy/sector.toml"
    path.write_text(path.read_text().replace(str(manifest), str(repository.path / "edited.csv")))
    repository.write(
        "conftest.py",
        """
from pathlib import Path

def pytest_runtest_teardown(item):
    # Without xdist one process opens it once: make it open the catalog anew, as a second worker would.
    from pytest_prodbench.plugin.in_use import SESSION_KEY

    item.config.stash[SESSION_KEY].bench._datasets.clear()
    path = Path("edited.csv")
    path.write_text(path.read_text().replace("warm", "cold"))
""",
    )
    result = repository.run("-p", "no:xdist", "--prodbench-sector=diy")
    result.assert_outcomes(passed=1, failed=3, skipped=2)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["two:bolts: its result could not be kept: dataset 'bolts'*"])
    assert repository.pairs()["two:bolts"]["status"] == "lost"
