"""Lines of one form are cut by a pattern: what comes out is what decoding each of them gives."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from unittest.mock import patch

from hypothesis import given
from hypothesis import strategies as st

from pytest_prodbench.datasets import manifest_json
from pytest_prodbench.datasets.manifest_json import read_json_lines
from pytest_prodbench.datasets.manifest_rows import Rows
from pytest_prodbench.errors import DatasetError

texts = st.text(st.sampled_from('ab0é漢{}:, \\"\u2028\x7f\t'), max_size=5)
names = st.lists(
    st.sampled_from(["product_id", "image", "a", "é", "", "{"]), min_size=1, max_size=3
)


def read(path: Path) -> tuple[object, ...]:
    try:
        rows: Rows = read_json_lines(path, product_column="product_id")
    except DatasetError as error:
        return (str(error),)
    return rows.columns, list(rows.numbers), rows.problems


@st.composite
def manifests(draw: st.DrawFn) -> str:
    """Lines that are alike, most of them sound, with something put in, taken out or changed somewhere."""
    keys = draw(names)
    colon, comma = draw(st.sampled_from([(": ", ", "), (":", ","), (" : ", ",\t")]))
    escaped = draw(st.booleans())
    lines = []
    for _ in range(draw(st.integers(1, 5))):
        values = [draw(texts) for _ in keys]
        if not escaped:
            values = [value.translate(str.maketrans("", "", '\\"\t')) for value in values]
        pairs = (
            json.dumps(key, ensure_ascii=False) + colon + json.dumps(value, ensure_ascii=False)
            for key, value in zip(keys, values, strict=True)
        )
        lines.append("{" + comma.join(pairs) + "}")
    text = draw(st.sampled_from(["\n", "\r\n", " \n"])).join([*lines, ""])
    if draw(st.booleans()):
        place = draw(st.integers(0, len(text)))
        put = draw(
            st.sampled_from(["", '"', "\n", "\\", "1", "}", "\r", "\x01", "null", '"x":"y",'])
        )
        text = text[:place] + put + text[place + draw(st.integers(0, 2)) :]
    return text


@given(manifests())
def test_a_pattern_reads_what_decoding_reads(text: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "m.jsonl")
        path.write_text(text, encoding="utf-8", newline="")
        # Blocks of a line or two: the form is taken, kept and given up.
        with patch.object(manifest_json, "_BLOCK", 40):
            found = read(path)
        with patch.object(manifest_json._Form, "columns", lambda *_: None):
            assert found == read(path)


def test_plain_lines_are_not_decoded(tmp_path: Path) -> None:
    path = tmp_path / "m.jsonl"
    lines = [json.dumps({"image": f"{i}.jpg", "product_id": f"{i:05}"}) for i in range(2000)]
    path.write_text("\n".join(lines), encoding="utf-8")
    with patch.object(manifest_json, "_alike", side_effect=AssertionError):
        rows = read_json_lines(path, product_column="product_id")
    assert rows.columns["product_id"][1999] == "01999"
    assert list(rows.numbers) == list(range(1, 2001))
