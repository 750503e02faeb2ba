"""A sector's verdict is a test report: it counts and has a row, in serial and under xdist."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest

WAYS = [["-p", "no:xdist"], ["-n1"], ["-n2"], ["-n3"]]
TOGETHER = """
[[rules]]
metric = "recall@1"
aggregate = "mean"
min = 0.999
"""


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


@pytest.mark.parametrize("way", WAYS, ids=" ".join)
def test_a_rule_on_a_sector_fails_a_run_whose_pairs_all_pass(repository, way):
    add(repository, "diy", TOGETHER)
    result = repository.run(*way, "--junitxml=own.xml")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    found = rows(repository)
    assert found.pop("sector[diy]") == "failure"
    evidence = repository.evidence()
    missed = {check["model"] for check in evidence["sector_checks"]["diy"] if not check["passed"]}
    assert missed
    for model in missed:
        assert found.pop(f"candidate[{model}]") == "failure"
        assert evidence["candidates"][model] == "reject"
    assert set(found.values()) == {"passed"}
    assert len(found) == 7 - len(missed)
    result.assert_outcomes(passed=7 - len(missed), failed=1 + len(missed))
    result.stdout.fnmatch_lines(
        ["*: mean recall@1 of the sector 0.* < 0.999, short by *sector.toml:6: rules?0?*"]
    )
    assert evidence["sectors"] == {"diy": "reject", "retail": "accept"}
    assert evidence["verdict"] == "reject"
    assert {check["model"] for check in evidence["sector_checks"]["diy"]} == {"one", "two"}
    assert {pair["verdict"] for pair in repository.pairs().values()} == {"accept"}


@pytest.mark.parametrize("way", [WAYS[0], WAYS[2]], ids=" ".join)
def test_a_warning_is_shown_and_fails_nothing(repository, way):
    add(repository, "diy", TOGETHER + 'severity = "warn"\n')
    result = repository.run(*way, "--junitxml=own.xml")
    assert result.ret == 0
    result.stdout.fnmatch_lines(["*warning: *: mean recall@1 of the sector*"])
    assert set(rows(repository).values()) == {"passed"}
    assert repository.evidence()["verdict"] == "accept"


@pytest.mark.parametrize("way", [WAYS[0], WAYS[2]], ids=" ".join)
def test_the_sectors_of_a_narrowed_run_are_skipped_and_not_passed(repository, way):
    result = repository.run(*way, "--prodbench-model=one", "--junitxml=own.xml")
    assert result.ret == 0
    found = rows(repository)
    assert {name: tag for name, tag in found.items() if name.startswith("sector")} == {
        "sector[diy]": "skipped",
        "sector[retail]": "skipped",
    }


def test_a_waiver_lets_a_pair_pass_and_stands_in_every_report(repository):
    repository.sector("diy", "bolts", minimum=1.0)
    add(
        repository,
        "diy",
        '[[waivers]]\nmetric = "recall@1"\nmin = 0.01\nreason = "new lamps"\nowner = "parts team"\n'
        "granted = 2020-01-01\nexpires = 2999-12-31\n",
    )
    result = repository.run("-p", "no:xdist")
    assert result.ret == 0
    said = "waived from 1 until 2999-12-31 by parts team (new lamps)"
    assert said in " ".join(result.stdout.str().split())
    folder = repository.path / "reports/run"
    for name in ("index.html", "junit.xml", "summary.md", "evidence.json"):
        assert "2999-12-31" in (folder / name).read_text(encoding="utf-8"), name
    assert repository.evidence()["waivers"][0]["reason"] == "new lamps"


@pytest.mark.parametrize(
    ("dates", "said"),
    [
        ("granted = 2020-01-01\nexpires = 2020-12-31", "*a waiver that expired on 2020-12-31*"),
        ("granted = 2999-01-01\nexpires = 2999-12-31", "*a waiver granted on 2999-01-01*clock*"),
    ],
)
def test_a_waiver_out_of_its_time_stops_before_anything_is_embedded(repository, dates, said):
    repository.sector("diy", "bolts", minimum=1.0)
    waiver = 'metric = "recall@1"\nmin = 0.01\nreason = "lamps"\nowner = "parts team"\n'
    add(repository, "diy", f"[[waivers]]\n{waiver}{dates}\n")
    result = repository.run("-p", "no:xdist")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([said])
    assert not (repository.path / "reports/run").exists()


def test_a_workflow_of_github_sees_the_file_and_line_of_the_rule(repository, monkeypatch):
    repository.sector("diy", "bolts", minimum=1.0)
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_WORKSPACE", str(repository.path.parent))
    result = repository.run("-p", "no:xdist")
    file = f"{repository.path.name}/suites/diy/sector.toml"
    result.stdout.fnmatch_lines(
        [f"::error file={file},line=4,title=???%3Abolts::???:bolts: recall@1 0.* < 1, short by*"]
    )
    monkeypatch.delenv("GITHUB_ACTIONS")
    assert "::error" not in repository.run("-p", "no:xdist").stdout.str()
