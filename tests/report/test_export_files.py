"""What is written: the same bytes for the same evidence, whole files, all columns, whatever a run holds."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_prodbench.report.export.form import Form
from pytest_prodbench.report.export.writing import export_tables, write_export
from pytest_prodbench.report.reporter import ReportInput

from . import builders as b
from .compared import everything


@pytest.fixture(scope="module")
def report(tmp_path_factory) -> ReportInput:
    return everything(tmp_path_factory.mktemp("full"))


def test_a_run_of_nothing_has_all_columns(tmp_path, report):
    record = b.run([], [], [], verdict="incomplete", sectors={})
    write_export(ReportInput(record, {}, tmp_path, tmp_path), tmp_path / "out")
    for table in export_tables(report):
        schema = pq.read_schema(tmp_path / f"out/{table.name}.parquet")
        wanted = [field for field in table.schema if not field.name.startswith("condition.")]
        assert schema.names == [field.name for field in wanted]
        assert schema.types == [field.type for field in wanted]
        header, *rows = (tmp_path / f"out/{table.name}.csv").read_text("utf-8").splitlines()
        assert header == ",".join(f'"{field.name}"' for field in wanted)
        if table.name not in {"run", "libraries", "definitions"}:
            assert rows == []


def test_the_order_of_pairs_in_the_evidence_changes_no_byte(tmp_path, report):
    turned = report.record.model_copy(
        update={
            "pairs": report.record.pairs[::-1],
            "models": dict(reversed(report.record.models.items())),
        }
    )
    write_export(report, tmp_path / "one")
    write_export(
        dataclasses.replace(report, record=turned, queries=dict(reversed(report.queries.items()))),
        tmp_path / "other",
    )
    names = sorted(path.name for path in (tmp_path / "one").iterdir())
    assert names == sorted(path.name for path in (tmp_path / "other").iterdir())
    assert len(names) == 42
    for name in names:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "other" / name).read_bytes()


def test_no_path_of_this_machine_is_in_a_table(tmp_path, report):
    for table in write_export(report, tmp_path / "out"):
        for path in table.files:
            data = path.read_bytes()
            assert str(Path.home()).encode() not in data
            assert str(report.project).encode() not in data


def test_only_the_formats_asked_for(tmp_path, report):
    written = write_export(report, tmp_path / "out", ["csv", "csv"])
    assert {path.suffix for path in (tmp_path / "out").iterdir()} == {".csv"}
    assert all(len(table.files) == 1 for table in written)


def test_a_failure_leaves_the_files_of_before(tmp_path, report):
    write_export(report, tmp_path / "out")
    before = {path: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    name = next(iter(report.queries))
    damaged = report.queries[name].drop_columns(["rank"])
    with pytest.raises(KeyError):
        write_export(
            dataclasses.replace(report, queries={**report.queries, name: damaged}),
            tmp_path / "out",
        )
    assert {path: path.read_bytes() for path in (tmp_path / "out").iterdir()} == before


FORM = Form("form", (("name", "text"), ("n", "whole"), ("x", "real")), ("n", "name"))


@pytest.mark.parametrize("row", [{"name": "a", "n": 1}, {"name": "a", "n": 1, "x": 1.0, "y": 2.0}])
def test_a_row_with_a_column_too_few_or_too_many_is_refused(row):
    with pytest.raises(ValueError, match="in one place only"):
        FORM.filled([row])


@settings(max_examples=50)
@given(
    rows=st.lists(
        st.fixed_dictionaries(
            {
                "name": st.none() | st.text(),
                "n": st.none() | st.integers(-(2**63), 2**63 - 1),
                "x": st.none() | st.floats(),
            }
        )
    )
)
def test_rows_come_back_sorted_with_nothing_last(rows):
    table = FORM.filled(rows)
    assert table.schema.types == [pa.string(), pa.int64(), pa.float64()]
    found = table.to_pylist()
    assert len(found) == len(rows)
    places = [(row["n"] is None, row["n"] or 0) for row in found]
    assert places == sorted(places)
    finite = {row["x"] for row in rows if row["x"] is not None and math.isfinite(row["x"])}
    assert {row["x"] for row in found} - {None} == finite
