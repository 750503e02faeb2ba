"""Archives of strangers unpacked: nothing outside the folder, no links, no bombs."""

from __future__ import annotations

import json
import lzma
import os
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO, TYPE_CHECKING

from pytest_prodbench.atomic import atomic_write_text
from pytest_prodbench.datasets.fetching.room import need_room
from pytest_prodbench.errors import DatasetError

if TYPE_CHECKING:
    from _typeshed import SupportsRead

MOST_TIMES = 50
"""An archive that unpacks to more than so many times its size is a bomb: photos hardly shrink at all."""

ALWAYS_ALLOWED = 2**30
"""Bytes that any archive may unpack to."""

ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.xz", ".tar.bz2")
"""Endings of what can be unpacked."""

_CHUNK = 1 << 20


@dataclass(slots=True)
class _Unpacking:
    """One archive on its way into a folder."""

    archive: Path
    folder: Path
    told: Callable[[int], None]
    files: int = 0
    written: int = 0

    def take(self, name: str, size: int, source: Callable[[], SupportsRead[bytes] | None]) -> None:
        """Write a file under its name when it is whole; leave one alone that is there in its size."""
        self.written += size
        if self.written > most_bytes(self.archive):
            raise _bomb(self.archive, f"more than {most_bytes(self.archive):,} bytes")
        target = self.folder / name
        self.files += 1
        if target.is_file() and target.stat().st_size == size:
            return
        # A tar tells what it holds only on the way.
        need_room(self.folder, size, f"{name} of {self.archive.name}")
        target.parent.mkdir(parents=True, exist_ok=True)
        part = target.with_name(f".{target.name}.part")
        opened = source()
        if opened is None:
            raise _damaged(self.archive, f"{name!r} has no content")
        with part.open("wb") as file:
            copied = _copy(opened, file)
        if copied != size:
            part.unlink()
            raise _damaged(self.archive, f"{name!r} has {copied:,} bytes instead of {size:,}")
        # Without waiting for the disk: after a loss of power the marker is missing too, or sizes tell.
        os.replace(part, target)  # noqa: PTH105 - the name everybody knows for an atomic rename
        self.told(self.files)


def unpack(archive: Path, folder: Path, told: Callable[[int], None] = lambda _files: None) -> int:
    """Unpack an archive into a folder; files that are there in their size are left alone.

    Args:
        archive: one of ``ARCHIVES``, told by its content.
        folder: where to; must be there.
        told: hears how many files are there.

    Returns:
        How many files it has.

    Raises:
        DatasetError: no archive, damaged, with a path that leads outside, with a link, or a bomb; no room.
    """
    at = _Unpacking(archive, folder, told)
    with _damage_told(archive):
        if zipfile.is_zipfile(archive):
            _unpack_zip(at)
        else:
            _unpack_tar(at)
    marker = {"bytes": archive.stat().st_size, "files": at.files}
    atomic_write_text(marker_of(archive, folder), json.dumps(marker))
    return at.files


def marker_of(archive: Path, folder: Path) -> Path:
    """Return the file that says that an archive was unpacked whole."""
    return folder / f".{archive.name}.unpacked"


def was_unpacked(archive: Path, folder: Path) -> bool:
    """Return whether an archive (which may be gone) was unpacked whole."""
    try:
        said = json.loads(marker_of(archive, folder).read_text(encoding="utf-8"))
        return not archive.is_file() or bool(said["bytes"] == archive.stat().st_size)
    except (OSError, ValueError, KeyError, TypeError):
        return False


def most_bytes(archive: Path) -> int:
    """Return how many bytes an archive may unpack to."""
    return max(ALWAYS_ALLOWED, MOST_TIMES * archive.stat().st_size)


def safe_name(name: str, archive: Path) -> str:
    """Return a member's path below the folder, with ``/``.

    Raises:
        DatasetError: it leads outside, or would on another system.
    """
    path = PurePosixPath(name)
    parts = [part for part in path.parts if part != "."]
    odd = "\\" in name or "\0" in name or (parts and ":" in parts[0])
    if path.is_absolute() or ".." in parts or odd or not parts:
        raise _hostile(archive, f"a file named {name!r}, which would lie outside the folder")
    return "/".join(parts)


