"""JUnit XML for CI systems: a test case a pair, a sector and a candidate; facts as properties of the suite.

The form is ``xunit2``, the schema of the Jenkins xUnit plugin (``junit-10.xsd``) that pytest's own file
follows: properties stand on the suite only, ``time`` has at most three decimals.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from pytest_prodbench.atomic import atomic_write_bytes
from pytest_prodbench.errors import printable
from pytest_prodbench.metrics import HEADLINE
from pytest_prodbench.report.sections import (
    Section,
    accepted,
    drop_seen,
    reasons,
    sections,
)
from pytest_prodbench.report.standing import (
    candidate_forgiven,
    candidate_reasons,
    stamp,
    standing,
)
from pytest_prodbench.report.wording import DROP_SEEN, figure, interval, known, line

if TYPE_CHECKING:
    from pytest_prodbench.evidence.types import PairRecord, RunRecord
    from pytest_prodbench.report.reporter import ReportInput

SECTOR_CLASS = "prodbench.sector"
CANDIDATE_CLASS = "prodbench.candidate"


def write_junit(report: ReportInput) -> Path:
    """Write ``junit.xml`` into the run's folder."""
    root = _document(report.record)
    ET.indent(root)
    path = report.run_dir / "junit.xml"
    atomic_write_bytes(path, ET.tostring(root, encoding="utf-8", xml_declaration=True) + b"\n")
    return path


def _document(record: RunRecord) -> ET.Element:
    cases: list[ET.Element] = []
    for section in sections(record):
        cases += [_pair(pair, record) for pair in section.pairs]
        cases.append(_sector(section, record))
    cases += [_candidate(model, record) for model in sorted(record.candidates)]
    totals = {
        "tests": str(len(cases)),
        "failures": str(_holding(cases, "failure")),
        "errors": str(_holding(cases, "error")),
    }
    time = _seconds(record.host.seconds)
    root = ET.Element("testsuites", {"name": "prodbench", "time": time, **totals})
    # The record holds no host name on purpose, so that none leaves the machine with it.
    suite = ET.SubElement(
        root,
        "testsuite",
        {
            "name": "prodbench",
            **totals,
            "skipped": str(_holding(cases, "skipped")),
            "time": time,
            "timestamp": printable(record.host.started),
        },
    )
    properties = ET.SubElement(suite, "properties")
    for name, value in _facts(record):
        ET.SubElement(properties, "property", name=printable(name), value=printable(value))
    suite.extend(cases)
    return root


def _facts(record: RunRecord) -> list[tuple[str, str]]:
    facts = [
        ("run", record.run),
        ("verdict", record.verdict),
        ("gate", record.gate),
        *(("standing", told) for told in (*filter(None, [stamp(record)]), *standing(record))),
        ("drop_seen", known(drop_seen(record.pairs))),
        ("partial", "true" if record.partial else "false"),
        ("selection", " ".join(record.selection)),
        ("planned", str(len(record.planned))),
        ("selected", str(len(record.selected))),
        ("evaluated", str(len(record.evaluated))),
        ("policy_digest", record.policy_digest),
        ("policy_files", " ".join(record.policy_files)),
        ("protocol_version", str(record.protocol_version)),
        ("prodbench_version", record.prodbench_version),
        ("platform", record.host.platform),
    ]
    for section in sections(record):
        facts += [
            (f"sector {section.name}", section.verdict),
            (f"sector {section.name} drop_seen", known(section.drop_seen)),
        ]
    facts += [
        (f"model {name} weights", model.weights_digest)
        for name, model in sorted(record.models.items())
    ]
    facts += [
        (f"dataset {name} content", dataset.content_digest)
        for name, dataset in sorted(record.datasets.items())
    ]
    return facts


def _pair(pair: PairRecord, record: RunRecord) -> ET.Element:
    case = ET.Element(
        "testcase",
        classname=printable(pair.sector),
        name=printable(pair.name),
        time=_seconds(pair.timing.total_s),
    )
    told = reasons(pair)
    if accepted(pair):
        pass
    elif pair.status == "not run" and pair.name not in record.selected:
        _mark(case, "skipped", "not selected", told)
    elif pair.status == "evaluated" and record.gate != "enforce":
        _mark(case, "skipped", f"{pair.verdict}, gate {record.gate}", told)
    elif pair.status == "evaluated" and pair.verdict == "reject":
        _mark(case, "failure", "reject", told)
    else:
        # Failed, lost, never reached, or measured and not proven: the run does not know.
        _mark(case, "error", "incomplete" if pair.status == "evaluated" else pair.status, told)
    if pair.measurement is not None:
        _say(
            case,
            f"{DROP_SEEN} {known(drop_seen([pair]))} of {HEADLINE}",
            *(check.message for check in pair.checks if check.passed),
            *(
                f"{name} {figure(value.value)} {interval(value)} n={value.n} products={value.products}"
                for name, value in sorted(pair.measurement.metrics.items())
            ),
        )
    return case


def _candidate(model: str, record: RunRecord) -> ET.Element:
    case = ET.Element("testcase", classname=CANDIDATE_CLASS, name=printable(model), time="0.000")
    verdict = record.candidates[model]
    if verdict != "accept":
        kind = "failure" if verdict == "reject" else "error"
        if candidate_forgiven(record, model) is not None:
            kind = "skipped"
        _mark(case, kind, verdict, candidate_reasons(record, model))
    return case


def _sector(section: Section, record: RunRecord) -> ET.Element:
    case = ET.Element(
        "testcase", classname=SECTOR_CLASS, name=printable(section.title), time="0.000"
    )
    if section.verdict != "accept":
        kind = "failure" if section.verdict == "reject" else "error"
        if section.forgiven(record.gate) is not None:
            kind = "skipped"
        _mark(case, kind, section.verdict, section.reasons)
    drop = f"{DROP_SEEN} {known(section.drop_seen)} of {HEADLINE}, the largest of its pairs"
    _say(case, drop, *section.remarks)
    return case


def _say(case: ET.Element, *lines: str) -> None:
    ET.SubElement(case, "system-out").text = printable("\n".join(lines))


def _mark(case: ET.Element, tag: str, kind: str, told: list[str]) -> None:
    """Add the one child that says why a case did not pass: a line to list, the whole to read."""
    first, more = line(told[0]), len(told) - 1
    mark = ET.SubElement(
        case, tag, type=kind, message=f"{first} (and {more} more)" if more else first
    )
    mark.text = printable("\n".join(told))


def _holding(cases: list[ET.Element], tag: str) -> int:
    return sum(case.find(tag) is not None for case in cases)


def _seconds(value: float) -> str:
    return f"{value:.3f}"
