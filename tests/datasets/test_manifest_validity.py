"""A catalog changes: a dataset is of a stated day, and of that day only."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from dataset_builders import (
    Row,
    manifest_problems,
    opened,
    row,
    spec,
    write_csv,
    write_images,
    write_json_lines,
    write_parquet,
)
from hypothesis import given
from hypothesis import strategies as st

from pytest_prodbench.datasets.content import content
from pytest_prodbench.datasets.manifest_validity import is_valid, parse_day
from pytest_prodbench.datasets.opening import validate_options
from pytest_prodbench.errors import DatasetError, ProblemList, SettingsError

DAY = dt.date(2026, 11, 1)
ROWS = [
    row("always.png", "1", "gallery", valid_from="", valid_until=""),
    row("last.png", "1", "gallery", valid_from="2020-01-01", valid_until="2026-11-01"),
    row("first.png", "1", "gallery", valid_from="2026-11-01", valid_until=""),
    row("gone.png", "2", "gallery", valid_from="", valid_until="2026-10-31"),
    row("later.png", "3", "gallery", valid_from="2026-11-02", valid_until="2027-01-01"),
    row("query.png", "1", "query", valid_from="", valid_until=""),
    row("old.png", "2", "query", valid_from="", valid_until="2025-12-31"),
]


@pytest.mark.parametrize(
    ("write", "suffix"),
    [(write_csv, "csv"), (write_json_lines, "jsonl"), (write_parquet, "parquet")],
)
def test_both_days_count(
    tmp_path: Path, write: Callable[[Path, list[Row]], Path], suffix: str
) -> None:
    path = write(tmp_path / f"m.{suffix}", ROWS)
    dataset = opened(path, check=False, options={"as_of": DAY})
    assert dataset.gallery.images == ("always.png", "last.png", "first.png")
    assert dataset.queries.images == ("query.png",)
    assert dataset.queries.conditions == {}, "days are no conditions"
    assert "Rows valid on 2026-11-01 only, both days counted; 3 of 7" in dataset.protocol_note
    before = opened(path, check=False, options={"as_of": dt.date(2025, 12, 31)})
    assert before.gallery.images == ("always.png", "last.png", "gone.png")
    assert before.queries.images == ("query.png", "old.png")


def test_the_content_digest_follows_the_day(tmp_path: Path) -> None:
    write_images(tmp_path, *(each["image"] for each in ROWS))
    path = write_csv(tmp_path / "m.csv", ROWS)

    def digest(**options: Any) -> str:
        return content(opened(path, options=options)).digest

    first = digest(as_of=DAY)
    assert first == digest(as_of=DAY)
    assert first != digest(as_of=dt.date(2026, 12, 1)), "last.png is not valid any more"
    assert first != digest(notes=["valid_from", "valid_until"])
    # Nothing changes from one day to the next: neither does the dataset.
    assert digest(as_of=dt.date(2026, 12, 1)) == digest(as_of=dt.date(2026, 12, 2))


def test_files_of_rows_that_are_left_out_are_not_looked_at(tmp_path: Path) -> None:
    write_images(tmp_path, "always.png", "last.png", "first.png", "query.png")
    path = write_csv(tmp_path / "m.csv", ROWS)
    assert len(opened(path, options={"as_of": DAY}).gallery) == 3
    with pytest.raises(ProblemList, match=r"later\.png.*no such file"):
        opened(path, options={"notes": ["valid_from", "valid_until"]})


def test_days_in_parquet_are_days_whatever_their_type(tmp_path: Path) -> None:
    kinds = (pa.date32(), pa.timestamp("s"), pa.timestamp("ns"))
    for kind in kinds:
        days = pa.array([dt.date(2026, 11, 2), None, dt.date(2026, 11, 1)], pa.date32()).cast(kind)
        table = pa.table(
            {
                "image": ["a", "b", "c"],
                "product_id": ["1", "1", "1"],
                "role": ["gallery", "gallery", "query"],
                "valid_from": days,
            }
        )
        pq.write_table(table, tmp_path / "m.parquet")
        dataset = opened(tmp_path / "m.parquet", check=False, options={"as_of": DAY})
        assert dataset.gallery.images == ("b",)


def test_what_is_no_day_is_named_by_line(tmp_path: Path) -> None:
    rows = [
        row("a", "1", "gallery", valid_from="1.11.2026"),
        row("b", "1", "gallery", valid_until="2026-02-30"),
        row("c", "1", "gallery", valid_from="2026-12-01", valid_until="2026-11-30"),
        row("d", "1", "query", valid_from="20261101", valid_until="2026-11-01T12:00"),
        row("e", "1", "gallery", valid_from="2026-11-01", valid_until="2026-11-01"),
    ]
    found = manifest_problems(write_csv(tmp_path / "m.csv", rows), options={"as_of": DAY})
    assert found == (
        "m.csv line 2: valid_from '1.11.2026' is no day written YYYY-MM-DD",
        "m.csv line 3: valid_until '2026-02-30' is no day: day is out of range for month",
        "m.csv line 4: valid_from 2026-12-01 is behind valid_until 2026-11-30",
        "m.csv line 5: valid_from '20261101' is no day written YYYY-MM-DD; "
        "valid_until '2026-11-01T12:00' is no day written YYYY-MM-DD",
    )


def test_no_row_of_the_day(tmp_path: Path) -> None:
    rows = [row("a", "1", "gallery", valid_until="2020-01-01"), row("b", "1", "query")]
    (problem,) = manifest_problems(write_csv(tmp_path / "m.csv", rows), options={"as_of": DAY})
    assert problem == "m.csv: no gallery row is valid on 2026-11-01, of 1"


def test_days_without_a_day_and_a_day_without_days(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "m.csv", ROWS)
    with pytest.raises(DatasetError, match=r"column valid_from and valid_until, but.*as_of = 2026"):
        opened(path, check=False)
    everything = opened(path, check=False, options={"notes": ["valid_from", "valid_until"]})
    assert (len(everything.gallery), len(everything.queries)) == (5, 2)
    assert everything.queries.conditions == {}
    # A column that is a note sets no limit, beside one that does.
    since = opened(path, check=False, options={"notes": ["valid_until"], "as_of": DAY})
    assert "gone.png" in since.gallery.images
    assert "later.png" not in since.gallery.images
    with pytest.raises(DatasetError, match="but no column that says when a row is valid"):
        opened(write_csv(tmp_path / "n.csv", [row("a", "1", "query")]), options={"as_of": DAY})


def test_days_under_other_names(tmp_path: Path) -> None:
    rows = [{**each, "since": each["valid_from"], "till": each["valid_until"]} for each in ROWS]
    for each in rows:
        del each["valid_from"], each["valid_until"]
    columns = {"valid_from": "since", "valid_until": "till"}
    path = write_csv(tmp_path / "m.csv", rows)
    dataset = opened(path, check=False, options={"as_of": DAY, "columns": columns})
    assert dataset.gallery.images == ("always.png", "last.png", "first.png")


@pytest.mark.parametrize(
    "as_of", ["today", "2026-11-01", dt.datetime(2026, 11, 1, 12), 20261101, True]
)
def test_only_a_stated_day_is_a_day(tmp_path: Path, as_of: Any) -> None:
    with pytest.raises(SettingsError, match="as_of = 2026-11-01; 'today' is refused"):
        validate_options(spec(tmp_path / "m.csv", options={"as_of": as_of}))


@given(st.dates(), st.none() | st.dates(), st.none() | st.dates())
def test_validity_is_membership_in_the_days(
    day: dt.date, since: dt.date | None, until: dt.date | None
) -> None:
    first = (since or dt.date.min).toordinal()
    last = (until or dt.date.max).toordinal()
    assert is_valid(since, until, day) == (day.toordinal() in range(first, last + 1))
    assert parse_day(day.isoformat()) == day
    assert parse_day(f"{day.isoformat()} 00:00:00") == day
