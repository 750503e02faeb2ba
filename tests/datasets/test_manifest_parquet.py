"""Every type that a Parquet column can have: text, digits, or an error."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from manifest_attempts import parquet, tried

from pytest_prodbench.errors import DatasetError
from pytest_prodbench.protocol import Dataset


@settings(deadline=None, max_examples=100)
@given(st.data())
def test_damaged_parquet_is_never_a_traceback(data: st.DataObject) -> None:
    good = bytearray(
        parquet({"image": ["g", "q"], "product_id": ["1", "1"], "role": ["gallery", "query"]})
    )
    for _ in range(data.draw(st.integers(1, 3))):
        good[data.draw(st.integers(0, len(good) - 1))] = data.draw(st.integers(0, 255))
    tried(bytes(good[: data.draw(st.sampled_from([None, len(good) // 2, 5]))]), ".parquet")


TYPED: list[tuple[pa.DataType, Any, str | None]] = [
    (pa.string(), "007", "007"), (pa.large_string(), "1e5", "1e5"), (pa.int8(), -7, "-7"),
    (pa.uint64(), 2**64 - 1, str(2**64 - 1)), (pa.int64(), -(2**63), str(-(2**63))),
    (pa.decimal128(38, 0), Decimal("9" * 38), "9" * 38), (pa.decimal256(76, 0), Decimal(7), "7"),
    (pa.dictionary(pa.int8(), pa.string()), "007", "007"),
    (pa.decimal128(10, 2), Decimal("7.00"), None), (pa.float16(), 7.0, None), (pa.float32(), 7.0, None),
    (pa.float64(), 7.0, None), (pa.bool_(), True, None), (pa.binary(), b"7", None),
    (pa.date32(), dt.date(2026, 1, 2), None), (pa.timestamp("ns"), dt.datetime(2026, 1, 2), None),
    (pa.timestamp("us", "Nowhere/Land"), 7, None), (pa.time64("us"), dt.time(1, 2), None),
    (pa.duration("s"), 7, None), (pa.list_(pa.int64()), [1, None], None), (pa.null(), None, None),
    (pa.list_(pa.string()), ["a"], None), (pa.struct([("a", pa.int8())]), {"a": 1}, None),
    (pa.map_(pa.string(), pa.int8()), [("a", 1)], None), (pa.binary(2), b"ab", None),
    (pa.string_view(), "007", "007"),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "value", "text"), TYPED, ids=lambda value: str(value)[:20])
def test_parquet_types(kind: pa.DataType, value: Any, text: str | None) -> None:
    base = {"image": ["g", "q"], "role": ["gallery", "query"]}
    column = pa.array([value, value], kind)
    try:
        as_id = parquet({**base, "product_id": column})
    except pa.ArrowNotImplementedError:
        pytest.skip("this pyarrow cannot write the type")
    found = tried(as_id, ".parquet")
    if text is None:
        assert isinstance(found, DatasetError)
    else:
        assert isinstance(found, Dataset)
        assert found.queries.product_ids == (text,)
    # As a condition and as a box: text, or an error; never another exception.
    for name in ("light", "bbox", "valid_from"):
        tried(parquet({**base, "product_id": ["1", "1"], name: column}), ".parquet")


def test_parquet_text_that_is_no_utf_8() -> None:
    damaged = pa.StringArray.from_buffers(
        2, pa.py_buffer(b"\0\0\0\0\1\0\0\0\2\0\0\0"), pa.py_buffer(b"\xff\xfe")
    )
    for name in ("product_id", "light"):
        columns = {"image": ["g", "q"], "product_id": ["1", "1"], "role": ["gallery", "query"]}
        found = tried(parquet(columns | {name: damaged}), ".parquet")
        assert f"column '{name}': values that are no text" in str(found)
