"""What is remembered of files: never of one that has changed, whatever its times and size say."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from dataset_builders import MAX_PIXELS, row, spec, write_csv, write_images
from hypothesis import given
from hypothesis import strategies as st

from pytest_prodbench.datasets import content as content_room
from pytest_prodbench.datasets import decoding, known_files
from pytest_prodbench.datasets.content import DatasetContent, content
from pytest_prodbench.datasets.known_files import KnownFiles, KnownFolder
from pytest_prodbench.datasets.opening import open_dataset
from pytest_prodbench.errors import ProblemList

TICK = 0.05
"""Seconds in which the clock of a file system moves on."""


@pytest.fixture(autouse=True)
def no_age(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files of a test are young."""
    monkeypatch.setattr(known_files, "QUIET_NS", 0)


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    folder = tmp_path / "set"
    write_images(folder, "q.png", "é/1.png", "2.png")
    rows = [
        row("q.png", "a", "query"),
        row("é/1.png", "a", "gallery"),
        row("2.png", "b", "gallery"),
    ]
    return write_csv(folder / "manifest.csv", rows)


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Whatever is read of an image, as it is read."""
    done: list[str] = []
    header, digest = decoding.read_header, content_room.hashlib.file_digest

    def read_header(source: Path, **more: object) -> tuple[int, int]:
        done.append(f"header {source.name}")
        return header(source, **more)  # type: ignore[arg-type]

    def file_digest(file: object, name: str) -> object:
        done.append(f"bytes {Path(file.name).name}")  # type: ignore[attr-defined]
        return digest(file, name)  # type: ignore[arg-type]

    monkeypatch.setattr(decoding, "read_header", read_header)
    monkeypatch.setattr(content_room.hashlib, "file_digest", file_digest)
    return done


def digests(manifest: Path, cache: Path, *, max_pixels: int = MAX_PIXELS) -> DatasetContent:
    known = KnownFiles(cache)
    return content(open_dataset(spec(manifest), max_pixels=max_pixels, known=known), known)


def test_what_has_not_changed_is_not_touched_again(
    manifest: Path, tmp_path: Path, reads: list[str]
) -> None:
    first = digests(manifest, tmp_path / "cache")
    assert sorted(reads) == [
        f"{what} {name}" for what in ("bytes", "header") for name in ("1.png", "2.png", "q.png")
    ]
    reads.clear()
    assert digests(manifest, tmp_path / "cache") == first
    assert reads == []
    assert first == content(open_dataset(spec(manifest), max_pixels=MAX_PIXELS))


def _written_over(path: Path, data: bytes) -> None:
    path.write_bytes(data)


def _put_in_its_place(path: Path, data: bytes) -> None:
    other = path.with_name("other.tmp")
    other.write_bytes(data)
    other.replace(path)


@pytest.mark.parametrize("change", [_written_over, _put_in_its_place])
def test_other_bytes_of_the_same_size_and_time_are_read(
    manifest: Path, tmp_path: Path, reads: list[str], change: Callable[[Path, bytes], None]
) -> None:
    image = manifest.parent / "2.png"
    before = digests(manifest, tmp_path / "cache")
    was, data = image.stat(), bytearray(image.read_bytes())
    data[-1] ^= 1
    time.sleep(TICK)
    change(image, bytes(data))
    os.utime(image, ns=(was.st_atime_ns, was.st_mtime_ns))
    assert (image.stat().st_size, image.stat().st_mtime_ns) == (was.st_size, was.st_mtime_ns)
    reads.clear()
    after = digests(manifest, tmp_path / "cache")
    assert reads == ["header 2.png", "bytes 2.png"]
    assert after.digest != before.digest
    assert after == content(open_dataset(spec(manifest), max_pixels=MAX_PIXELS))


def test_a_file_that_is_gone_is_missed(manifest: Path, tmp_path: Path) -> None:
    digests(manifest, tmp_path / "cache")
    (manifest.parent / "2.png").unlink()
    with pytest.raises(ProblemList, match="no such file"):
        digests(manifest, tmp_path / "cache")


def test_a_young_file_is_read_the_next_time_too(
    manifest: Path, tmp_path: Path, reads: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(known_files, "QUIET_NS", 3_600 * 10**9)
    first = digests(manifest, tmp_path / "cache")
    assert not (tmp_path / "cache").exists()
    assert digests(manifest, tmp_path / "cache") == first
    assert len(reads) == 12


def test_what_changes_while_it_is_read_is_not_remembered(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"one")
    folder = KnownFolder(tmp_path, tmp_path / "cache.bin")

    def read() -> str:
        time.sleep(TICK)
        (tmp_path / "a").write_bytes(b"two")
        return "11" * 32

    assert folder.digest("a", read) == "11" * 32
    assert folder.digest("a", lambda: "22" * 32) == "22" * 32
    assert folder.digest("a", lambda: "33" * 32) == "22" * 32


def test_the_limit_of_pixels_is_that_of_the_run(manifest: Path, tmp_path: Path) -> None:
    digests(manifest, tmp_path / "cache")
    with pytest.raises(ProblemList, match=r"8 x 6 = 48 pixels; expected at most 47"):
        digests(manifest, tmp_path / "cache", max_pixels=47)


def test_what_was_learnt_is_added_to_what_was_known(tmp_path: Path) -> None:
    for name in "ab":
        (tmp_path / name).write_bytes(name.encode())
    for n, name in enumerate("ab"):
        folder = KnownFolder(tmp_path, tmp_path / "cache.bin")
        folder.size(name, lambda n=n: (n + 1, 7))
        folder.digest(name, lambda n=n: f"{n + 1}{n}" * 32)
        folder.save()
    folder = KnownFolder(tmp_path, tmp_path / "cache.bin")

    def nothing() -> None:
        raise AssertionError

    assert [folder.size(name, nothing) for name in "ab"] == [(1, 7), (2, 7)]
    assert [folder.digest(name, nothing) for name in "ab"] == ["10" * 32, "21" * 32]


@given(data=st.data())
def test_damage_is_seen(data: st.DataObject, tmp_path_factory: pytest.TempPathFactory) -> None:
    root = tmp_path_factory.mktemp("damage")
    (root / "a").write_bytes(b"a")
    cache = root / "cache.bin"
    folder = KnownFolder(root, cache)
    folder.digest("a", lambda: "ab" * 32)
    folder.save()
    whole = bytearray(cache.read_bytes())
    if data.draw(st.booleans()):
        place = data.draw(st.integers(0, len(whole) - 1))
        whole[place] ^= data.draw(st.integers(1, 255))
    else:
        del whole[data.draw(st.integers(0, len(whole) - 1)) :]
    cache.write_bytes(whole)
    assert KnownFolder(root, cache).digest("a", lambda: "cd" * 32) == "cd" * 32


def test_a_cache_that_cannot_be_written_to_stops_nothing(manifest: Path, tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file")
    assert digests(manifest, tmp_path / "cache") == content(
        open_dataset(spec(manifest), max_pixels=MAX_PIXELS)
    )
