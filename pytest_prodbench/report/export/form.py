"""The form of a table: its columns in order, their types, and what its rows are sorted by."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import pyarrow as pa

    from pytest_prodbench.evidence.types import PairRecord

Kind = Literal["text", "whole", "real", "truth", "texts"]
"""string, int64, double, bool, list of string."""

Row = Mapping[str, object]

Columns = tuple[tuple[str, Kind], ...]

PAIR: Columns = (("pair", "text"), ("model", "text"), ("dataset", "text"), ("sector", "text"))
"""What every table about pairs begins with; ``pair`` is ``model:dataset``."""

VALUE: Columns = (
    *(("value", "real"), ("low", "real"), ("high", "real"), ("n", "whole"), ("products", "whole")),
    *(("method", "text"), ("detectable", "real")),
)
"""One number with its interval: the fields of ``MetricValue``."""

# Evidence of a stranger may hold half of a character, which UTF-8 cannot carry.
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Form:
    """One kind of table.

    Attributes:
        name: of its file, without the ending.
        columns: name and type of each; always all of them, whatever a run holds.
        order: columns that rows are sorted by, nothing last; equal ones stay as they are in the evidence.
    """

    name: str
    columns: Columns
    order: tuple[str, ...]

    def schema(self) -> pa.Schema:
        """Return the columns with their types."""
        import pyarrow as pa

        types = {
            "text": pa.string(),
            "whole": pa.int64(),
            "real": pa.float64(),
            "truth": pa.bool_(),
            "texts": pa.list_(pa.string()),
        }
        return pa.schema([(name, types[kind]) for name, kind in self.columns])

    def filled(self, rows: Iterable[Row]) -> pa.Table:
        """Return a table of rows, each with a value or None for every column and for nothing else."""
        import pyarrow as pa

        found = sorted(rows, key=lambda row: [_sortable(row[name]) for name in self.order])
        names = {name for name, _ in self.columns}
        for row in found:
            if row.keys() != names:
                raise ValueError(f"{self.name}: {sorted(row.keys() ^ names)} in one place only")
        columns = [[_cell(row[name]) for row in found] for name, _ in self.columns]
        schema = self.schema()
        return pa.table(
            [pa.array(values, field.type) for values, field in zip(columns, schema, strict=True)],
            schema=schema,
        )


def of_pair(pair: PairRecord) -> dict[str, object]:
    """Return the columns of ``PAIR``."""
    return {
        "pair": pair.name,
        "model": pair.model,
        "dataset": pair.dataset,
        "sector": pair.sector,
    }


def fields(record: Any, names: Iterable[str], prefix: str = "") -> dict[str, object]:
    """Return some fields of a record, None for each where there is no record."""
    return {prefix + name: None if record is None else getattr(record, name) for name in names}


def names_of(columns: Columns) -> tuple[str, ...]:
    """Return the names of some columns."""
    return tuple(name for name, _ in columns)


def whole_text(text: str) -> str:
    """Return a text as it is, but for half characters, which no file in UTF-8 can hold."""
    return _LONE_SURROGATE.sub("\ufffd", text)


def _cell(value: object) -> object:
    if isinstance(value, str):
        return whole_text(value)
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, Sequence):
        return [_cell(part) for part in value]
    return value


def _sortable(value: object) -> tuple[bool, Any]:
    return (value is None, "" if value is None else value)
