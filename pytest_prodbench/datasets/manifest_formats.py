"""Which reader a manifest's suffix asks for."""

from __future__ import annotations

from pathlib import Path

from pytest_prodbench.datasets.manifest_csv import read_csv
from pytest_prodbench.datasets.manifest_rows import Rows
from pytest_prodbench.datasets.problems import shown
from pytest_prodbench.errors import DatasetError


def read_rows(path: Path, *, product_column: str) -> Rows:
    """Read a manifest by its suffix: ``.csv``, ``.jsonl``/``.ndjson`` or ``.parquet``/``.pq``.

    Args:
        path: the manifest.
        product_column: the column that must not hold floating-point numbers.

    Raises:
        DatasetError: another suffix, not UTF-8, no header, not the format its suffix promises.
    """
    suffix = path.suffix.lower()
    if not path.is_file():
        raise DatasetError(
            shown(path), found="a folder", expected="a manifest file", next_step="name the file"
        )
    if suffix == ".csv":
        return read_csv(path)
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
