"""Workflow commands: which checks get one, where they point, and that nobody's text can end them."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_prodbench.report.annotations import in_workflow, workflow_commands

from . import builders as b

WHERE = 'suites/diy/sector.toml:8: thresholds."recall@1"'


def commands(*checks, folder="", **fields):
    verdict = "reject" if any(check.blocks for check in checks) else "accept"
    pairs = [b.pair("lite0", "parts", "diy", checks=list(checks), verdict=verdict)]
    return workflow_commands(b.run(pairs, [], [], **fields), folder)


def failed(**changes):
    return b.held("recall@1", 0.9, 0.5, message="lite0:parts: short", where=WHERE, **changes)


def test_a_failed_rule_points_at_its_line():
    assert commands(failed()) == [
        "::error file=suites/diy/sector.toml,line=8,title=lite0%3Aparts::lite0:parts: short"
    ]
    (inside,) = commands(failed(), folder="services/search")
    assert "file=services/search/suites/diy/sector.toml,line=8" in inside


def test_a_rule_without_a_line_is_shown_without_one():
    (found,) = commands(b.held("recall@1", 0.9, 0.5, message="short", where="conftest.py: x"))
    assert found == "::error title=lite0%3Aparts::short"


@pytest.mark.parametrize(
    ("check", "kind"),
    [
        (failed(severity="warn"), "warning"),
        (failed(outcome="inconclusive", inconclusive="warn", passed=True), "warning"),
        (failed(outcome="inconclusive", inconclusive="pass", passed=True), None),
        (failed(severity="info"), None),
        (b.held("recall@1", 0.4, 0.5, message="holds", where=WHERE), None),
    ],
)
def test_what_does_not_block_is_a_warning_or_nothing(check, kind):
    found = commands(check)
    assert [command.split(" ")[0] for command in found] == ([f"::{kind}"] if kind else [])


def test_a_rule_on_a_sector_names_the_model():
    check = failed(dataset=None)
    found = commands(sector_checks={"diy": [check]}, sectors={"diy": "reject"})
    assert found == ["::error file=suites/diy/sector.toml,line=8,title=lite0::lite0:parts: short"]


def test_a_pair_without_a_result_is_an_error():
    pairs = [b.unmeasured("lite0", "parts", "diy", "lost", "the worker died")]
    assert workflow_commands(b.run(pairs, [], [])) == [
        "::error title=lite0%3Aparts::the worker died"
    ]


def test_no_text_ends_a_command_or_begins_another():
    text = "50 %\n::error::x\r\n::stop-commands::y"
    (found,) = commands(failed(model="a,b:c\n::error::", dataset="d"), folder="x,y:z")
    assert "\n" not in found
    assert "file=x%2Cy%3Az/suites" in found
    (found,) = commands(b.held("recall@1", 0.9, 0.5, message=text, where=WHERE))
    assert found.count("\n") == found.count("\r") == 0
    assert found.endswith("50 %25%0A::error::x%0A::stop-commands::y")


def test_only_in_a_workflow(tmp_path):
    record = b.run([b.pair("lite0", "parts", "diy", checks=[failed()], verdict="reject")], [], [])
    assert in_workflow(record, {}, tmp_path) == []
    assert in_workflow(record, {"GITHUB_ACTIONS": "false"}, tmp_path) == []
    inside = {"GITHUB_ACTIONS": "true", "GITHUB_WORKSPACE": str(tmp_path)}
    (found,) = in_workflow(record, inside, tmp_path / "a")
    assert "file=a/suites/diy/sector.toml" in found
    (found,) = in_workflow(record, {**inside, "GITHUB_WORKSPACE": "/elsewhere"}, Path("/b"))
    assert "file=suites/diy/sector.toml" in found
