"""The content digest follows what is in a dataset and nothing else."""

from __future__ import annotations

import hashlib
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from dataset_builders import noise, opened, row, write_csv
from hypothesis import given
from hypothesis import strategies as st

from pytest_prodbench.datasets.content import content
from pytest_prodbench.errors import DatasetError
from pytest_prodbench.protocol import Dataset, ImageTable

ROWS = [
    row("a.png", "1", "gallery", family="f", light="studio", bbox="0 0 4 4"),
    row("b.png", "2", "gallery", family="f", light="studio", group="g"),
    row("c.png", "1", "query", family="f", light="shop", bbox="1 0 4 4"),
    row("d.png", "2", "query", family="", light=""),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("content")
    for seed, each in enumerate(ROWS):
        noise(seed).save(path / each["image"])
    return path


def digest(folder: Path, rows: list[Any], name: str = "m.csv") -> str:
    return content(opened(write_csv(folder / name, rows))).digest


def test_digests_are_of_the_file_bytes(folder: Path) -> None:
    dataset = opened(write_csv(folder / "m.csv", ROWS))
    found = content(dataset)
    for digests, table in (
        (found.query_digests, dataset.queries),
        (found.gallery_digests, dataset.gallery),
    ):
        expected = [hashlib.sha256((folder / i).read_bytes()).hexdigest() for i in table.images]
        assert list(digests) == expected
    assert found == content(dataset)


@given(st.permutations(ROWS))
def test_row_order_does_not_count(folder: Path, rows: list[Any]) -> None:
    assert digest(folder, rows) == digest(folder, ROWS, "other.csv")


def test_names_and_folders_do_not_count(folder: Path, tmp_path: Path) -> None:
    moved = [{**each, "image": f"x/{i}.jpg"} for i, each in enumerate(ROWS)]
    (tmp_path / "x").mkdir()
    for old, new in zip(ROWS, moved, strict=True):
        shutil.copy(folder / old["image"], tmp_path / new["image"])
    assert digest(tmp_path, moved) == digest(folder, ROWS)


def test_a_column_that_states_nothing_does_not_count(folder: Path) -> None:
    assert digest(folder, [{**each, "blur": ""} for each in ROWS]) == digest(folder, ROWS)


CHANGES = [
    (0, "product_id", "2"), (0, "family", "other"), (0, "light", "sun"), (0, "group", "g2"),
    (0, "bbox", "0 0 4 5"), (0, "bbox", ""), (1, "bbox", "0 0 1 1"), (1, "group", ""),
    (2, "bbox", "1 0 4 4.25"), (3, "family", "f"), (3, "light", "shop"), (1, "new column", "x"),
    (0, "image", "b.png"),
]  # fmt: skip


def test_any_change_of_a_row_counts(folder: Path) -> None:
    seen = {digest(folder, ROWS)}
    for i, name, value in CHANGES:
        rows = [dict(each) for each in ROWS]
        rows[i][name] = value
        dataset = opened(write_csv(folder / "m.csv", rows), open_set=True)
        seen.add(content(dataset).digest)
    # Roles: the same rows, searched the other way round.
    swap = {"query": "gallery", "gallery": "query"}
    seen.add(digest(folder, [{**each, "role": swap[each["role"]]} for each in ROWS]))
    assert len(seen) == len(CHANGES) + 2


@given(st.integers(0, 3), st.integers(0, 10**6), st.integers(1, 255))
def test_any_one_byte_counts(folder: Path, which: int, position: int, flip: int) -> None:
    dataset = opened(write_csv(folder / "m.csv", ROWS), check=False)
    before = content(dataset).digest
    path = folder / ROWS[which]["image"]
    good = path.read_bytes()
    bad = bytearray(good)
    bad[position % len(good)] ^= flip
    path.write_bytes(bad)
    try:
        assert content(dataset).digest != before
    finally:
        path.write_bytes(good)


def test_each_file_is_read_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read = []
    original = Dataset.path

    def path(self: Dataset, image: str) -> Path:
        read.append(image)
        return original(self, image)

    monkeypatch.setattr(Dataset, "path", path)
    rows = [*ROWS, row("a.png", "3", "gallery", bbox="1 1 1 1"), row("a.png", "3", "query")]
    content(opened(write_csv(folder / "m.csv", rows), open_set=True))
    assert sorted(read) == ["a.png", "b.png", "c.png", "d.png"]


def test_negative_zero_and_integers_are_the_numbers_they_equal(folder: Path) -> None:
    dataset = opened(write_csv(folder / "m.csv", ROWS))
    gallery: ImageTable = replace(dataset.gallery, boxes=((-0.0, 0, 4, 4), None))
    assert content(replace(dataset, gallery=gallery)).digest == content(dataset).digest


def test_what_answers_a_product_counts(folder: Path) -> None:
    dataset = opened(write_csv(folder / "m.csv", ROWS))
    seen = {
        content(replace(dataset, answers=answers)).digest
        for answers in ({}, {"1": ("2",)}, {"1": ("1", "2")}, {"2": ("1",)})
    }
    assert len(seen) == 4
    swapped = content(replace(dataset, answers={"1": ("2", "1")})).digest
    assert swapped == content(replace(dataset, answers={"1": ("1", "2")})).digest


def test_vanished_file_is_named(folder: Path, tmp_path: Path) -> None:
    for each in ROWS:
        shutil.copy(folder / each["image"], tmp_path)
    dataset = opened(write_csv(tmp_path / "m.csv", ROWS))
    (tmp_path / "c.png").unlink()
    with pytest.raises(DatasetError, match=r"image 'c\.png' cannot be read: No such file"):
        content(dataset)
