"""A manifest means the same as CSV, JSON Lines and Parquet, and a wrong row is named."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, get_args

import pytest
from dataset_builders import (
    Row,
    manifest_problems,
    opened,
    row,
    spec,
    text_file,
    write_csv,
    write_images,
    write_json_lines,
    write_parquet,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_prodbench.datasets.manifest_columns import Column
from pytest_prodbench.datasets.manifest_roles import parse_box
from pytest_prodbench.datasets.opening import validate_options
from pytest_prodbench.errors import DatasetError, SettingsError

Writer = Callable[[Path, Sequence[Row]], Path]
FORMATS: dict[str, Writer] = {
    ".csv": write_csv,
    ".jsonl": write_json_lines,
    ".parquet": write_parquet,
}
PAIR = (row("a.png", "007", "gallery"), row("b.png", "007", "query"))


# Text that all formats can hold: no surrogates, and no product id that is refused for blanks or NUL.
texts = st.text(st.characters(codec="utf-8"), max_size=12)
ids = texts.filter(lambda text: text and text == text.strip() and "\0" not in text)
taken = set(get_args(Column))
names = ids.filter(lambda name: name not in taken and not name.startswith("__index_level_"))
numbers = st.integers(0, 10**6).map(float) | st.floats(0, 1e6, allow_subnormal=False)
sizes = numbers.map(lambda number: number + 1)
boxes = st.none() | st.tuples(numbers, numbers, sizes, sizes)


@settings(deadline=None, max_examples=60)
@given(
    rows=st.lists(st.tuples(ids, texts, texts, boxes, texts), min_size=1, max_size=6),
    condition=names,
)
def test_the_three_formats_give_equal_tables(rows: list[Any], condition: str) -> None:
    with TemporaryDirectory() as folder:
        tables = []
        for suffix, write in FORMATS.items():
            written = [
                row(
                    f"{role} {i}.png", product, role, family=family, group=f"{role}{group}",
                    bbox=("" if box is None else "{!r} {!r} {!r} {!r}".format(*box))
                    if suffix == ".csv" else None if box is None else list(box),
                    **{condition: value},
                )
                for role in ("query", "gallery")
                for i, (product, family, group, box, value) in enumerate(rows)
            ]  # fmt: skip
            dataset = opened(write(Path(folder, "m" + suffix), written), check=False)
            tables.append((dataset.queries, dataset.gallery))
        assert tables[0] == tables[1] == tables[2]
        queries = tables[0][0]
        assert queries.product_ids == tuple(each[0] for each in rows)
        assert queries.families == tuple(each[1] for each in rows)
        assert queries.boxes == tuple(each[3] for each in rows)
        assert queries.conditions == {condition: tuple(each[4] for each in rows)}


@pytest.mark.parametrize("suffix", FORMATS)
def test_opens_and_checks_real_images(tmp_path: Path, suffix: str) -> None:
    write_images(tmp_path, "a.png", "b.png")
    rows = [
        row("a.png", "007", "gallery", light="studio", bbox=None),
        row("./x/../b.png", "007", "query", light="shop", bbox="1 1 4 4"),
    ]
    dataset = opened(FORMATS[suffix](tmp_path / f"m{suffix}", rows), sector="diy")
    assert (dataset.name, dataset.sector, dataset.layout) == ("clips", "diy", "manifest")
    assert dataset.queries.images == ("b.png",)
    assert dataset.queries.product_ids == dataset.gallery.product_ids == ("007",)
    assert dataset.queries.boxes == ((1.0, 1.0, 4.0, 4.0),)
    assert dataset.gallery.boxes == (None,)
    assert dataset.queries.conditions == {"light": ("shop",)}
    assert dataset.path("b.png") == tmp_path / "b.png"
    assert "manifest" in dataset.protocol_note


def test_ean_neighbours_and_leading_zeros_stay_apart(tmp_path: Path) -> None:
    codes = ["4006381333931", "4006381333932", "0000000000007", "7", "007", "1e3", "NaN", "12.0"]
    rows = [row(f"{role}{i}.png", code, role) for role in ("query", "gallery")
            for i, code in enumerate(codes)]  # fmt: skip
    for suffix, write in FORMATS.items():
        dataset = opened(write(tmp_path / f"m{suffix}", rows), check=False)
        assert dataset.queries.product_ids == tuple(codes)
        assert dataset.gallery.product_ids == tuple(codes)


@pytest.mark.parametrize(
    "name", ["<script>alert(1)</script>", "שלום/مرحبا", "ねじ M6×20", "a b", "é"]
)
def test_odd_names_are_kept(tmp_path: Path, name: str) -> None:
    write_images(tmp_path, f"{name}/g.png", f"{name}/q.png")
    rows = [row(f"{name}/g.png", name, "gallery", place=name),
            row(f"{name}/q.png", name, "query", place=name)]  # fmt: skip
    for suffix, write in FORMATS.items():
        dataset = opened(write(tmp_path / f"m{suffix}", rows))
        assert dataset.gallery.images == (f"{name}/g.png",)
        assert dataset.gallery.product_ids == (name,)
        assert dataset.gallery.conditions == {"place": (name,)}


CSV = "image,product_id,role\na.png,007,gallery\nb.png,007,query\n"


@pytest.mark.parametrize(
    "data",
    [
        CSV.encode(), b"\xef\xbb\xbf" + CSV.encode(), CSV.replace("\n", "\r\n").encode(),
        CSV.replace("\n", "\n\n").encode(), CSV.rstrip("\n").encode(),
        b'"image","product_id","role"\n"a.png","007","gallery"\n"b.png","007","query"',
    ],
)  # fmt: skip
def test_csv_dialects(tmp_path: Path, data: bytes) -> None:
    dataset = opened(text_file(tmp_path, data), check=False)
    assert dataset.gallery.images == ("a.png",)
    assert dataset.queries.product_ids == ("007",)


def test_wrong_rows_are_all_named_by_line(tmp_path: Path) -> None:
    path = text_file(
        tmp_path,
        "image,product_id,role,bbox,note\n"
        'a.png,1,gallery,,"two\nlines"\n'
        "b.png,1,querry,,x\n"
        "c.png,,query,,x\n"
        "d.png, 1,query,,x\n"
        "e.png,1,query\n"
        ",1,query,,x\n"
        "/home/me/f.png,1,query,,x\n"
        'g.png,1,query,"0,0,0,5",x\n'
        "C:\\g.png,1,query,,x\n"
        "s3://b/g.png,1,query,,x\n",
    )
    found = manifest_problems(path)
    by_line = {int(text.split(":")[0].removeprefix("m.csv line ")): text for text in found}
    assert sorted(by_line) == [4, 5, 6, 7, 8, 9, 10, 11, 12]
    assert "role 'querry'" in by_line[4]
    assert "did you mean 'query'?" in by_line[4]
    assert "product_id is empty" in by_line[5]
    assert "product_id ' 1' begins or ends with white space" in by_line[6]
    assert "3 fields, the header has 5" in by_line[7]
    assert "image path is empty" in by_line[8]
    assert "is absolute: it is true on one machine only" in by_line[9]
    assert "has no area" in by_line[10]
    assert "is absolute" in by_line[11]
    assert "is an address" in by_line[12]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (b"image,product_id,role\na,1,gallery\nb,\xe9,query\n", r"m\.csv line 3: bytes e9"),
        (CSV.encode("utf-16"), r"line 1: NUL bytes .* UTF-16 .* save the file as UTF-8"),
        ("image,sku,role\na,1,query\n", "no column 'product_id'.*option columns.product_id"),
        ("image;product_id;role\na;1;query\n", "columns with ';' between them.*delimiter = \";\""),
        ("image,product_id,role,role\n", "line 1: two columns are called 'role'"),
        ("image,product_id,role,\n", "line 1: column 4 has no name"),
        ("", "an empty file"),
        ('image,product_id,role\n"a"b,1,query\n', "line 2: not CSV"),
        ('image,product_id,role\na,1,query\n"a,1,query\n', "line 3: not CSV"),
    ],
)
def test_files_that_are_no_manifest(tmp_path: Path, text: str | bytes, found: str) -> None:
    with pytest.raises(DatasetError, match=found):
        opened(text_file(tmp_path, text), check=False)


def test_suffix_and_kind_of_the_path(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"suffix '\.xlsx'; expected \.csv"):
        opened(text_file(tmp_path, "x", "m.xlsx"))
    with pytest.raises(DatasetError, match="a folder; expected a manifest file"):
        opened(tmp_path)
    with pytest.raises(DatasetError, match=r"no such file or folder.*sector\.toml \[clips\]"):
        opened(tmp_path / "gone.csv")


@pytest.mark.parametrize("text", ["1 2 3 4", "1,2,3,4", "1; 2; 3; 4", " 1.0 2  3e0,4 "])
def test_box_separators(text: str) -> None:
    assert parse_box(text) == (1.0, 2.0, 3.0, 4.0)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("1 2 3", "not four"), ("1 2 3 4 5", "not four"), ("a b c d", "not four"), (" ", "not four"),
        ("nan 2 3 4", "not finite"), ("1 2 inf 4", "not finite"), ("1 2 0 4", "no area"),
        ("1 2 3 -4", "no area"), ("-1 2 3 4", "begins outside"),
    ],
)  # fmt: skip
def test_boxes_that_are_none(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        parse_box(text)


def test_rows_of_another_sector_are_an_error_or_selected(tmp_path: Path) -> None:
    rows = [
        row(f"{role}{sector}.png", sector, role, sector=sector)
        for role in ("query", "gallery")
        for sector in ("diy", "retail", "")
    ]
    for each in rows:
        if not each["product_id"]:
            each["product_id"] = "shared"  # type: ignore[index]
    path = write_csv(tmp_path / "m.csv", rows)
    found = manifest_problems(path, sector="diy")
    assert len(found) == 2
    assert "m.csv line 3: sector 'retail', but the dataset belongs to 'diy'" in found[0]
    assert len(opened(path, check=False).queries) == 3
    selected = opened(path, check=False, sector="diy", options={"sector": "retail"})
    assert selected.gallery.product_ids == ("retail",)
    with pytest.raises(DatasetError, match=r"no row of sector 'retial'.*did you mean 'retail'"):
        opened(path, check=False, options={"sector": "retial"})


def test_columns_and_root_options(tmp_path: Path) -> None:
    write_images(tmp_path / "photos", "a.png", "b.png")
    (tmp_path / "tables").mkdir()
    rows = [{"file": "a.png", "sku": "1", "role": "gallery"},
            {"file": "b.png", "sku": "1", "role": "query"}]  # fmt: skip
    path = write_csv(tmp_path / "tables" / "m.csv", rows)
    options = {"root": "../photos", "columns": {"image": "file", "product_id": "sku"}}
    dataset = opened(path, options=options)
    assert dataset.root == tmp_path / "photos"
    assert dataset.queries.conditions == {}
    with pytest.raises(DatasetError, match=r"no folder .*pictures"):
        opened(path, options=options | {"root": "../pictures"})
    with pytest.raises(DatasetError, match=r"no column 'skuu'.*did you mean 'sku'"):
        opened(path, options=options | {"columns": {"image": "file", "product_id": "skuu"}})
    both = write_csv(tmp_path / "both.csv", [{"sku": "1", **PAIR[0]}])
    with pytest.raises(DatasetError, match="a column 'product_id', although"):
        opened(both, options={"columns": {"product_id": "sku"}})


@pytest.mark.parametrize(
    ("options", "found"),
    [
        (
            {"rooot": "x"},
            r"sector\.toml \[clips\], rooot: unknown option 'rooot' \(did you mean 'root'",
        ),
        ({"root": 3}, r"root = 3 \(int\): Input should be a valid string"),
        ({"root": "/data"}, "root = '/data'.* is absolute"),
        ({"columns": {"sku": "x"}}, "columns.sku"),
        ({"columns": {"image": "x", "role": "x"}}, "mapped to the same column"),
    ],
)
def test_wrong_options_are_told_before_anything_is_opened(
    tmp_path: Path, options: dict[str, Any], found: str
) -> None:
    with pytest.raises(SettingsError, match=found):
        validate_options(spec(tmp_path / "not there.csv", options=options))


def test_unknown_layout_is_told_with_the_nearest_name(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="did you mean 'manifest'"):
        validate_options(spec(tmp_path, "manifst"))
