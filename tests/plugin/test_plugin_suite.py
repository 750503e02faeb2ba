"""The suite as users run it: selection, verdicts, messages, reports."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET

import pytest

PAIRS = ["one:bolts", "one:boxes", "two:bolts", "two:boxes"]


def test_one_item_a_pair_with_the_same_ids_everywhere(repository):
    result = repository.run("--collect-only", "-q", "-p", "no:xdist")
    for pair in PAIRS:
        sector = "diy" if pair.endswith("bolts") else "retail"
        result.stdout.fnmatch_lines([f"suites/{sector}/test_{sector}.py::test_retrieval?{pair}?"])
    assert not (repository.path / "reports").exists()


def test_a_green_run_leaves_every_report_and_a_table_a_sector(measuring_repository):
    result = measuring_repository.run("-p", "no:xdist", "--junitxml=own.xml")
    result.assert_outcomes(passed=8)  # four pairs, two sectors, two candidates
    assert result.ret == 0
    result.stdout.fnmatch_lines(["diy: ACCEPT*", "retail: ACCEPT*", "ACCEPT: 4 pairs planned*"])
    folder = measuring_repository.path / "reports" / "run"
    for name in ("index.html", "junit.xml", "summary.md", "evidence.json", "journal.jsonl"):
        assert (folder / name).stat().st_size > 0, name
    evidence = measuring_repository.evidence()
    assert evidence["verdict"] == "accept"
    assert evidence["partial"] is False
    assert evidence["planned"] == evidence["selected"] == evidence["evaluated"] == PAIRS
    assert sorted(p.name for p in (folder / "queries").iterdir()) == [
        f"{pair.replace(':', '@')}.parquet" for pair in PAIRS
    ]
    # Nothing of the payload stays in pytest's own file.
    own = ET.parse(measuring_repository.path / "own.xml").getroot()
    assert own[0].attrib["tests"] == "8"
    assert (measuring_repository.path / "own.xml").stat().st_size < 5000


def test_kinds_of_report_are_chosen_and_copied(repository):
    result = repository.run(
        "-p", "no:xdist", "--prodbench-report=junit", "--prodbench-report=html:artifacts/page.html"
    )
    assert result.ret == 0
    folder = repository.path / "reports" / "run"
    assert (folder / "junit.xml").exists()
    assert not (folder / "summary.md").exists()
    copy = repository.path / "artifacts" / "page.html"
    assert copy.read_bytes() == (folder / "index.html").read_bytes()


def test_a_kind_of_report_that_is_not_there_is_found_before_anything_is_opened(repository):
    result = repository.run("-p", "no:xdist", "--prodbench-report=pdf")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*--prodbench-report: 'pdf'*known: html, junit, markdown*"])
    assert not (repository.path / "reports").exists()


def test_a_red_run_says_first_what_by_how_much_and_against_which_rule(measuring_repository):
    measuring_repository.sector("diy", "bolts", minimum=1.0)
    result = measuring_repository.run("-p", "no:xdist", "--junitxml=own.xml")
    assert result.ret == 1
    failed = [
        name for name, pair in measuring_repository.pairs().items() if pair["verdict"] == "reject"
    ]
    assert failed
    assert all(name.endswith(":bolts") for name in failed)
    pattern = (
        r"(one|two):bolts: recall@1 0\.\d{4} < 1, short by 0\.\d{4} \(95 % interval .* 12 queries\) "
        r'\[suites/diy/sector\.toml:4: thresholds\."recall@1"\]'
    )
    assert re.search(pattern, result.stdout.str().replace("\n", " "))
    cases = {
        case.attrib["name"]: case
        for case in ET.parse(measuring_repository.path / "own.xml").iter("testcase")
    }
    messages = {name: case.find("failure").text for name, case in cases.items() if len(case)}
    assert messages.pop("sector[diy]").startswith("diy: reject\n")
    for name in failed:
        model = name.partition(":")[0]
        said = messages.pop(f"candidate[{model}]")
        assert said.splitlines() == [f"{model}: reject", f"{name}: reject"]
    assert len(messages) == len(failed)
    assert all(re.match(pattern, message) for message in messages.values())
    assert measuring_repository.evidence()["sectors"] == {"diy": "reject", "retail": "accept"}


@pytest.mark.parametrize(
    ("arguments", "selected", "words"),
    [
        (["-k", "one"], ["one:bolts", "one:boxes"], "-k one"),
        (["-m", "retail"], ["one:boxes", "two:boxes"], "-m retail"),
        (["--prodbench-model=two"], ["two:bolts", "two:boxes"], "model two"),
        (["--prodbench-dataset=boxes"], ["one:boxes", "two:boxes"], "dataset boxes"),
        (
            ["--prodbench-sector=diy", "--prodbench-model=one"],
            ["one:bolts"],
            "model one, sector diy",
        ),
    ],
)
@pytest.mark.parametrize("xdist", [["-p", "no:xdist"], ["-n2"]])
def test_a_narrowed_run_passes_its_tests_and_is_partial(
    repository, arguments, selected, words, xdist
):
    result = repository.run(*arguments, *xdist)
    assert result.ret == 0
    evidence = repository.evidence()
    assert evidence["selected"] == evidence["evaluated"] == selected
    assert evidence["planned"] == PAIRS
    assert evidence["partial"] is True
    assert evidence["verdict"] == "incomplete"
    assert ", ".join(evidence["selection"]) == words
    assert {p["status"] for n, p in repository.pairs().items() if n not in selected} == {"not run"}


def test_last_failed_and_stop_at_first(repository):
    repository.sector("diy", "bolts", minimum=1.0)
    assert repository.run("-p", "no:xdist", "-x").ret == 1
    statuses = [pair["status"] for pair in repository.pairs().values()]
    assert statuses.count("evaluated") == 1
    assert statuses.count("not run") == 3
    assert repository.evidence()["verdict"] == "reject"
    result = repository.run("-p", "no:xdist", "--lf")
    # The pair, its sector, its model; the sector and the model that are left out.
    result.assert_outcomes(failed=3, skipped=2)
    assert repository.evidence()["partial"] is True


def test_a_sector_without_thresholds_is_measured_and_not_accepted(repository):
    path = repository.path / "suites/diy/sector.toml"
    path.write_text(path.read_text().partition("[thresholds]")[0])
    result = repository.run("-p", "no:xdist")
    assert result.ret == 1
    result.stdout.fnmatch_lines(["*no threshold says what is good enough*"])
    assert repository.evidence()["verdict"] == "incomplete"
    assert repository.pairs()["one:bolts"]["status"] == "evaluated"


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("pass", "never called prodbench.evaluate()"),
        ("prodbench.evaluate()", "recall@1"),
    ],
)
def test_a_test_that_proves_nothing_fails(repository, body, said):
    repository.sector("diy", "bolts", minimum=1.0, test=f"def test_it(prodbench):\n    {body}\n")
    result = repository.run("-p", "no:xdist", "--prodbench-model=two")
    assert result.ret == 1
    result.stdout.fnmatch_lines([f"*{said}*"])
    assert repository.pairs()["two:bolts"]["verdict"] != "accept"


@pytest.mark.parametrize("xdist", [["-p", "no:xdist"], ["-n2"]])
def test_an_assertion_of_ones_own_refuses_an_accepted_pair(repository, xdist):
    test = "def test_it(prodbench):\n    prodbench.evaluate().check()\n    assert 1 == 2\n"
    repository.sector("diy", "bolts", test=test)
    assert repository.run(*xdist).ret == 1
    pair = repository.pairs()["one:bolts"]
    assert pair["verdict"] == "reject"
    assert "assert 1 == 2" in pair["error"]


def test_a_test_that_breaks_before_it_evaluates_is_a_failed_pair(repository):
    test = "def test_it(prodbench):\n    raise ValueError('no')\n"
    repository.sector("diy", "bolts", test=test)
    assert repository.run("-p", "no:xdist").ret == 1
    pair = repository.pairs()["one:bolts"]
    assert (pair["status"], pair["verdict"]) == ("failed", "incomplete")
    assert "ValueError" in pair["error"]


@pytest.mark.parametrize("xdist", [["-p", "no:xdist"], ["-n2"]])
@pytest.mark.parametrize(
    ("mark", "said"),
    [
        ("skip(reason='later')", "its test was skipped (later)"),
        ("xfail(reason='known')", "its test was expected to fail (known)"),
    ],
)
def test_a_pair_whose_test_is_skipped_or_expected_to_fail_is_no_pass(repository, xdist, mark, said):
    test = f"import pytest\n@pytest.mark.{mark}\ndef test_it(prodbench):\n    assert 0\n"
    repository.sector("diy", "bolts", test=test)
    result = repository.run(*xdist)
    assert result.ret == 1
    result.stdout.fnmatch_lines([f"*one:bolts: lost: {said.replace('(', '?').replace(')', '?')}*"])
    assert repository.evidence()["verdict"] == "incomplete"


@pytest.mark.parametrize("xdist", [["-p", "no:xdist"], ["-n2"]])
def test_a_dataset_without_a_test_is_planned_and_missing(repository, xdist):
    (repository.path / "suites/diy/test_diy.py").unlink()
    result = repository.run(*xdist)
    assert result.ret == 1
    result.stdout.fnmatch_lines(
        ["one:bolts: lost: no test collects it; diy/ needs a test that uses*"]
    )
    evidence = repository.evidence()
    assert evidence["partial"] is False
    assert evidence["verdict"] == "incomplete"
    assert repository.pairs()["one:bolts"]["status"] == "lost"


@pytest.mark.parametrize("xdist", [["-p", "no:xdist"], ["-n2"]])
def test_a_suite_whose_tests_are_all_gone_is_not_green(repository, xdist):
    for sector in ("diy", "retail"):
        (repository.path / f"suites/{sector}/test_{sector}.py").unlink()
    repository.write("suites/test_other.py", "def test_other(): pass\n")
    result = repository.run(*xdist)
    assert result.ret == 1
    assert {pair["status"] for pair in repository.pairs().values()} == {"lost"}
    # Narrowed to what is no pair, there is nothing to say.
    assert repository.run(*xdist, "-k", "other", name="narrowed").ret == 0
    assert not (repository.path / "reports/narrowed").exists()


@pytest.mark.parametrize(
    ("arguments", "partial"),
    [
        (["suites/diy"], False),
        (["suites/diy/test_diy.py"], True),
        (["suites/diy/test_diy.py::test_retrieval[one:bolts]"], True),
        (["suites", "--deselect=suites/diy/test_diy.py::test_retrieval[one:bolts]"], True),
        (["suites", "--ignore=suites/diy"], True),
    ],
)
@pytest.mark.parametrize("xdist", [["-p", "no:xdist"], ["-n2"]])
def test_paths_and_deselection_narrow_a_run(repository, arguments, partial, xdist):
    """A folder with whole sectors is a run of those sectors; anything smaller is partial."""
    result = repository.run(*arguments, *xdist)
    assert result.ret == 0, result.stdout.str()
    evidence = repository.evidence()
    assert bool(evidence["selection"]) is partial
    assert (evidence["verdict"] == "incomplete") is (evidence["selected"] != evidence["planned"])


@pytest.mark.parametrize("xdist", [["-p", "no:xdist"], ["-n2"]])
def test_what_another_plugin_deselects_is_left_out_and_not_lost(repository, xdist):
    repository.write(
        "conftest.py",
        """
