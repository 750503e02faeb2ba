"""CSV as other programs read it: nothing is lost on the way, and nothing is executed where that was asked."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import sys

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_prodbench.report.export.csv_text import EXECUTED, as_text, csv_writer
from pytest_prodbench.report.export.writing import write_export
from pytest_prodbench.report.reporter import ReportInput

from . import builders as b

HOSTILE = [
    "00123",
    "1e5",
    "0x1F",
    "NaN",
    "null",
    "None",
    "",
    "<script>alert(1)</script>",
    '"quoted", and a comma',
    'ends with a quote"',
    "two\nlines",
    "two\r\nlines",
    "\r",
    "\u202egnp.exe",
    "ß ＝ 漢字 🔩",
    " blanks ",
    "=HYPERLINK(1)",
    "'already",
    "m" * 1_000_000,
]
FORMULAS = [
    *("=1+1", "+1", "-1", "@SUM(1)", "\t=1", "\r=1", "\n=1", "＝1", "＋1", "－1", "＠1"),
    "'=1",
]


def written(table: pa.Table, *, safe: bool = False) -> bytes:
    sink = io.BytesIO()
    writer = csv_writer(sink, table.schema)
    writer.write(as_text(table, safe=safe))
    writer.close()
    return sink.getvalue()


def by_standard_library(data: bytes) -> list[list[str]]:
    csv.field_size_limit(sys.maxsize)
    return list(csv.reader(io.StringIO(data.decode("utf-8"), newline=""), strict=True))


def by_arrow(data: bytes, schema: pa.Schema) -> pa.Table:
    return pyarrow.csv.read_csv(
        io.BytesIO(data),
        read_options=pyarrow.csv.ReadOptions(block_size=1 << 25),
        parse_options=pyarrow.csv.ParseOptions(newlines_in_values=True),
        convert_options=pyarrow.csv.ConvertOptions(
            column_types=schema,
            null_values=[""],
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
        ),
    )


def texts(values: list[str | None]) -> pa.Table:
    # The number beside it: a line of one empty cell is none.
    places = pa.array(range(len(values)), pa.int64())
    return pa.table({"text": pa.array(values, pa.string()), "place": places})


def test_hostile_texts_come_back():
    data = written(texts(HOSTILE))
    assert [row[0] for row in by_standard_library(data)] == ["text", *HOSTILE]
    assert by_arrow(data, texts([]).schema)["text"].to_pylist() == HOSTILE


# NUL is left out: Python's reader does not take it before 3.11.4.
CHARACTERS = st.characters(exclude_categories=["Cs"], exclude_characters="\0")


@given(values=st.lists(st.none() | st.text(CHARACTERS)))
def test_any_text_comes_back_and_nothing_is_not_an_empty_text(values):
    data = written(texts(values))
    assert by_arrow(data, texts([]).schema)["text"].to_pylist() == values
    assert [row[0] for row in by_standard_library(data)[1:]] == [value or "" for value in values]


@given(values=st.lists(st.none() | st.floats(allow_nan=False, allow_infinity=False)))
def test_numbers_come_back_exactly_and_none_is_empty(values):
    table = pa.table({"x": pa.array(values, pa.float64()), "place": range(len(values))})
    cells = [row[0] for row in by_standard_library(written(table))[1:]]
    assert [float(cell) if cell else None for cell in cells] == values


@given(
    values=st.lists(
        st.none() | st.lists(st.none() | st.floats(width=32, allow_infinity=True)), max_size=8
    )
)
def test_lists_of_scores_are_json_that_comes_back(values):
    table = pa.table({"x": pa.array(values, pa.list_(pa.float32()))})
    cells = as_text(table)["x"].to_pylist()
    found = [cell if cell is None else json.loads(cell) for cell in cells]
    expected = [
        value
        if value is None
        else [part if part is not None and np.isfinite(part) else None for part in value]
        for value in values
    ]
    assert [
        row if row is None else [p if p is None else float(np.float32(p)) for p in row]
        for row in found
    ] == expected


@given(values=st.lists(st.none() | st.lists(st.none() | st.text()), max_size=8))
def test_lists_of_texts_are_json_that_comes_back(values):
    table = pa.table({"x": pa.array(values, pa.list_(pa.string()))})
    # In two pieces, and cut out of a larger table: what a slice begins with is not its first element.
    for cut in (pa.concat_tables([table, table]), table.slice(1)):
        cells = as_text(cut)["x"].to_pylist()
        assert [c if c is None else json.loads(c) for c in cells] == cut["x"].to_pylist()


def test_lists_of_ranks_and_of_truths():
    table = pa.table({"ranks": [[1, 20], []], "relevant": [[True, False], None]})
    assert as_text(table).to_pydict() == {
        "ranks": ["[1, 20]", "[]"],
        "relevant": ["[true, false]", None],
    }


@pytest.mark.parametrize("text", FORMULAS)
def test_a_formula_is_exact_unless_asked_otherwise(text):
    exact, safe = (by_standard_library(written(texts([text]), safe=s))[1][0] for s in (False, True))
    assert exact == text
    assert safe == "'" + text


@given(text=st.text(CHARACTERS | st.sampled_from(EXECUTED + "'")))
def test_what_was_made_safe_begins_with_nothing_to_execute_and_can_be_taken_back(text):
    cell = as_text(texts([text]), safe=True)["text"].to_pylist()[0]
    assert not cell.startswith(tuple(EXECUTED))
    assert cell.removeprefix("'") == text


def test_numbers_are_no_formulas():
    table = pa.table({"drop": [-0.25], "change": [-3]})
    assert by_standard_library(written(table, safe=True))[1] == ["-0.25", "-3"]


@pytest.fixture
def hostile(tmp_path) -> ReportInput:
    """Return a run whose names, ids, conditions, messages are hostile."""
    rows = [b.row(f"q/{place}", text, 1) for place, text in enumerate(HOSTILE)]
    rows[0]["top_products"] = HOSTILE[:10]
    rows[0] |= {"condition.light": "=cmd()", 'condition."a,\nb"': "x"}
    measured = b.detailed(confusions=[b.confusion(text, "=1") for text in HOSTILE])
    checks = [b.held("recall@1", 0.8, 0.9, message=text, where=text) for text in HOSTILE]
    name = "=m,\"\r\n'"
    pair = b.pair(name, "parts", "diy", measurement=measured, checks=checks)
    record = b.run([pair], [b.model(name)], [b.dataset("parts", "diy")])
    return ReportInput(record, {pair.name: b.table(rows)}, tmp_path, tmp_path)


def column(folder, table: str, name: str) -> list[str]:
    header, *rows = by_standard_library((folder / f"{table}.csv").read_bytes())
    assert {len(row) for row in rows} == {len(header)}
    return [row[header.index(name)] for row in rows]


def test_a_hostile_run_survives_the_way_through_csv(hostile, tmp_path):
    write_export(hostile, tmp_path / "out", ["csv"])
    (pair,) = hostile.record.pairs
    assert column(tmp_path / "out", "queries", "product_id") == HOSTILE
    assert column(tmp_path / "out", "confusions", "product") == HOSTILE
    assert column(tmp_path / "out", "checks", "message") == HOSTILE
    assert column(tmp_path / "out", "pairs", "pair") == [pair.name]
    assert json.loads(column(tmp_path / "out", "queries", "top_products")[0]) == HOSTILE[:10]
    assert column(tmp_path / "out", "queries", 'condition."a,\nb"')[0] == "x"


def test_a_safe_export_has_no_cell_that_is_executed(hostile, tmp_path):
    write_export(hostile, tmp_path / "out", safe=True)
    for path in (tmp_path / "out").glob("*.csv"):
        for row in by_standard_library(path.read_bytes()):
            for cell in row:
                assert not cell.startswith(tuple(EXECUTED)) or float(cell) < 0, path.name
    assert column(tmp_path / "out", "queries", "condition.light")[0] == "'=cmd()"
    # Nothing in Parquet is executed.
    found = pa.parquet.read_table(tmp_path / "out/queries.parquet")
    assert found["condition.light"].to_pylist()[0] == "=cmd()"


def test_half_a_character_is_replaced_and_not_fatal(hostile, tmp_path):
    pair = hostile.record.pairs[0].model_copy(update={"error": "a\ud800b"})
    record = hostile.record.model_copy(update={"pairs": [pair]})
    write_export(dataclasses.replace(hostile, record=record), tmp_path / "out")
    assert column(tmp_path / "out", "pairs", "error") == ["a\ufffdb"]
