"""Small catalogs, made in the test that needs them; nothing is committed."""

from __future__ import annotations

import csv
import io
import json
import struct
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from pytest_prodbench.datasets.decoding import decode, read_header
from pytest_prodbench.datasets.opening import open_dataset
from pytest_prodbench.errors import ProblemList
from pytest_prodbench.protocol import Dataset
from pytest_prodbench.settings.types import DatasetSpec

MAX_PIXELS = 100_000_000
Row = Mapping[str, Any]


def noise(seed: int, width: int = 8, height: int = 6) -> Image.Image:
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


def write_images(folder: Path, *names: str) -> None:
    for seed, name in enumerate(names):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        noise(seed).save(path)


def row(image: str, product: Any, role: str, **more: Any) -> Row:
    return {"image": image, "product_id": product, "role": role, **more}


def write_csv(path: Path, rows: Sequence[Row], *, encoding: str = "utf-8") -> Path:
    names = list(dict.fromkeys(name for each in rows for name in each))
    with path.open("w", encoding=encoding, newline="") as file:
        writer = csv.DictWriter(file, names, restval="")
        writer.writeheader()
        writer.writerows(rows)
    return path


def write_json_lines(path: Path, rows: Sequence[Row]) -> Path:
    path.write_text("".join(json.dumps(each) + "\n" for each in rows), encoding="utf-8")
    return path


def write_parquet(path: Path, rows: Sequence[Row]) -> Path:
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.Table.from_pylist(list(rows)), path)
    return path


def spec(path: Path, layout: str = "manifest", **more: Any) -> DatasetSpec:
    return DatasetSpec(name="clips", layout=layout, path=path, where="sector.toml [clips]", **more)


def opened(path: Path, layout: str = "manifest", *, check: bool = True, **more: Any) -> Dataset:
    return open_dataset(spec(path, layout, **more), max_pixels=MAX_PIXELS, check_images=check)


def png_chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_that_claims(width: int, height: int) -> bytes:
    """A PNG of some hundred bytes whose header promises any number of pixels."""
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + png_chunk(b"IHDR", header)
        + png_chunk(b"IDAT", zlib.compress(bytes(100)))
        + png_chunk(b"IEND", b"")
    )


def encoded(image: Image.Image, kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def pixels(data: bytes | Path) -> Any:
    image = decode(data, where="a.jpg", max_pixels=MAX_PIXELS)
    assert image.mode == "RGB"
    return np.asarray(image)


def header(tmp_path: Path, data: bytes) -> tuple[int, int]:
    path = tmp_path / "picture"
    path.write_bytes(data)
    return read_header(path, max_pixels=MAX_PIXELS)


def text_file(tmp_path: Path, text: str | bytes, name: str = "m.csv") -> Path:
    path = tmp_path / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def manifest_problems(path: Path, **more: Any) -> tuple[str, ...]:
    with pytest.raises(ProblemList) as caught:
        opened(path, check=False, **more)
    return caught.value.problems
