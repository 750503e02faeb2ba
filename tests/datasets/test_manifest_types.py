"""JSON Lines and Parquet have types; a product id is text in both."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from dataset_builders import manifest_problems, opened, row, text_file, write_parquet

from pytest_prodbench.errors import DatasetError


def test_integers_are_ids_by_their_digits(tmp_path: Path) -> None:
    json_lines = text_file(
        tmp_path,
        '{"image": "a", "product_id": 12345678901234567890, "role": "gallery"}\n\n'
        '{"image": "b", "product_id": "12345678901234567890", "role": "query"}',
        "m.jsonl",
    )
    assert opened(json_lines, check=False).gallery.product_ids == ("12345678901234567890",)
    for kind in (pa.int64(), pa.uint32(), pa.decimal128(38, 0)):
        table = pa.table(
            {
                "image": ["a", "b"],
                "product_id": pa.array([Decimal(4006), Decimal(4006)]).cast(kind),
                "role": pa.array(["gallery", "query"]).dictionary_encode(),
            }
        )
        pq.write_table(table, tmp_path / "m.parquet")
        assert opened(tmp_path / "m.parquet", check=False).queries.product_ids == ("4006",)


def test_parquet_float_ids_are_refused_with_the_reason(tmp_path: Path) -> None:
    path = write_parquet(tmp_path / "m.parquet", [row("a", 4006381333931.0, "gallery")])
    with pytest.raises(DatasetError, match=r"column 'product_id': numbers of type double.*digits"):
        opened(path, check=False)


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ("4.0", "the number 4.0"), ("4e3", "the number 4e3"), ("NaN", "the number NaN"),
        ("true", "product_id is true"), ("null", "product_id is null"),
        ("[1]", "product_id is an array"), ('{"a": 1}', "product_id is an object"),
        ('"\\ud800"', "is not valid Unicode"), ('""', "product_id is empty"),
    ],
)  # fmt: skip
def test_json_product_ids_that_are_no_text(tmp_path: Path, value: str, found: str) -> None:
    line = '{"image": "a", "product_id": %s, "role": "gallery"}\n'
    (problem,) = manifest_problems(text_file(tmp_path, line % '"x"' + line % value, "m.jsonl"))
    assert problem.startswith("m.jsonl line 2: ")
    assert found in problem


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("{", "not JSON"), ("[1, 2]", "an array, expected an object"), ("7", "the number 7"),
        ('{"role": "query", "role": "gallery"}', "key 'role' stands twice"),
        ("[" * 100_000, "not JSON"), ('{"image": {"a": 1}}', "image is an object"),
        ('{"": 1}', "a key is empty"),
        ('{"image": "b", "role": "query"}', "product_id is empty"),
    ],
)  # fmt: skip
def test_json_lines_that_are_no_rows(tmp_path: Path, line: str, found: str) -> None:
    good = json.dumps(row("a", "1", "gallery")) + "\n"
    (problem,) = manifest_problems(text_file(tmp_path, good + line, "m.jsonl"))
    assert problem.startswith("m.jsonl line 2: ")
    assert found in problem
    if "product_id" not in found:
        assert "m.jsonl line 1: " in manifest_problems(text_file(tmp_path, line, "m.jsonl"))[0]


def test_json_conditions_are_text(tmp_path: Path) -> None:
    lines = [
        '{"image": "g", "product_id": "1", "role": "gallery"}',
        '{"image": "a", "product_id": "1", "role": "query", "lux": 120, "blur": 0.50}',
        '{"image": "b", "product_id": "1", "role": "query", "flash": true, "lux": null}',
    ]
    dataset = opened(text_file(tmp_path, "\r\n".join(lines), "m.ndjson"), check=False)
    assert dataset.queries.conditions == {
        "lux": ("120", ""),
        "blur": ("0.50", ""),
        "flash": ("", "true"),
    }
    assert dataset.gallery.conditions == {"lux": ("",), "blur": ("",), "flash": ("",)}


def test_parquet_conditions_are_text(tmp_path: Path) -> None:
    import datetime as dt

    rows = [
        row("a", "1", "gallery", lux=120, blur=0.5, flash=True, day=dt.date(2026, 3, 1)),
        row("b", "1", "query", lux=None, blur=float("nan"), flash=None, day=None, none=None),
    ]
    table = pa.Table.from_pylist(rows, pa.schema([
        *((name, pa.string()) for name in ("image", "product_id", "role")),
        ("lux", pa.int32()), ("blur", pa.float64()), ("flash", pa.bool_()), ("day", pa.date32()),
        ("none", pa.null()), ("__index_level_0__", pa.int64()),
    ]))  # fmt: skip
    pq.write_table(table, tmp_path / "m.parquet")
    dataset = opened(tmp_path / "m.parquet", check=False)
    assert dataset.gallery.conditions == {
        "lux": ("120",), "blur": ("0.5",), "flash": ("true",), "day": ("2026-03-01",), "none": ("",),
    }  # fmt: skip
    assert set(dataset.queries.conditions.values()) == {("",)}


def test_parquet_column_without_text(tmp_path: Path) -> None:
    path = write_parquet(tmp_path / "m.parquet", [row("a", "1", "gallery", blob=b"\0")])
    with pytest.raises(DatasetError, match="column 'blob': type binary"):
        opened(path, check=False)


def test_damaged_parquet(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"m\.parquet: cannot be read as Parquet"):
        opened(text_file(tmp_path, "PAR1 not really", "m.parquet"), check=False)
