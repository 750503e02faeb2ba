"""Whatever a manifest holds: what was written is what is read, id by id, or the error says what is wrong."""

from __future__ import annotations

import datetime as dt
import json
import re
from pathlib import Path
from typing import Any

import pytest
from dataset_builders import opened
from hypothesis import given, settings
from hypothesis import strategies as st
from manifest_attempts import parquet, tried

from pytest_prodbench.errors import DatasetError, ProblemList, ProdbenchError
from pytest_prodbench.protocol import Dataset

# Texts that something on the way takes for a number, a truth value, nothing, or each other.
AWKWARD = [
    "007", "7", "7.0", "1e5", "100000", "NaN", "nan", "None", "null", "NULL", "TRUE", "True", "true",
    "-0", "0x10", "1_000", "4006381333931", "4006381333932", "9" * 40, "12345678901234567890", "inf",
    "=1+1", "+49", "2026-11-01", "11/1", "3/8\"", "a,b", "a;b", "a|b", "a\tb", "a\nb", "a\r\nb", "''",
    "A", "a", "\u0410", "\uff21", "K\u00f6ln", "Ko\u0308ln", "\u212a", "\u0663", "\uff17", "x\u200b",
    "\u202e123", "123\u200f", "\ufeffx", "\u00adx", "#REF!", "\\N", "gallery", "N/A", "\U0001f529",
]  # fmt: skip
ids = st.sampled_from(AWKWARD) | st.text(st.characters(codec="utf-8"), max_size=9)
plain_ids = ids.filter(lambda text: text and text == text.strip() and "\0" not in text)
ENDS = ["\n", "\r\n", "\r"]


def bad(product: str) -> bool:
    return not product or product != product.strip() or "\0" in product


def csv_text(
    rows: list[list[str]], delimiter: str, end: str, *, quote_all: bool, blank: set[int]
) -> tuple[str, list[int]]:
    """A CSV file, and the line that each row begins in."""
    text, starts = "", []
    for i, row in enumerate(rows):
        text += end * (i in blank)
        starts.append(len(re.findall(r"\r\n|\r|\n", text)) + 1)
        text += delimiter.join(
            '"' + field.replace('"', '""') + '"'
            if quote_all or set(field) & {delimiter, '"', "\r", "\n"}
            else field
            for field in row
        )
        text += end
    return text, starts


@settings(deadline=None, max_examples=150)
@given(
    products=st.lists(ids, min_size=1, max_size=8),
    delimiter=st.sampled_from([",", ";", "\t", "|"]),
    end=st.sampled_from(ENDS),
    quote_all=st.booleans(),
    blank=st.sets(st.integers(0, 8)),
    encoding=st.sampled_from(["utf-8", "utf-8-sig"]),
)
def test_csv_ids_are_read_as_they_were_written(
    products: list[str],
    delimiter: str,
    end: str,
    quote_all: bool,
    blank: set[int],
    encoding: str,
) -> None:
    rows = [[f"{i}.png", product, "query", product] for i, product in enumerate(products)]
    rows.append(["g.png", "known", "gallery", ""])
    header = ["image", "product_id", "role", "note"]
    text, starts = csv_text([header, *rows], delimiter, end, quote_all=quote_all, blank=blank)
    found = tried(text.encode(encoding), ".csv", delimiter=delimiter)
    wrong = [start for start, row in zip(starts[1:], rows, strict=True) if bad(row[1])]
    if wrong:
        assert isinstance(found, ProblemList)
        assert [
            int(re.match(r"m\.csv line (\d+): product_id", p)[1]) for p in found.problems
        ] == wrong  # type: ignore[index]
    else:
        assert isinstance(found, Dataset)
        assert found.queries.product_ids == tuple(products)
        assert found.queries.conditions == {"note": tuple(products)}


