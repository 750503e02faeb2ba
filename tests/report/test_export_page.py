"""Every number of the page is in a table, and so is every field that evidence has."""

from __future__ import annotations

import re

import pytest

from pytest_prodbench.evidence.judgement import Check
from pytest_prodbench.evidence.measured import Confusion, Crossing, Curve, EmbeddingFacts, Spread
from pytest_prodbench.evidence.types import (
    BaselineFacts,
    DatasetRecord,
    Host,
    ModelRecord,
    PairRecord,
    RunRecord,
    Timing,
)
from pytest_prodbench.evidence.values import MetricValue
from pytest_prodbench.report import wording
from pytest_prodbench.report.export.writing import export_tables
from pytest_prodbench.report.html import write_html

from . import builders as b
from .compared import Tables, everything, rows_of
from .test_html import Seen


def numbers(tables: Tables) -> set[float]:
    def flat(value):
        if isinstance(value, list):
            for part in value:
                yield from flat(part)
        elif isinstance(value, int | float):
            yield float(value)

    return {
        number
        for rows in tables.values()
        for row in rows
        for value in row.values()
        for number in flat(value)
    }


def test_every_number_with_decimals_on_the_page_is_in_a_table(tmp_path):
    report = everything(tmp_path)
    tables = rows_of(report)
    known = numbers(tables)
    # A gain is a drop with its sign turned; the page writes both, and changes to three or four digits.
    written = {wording.figure(value) for value in known}
    written |= {
        f"{sign * value:+.{digits}f}" for value in known for sign in (1, -1) for digits in (3, 4)
    }
    written |= {f"{value:.{digits}f}" for value in known for digits in (1, 2, 4)}
    written |= {f"{value:g}" for value in known} | {f"{100 * value:g}" for value in known}
    written |= {wording.duration(value).split()[0] for value in known if value >= 0}
    markup = write_html(report).read_text("utf-8")
    # Drawings are made of the points of the curves, and of coordinates.
    drawn = r"<(svg|script|style)\b.*?</\1>|<span class=\"axis\".*?</span></span>"
    text = " ".join(Seen(re.sub(drawn, "", markup, flags=re.DOTALL)).parts)
    # Versions and names are no numbers; what a table holds as a text is found there as one.
    texts = " ".join(
        value for rows in tables.values() for row in rows for value in row.values()
        if isinstance(value, str)
    )  # fmt: skip
    shown = re.findall(r"(?<![\w./:-])[+-]?\d+\.\d+(?![\w./:-]*\w)", text)
    assert len(shown) > 500
    assert {one for one in shown if one not in written and one not in texts} == set()


RECORDS = {
    MetricValue: "metrics",
    Curve: "curves",
    Confusion: "confusions",
    EmbeddingFacts: "embedding",
    Check: "checks",
    ModelRecord: "models",
    DatasetRecord: "datasets",
    Spread: "spreads",
    Crossing: "crossings",
    Timing: "pairs",
    Host: "run",
    BaselineFacts: "run",
    PairRecord: "pairs",
    RunRecord: "run",
}
ELSEWHERE = {
    Curve: set(),
    Check: {"waiver"},  # its fields are columns
    ModelRecord: {"name", "versions"},  # model, table libraries
    DatasetRecord: {"name", "conditions"},  # dataset, condition_columns
    Spread: {"column"},  # condition
    Crossing: {"columns", "values", "n", "products", "metrics"},  # condition …, slice_…
    Timing: {"costs", "paid"},  # columns of their own
    Host: {"versions"},  # table libraries
    PairRecord: {"measurement", "checks", "comparison", "timing"},
    RunRecord: {
        *("rules", "waivers"),  # as far as they were held against something: table checks
        *("candidates", "sectors", "sector_checks", "contests", "owners", "models", "datasets"),
        *("pairs", "definitions", "host", "baseline", "metric_versions"),
    },
}


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: record.__name__)
def test_a_field_that_evidence_gains_does_not_get_lost(tmp_path, record):
    schemas = {t.name: t.schema.names for t in export_tables(b.small_run(tmp_path))}
    columns = set(schemas[RECORDS[record]])
    for name in set(record.model_fields) - ELSEWHERE.get(record, set()):
        assert {name, f"baseline_{name}"} & columns, name
