"""Against the model in production: the same refusal in every way to run, and never a pass for want of it."""

from __future__ import annotations

import json
import shutil
import subprocess
import xml.etree.ElementTree as ET

import pytest

from pytest_prodbench.cli import main
from pytest_prodbench.evidence.types import stable

WAYS = [["-p", "no:xdist"], ["-n2"]]
every_way = pytest.mark.parametrize("way", WAYS, ids=" ".join)
NO_DROP = '"mrr" = { max_drop = 0.0 }\n'
STAMPS = {
    "report": "GATE SET TO REPORT: verdicts were made and held against nobody",
    "off": "GATE OFF: nothing was judged",
}


def git(repository, *words):
    identity = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
    subprocess.run(
        ["git", "-C", str(repository.path), *identity, *words], check=True, capture_output=True
    )


def add(repository, sector, text):
    path = repository.path / f"suites/{sector}/sector.toml"
    path.write_text(path.read_text(encoding="utf-8") + text, encoding="utf-8")


def rows(repository):
    """Test case → the tag that says why it did not pass, or ``passed``."""
    found = {}
    for case in ET.parse(repository.path / "own.xml").iter("testcase"):
        tags = [child.tag for child in case if child.tag != "properties"]
        found[case.attrib["name"]] = tags[0] if tags else "passed"
    return found


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """Where the baseline is kept once the first test has made it."""
    return tmp_path_factory.mktemp("kept")


@pytest.fixture
def accepted(repository, kept, monkeypatch):
    """Model one is in production."""
    monkeypatch.chdir(repository.path)
    place = repository.path / "baselines/production"
    if not (kept / "production").exists():
        repository.write(
            ".gitignore", "reports/\n__pycache__/\n.pytest_cache/\nrunpytest-*\nstd*\n"
        )
        git(repository, "init", "-q")
        git(repository, "add", "-A")
        git(repository, "commit", "-q", "-m", "suite")
        result = repository.run("-p", "no:xdist", name="first")
        assert result.ret == 0
        result.stdout.fnmatch_lines(["no baseline yet: nothing was compared*"])
        assert main(["accept", "reports/first", "--model", "one", "--reason", "the first"]) == 0
        shutil.copytree(place, kept / "production")
    else:
        shutil.copytree(kept / "production", place)
    return repository


def test_a_first_run_has_nothing_to_drop_from(repository):
    add(repository, "diy", NO_DROP)
    result = repository.run("-p", "no:xdist", "--junitxml=own.xml")
    assert result.ret == 0
    result.stdout.fnmatch_lines(["no baseline yet: nothing was compared with a model in prod*"])
    evidence = repository.evidence()
    assert (evidence["verdict"], evidence["baseline"]) == ("accept", None)
    outcomes = {c["outcome"] for c in repository.pairs()["two:bolts"]["checks"]}
    assert outcomes == {"holds", "no baseline"}
    for name in ("summary.md", "index.html", "junit.xml"):
        text = (repository.path / "reports/run" / name).read_text(encoding="utf-8")
        assert "no baseline yet" in text, name


def test_a_first_run_of_nothing_but_drops_is_not_accepted(repository):
    path = repository.path / "suites/diy/sector.toml"
    path.write_text(path.read_text().partition("[thresholds]")[0] + f"[thresholds]\n{NO_DROP}")
    result = repository.run("-p", "no:xdist")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert repository.evidence()["sectors"] == {"diy": "incomplete", "retail": "accept"}