@settings(deadline=None, max_examples=60)
@given(
    products=st.lists(plain_ids, min_size=1, max_size=4, unique=True),
    encoding=st.sampled_from(
        ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "latin-1", "cp1252", "shift-jis", "cp037"]
    ),
)
def test_another_encoding_is_an_error_or_the_same_text(products: list[str], encoding: str) -> None:
    rows = [["image", "product_id", "role"], ["g.png", "known", "gallery"]]
    rows += [[f"{i}.png", product, "query"] for i, product in enumerate(products)]
    data = csv_text(rows, ",", "\n", quote_all=True, blank=set())[0].encode(encoding, "ignore")
    kept = [product.encode(encoding, "ignore").decode(encoding) for product in products]
    found = tried(data, ".csv")
    if isinstance(found, Dataset):
        # Bytes that are UTF-8 as well cannot be told from it: they are read as UTF-8, and exactly so.
        data.decode("utf-8")
        assert encoding in {"latin-1", "cp1252", "shift-jis"}
        if data.isascii():
            assert found.queries.product_ids == tuple(kept)
    elif "UTF-8" not in str(found):
        data.decode("utf-8")
        # Such bytes are judged as the text that they are: rows that are damaged, or no CSV at all.
        assert encoding in {"latin-1", "cp1252", "shift-jis", "cp037"}
        assert encoding == "cp037" or not data.isascii() or any(map(bad, kept))


@pytest.mark.parametrize("mark", ["utf-16", "utf-16-be", "utf-16-le"])
def test_utf_16_is_named(tmp_path: Path, mark: str) -> None:
    path = tmp_path / "m.csv"
    path.write_bytes("image,product_id,role\n1,2,query\n".encode(mark))
    with pytest.raises(DatasetError, match=r"line 1: .*UTF-16.*save the file as UTF-8"):
        opened(path, check=False)


@pytest.mark.parametrize("stated", [",", ";", "\t", "|"])
@pytest.mark.parametrize("used", [",", ";", "\t", "|"])
@pytest.mark.parametrize("more", ["", ",x,y"])
def test_a_header_that_fits_another_delimiter_names_it(
    tmp_path: Path, stated: str, used: str, more: str
) -> None:
    path = tmp_path / "m.csv"
    names = ["image", '"product_id"', "role", *more.split(",")[1:]]
    path.write_text(used.join(names) + "\n", encoding="utf-8")
    with pytest.raises(ProdbenchError) as caught:
        opened(path, check=False, options={"delimiter": stated})
    if used == stated:
        assert "there is no query" in str(caught.value)
    else:
        said = re.search(r"set the option (delimiter = .+)$", str(caught.value))
        import tomllib

        assert said, caught.value
        assert tomllib.loads(said[1]) == {"delimiter": used}


def test_sep_line_and_delimiter_of_other_formats(tmp_path: Path) -> None:
    path = tmp_path / "m.csv"
    path.write_text("sep=;\nimage;product_id;role\n", encoding="utf-8")
    with pytest.raises(DatasetError, match=r"'sep=;', a hint for spreadsheets.*remove the line"):
        opened(path, check=False)
    (tmp_path / "m.jsonl").write_text("{}")
    with pytest.raises(DatasetError, match=r"option delimiter; expected it for \.csv only"):
        opened(tmp_path / "m.jsonl", check=False, options={"delimiter": ";"})
    with pytest.raises(ProdbenchError, match="delimiter = ':'"):
        opened(path, check=False, options={"delimiter": ":"})


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.integers(10**30, 10**40) | st.floats() | ids
    | st.text(st.characters(), max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)  # fmt: skip