def _unpack_zip(at: _Unpacking) -> None:
    with zipfile.ZipFile(at.archive) as archive:
        files: list[tuple[str, zipfile.ZipInfo]] = []
        # All is looked at before anything is written: a zip lists what it holds.
        for info in archive.infolist():
            kind = stat.S_IFMT(info.external_attr >> 16)
            if kind not in {0, stat.S_IFREG, stat.S_IFDIR}:
                raise _hostile(at.archive, f"a link or device, {info.filename!r}")
            if info.flag_bits & 1:
                raise _damaged(at.archive, f"{info.filename!r} is encrypted")
            if not info.is_dir():
                files.append((safe_name(info.filename, at.archive), info))
        total = sum(info.file_size for _, info in files)
        if total > most_bytes(at.archive):
            raise _bomb(at.archive, f"{total:,} bytes")
        missing = sum(i.file_size for name, i in files if not (at.folder / name).is_file())
        need_room(at.folder, missing, f"what {at.archive.name} holds")
        for name, info in files:
            at.take(name, info.file_size, partial(archive.open, info))


def _unpack_tar(at: _Unpacking) -> None:
    with tarfile.open(at.archive) as archive:
        for member in _members(archive):
            if member.isdir():
                continue
            if not member.isreg():
                raise _hostile(at.archive, f"a link or device, {member.name!r}")
            name = safe_name(member.name, at.archive)
            # Python's own filter as well: a second opinion costs nothing.
            checked = tarfile.data_filter(member, str(at.folder))
            at.take(name, checked.size, partial(archive.extractfile, member))


def _members(archive: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    while (member := archive.next()) is not None:
        yield member
        # It would keep every one; with a million photos that is a gigabyte.
        archive.members.clear()  # type: ignore[attr-defined]
    # Cut between two files it would look whole but for its end mark, blocks of zeros.
    assert archive.fileobj is not None  # noqa: S101 - it was opened to be read
    archive.fileobj.seek(archive.offset)
    if not archive.fileobj.read(1):
        raise tarfile.ReadError("it ends without an end mark")


def _copy(source: SupportsRead[bytes], target: IO[bytes]) -> int:
    copied = 0
    while chunk := source.read(_CHUNK):
        copied += target.write(chunk)
    return copied


@contextmanager
def _damage_told(archive: Path) -> Iterator[None]:
    try:
        yield
    except (zipfile.BadZipFile, tarfile.TarError, EOFError, zlib.error, lzma.LZMAError) as error:
        # Of what is nothing at all, tarfile tells a line for each kind that it is not.
        reason = "no zip and no tar" if "\n" in str(error) else str(error)
        raise _damaged(archive, reason or type(error).__name__) from None
    except NotImplementedError as error:
        raise _damaged(archive, f"cannot be read here: {error}") from None
    except DatasetError:
        raise
    except OSError as error:
        raise DatasetError(
            str(archive),
            found=f"cannot be unpacked: {error.strerror or error}",
            next_step="mend that and run the same command again; what is unpacked is kept",
        ) from None


def _damaged(archive: Path, reason: str) -> DatasetError:
    return DatasetError(
        str(archive),
        found=f"a damaged archive: {reason}",
        next_step="delete it and run the same command again",
    )


def _hostile(archive: Path, what: str) -> DatasetError:
    return DatasetError(
        str(archive),
        found=what,
        expected="files below the folder, and nothing else",
        next_step="nothing of it can be trusted: delete it, and ask those who gave it",
    )


def _bomb(archive: Path, what: str) -> DatasetError:
    return DatasetError(
        str(archive),
        found=f"an archive of {archive.stat().st_size:,} bytes that unpacks to {what}",
        expected=f"no more than {MOST_TIMES} times its size, or {ALWAYS_ALLOWED:,} bytes",
        next_step="look at what it is before you unpack it by hand",
    )