def test_a_worse_model_is_refused_with_the_same_evidence_in_every_way(accepted):
    add(accepted, "diy", NO_DROP)
    found = []
    for number, way in enumerate(WAYS):
        result = accepted.run(*way, "--junitxml=own.xml", name=f"run-{number}")
        assert result.ret == pytest.ExitCode.TESTS_FAILED
        said = " ".join(result.stdout.str().split())
        assert "two:bolts: drop of mrr 0." in said
        assert "production 0." in said
        assert "suites/diy/sector.toml:5: thresholds.mrr" in said
        assert "compared with production: one, accepted" in said
        assert rows(accepted) == {
            "test_retrieval[one:bolts]": "passed",
            "test_retrieval[two:bolts]": "failure",
            "test_retrieval[one:boxes]": "passed",
            "test_retrieval[two:boxes]": "passed",
            "sector[diy]": "failure",
            "sector[retail]": "passed",
            "candidate[one]": "passed",
            "candidate[two]": "failure",
        }
        found.append(stable(accepted.evidence(f"run-{number}")))
    assert found[1] == found[0]
    assert found[0]["candidates"] == {"one": "accept", "two": "reject"}
    assert found[0]["baseline"]["reason"] == "the first"
    # Judged again from what is on disk it says the same.
    assert main(["gate", "reports/run-0", "--baseline", "production"]) == 1