def pytest_collection_modifyitems(config, items):
    out = [item for item in items if "two:" in item.nodeid]
    items[:] = [item for item in items if item not in out]
    config.hook.pytest_deselected(items=out)
""",
    )
    result = repository.run(*xdist)
    assert result.ret == 0, result.stdout.str()
    evidence = repository.evidence()
    assert evidence["selected"] == evidence["evaluated"] == ["one:bolts", "one:boxes"]
    assert evidence["selection"] == ["deselected by a plugin"]
    assert evidence["verdict"] == "incomplete"


def test_a_device_that_is_not_here_is_found_before_anything_is_opened(repository):
    result = repository.run(
        "-p", "no:xdist", "--prodbench-precision=float16", "--prodbench-device=cpu"
    )
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*precision: 'float16' on the CPU*"])


def test_models_and_datasets_from_a_conftest(repository):
    repository.write(
        "conftest.py",
        f"""
from pathlib import Path
def pytest_prodbench_register(catalog):
    catalog.add_model("three", "timm:test_efficientnet", checkpoint="random:1", by_default=False)
    catalog.add_dataset("more", sector="diy", path=Path({str(repository.catalogs)!r}) / "boxes/manifest.csv",
                        thresholds={{"recall@1": 1.0}})
""",
    )
    repository.run("-p", "no:xdist", "--collect-only", "-q").stdout.no_fnmatch_line("*three*")
    result = repository.run("-n2", "--prodbench-model=three", "--prodbench-dataset=more")
    assert repository.evidence()["selected"] == ["three:more"]
    if result.ret:
        result.stdout.fnmatch_lines(["*conftest.py: dataset more: thresholds.*"])
    assert repository.pairs()["three:more"]["checks"][0]["limit"] == 1.0


@pytest.mark.parametrize("good_first", [True, False])
def test_of_two_tests_on_one_pair_the_worse_counts(repository, good_first):
    good = "    prodbench.evaluate().check()\n"
    bad = "    assert prodbench.evaluate().metrics['mrr'].value > 2\n"
    first, second = (good, bad) if good_first else (bad, good)
    test = f"def test_a(prodbench):\n{first}def test_b(prodbench):\n{second}"
    repository.sector("diy", "bolts", test=test)
    assert repository.run("-p", "no:xdist").ret == 1
    assert repository.pairs()["one:bolts"]["verdict"] == "reject"
    assert repository.evidence()["verdict"] == "reject"
