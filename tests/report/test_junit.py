from __future__ import annotations

import os
import re
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_prodbench.errors import printable
from pytest_prodbench.report.junit import write_junit
from pytest_prodbench.report.reporter import ReportInput
from pytest_prodbench.report.terminal import sector_tables

from . import builders as b
from .four_sectors import four_sectors

HOSTILE = "<a attr='\"&]]>\x00\x1b\x08\ufffe\u202e\n\ttail"


def tree(report: ReportInput) -> ET.Element:
    return ET.fromstring(write_junit(report).read_bytes())


def case(root: ET.Element, name: str) -> ET.Element:
    (found,) = [item for item in root.iter("testcase") if item.get("name") == name]
    return found


def test_every_planned_pair_is_a_case_and_every_sector(tmp_path):
    report = four_sectors(tmp_path)
    root = tree(report)
    names = [item.get("name") for item in root.iter("testcase")]
    assert sorted(names) == sorted([*report.record.planned, *report.record.sectors])
    sectors = {
        i.get("name") for i in root.iter("testcase") if i.get("classname") == "prodbench.sector"
    }
    assert sectors == set(report.record.sectors)


def test_what_happened_decides_the_mark(tmp_path):
    root = tree(four_sectors(tmp_path))
    marks = {
        "siglip2-b16:dealer-parts": None,
        "dinov2-b14:dealer-parts": "error",  # lost
        "siglip2-b16:straps-and-clasps": "error",  # failed
        "dinov2-b14:hardware-store": "failure",  # rejected
        "openai-clip-l14:fasteners": "skipped",  # not selected
        "diy": "failure",
        "automotive": "error",
        "manufacturing": None,
    }
    for name, mark in marks.items():
        found = [child.tag for child in case(root, name) if child.tag != "system-out"]
        assert found == ([mark] if mark else []), name


def test_totals_are_the_marks(tmp_path):
    root = tree(four_sectors(tmp_path))
    suite = root.find("testsuite")
    cases = list(suite.iter("testcase"))
    for total, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        assert int(suite.get(total)) == sum(item.find(tag) is not None for item in cases)
    assert int(suite.get("tests")) == len(cases)
    assert root.get("failures") == suite.get("failures")
    assert root.get("errors") == suite.get("errors")


def test_a_selected_pair_that_never_ran_is_an_error_not_a_skip(tmp_path):
    never = b.unmeasured("lite0", "parts", "diy", "not run", "interrupted")
    record = b.run([never], [b.model("lite0")], [b.dataset("parts", "diy")], verdict="incomplete")
    root = tree(ReportInput(record, {}, tmp_path, tmp_path))
    assert case(root, "lite0:parts").find("error").get("type") == "not run"


def test_a_measured_pair_that_is_not_proven_is_an_error(tmp_path):
    report = b.small_run(tmp_path, pair={"verdict": "incomplete", "checks": []})
    error = case(tree(report), "lite0:parts").find("error")
    assert error.get("message") == "no check was held against it"


def test_an_unmeasured_pair_never_passes_whatever_its_verdict_says(tmp_path):
    pair = b.unmeasured("lite0", "parts", "diy", "lost", "gone").model_copy(
        update={"verdict": "accept"}
    )
    record = b.run([pair], [b.model("lite0")], [b.dataset("parts", "diy")])
    error = case(tree(ReportInput(record, {}, tmp_path, tmp_path)), "lite0:parts").find("error")
    assert error.get("message") == "gone"


def test_accepted_without_a_measurement_is_not_accepted(tmp_path):
    report = b.small_run(tmp_path, pair={"measurement": None})
    error = case(tree(report), "lite0:parts").find("error")
    assert error.get("message") == "no measurement is recorded"
    assert "INCOMPLETE" in "".join(sector_tables(report.record, 80))


def test_a_planned_pair_without_a_record_is_an_error(tmp_path):
    report = b.small_run(tmp_path, planned=["lite0:parts", "x:parts"], selected=["x:parts"])
    error = case(tree(report), "x:parts").find("error")
    assert error.get("type") == "lost"


@pytest.mark.parametrize(("verdict", "mark"), [("accept", "skipped"), ("reject", "error")])
def test_a_sector_that_is_incomplete_by_narrowing_alone_is_skipped(tmp_path, verdict, mark):
    report = b.small_run(
        tmp_path,
        planned=["lite0:parts", "x:parts"],
        selected=["lite0:parts"],
        partial=True,
        sectors={"diy": "incomplete"},
        pair={"verdict": verdict},
    )
    assert case(tree(report), "diy").find(mark) is not None


def test_a_sector_without_a_verdict_is_an_error(tmp_path):
    report = b.small_run(tmp_path, sectors={})
    assert case(tree(report), "diy").find("error") is not None


