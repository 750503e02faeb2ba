"""Which reader a manifest's suffix asks for."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pytest_prodbench.datasets.manifest_csv import Delimiter, read_csv
from pytest_prodbench.datasets.manifest_rows import Rows
from pytest_prodbench.datasets.problems import shown
from pytest_prodbench.errors import DatasetError


def read_rows(
    path: Path, *, product_column: str, required: Sequence[str], delimiter: Delimiter | None
) -> Rows:
    """Read a manifest by its suffix: ``.csv``, ``.jsonl``/``.ndjson`` or ``.parquet``/``.pq``.

    Args:
        path: the manifest.
        product_column: the column that must not hold floating-point numbers.
        required: columns that tell a header from one that is cut at the wrong character.
        delimiter: of a CSV file; None: a comma.

    Raises:
        DatasetError: another suffix, not UTF-8, no header, not the format its suffix promises, a
            delimiter for a format that has none.
    """
    suffix = path.suffix.lower()
    if not path.is_file():
        raise DatasetError(
            shown(path), found="a folder", expected="a manifest file", next_step="name the file"
        )
    if suffix == ".csv":
        return read_csv(path, delimiter=delimiter or ",", required=required)
    if delimiter is not None:
        raise DatasetError(
            shown(path),
            found="the option delimiter",
            expected="it for .csv only",
            next_step="remove it",
        )
    if suffix in {".jsonl", ".ndjson"}:
        from pytest_prodbench.datasets.manifest_json import read_json_lines

        return read_json_lines(path, product_column=product_column)
    if suffix in {".parquet", ".pq"}:
        from pytest_prodbench.datasets.manifest_parquet import read_parquet

        return read_parquet(path, product_column=product_column)
    raise DatasetError(
        shown(path),
        found=f"a manifest with the suffix {path.suffix!r}",
        expected=".csv, .jsonl, .ndjson, .parquet or .pq",
        next_step="save it in one of these formats",
    )
