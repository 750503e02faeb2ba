"""Small retrieval sets in the form of a data-set hub."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from dataset_builders import encoded, noise

IMAGE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
CORPUS, QUERIES, QRELS = (
    "corpus/test-00000-of-00001.parquet",
    "queries/test-00000-of-00001.parquet",
    "qrels/test-00000-of-00001.parquet",
)
# Product a has documents 1, 2; b has 3; 4 is nobody's. Query 1 is a photo of b, whatever its number.
DOCUMENTS = ("1", "2", "3", "4")
PHOTOS = ("1", "7")
PAIRS = (("7", "1", 1), ("7", "2", 1), ("1", "3", 1))
COUNTS = {"expected_counts": {"documents": 4, "queries": 2, "relations": 3}}


def write_table(path: Path, group: int = 2, **columns: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(columns), path, row_group_size=group)


def write_images(path: Path, ids: Sequence[Any], seed: int = 0, **more: Any) -> None:
    rows = [
        {"bytes": encoded(noise(seed + i), "JPEG"), "path": f"{i}.jpg"} for i in range(len(ids))
    ]
    columns = {"id": pa.array(ids), "image": pa.array(rows, IMAGE), **more}
    write_table(path, **columns)


def write_pairs(path: Path, pairs: Sequence[tuple[Any, Any, Any]], **types: Any) -> None:
    columns = ("query-id", "corpus-id", "score")
    table = {
        name: pa.array([pair[i] for pair in pairs], types.get(name.replace("-", "_")))
        for i, name in enumerate(columns)
    }
    write_table(path, **table)


def write_hub_set(root: Path) -> Path:
    modality = pa.array(["image"] * len(DOCUMENTS))
    write_images(root / CORPUS, DOCUMENTS, modality=modality, text=pa.nulls(len(DOCUMENTS)))
    write_images(root / QUERIES, PHOTOS, seed=50)
    write_pairs(root / QRELS, PAIRS)
    return root
