"""Archives unpacked: whole, gone on with, and every way in which one can be meant badly."""

from __future__ import annotations

import io
import stat
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from pytest_prodbench.datasets.fetching import archives, room
from pytest_prodbench.datasets.fetching.archives import unpack, was_unpacked
from pytest_prodbench.datasets.fetching.sets import unpack_file
from pytest_prodbench.errors import DatasetError

FILES = {
    "set/train/可口可乐/1.jpg": b"one" * 1000,
    "set/train/可口可乐/2.jpg": b"two" * 500,
    "set/empty.txt": b"",
    "set/list of images.txt": b"1 2 3\n",
}


def zipped(path: Path, files: dict[str, bytes]) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("set/", b"")
        for name, content in files.items():
            archive.writestr(name, content)


def tarred(mode: str) -> Callable[[Path, dict[str, bytes]], None]:
    def write(path: Path, files: dict[str, bytes]) -> None:
        with tarfile.open(path, mode) as archive:
            folder = tarfile.TarInfo("set")
            folder.type = tarfile.DIRTYPE
            archive.addfile(folder)
            for name, content in files.items():
                member = tarfile.TarInfo(name)
                member.size, member.mode = len(content), 0o4777
                archive.addfile(member, io.BytesIO(content))

    return write


KINDS = {
    "set.zip": zipped,
    "set.tar": tarred("w"),
    "set.tar.gz": tarred("w:gz"),
    "set.tar.xz": tarred("w:xz"),
    "set.tar.bz2": tarred("w:bz2"),
}


@pytest.fixture(params=sorted(KINDS))
def archive(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    path = tmp_path / str(request.param)
    KINDS[path.name](path, FILES)
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "into"
    made.mkdir()
    return made


def there(folder: Path) -> dict[str, bytes]:
    found = (path for path in folder.rglob("*") if path.is_file() and path.suffix != ".unpacked")
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in found}


def test_all_files_and_nothing_else(archive: Path, folder: Path) -> None:
    heard: list[int] = []
    assert not was_unpacked(archive, folder)
    assert unpack(archive, folder, heard.append) == len(FILES)
    assert there(folder) == FILES
    assert was_unpacked(archive, folder)
    assert heard == [1, 2, 3, 4]
    modes = {stat.S_IMODE(path.stat().st_mode) for path in folder.rglob("*.jpg")}
    assert not any(mode & (stat.S_ISUID | 0o111) for mode in modes)


def test_what_is_there_is_kept_and_what_is_not_whole_is_not(archive: Path, folder: Path) -> None:
    kept, cut = folder / "set/train/可口可乐/1.jpg", folder / "set/list of images.txt"
    kept.parent.mkdir(parents=True)
    kept.write_bytes(b"ONE" * 1000)
    cut.write_bytes(b"1")
    unpack(archive, folder)
    assert there(folder) == {**FILES, "set/train/可口可乐/1.jpg": b"ONE" * 1000}


def test_once_is_enough(archive: Path, folder: Path) -> None:
    assert unpack_file(archive, folder, remove=False) == "4 files unpacked"
    assert unpack_file(archive, folder, remove=False) == "unpacked already"
    assert unpack_file(archive, folder, remove=True) == "unpacked already, archive removed"
    assert not archive.exists()
    assert was_unpacked(archive, folder)
    KINDS[archive.name](archive, {"set/other.txt": b"of another release" * 9})
    assert not was_unpacked(archive, folder)


@pytest.mark.parametrize(
    "name",
    ["../out.txt", "set/../../out.txt", "/srv/out.txt", "set\\..\\..\\out.txt", "C:/out.txt", ".."],
)
@pytest.mark.parametrize("kind", ["set.zip", "set.tar.gz"])
def test_no_path_leads_outside(tmp_path: Path, folder: Path, kind: str, name: str) -> None:
    KINDS[kind](tmp_path / kind, {"set/good.txt": b"good", name: b"bad"})
    before = sorted(tmp_path.iterdir())
    with pytest.raises(DatasetError, match="would lie outside") as caught:
        unpack(tmp_path / kind, folder)
    assert repr(name) in str(caught.value)
    assert set(there(folder)) <= {"set/good.txt"}
    assert sorted(tmp_path.iterdir()) == before
    assert not was_unpacked(tmp_path / kind, folder)