@settings(deadline=None, max_examples=150)
@given(
    rows=st.lists(st.tuples(json_values, json_values, st.booleans()), min_size=1, max_size=6),
    ascii_only=st.booleans(),
    end=st.sampled_from(["\n", "\r\n", "\n\n", "\n \t\n"]),
)
def test_json_ids_are_read_as_they_were_written(
    rows: list[Any], ascii_only: bool, end: str
) -> None:
    lines, expected = [], []
    for i, (product, value, stated) in enumerate(rows):
        line = {"image": f"{i}.png", "product_id": product, "role": "query"}
        lines.append(line | {"value": value} if stated else line)
        whole = isinstance(product, int) and not isinstance(product, bool)
        expected.append(str(product) if whole else product)
    lines.append({"image": "g.png", "product_id": "known", "role": "gallery"})
    text = end.join(json.dumps(line, ensure_ascii=ascii_only) for line in lines)
    found = tried(text.encode("utf-8", "surrogatepass"), ".jsonl")
    if isinstance(found, Dataset):
        assert found.queries.product_ids == tuple(expected)
        assert all(isinstance(text, str) for text in found.queries.conditions.get("value", ()))
        return
    step = {"\n": 1, "\r\n": 1}.get(end, 2)
    wrong = [
        1 + i * step
        for i, product in enumerate(expected)
        if not isinstance(product, str) or bad(product)
    ]
    if isinstance(found, ProblemList):
        named = [int(re.match(r"m\.jsonl line (\d+): ", text)[1]) for text in found.problems]  # type: ignore[index]
        assert set(wrong) <= set(named)
        for line in set(named) - set(wrong):
            # Only a value that is no text, or no Unicode, is left to be wrong.
            assert rows[(line - 1) // step][2] or "not valid Unicode" in str(found)
    else:
        assert "not UTF-8" in str(found)


@settings(deadline=None, max_examples=200)
@given(data=st.data(), suffix=st.sampled_from([".csv", ".jsonl"]))
def test_damaged_text_is_never_a_traceback(data: st.DataObject, suffix: str) -> None:
    good = {
        ".csv": b'image,product_id,role,bbox\ng,1,gallery,\nq,"1",query,1 2 3 4\n',
        ".jsonl": b'{"image": "g", "product_id": 1, "role": "gallery"}\n'
        b'{"image": "q", "product_id": "1", "role": "query", "bbox": [1, 2, 3, 4]}\n',
    }[suffix]
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(good)))
        put = data.draw(
            st.binary(max_size=4) | st.sampled_from([b'"', b"\0", b"\r", b"\n", b"[", b"{"])
        )
        good = good[:at] + put + good[at + data.draw(st.integers(0, 4)) :]
    tried(good, suffix)


@settings(deadline=None, max_examples=100)
@given(st.binary(max_size=200), st.sampled_from([".csv", ".jsonl", ".parquet"]))
def test_any_bytes_are_never_a_traceback(data: bytes, suffix: str) -> None:
    assert isinstance(tried(data, suffix), ProdbenchError)


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
def test_a_hundred_thousand_columns(suffix: str) -> None:
    row = {"image": "g", "product_id": "1", "role": "gallery"} | {
        f"c{i}": "x" for i in range(100_000)
    }
    if suffix == ".parquet":
        data = parquet({name: [value] for name, value in list(row.items())[:10_000]})
    elif suffix == ".csv":
        data = f"{','.join(row)}\n{','.join(row.values())}\n".encode()
    else:
        data = json.dumps(row).encode()
    assert "columns; expected at most 1,000" in str(tried(data, suffix))


def test_json_lines_with_ever_other_keys_end_soon() -> None:
    lines = "".join(f'{{"key{i}": 1}}\n' for i in range(20_000))
    assert "1,001 columns; expected at most 1,000" in str(tried(lines.encode(), ".jsonl"))


def test_a_field_without_end() -> None:
    text = 'image,product_id,role\ng,1,gallery\nq,"1,query\n' + "x,1,query\n" * 20_000
    found = str(tried(text.encode(), ".csv"))
    assert "line 3: not CSV: a field of more than 131,072 characters" in found
    assert "each quote closed" in found


@pytest.mark.parametrize("place", range(1, 5))
def test_a_huge_field_is_not_shown_whole(place: int) -> None:
    fields = ["a.png", "1", "query", "", ""]
    fields[place] = "9 " * 50_000
    text = "image,product_id,role,bbox,valid_from\ng,1,gallery,,\n" + ",".join(fields)
    found = str(tried(text.encode(), ".csv", as_of=dt.date(2026, 11, 1)))
    assert "m.csv line 3: " in found
    assert "(100,000 characters)" in found
    assert len(found) < 1_000