def test_facts_are_properties_of_the_suite_only(tmp_path):
    root = tree(four_sectors(tmp_path))
    suite = root.find("testsuite")
    facts = {item.get("name"): item.get("value") for item in suite.find("properties")}
    assert facts["verdict"] == "reject"
    assert facts["planned"] == "13"
    assert facts["partial"] == "true"
    assert facts["model dinov2-b14 weights"] == "sha256:" + "ab" * 32
    assert facts["dataset fasteners content"] == "sha256:" + "12" * 32
    assert len(root.findall(".//properties")) == 1


def test_each_verdict_says_how_small_a_drop_it_could_have_seen(tmp_path):
    pairs = [
        b.pair(
            name,
            "parts",
            "diy",
            measurement=b.measurement(metrics={"recall@1": b.metric(0.9, detectable=drop)}),
        )
        for name, drop in (("one", 0.111), ("two", 0.222))
    ]
    lost = b.unmeasured("three", "boxes", "retail", "lost", "gone")
    record = b.run([*pairs, lost], [], [b.dataset("parts", "diy"), b.dataset("boxes", "retail")])
    root = tree(ReportInput(record, {}, tmp_path, tmp_path))
    said = {item.get("name"): item.findtext("system-out") for item in root.iter("testcase")}
    assert said["one:parts"].startswith("drop seen 0.111 of recall@1\n")
    assert said["diy"] == "drop seen 0.222 of recall@1, the largest of its pairs"
    assert said["retail"] == "drop seen – of recall@1, the largest of its pairs"
    facts = {item.get("name"): item.get("value") for item in root.iter("property")}
    assert facts["drop_seen"] == facts["sector diy drop_seen"] == "0.222"
    assert facts["sector retail drop_seen"] == "–"


def test_checks_that_hold_are_there_to_read(tmp_path):
    checks = [b.check(0.9, 0.8), b.check(0.5, 0.9, "mrr")]
    failed = case(
        tree(b.small_run(tmp_path, pair={"verdict": "reject", "checks": checks})), "lite0:parts"
    )
    assert checks[0].message in failed.findtext("system-out").splitlines()
    assert checks[1].message not in failed.findtext("system-out")


def test_times_have_three_decimals(tmp_path):
    for item in tree(four_sectors(tmp_path)).iter():
        if item.get("time") is not None:
            assert re.fullmatch(r"\d+\.\d{3}", item.get("time"))


def test_all_reasons_are_there_to_read(tmp_path):
    checks = [b.check(0.5, 0.9), b.check(0.4, 0.9, "mrr")]
    failure = case(
        tree(b.small_run(tmp_path, pair={"verdict": "reject", "checks": checks})), "lite0:parts"
    ).find("failure")
    assert failure.get("message").endswith("(and 1 more)")
    assert failure.text == "\n".join(check.message for check in checks)


def test_same_input_same_bytes(tmp_path):
    report = four_sectors(tmp_path)
    assert write_junit(report).read_bytes() == write_junit(report).read_bytes()


def hostile(tmp_path, text: str) -> ReportInput:
    pair = b.unmeasured(text, text, text, "failed", text)
    record = b.run([pair], [b.model(text)], [b.dataset(text, text)], selection=[text], run=text)
    return ReportInput(record, {}, tmp_path, tmp_path)


@settings(max_examples=60, deadline=None)
@given(text=st.text(min_size=1))
def test_any_text_ends_up_as_text(tmp_path_factory, text):
    root = tree(hostile(tmp_path_factory.getbasetemp() / "junit", text))
    assert root.find(".//testcase").get("name") == printable(f"{text}:{text}")
    assert root.find(".//error").text == printable(text)


@pytest.fixture(scope="module")
def schema():
    path = os.environ.get("PRODBENCH_JUNIT_XSD")
    if not path:
        pytest.skip(
            "set PRODBENCH_JUNIT_XSD to junit-10.xsd (testing/example_scripts of pytest's sdist)"
        )
    xmlschema = pytest.importorskip("xmlschema")
    return xmlschema.XMLSchema(Path(path))


@pytest.mark.parametrize("kind", ["four sectors", "hostile", "empty"])
def test_the_file_is_valid(tmp_path, schema, kind):
    if kind == "four sectors":
        report = four_sectors(tmp_path)
    elif kind == "hostile":
        report = hostile(tmp_path, HOSTILE)
    else:
        report = ReportInput(b.run([], [], [], verdict="incomplete"), {}, tmp_path, tmp_path)
    schema.validate(str(write_junit(report)))


def test_the_schema_would_object(tmp_path, schema):
    root = tree(four_sectors(tmp_path))
    ET.SubElement(root.find(".//testcase"), "properties")
    assert not schema.is_valid(root)
