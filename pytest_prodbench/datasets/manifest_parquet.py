"""Parquet → ``Rows``: columns rendered as text by their type."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

from pytest_prodbench.datasets.manifest_rows import FLOAT_ID, Rows, SharedTexts, check_columns
from pytest_prodbench.datasets.problems import shown
from pytest_prodbench.errors import DatasetError

# pandas writes its row labels as a column of this name; nobody stated them as a condition.
_PANDAS_INDEX = re.compile(r"__index_level_\d+__")

_BATCH = 50_000


def read_parquet(path: Path, *, product_column: str) -> Rows:
    """Read a Parquet file; null is ``""``.

    Raises:
        DatasetError: not Parquet, a column whose type has no text, product ids as floating point.
    """
    import pyarrow as pa
    from pyarrow.parquet import ParquetFile

    try:
        # Not read_table: it would make columns of folder names such as ``sku=1``.
        with ParquetFile(path) as file:
            check_columns(path, file.schema_arrow.names)
            table = file.read()
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise DatasetError(
            shown(path),
            found=f"cannot be read as Parquet: {error}",
            next_step="write it again, or copy it again from its source",
        ) from error
    rows = Rows(unit="row", numbers=range(1, table.num_rows + 1))
    for name in table.column_names:
        if not _PANDAS_INDEX.fullmatch(name):
            where = f"{shown(path)} column {name!r}"
            try:
                rows.columns[name] = _texts(table[name], where, name == product_column)
            except (pa.ArrowException, UnicodeDecodeError, OverflowError) as error:
                # Bytes that are no UTF-8 in a column of text; a time zone that this machine lacks.
                raise DatasetError(
                    where, found=f"values that are no text: {error}", next_step="write it as text"
                ) from error
    return rows


def _texts(column: Any, where: str, is_product: bool) -> list[str]:
    from pyarrow import types

    kind = column.type
    if types.is_dictionary(kind):
        kind = kind.value_type
    if is_product and (types.is_floating(kind) or (types.is_decimal(kind) and kind.scale != 0)):
        raise DatasetError(
            where, found=f"numbers of type {kind}", expected="text", next_step=FLOAT_ID
        )
    if _is_text(kind):
        column.validate(full=True)
        return _shared(column)
    if types.is_null(kind):
        return [""] * len(column)
    if types.is_integer(kind) or (types.is_decimal(kind) and not is_product):
        return ["" if value is None else f"{value}" for value in column.to_pylist()]
    if types.is_decimal(kind):
        return ["" if value is None else f"{value:f}" for value in column.to_pylist()]
    if not is_product:
        if types.is_floating(kind):
            # NaN is how data frames write "not stated".
            values = column.to_pylist()
            return ["" if value is None or math.isnan(value) else str(value) for value in values]
        if types.is_boolean(kind):
            words = {None: "", True: "true", False: "false"}
            return [words[value] for value in column.to_pylist()]
        if types.is_timestamp(kind) or types.is_date(kind) or types.is_time(kind):
            # Cast, because Python's datetime has no nanoseconds.
            return ["" if value is None else value for value in column.cast("string").to_pylist()]
        if _is_number_list(kind):
            return [
                "" if value is None else " ".join(str(number) for number in value)
                for value in column.to_pylist()
            ]
    raise DatasetError(
        where,
        found=f"type {kind}",
        expected="text or integers" if is_product else "text, numbers, dates, true and false",
        next_step="write the column as text",
    )


def _shared(column: Any) -> list[str]:
    """Return text chunk by chunk: equal texts are one object, and no list of wrapped values is made."""
    from pyarrow import types

    dictionary = types.is_dictionary(column.type)
    if types.is_string_view(column.type):
        column = column.cast("string")
    shared = SharedTexts()
    texts: list[str] = []
    for chunk in column.chunks:
        for start in range(0, len(chunk), _BATCH):
            part = chunk.slice(start, _BATCH)
            if dictionary:
                part = part.dictionary_decode()
            # to_pylist() would wrap every value first, which takes ten times as long.
            values = part.to_numpy(zero_copy_only=False).tolist()
            if part.null_count:
                values = ["" if value is None else value for value in values]
            texts.extend(shared.of(values))
    return texts


def _is_text(kind: Any) -> bool:
    from pyarrow import types

    return bool(types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind))


def _is_number_list(kind: Any) -> bool:
    from pyarrow import types

    is_list = types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind)
    return bool(
        is_list and (types.is_integer(kind.value_type) or types.is_floating(kind.value_type))
    )
