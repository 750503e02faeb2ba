"""The walk over headers agrees with ``tarfile``, whoever wrote the tar."""

from __future__ import annotations

import io
import shutil
import subprocess
import tarfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pytest_prodbench.datasets.shard_index import shard_index
from pytest_prodbench.errors import DatasetError

FORMATS = [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT]
NAMES = st.lists(
    st.text("abé產 -", min_size=1, max_size=40).map(str.strip).filter(bool),
    min_size=1,
    max_size=8,
).map("/".join)


def by_tarfile(path: Path) -> dict[str, tuple[int, int]]:
    with tarfile.open(path, "r:", encoding="utf-8") as tar:
        return {m.name: (m.offset_data, m.size) for m in tar.getmembers() if m.isreg()}


@given(
    members=st.dictionaries(NAMES, st.integers(0, 1500), min_size=1, max_size=8),
    kind=st.sampled_from(FORMATS),
    head=st.dictionaries(st.sampled_from(["comment", "mtime"]), st.just("1"), max_size=1),
)
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_as_tarfile_reads_it(tmp_path: Path, members: Any, kind: int, head: Any) -> None:
    path = tmp_path / "a.tar"
    more = {"pax_headers": head} if kind == tarfile.PAX_FORMAT else {}
    with tarfile.open(path, "w", format=kind, encoding="utf-8", **more) as tar:
        for name, size in members.items():
            info = tarfile.TarInfo(name)
            info.size = size
            try:
                tar.addfile(info, io.BytesIO(bytes(size)))
            except ValueError:
                assert kind == tarfile.USTAR_FORMAT  # a name that it cannot hold
    found = shard_index(path, "a.tar")
    assert found.problems == []
    assert found.spans == by_tarfile(path)


def test_what_a_global_header_says_holds_for_plain_members_too(tmp_path: Path) -> None:
    path = tmp_path / "a.tar"
    with tarfile.open(path, "w", pax_headers={"path": "named.jpg"}) as tar:
        tar.addfile(tarfile.TarInfo("first.jpg"))
        tar.addfile(tarfile.TarInfo("second.jpg"))
    assert list(by_tarfile(path)) == list(shard_index(path, "a.tar").spans) == ["named.jpg"]
    (problem,) = shard_index(path, "a.tar").problems
    assert "'named.jpg' stands twice" in problem


@pytest.mark.skipif(shutil.which("tar") is None, reason="needs the program tar")
@pytest.mark.parametrize("kind", ["gnu", "pax", "ustar", "v7", "oldgnu"])
def test_what_the_program_tar_writes(tmp_path: Path, kind: str) -> None:
    folder = tmp_path / "photos"
    for name in ("a.jpg", "x/b.jpg", f"{'y' * 60}/{'z' * 60}.jpg"):
        if kind == "v7" and len(name) > 99:
            continue
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(name.encode() * 100)
    path = tmp_path / "a.tar"
    subprocess.run(["tar", f"--format={kind}", "-cf", path, "-C", folder, "."], check=True)
    found = shard_index(path, "a.tar")
    assert found.problems == []
    data = path.read_bytes()
    contents = {name: data[start : start + size] for name, (start, size) in found.spans.items()}
    assert contents == {
        file.relative_to(folder).as_posix(): file.read_bytes()
        for file in folder.rglob("*")
        if file.is_file()
    }


@given(place=st.integers(0, 10_000), bit=st.integers(0, 7))
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_one_flipped_bit_is_never_a_shorter_catalog(tmp_path: Path, place: int, bit: int) -> None:
    path = tmp_path / "a.tar"
    names = [f"{i:03}.jpg" for i in range(4)]
    with tarfile.open(path, "w") as tar:
        for name in names:
            info = tarfile.TarInfo(name)
            info.size = 300
            tar.addfile(info, io.BytesIO(b"\xff" * 300))
    data = bytearray(path.read_bytes())
    data[place % len(data)] ^= 1 << bit
    path.write_bytes(data)
    try:
        found = shard_index(path, "a.tar")
    except DatasetError:
        return
    # In the data, in padding, or in a field that a checksum covers not: every name is still there.
    assert list(found.spans) == names or found.problems


def test_a_size_beyond_the_file(tmp_path: Path) -> None:
    path = tmp_path / "a.tar"
    info = tarfile.TarInfo("a.jpg")
    info.size = 10**9
    path.write_bytes(info.tobuf() + bytes(10_240))
    with pytest.raises(DatasetError, match=r"'a\.jpg' is cut short"):
        shard_index(path, "a.tar")