@every_way
@pytest.mark.parametrize(
    "damage", ["not JSON", "queries gone", "queries changed", "interrupted", "asked for by name"]
)
def test_a_baseline_that_cannot_be_trusted_stops_before_anything_is_embedded(accepted, way, damage):
    folder = accepted.path / "baselines/production"
    words = []
    if damage == "not JSON":
        (folder / "baseline.json").write_text("{")
    elif damage == "queries gone":
        (folder / "queries/one@boxes.parquet").unlink()
    elif damage == "queries changed":
        shutil.copy(folder / "queries/one@bolts.parquet", folder / "queries/one@boxes.parquet")
    elif damage == "interrupted":
        folder.rename(folder.with_name(".production.old"))
    else:
        words = ["--prodbench-baseline=baselines/last-year"]
    result = accepted.run(*way, *words)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*ERROR: prodbench: *baselines/*"])
    assert not (accepted.path / "reports/run").exists()


def test_a_baseline_that_is_edited_while_a_worker_starts(accepted):
    """Half of the pairs would be compared with something else."""
    accepted.write(
        "conftest.py",
        """
from pathlib import Path
def pytest_configure_node(node):
    path = Path("baselines/production/baseline.json")
    path.write_text(path.read_text() + " ")
""",
    )
    result = accepted.run("-n2")
    assert result.ret != 0
    said = result.stdout.str() + result.stderr.str()
    assert "or the baseline was edited while the" in said


def test_a_dataset_that_changed_is_undecided_until_somebody_says_rebase(accepted):
    lines = (accepted.catalogs / "bolts/manifest.csv").read_text().splitlines()
    folder = accepted.path / "edited"
    shutil.copytree(accepted.catalogs / "bolts", folder)
    fewer = [line for line in lines if not line.startswith("005-2.png")]
    (folder / "manifest.csv").write_text("\n".join(fewer) + "\n")
    rule = '"recall@1" = { min = 0.01, max_drop = 0.9 }\n'
    accepted.write(
        "suites/diy/sector.toml",
        f'[datasets.bolts]\npath = "{folder}/manifest.csv"\n[thresholds]\n{rule}',
    )
    result = accepted.run("-p", "no:xdist")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert "11 of 11 queries remain comparable" in " ".join(result.stdout.str().split())
    assert accepted.evidence()["sectors"] == {"diy": "incomplete", "retail": "accept"}
    result = accepted.run("-p", "no:xdist", "--prodbench-rebase")
    assert result.ret == 0
    said = " ".join(result.stdout.str().split())
    assert "compared although the content of the dataset changed" in said
    assert accepted.pairs()["one:bolts"]["comparison"]["only_before"] == 1


# --- a gate that is not enforced


@every_way
@pytest.mark.parametrize("gate", ["report", "off"])
def test_a_gate_that_is_not_enforced_stands_on_every_report(repository, way, gate):
    repository.sector("diy", "bolts", minimum=1.0)
    result = repository.run(*way, f"--prodbench-gate={gate}", "--junitxml=own.xml")
    assert result.ret == 0
    assert STAMPS[gate] in " ".join(result.stdout.str().split())
    for name in ("summary.md", "index.html", "junit.xml"):
        text = (repository.path / "reports/run" / name).read_text(encoding="utf-8")
        assert STAMPS[gate] in text, name
    evidence = repository.evidence()
    assert evidence["gate"] == gate
    assert evidence["verdict"] == {"report": "reject", "off": "incomplete"}[gate]
    found = rows(repository)
    assert {tag for name, tag in found.items() if name.startswith("test_")} == {"passed"}
    assert found["sector[diy]"] == "skipped"
    assert "failure" not in found.values()


@every_way
@pytest.mark.parametrize("gate", ["report", "off"])
def test_what_fails_for_another_reason_fails_under_every_gate(repository, way, gate):
    test = "def test_it(prodbench):\n    prodbench.evaluate().check()\n    assert 1 == 2\n"
    repository.sector("diy", "bolts", test=test)
    result = repository.run(*way, f"--prodbench-gate={gate}")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    pair = repository.pairs()["one:bolts"]
    assert pair["verdict"] == "reject"
    assert "assert 1 == 2" in pair["error"]


def test_a_gate_that_is_unknown(repository):
    result = repository.run("-p", "no:xdist", "--prodbench-gate=none")
    assert result.ret == pytest.ExitCode.USAGE_ERROR


# --- a full decision


@every_way
def test_a_whole_run_that_decides_everything_exits_as_it_does_anyway(repository, way):
    assert repository.run(*way, "--prodbench-require-full").ret == 0
    repository.sector("diy", "bolts", minimum=1.0)
    assert repository.run(*way, "--prodbench-require-full", name="red").ret == 1


@every_way
@pytest.mark.parametrize("narrow", [["-k", "one"], ["--prodbench-model=one"]], ids=" ".join)
def test_a_narrowed_run_where_a_full_one_is_required(repository, way, narrow):
    result = repository.run(*way, *narrow, "--prodbench-require-full")
    assert int(result.ret) == 2
    assert repository.evidence()["partial"] is True


@every_way
def test_a_lost_pair_where_a_full_decision_is_required(repository, way):
    test = "import pytest\n@pytest.mark.skip\ndef test_it(prodbench):\n    pass\n"
    repository.sector("diy", "bolts", test=test)
    assert repository.run(*way, name="red").ret == pytest.ExitCode.TESTS_FAILED
    assert int(repository.run(*way, "--prodbench-require-full").ret) == 2
    assert repository.evidence()["verdict"] == "incomplete"


def test_nothing_selected_is_not_a_full_run(repository):
    result = repository.run("-p", "no:xdist", "-k", "nonsuch", "--prodbench-require-full")
    assert result.ret not in (0, 1)
    assert not (repository.path / "reports/run").exists()


# --- rows


@every_way
def test_the_candidates_of_a_narrowed_run_are_skipped_and_not_passed(repository, way):
    result = repository.run(*way, "--prodbench-sector=diy", "--junitxml=own.xml")
    assert result.ret == 0
    found = {name: tag for name, tag in rows(repository).items() if name.startswith("candidate")}
    assert found == {"candidate[one]": "skipped", "candidate[two]": "skipped"}


def test_the_row_of_a_candidate_says_why(repository):
    repository.sector("diy", "bolts", minimum=1.0)
    repository.run("-p", "no:xdist", "--junitxml=own.xml")
    verdicts = {name: pair["verdict"] for name, pair in repository.pairs().items()}
    for case in ET.parse(repository.path / "own.xml").iter("testcase"):
        name = case.attrib["name"].partition("[")[2].rstrip("]")
        if not case.attrib["name"].startswith("candidate") or not len(case):
            continue
        assert verdicts[f"{name}:bolts"] == "reject"
        assert case[0].text.splitlines() == [f"{name}: reject", f"{name}:bolts: reject"]
    own = json.dumps([c.attrib["name"] for c in ET.parse("own.xml").iter("testcase")])
    assert own.count("candidate") == 2