@pytest.mark.parametrize(
    "kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE]
)
def test_a_tar_with_a_link_or_a_device(tmp_path: Path, folder: Path, kind: bytes) -> None:
    member = tarfile.TarInfo("set/link")
    member.type, member.linkname = kind, "/etc/passwd"
    with tarfile.open(tmp_path / "set.tar", "w") as archive:
        archive.addfile(member)
    with pytest.raises(DatasetError, match="a link or device, 'set/link'"):
        unpack(tmp_path / "set.tar", folder)
    assert there(folder) == {}


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFCHR, stat.S_IFIFO])
def test_a_zip_with_a_link_or_a_device(tmp_path: Path, folder: Path, kind: int) -> None:
    info = zipfile.ZipInfo("set/link")
    info.external_attr = (kind | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as archive:
        archive.writestr("set/good.txt", b"good")
        archive.writestr(info, b"/etc/passwd")
    with pytest.raises(DatasetError, match="a link or device"):
        unpack(tmp_path / "set.zip", folder)
    assert there(folder) == {}


def test_a_bomb(archive: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    KINDS[archive.name](archive, {"set/zeros.txt": bytes(2_000_000), "set/more.txt": b"x"})
    monkeypatch.setattr(archives, "ALWAYS_ALLOWED", 1000)
    monkeypatch.setattr(archives, "MOST_TIMES", 0.5 if archive.suffix == ".tar" else 50)
    with pytest.raises(DatasetError, match=r"an archive of .* bytes that unpacks to"):
        unpack(archive, folder)
    assert there(folder) == {}


def test_no_room(archive: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "SPARE", 2**62)
    with pytest.raises(DatasetError, match="bytes free on the disk"):
        unpack(archive, folder)
    assert there(folder) == {}


def test_an_archive_that_ends_too_early(archive: Path, folder: Path) -> None:
    content = archive.read_bytes()
    archive.write_bytes(content[: len(content) // 3])
    with pytest.raises(DatasetError, match=r"a damaged archive.*delete it and run"):
        unpack(archive, folder)
    assert not was_unpacked(archive, folder)


def test_a_tar_that_ends_between_two_files(tmp_path: Path, folder: Path) -> None:
    KINDS["set.tar"](tmp_path / "set.tar", FILES)
    with tarfile.open(tmp_path / "set.tar") as archive:
        end = archive.getmembers()[-1].offset
    content = (tmp_path / "set.tar").read_bytes()
    (tmp_path / "set.tar").write_bytes(content[:end])
    with pytest.raises(DatasetError, match="ends without an end mark"):
        unpack(tmp_path / "set.tar", folder)


def test_a_flipped_bit_is_found_by_the_zips_own_sum(tmp_path: Path, folder: Path) -> None:
    path = tmp_path / "set.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("set/1.jpg", b"A" * 1000)
    content = bytearray(path.read_bytes())
    content[content.index(b"AAAA") + 10] = ord("B")
    path.write_bytes(content)
    with pytest.raises(DatasetError, match="Bad CRC-32"):
        unpack(path, folder)


@pytest.mark.parametrize("content", [b"", b"no archive at all", b"PK\x03\x04", b"\x1f\x8b\x08\x00"])
def test_what_is_no_archive(tmp_path: Path, folder: Path, content: bytes) -> None:
    (tmp_path / "set.zip").write_bytes(content)
    with pytest.raises(DatasetError, match="a damaged archive"):
        unpack(tmp_path / "set.zip", folder)


def test_an_encrypted_zip(tmp_path: Path, folder: Path) -> None:
    zipped(tmp_path / "set.zip", FILES)
    content = bytearray((tmp_path / "set.zip").read_bytes())
    # The flag in every entry of the directory (APPNOTE 4.3.12, offset 8).
    at = content.find(b"PK\x01\x02")
    while at != -1:
        content[at + 8] |= 1
        at = content.find(b"PK\x01\x02", at + 4)
    (tmp_path / "set.zip").write_bytes(content)
    with pytest.raises(DatasetError, match="is encrypted"):
        unpack(tmp_path / "set.zip", folder)


def test_a_file_where_a_folder_has_to_be(archive: Path, folder: Path) -> None:
    (folder / "set").write_bytes(b"a file of somebody")
    with pytest.raises(DatasetError, match="cannot be unpacked"):
        unpack(archive, folder)
