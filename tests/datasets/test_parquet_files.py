"""Images inside Parquet: the very bytes, from any row, by many threads, without reading the rest."""

from __future__ import annotations

import copy
import random
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from dataset_builders import encoded, noise

from pytest_prodbench.datasets import parquet_files
from pytest_prodbench.datasets.parquet_files import ParquetFiles, image_name
from pytest_prodbench.datasets.paths import image_path, image_path_problem

FILE = "corpus/test-00000-of-00001.parquet"
N = 300
STRUCT = pa.struct([("bytes", pa.binary()), ("path", pa.string())])


@pytest.fixture(scope="module")
def images() -> list[bytes]:
    return [encoded(noise(seed), "JPEG") for seed in range(N)]


def write(root: Path, images: list[Any], group: int = 100, **more: Any) -> Path:
    path = root / FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = [None if data is None else {"bytes": data, "path": "x.jpg"} for data in images]
    table = pa.table({"id": [f"d{i}" for i in range(len(images))], "image": pa.array(rows, STRUCT)})
    pq.write_table(table, path, row_group_size=group, **more)
    return path


def read(files: ParquetFiles, row: int, file: str = FILE) -> bytes:
    with files.open(image_name(file, row)) as opened:
        assert opened.seekable()
        return opened.read()


@pytest.fixture(params=[40, N], ids=["several groups", "one large group"])
def group(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    """Rows of a group; batches are small, and little is kept of them."""
    monkeypatch.setattr(parquet_files, "BATCH", 3_000)
    monkeypatch.setattr(parquet_files, "KEPT", 20_000)
    monkeypatch.setattr(parquet_files, "_CURSORS", 4)
    rows: int = request.param
    return rows


def test_every_row_in_every_order(tmp_path: Path, images: list[bytes], group: int) -> None:
    write(tmp_path, images, group=group)
    orders = [
        list(range(1, N + 1)),
        list(range(N, 0, -50)),
        random.Random(1).sample(range(1, N + 1), 40),
    ]
    files = ParquetFiles(tmp_path)
    for order in orders:
        assert [read(files, row) for row in order] == [images[row - 1] for row in order]


def test_threads(tmp_path: Path, images: list[bytes], group: int) -> None:
    write(tmp_path, images, group=group)
    files = ParquetFiles(tmp_path)
    order = [1 + (i * 37) % N for i in range(2 * N)]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda row: read(files, row), order))
    assert found == [images[row - 1] for row in order]


def test_no_more_is_kept_than_said(
    tmp_path: Path, images: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parquet_files, "KEPT", 10_000)
    monkeypatch.setattr(parquet_files, "BATCH", 3_000)
    write(tmp_path, images)
    files = ParquetFiles(tmp_path)
    for row in (1, 150, 300, 2):
        read(files, row)
        kept = files._kept._images
        assert sum(map(len, kept.values())) == files._kept._size <= 10_000
        assert len(kept) > 1


def test_a_group_that_is_not_asked_for_is_not_read(tmp_path: Path, images: list[bytes]) -> None:
    """The second of three groups is garbage: the others are whole, and only its own rows complain."""
    path = write(tmp_path, images, compression="snappy")
    chunk = pq.read_metadata(path).row_group(1).column(1)
    assert chunk.path_in_schema == "image.bytes"
    with path.open("r+b") as file:
        file.seek(chunk.dictionary_page_offset or chunk.data_page_offset)
        file.write(b"\xff" * chunk.total_compressed_size)
    files = ParquetFiles(tmp_path)
    assert read(files, 100) == images[99]
    for row in (101, 200, 101):
        with pytest.raises(OSError, match=r"\w"):
            read(files, row)
    assert read(files, 201) == images[200]
    assert read(files, 1) == images[0]


def test_plain_binary_column(tmp_path: Path, images: list[bytes]) -> None:
    pq.write_table(pa.table({"image": pa.array(images[:3], pa.binary())}), tmp_path / "a.parquet")
    assert read(ParquetFiles(tmp_path), 2, "a.parquet") == images[1]


def test_names_stay_when_the_folder_moves(tmp_path: Path, images: list[bytes]) -> None:
    write(tmp_path / "here", images[:5])
    shutil.copytree(tmp_path / "here", tmp_path / "there")
    name = image_name(FILE, 3)
    assert name == f"{FILE}#0000003"
    assert image_path_problem(name) is None
    assert image_path(name) == name
    here, there = ParquetFiles(tmp_path / "here"), ParquetFiles(tmp_path / "there")
    assert here.open(name).read() == there.open(name).read() == images[2]
    assert here.kind == "parquet"
    # Names sort as rows lie, so that files are read from front to back.
    assert sorted(image_name(FILE, row) for row in (10, 9, 100)) == [
        image_name(FILE, row) for row in (9, 10, 100)
    ]


def test_copies_have_files_of_their_own(tmp_path: Path, images: list[bytes]) -> None:
    write(tmp_path, images[:5])
    files = ParquetFiles(tmp_path)
    read(files, 1)
    again = copy.deepcopy(files)
    assert again == files
    assert hash(again) == hash(files)
    assert again != ParquetFiles(tmp_path / "corpus")
    assert read(again, 5) == images[4]


def test_many_files(tmp_path: Path, images: list[bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet_files, "_OPEN_FILES", 2)
    names = [f"{i}.parquet" for i in range(6)]
    for i, name in enumerate(names):
        column = pa.array(images[2 * i : 2 * i + 2], pa.binary())
        pq.write_table(pa.table({"image": column}), tmp_path / name)
    files = ParquetFiles(tmp_path)
    with ThreadPoolExecutor(4) as pool:
        order = [i % 6 for i in range(60)]
        found = list(pool.map(lambda i: read(files, 1 + i % 2, names[i]), order))
    assert found == [images[2 * i + i % 2] for i in order]
    assert len(files._files) == 2


@pytest.mark.parametrize(
    ("name", "found"),
    [
        (f"{FILE}#0000006", "no row 6: the file has 5"),
        (f"{FILE}#0000000", "no row 0"),
        (f"{FILE}#3", "does not name a row"),
        (f"{FILE}#00000003", "does not name a row"),
        (FILE, "does not name a row"),
        ("corpus/other.parquet#0000001", "other.parquet"),
        ("corpus/text.parquet#0000001", "text.parquet|Parquet"),
        ("corpus/ids.parquet#0000001", "column 'image' is not there"),
        ("corpus/texts.parquet#0000001", "column 'image' is string"),
        (f"{FILE}#0000004", "row 4 holds no image bytes"),
    ],
)
def test_what_cannot_be_opened(tmp_path: Path, images: list[bytes], name: str, found: str) -> None:
    write(tmp_path, [*images[:3], None, images[4]])
    (tmp_path / "corpus/text.parquet").write_text("version https://git-lfs.github.com/spec/v1")
    pq.write_table(pa.table({"id": ["a"]}), tmp_path / "corpus/ids.parquet")
    pq.write_table(pa.table({"image": ["a"]}), tmp_path / "corpus/texts.parquet")
    with pytest.raises(OSError, match=found):
        ParquetFiles(tmp_path).open(name)
