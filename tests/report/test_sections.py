"""What is said of a sector beside its pairs: rules met and missed together, warnings, waivers."""

from __future__ import annotations

import pytest

from pytest_prodbench.evidence.judgement import WaiverInForce
from pytest_prodbench.report.html import write_html
from pytest_prodbench.report.markdown import write_markdown
from pytest_prodbench.report.reporter import ReportInput
from pytest_prodbench.report.sections import sections
from pytest_prodbench.report.terminal import sector_tables

from . import builders as b

WAIVER = WaiverInForce(
    limit=0.9, reason="<b>lamps</b>", owner="parts team", expires="2027-05-31", where="x.toml:9: w"
)


def check(message, value=0.5, limit=0.4, **changes):
    return b.held("recall@1", limit, value, message=message, where="x.toml:8: r", **changes)


def section(checks=(), sector_checks=(), verdict="accept", **fields):
    pairs = [b.pair("lite0", "parts", "diy", checks=list(checks))]
    fields = {"sectors": {"diy": verdict}, "sector_checks": {"diy": list(sector_checks)}} | fields
    record = b.run(pairs, [], [], **fields)
    (found,) = sections(record)
    return record, found


@pytest.mark.parametrize(
    ("held", "said"),
    [
        (check("m", limit=0.6, severity="warn"), ["warning: m"]),
        (check("m", limit=0.6, severity="info"), ["note: m"]),
        (check("m", outcome="inconclusive", inconclusive="warn", passed=True), ["warning: m"]),
        (check("m", outcome="inconclusive", inconclusive="pass", passed=True), []),
        (check("m", waiver=WAIVER), ["waiver: m"]),
        (check("m"), []),
        (check("m", dataset=None), ["m"]),
    ],
)
def test_what_decides_nothing_is_seen(held, said):
    assert section([held])[1].remarks == said
    assert section([held])[1].reasons == []


def test_a_rule_missed_together_is_a_reason_of_the_sector():
    missed = check("lite0: mean", limit=0.6, dataset=None)
    _, found = section([check("m")], [missed], verdict="reject")
    assert found.reasons == ["lite0: mean"]
    assert found.together == ["lite0: mean"]
    assert found.remarks == []


def test_every_report_shows_them(tmp_path):
    missed = check("lite0: mean <i>short</i>", limit=0.6, dataset=None)
    waived = check("lite0:parts: waived by parts team", waiver=WAIVER)
    record, _ = section([waived], [missed], verdict="reject")
    report = ReportInput(record, {}, tmp_path, tmp_path)
    page = write_html(report).read_text(encoding="utf-8")
    assert "lite0: mean &lt;i&gt;short&lt;/i&gt;" in page
    assert "<i>short" not in page
    summary = write_markdown(report).read_text(encoding="utf-8")
    lines = "\n".join(sector_tables(record, 100))
    for text in (page, summary, lines):
        assert "waiver: lite0:parts: waived by parts team" in text
        assert "lite0: mean" in text


def test_a_narrowed_sector_is_one_that_nothing_else_keeps_from_an_accept():
    pairs = [
        b.pair("lite0", "parts", "diy"),
        b.unmeasured("lite1", "parts", "diy", "not run", ""),
    ]
    fields = {"selected": ["lite0:parts"], "partial": True, "sectors": {"diy": "incomplete"}}
    (found,) = sections(b.run(pairs, [], [], **fields))
    assert found.forgiven("enforce") == "the run was narrowed"
    undecided = check("u", value=None, dataset=None)
    (found,) = sections(b.run(pairs, [], [], sector_checks={"diy": [undecided]}, **fields))
    assert found.forgiven("enforce") == "the run was narrowed"
    failed = check("f", limit=0.6, dataset=None)
    (found,) = sections(b.run(pairs, [], [], sector_checks={"diy": [failed]}, **fields))
    assert found.forgiven("enforce") is None
    rejected = [b.pair("lite0", "parts", "diy", verdict="reject"), pairs[1]]
    (found,) = sections(b.run(rejected, [], [], **fields))
    assert found.forgiven("enforce") is None
