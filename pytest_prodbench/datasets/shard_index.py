"""Where the files inside a tar lie: its headers are walked once, its data is never copied out.

What would make a catalog silently shorter is an error: a header in the middle that is damaged, an end that
is missing, a second archive joined behind the first. (``tarfile`` just stops at each of them.)
"""

from __future__ import annotations

import os
import tarfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from pytest_prodbench.datasets.paths import image_path, image_path_problem
from pytest_prodbench.datasets.problems import shown, unicode_problem
from pytest_prodbench.errors import DatasetError

_BLOCK = 512
_COPY = "copy the shard again, or write it again from its source"
# First bytes of what is no plain tar, and what turns it into one.
_COMPRESSED = (
    (b"\x1f\x8b", "gzip", "gunzip"),
    (b"BZh", "bzip2", "bunzip2"),
    (b"\xfd7zXZ\x00", "xz", "unxz"),
    (b"\x28\xb5\x2f\xfd", "zstd", "zstd -d"),
    (b"PK\x03\x04", "zip", "unzip, then tar"),
)

Span = tuple[int, int]
"""First byte and length of a member's data in its tar."""


@dataclass(slots=True)
class ShardIndex:
    """Regular files of one tar.

    Attributes:
        spans: name of a member, relative and posix → where its data lies, in the order of the tar.
        problems: members that are in no ``spans``, each named with its shard.
    """

    spans: dict[str, Span] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


def shard_index(path: Path, shard: str) -> ShardIndex:
    """Walk the headers of an uncompressed tar; folders and hidden files are left out.

    Args:
        path: the tar.
        shard: what messages about its members call it.

    Raises:
        DatasetError: missing, compressed, no tar, damaged, cut short.
    """
    found = ShardIndex()
    try:
        with path.open("rb") as file:
            _refuse_compressed(file, path)
            try:
                _walk(file, path, shard, found)
            except tarfile.TarError as error:
                raise DatasetError(
                    shown(path), found=f"not a whole tar: {error}", next_step=_COPY
                ) from error
    except OSError as error:
        raise DatasetError(
            shown(path), found=f"cannot be read: {error.strerror or error}", next_step=_COPY
        ) from error
    return found


def _walk(file: IO[bytes], path: Path, shard: str, found: ShardIndex) -> None:
    end = os.fstat(file.fileno()).st_size
    # Every header by the rules of tarfile, those of nearly all members by the short cut that agrees with it.
    with tarfile.TarFile.taropen(path.name, "r", fileobj=file, encoding="utf-8") as tar:
        tar.next()  # read by the constructor, and again below
        offset, plain = 0, True
        while True:
            file.seek(offset)
            member = _plain(file.read(_BLOCK), offset) if plain else None
            if member is None:
                tar.offset = offset
                file.seek(offset)
                member = tar.next()
                # Or a million members would be kept.
                tar.members.clear()  # type: ignore[attr-defined]
                if member is None:
                    break
                # What a global header says holds for all that follows.
                plain = not tar.pax_headers
                offset = int(tar.offset)
            else:
                offset = member.offset_data + -(-member.size // _BLOCK) * _BLOCK
            if member.offset_data + member.size > end:
                raise tarfile.ReadError(f"member {member.name!r} is cut short")
            _take(member, shard, found)
        _verify_end(file, path, int(tar.offset))


def _plain(block: bytes, offset: int) -> tarfile.TarInfo | None:
    """Return the member of a header without peculiarities, None for ``tarfile`` to judge."""
    # Regular file, short name, size in octal digits.
    if len(block) < _BLOCK or block[156] != 0x30 or block[345] or block[124] & 0x80:
        return None
    try:
        if int(block[148:156].strip(b" \0"), 8) != sum(block) - sum(block[148:156]) + 8 * 0x20:
            return None
        size = int(block[124:136].strip(b" \0") or b"0", 8)
    except ValueError:
        return None
    member = tarfile.TarInfo(block[:100].partition(b"\0")[0].decode("utf-8", "surrogateescape"))
    member.size, member.offset_data = size, offset + _BLOCK
    return None if member.name.endswith("/") else member


def _take(member: tarfile.TarInfo, shard: str, found: ShardIndex) -> None:
    if member.isdir():
        return
    name = member.name.removeprefix("./")
    if name.rpartition("/")[2].startswith("."):
        return
    reason = _problem(member, name)
    name = name if reason else image_path(name)
    if not reason and name in found.spans:
        reason = "stands twice in this shard; keep one"
    if reason:
        found.problems.append(f"{shard}: member {name!r} {reason}")
    else:
        found.spans[name] = (member.offset_data, member.size)


def _problem(member: tarfile.TarInfo, name: str) -> str | None:
    if member.issym() or member.islnk():
        return (
            f"is a link to {member.linkname!r}: it has no bytes of its own; write the file itself "
            "(tar --dereference --hard-dereference)"
        )
    if not member.isreg() or member.issparse():
        return "is no regular file; leave it out"
    reason = image_path_problem(name) or unicode_problem("name", name)
    if reason:
        return f"cannot be named: {reason}"
    if ".." in name.split("/"):
        return "leads out of the shard ('..'); name it without"
    return None


def _refuse_compressed(file: IO[bytes], path: Path) -> None:
    head = file.read(6)
    file.seek(0)
    for magic, kind, command in _COMPRESSED:
        if head.startswith(magic):
            raise DatasetError(
                shown(path),
                found=f"a tar compressed with {kind}"
                if kind != "zip"
                else "a zip archive, although a shard is a tar",
                expected="a plain tar, of which one image can be read without all before it",
                next_step=f"unpack it once ({command}); images are compressed already",
            )


def _verify_end(file: IO[bytes], path: Path, offset: int) -> None:
    """Hold what lies where the walk ended against the end that every tar is written with."""
    file.seek(offset)
    block = file.read(_BLOCK)
    if len(block) == _BLOCK and not block.strip(b"\0"):
        rest = offset + _BLOCK
        while data := file.read(1 << 20):
            if data.strip(b"\0"):
                raise DatasetError(
                    shown(path),
                    found=f"more data behind the end of the archive (byte {rest:,} or later)",
                    expected="one tar a file; joined with cat, all but the first would be ignored",
                    next_step="give each its own file",
                )
            rest += len(data)
        return
    whole = len(block) == _BLOCK
    raise DatasetError(
        shown(path),
        found=f"a damaged header at byte {offset:,}"
        if whole
        else f"no end of the archive at byte {offset:,}: the file is cut short",
        expected="headers up to a block of zeros",
        next_step=_COPY,
    )
