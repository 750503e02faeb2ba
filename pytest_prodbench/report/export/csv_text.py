"""CSV in UTF-8, quoted as in RFC 4180, lists as JSON; every text in quotes, which tells none from empty."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    import pyarrow as pa

EXECUTED = "=+-@\t\r\n＝＋－＠"
"""A spreadsheet takes a text that begins with one of these for a formula, or drops it and reads on."""

SHIELD = "'"
"""Stands before such a text where it was asked for; what begins with one itself gets another."""


def csv_writer(sink: BinaryIO, schema: pa.Schema) -> pa.csv.CSVWriter:
    """Return what writes tables of a schema, once they went through ``as_text``."""
    import pyarrow as pa
    from pyarrow import csv

    # Explicit, although it is the default: null stands without quotes, every text within them.
    options = csv.WriteOptions(include_header=True, quoting_style="needed")
    flat = [(f.name, pa.string() if pa.types.is_list(f.type) else f.type) for f in schema]
    return csv.CSVWriter(sink, pa.schema(flat), write_options=options)


def as_text(table: pa.Table, *, safe: bool = False) -> pa.Table:
    """Return a table without lists, and without what a spreadsheet would execute if ``safe``."""
    import pyarrow as pa

    columns = []
    for field, column in zip(table.schema, table.columns, strict=True):
        if pa.types.is_list(field.type):
            columns.append(_json(column))
        elif safe and pa.types.is_string(field.type):
            columns.append(shielded(column))
        else:
            columns.append(column)
    return pa.table(columns, names=table.column_names)


def shielded(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Put an apostrophe before every text that a spreadsheet would execute; taking it away gives all back."""
    import pyarrow.compute as pc

    first = "".join(f"\\x{{{ord(character):x}}}" for character in EXECUTED + SHIELD)
    hit = pc.match_substring_regex(column, f"^[{first}]")
    return pc.if_else(hit, pc.binary_join_element_wise(SHIELD, column, ""), column)


def _json(column: pa.ChunkedArray) -> pa.Array:
    """Return each list as JSON text; the numbers as short as they can be read back exactly."""
    import pyarrow as pa

    texts: list[str | None] = []
    for chunk in column.chunks:
        parts = _elements(chunk.flatten())
        start = 0
        for length in chunk.value_lengths().to_pylist():
            if length is None:
                texts.append(None)
                continue
            texts.append(f"[{', '.join(parts[start : start + length])}]")
            start += length
    return pa.array(texts, pa.string())


def _elements(values: pa.Array) -> list[str]:
    import pyarrow as pa

    if pa.types.is_string(values.type):
        return [json.dumps(value, ensure_ascii=False) for value in values.to_pylist()]
    # JSON knows neither NaN nor infinity.
    written = values.cast(pa.string()).to_pylist()
    return ["null" if text in {None, "nan", "inf", "-inf"} else text for text in written]
