"""A manifest written again with rows left out and values changed; what is not changed stays as it was."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING

from pytest_prodbench.atomic import atomic_write_bytes
from pytest_prodbench.datasets.manifest_rows import read_text
from pytest_prodbench.datasets.problems import shown
from pytest_prodbench.errors import SettingsError

if TYPE_CHECKING:
    from pathlib import Path

Changes = Mapping[int, Mapping[str, str]]


def rewrite(
    source: Path,
    target: Path,
    dropped: Collection[int],
    changed: Changes,
    *,
    delimiter: str = ",",
) -> None:
    """Write a new manifest of the same format beside the old one.

    Args:
        source: the old one, which is only read.
        target: the new one: in the same folder, for image paths are relative to it; of the same suffix.
        dropped: lines (CSV, JSON Lines) or rows (Parquet), from 1, that are left out.
        changed: line or row → column as the file calls it → value.
        delimiter: between the fields of a CSV file.

    Raises:
        SettingsError: the target is there already, elsewhere, or of another format.
    """
    if target.exists():
        raise SettingsError(
            shown(target), found="a file", expected="a new one: nothing is overwritten",
            next_step="name another with --out",
        )  # fmt: skip
    if target.parent.resolve() != source.parent.resolve() or target.suffix != source.suffix:
        raise SettingsError(
            f"--out {shown(target)}",
            found="another folder or suffix",
            expected=f"a new name in {shown(source.parent)} that ends in {source.suffix}: image paths are "
            "relative to their manifest",
        )
    suffix = source.suffix.lower()
    if suffix == ".csv":
        data = _csv(source, dropped, changed, delimiter)
    elif suffix in {".jsonl", ".ndjson"}:
        data = _json_lines(source, dropped, changed)
    elif suffix in {".parquet", ".pq"}:
        data = _parquet(source, dropped, changed)
    else:
        raise SettingsError(shown(source), found=f"suffix {suffix!r}", expected="a manifest")
    atomic_write_bytes(target, data)


def _csv(source: Path, dropped: Collection[int], changed: Changes, delimiter: str) -> bytes:
    text = read_text(source)
    lines = text.splitlines(keepends=True) if "\r" not in text else _lines(text)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    out = io.StringIO(newline="")
    end_of_line = "\r\n" if "\r\n" in text else "\n"
    writer = csv.writer(out, delimiter=delimiter, lineterminator=end_of_line)
    header: list[str] = []
    added: list[str] = []
    end = 0
    for record in reader:
        start, end = end + 1, reader.line_num
        if not record or start in dropped:
            continue
        if not header:
            header = record
            columns = dict.fromkeys(name for values in changed.values() for name in values)
            added = [name for name in columns if name not in header]
            values = [*record, *added]
        elif start in changed and len(record) == len(header):
            row = dict(zip(header, record, strict=True)) | dict.fromkeys(added, "")
            row |= changed[start]
            values = list(row.values())
        else:
            values = [*record, *[""] * len(added)] if len(record) == len(header) else record
        if values == record:
            # As it stands, quotes and all.
            raw = "".join(lines[start - 1 : end])
            out.write(raw if raw.endswith(("\n", "\r")) else raw + end_of_line)
        else:
            writer.writerow(values)
    return out.getvalue().encode("utf-8")


def _lines(text: str) -> list[str]:
    """Split as ``csv`` counts lines: at line feeds, and at carriage returns that stand alone."""
    return list(io.StringIO(text, newline=""))


def _json_lines(source: Path, dropped: Collection[int], changed: Changes) -> bytes:
    kept = []
    for number, line in enumerate(read_text(source).split("\n"), start=1):
        if not line.strip() or number in dropped:
            continue
        if number in changed:
            # Numbers keep their digits: 1.10 must not become 1.1.
            row = json.loads(line, parse_float=_Literal, parse_int=_Literal)
            kept.append(_object({**row, **changed[number]}) + "\n")
        else:
            kept.append(line.rstrip("\r") + "\n")
    return "".join(kept).encode("utf-8")


class _Literal(str):
    __slots__ = ()


def _object(row: Mapping[str, object]) -> str:
    def text(value: object) -> str:
        if isinstance(value, _Literal):
            return str(value)
        if isinstance(value, list):
            return "[" + ", ".join(map(text, value)) + "]"
        return json.dumps(value, ensure_ascii=False)

    return (
        "{"
        + ", ".join(f"{json.dumps(k, ensure_ascii=False)}: {text(v)}" for k, v in row.items())
        + "}"
    )


def _parquet(source: Path, dropped: Collection[int], changed: Changes) -> bytes:
    import pyarrow as pa
    from pyarrow.parquet import ParquetFile, write_table

    with ParquetFile(source) as file:
        table = file.read()
    for name in dict.fromkeys(name for values in changed.values() for name in values):
        old = (
            table[name].cast(pa.string()).to_pylist()
            if name in table.column_names
            else [""] * table.num_rows
        )
        for number, values in changed.items():
            old[number - 1] = values.get(name, old[number - 1])
        column = pa.array(old, pa.string())
        place = table.column_names.index(name) if name in table.column_names else None
        table = (
            table.append_column(name, column)
            if place is None
            else table.set_column(place, name, column)
        )
    keep = [i for i in range(table.num_rows) if i + 1 not in dropped]
    sink = io.BytesIO()
    write_table(table.take(keep), sink)
    return sink.getvalue()
