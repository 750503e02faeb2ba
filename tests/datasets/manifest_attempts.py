"""Open what may be no manifest: a dataset, or the error that a reader is shown."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from dataset_builders import opened

from pytest_prodbench.errors import ProdbenchError
from pytest_prodbench.protocol import Dataset


def outcome(path: Path, **options: Any) -> Dataset | ProdbenchError:
    """The dataset, or the error that a reader is shown; anything else fails the test."""
    try:
        return opened(path, check=False, open_set=True, options=options)
    except ProdbenchError as error:
        return error


def tried(data: bytes, suffix: str, **options: Any) -> Dataset | ProdbenchError:
    with TemporaryDirectory() as folder:
        path = Path(folder, "m" + suffix)
        path.write_bytes(data)
        return outcome(path, **options)


def parquet(columns: dict[str, Any]) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table(columns), sink)
    return sink.getvalue().to_pybytes()  # type: ignore[no-any-return]
