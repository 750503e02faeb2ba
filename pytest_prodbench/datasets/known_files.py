"""What was read of files that have not changed since: digest of the bytes, and size of the picture.

A file is taken for unchanged as git and build tools take it: its size, times of change (of content and of
inode) and inode number are those under which it was read. Whatever writes to a file, or puts another in its
place, changes one of them, also if it sets the time of its content back.

Layout: ``<cache>/files/<digest of the folder's path>.bin``: a line with the version; sha256 of all that
follows, by which damage is seen; the number of files; a record each (``_RECORD``); their names, with NUL
between.
"""

from __future__ import annotations

import hashlib
import os
import struct
import time
from collections.abc import Callable
from pathlib import Path

from pytest_prodbench.atomic import atomic_write_bytes

QUIET_NS = 2_000_000_000
"""Age from which a file is remembered: a younger one may change once more within one tick of its clock."""

Size = tuple[int, int]

_VERSION = b"prodbench files 1\n"
_COUNT = struct.Struct("<Q")
_STAMP = struct.Struct("<QqqQ")
_RECORD = struct.Struct("<32sII32s")
"""Stamp, width and height (0: not known), digest (zeros: not known)."""

_UNKNOWN = bytes(32)
_NOTHING = (_UNKNOWN, 0, 0, _UNKNOWN)


class KnownFiles:
    """Files below folders, as earlier runs with this cache saw them."""

    def __init__(self, cache_dir: Path) -> None:
        """``cache_dir``: as in ``RunSettings``; nothing is read yet."""
        self._folder = cache_dir / "files"
        self._roots: dict[Path, KnownFolder] = {}

    def below(self, root: Path) -> KnownFolder:
        """Return what is known of the files below a folder."""
        root = root.resolve()
        if root not in self._roots:
            name = hashlib.sha256(os.fsencode(root)).hexdigest()[:32]
            self._roots[root] = KnownFolder(root, self._folder / f"{name}.bin")
        return self._roots[root]


class KnownFolder:
    """Files below one folder; can be asked from any thread."""

    def __init__(self, root: Path, path: Path) -> None:
        """``path``: what an earlier run wrote; missing or damaged, nothing is known."""
        self._root, self._path = str(root), path
        self._records, self._rows = _read(path)
        self._new: dict[str, tuple[bytes, int, int, bytes]] = {}

    def size(self, image: str, read: Callable[[], Size]) -> Size:
        """Return (width, height) in pixels, by ``read`` where it is not known; its errors pass."""
        stamp = self._stamp(image)
        _, width, height, digest = self._known(image, stamp)
        if not width:
            width, height = read()
            self._learn(image, stamp, width, height, digest)
        return width, height

    def digest(self, image: str, read: Callable[[], str]) -> str:
        """Return the sha256 (hex) of the bytes, by ``read`` where it is not known; its errors pass."""
        stamp = self._stamp(image)
        _, width, height, digest = self._known(image, stamp)
        if digest == _UNKNOWN:
            digest = bytes.fromhex(read())
            self._learn(image, stamp, width, height, digest)
        return digest.hex()

    def save(self) -> None:
        """Write down what was learnt; a cache that cannot be written to stays as it is."""
        if not self._new:
            return
        known = {name: self._record(row) for name, row in self._rows.items()} | self._new
        names = "\0".join(known).encode("utf-8", "surrogatepass")
        payload = b"".join(
            (_COUNT.pack(len(known)), *(_RECORD.pack(*record) for record in known.values()), names)
        )
        try:
            atomic_write_bytes(
                self._path, _VERSION + hashlib.sha256(payload).digest() + payload, durable=False
            )
        except OSError:
            return
        self._records, self._rows = _parsed(payload)
        self._new = {}

    def _stamp(self, image: str) -> bytes:
        """Return what changes when the file does; empty for one that cannot be remembered."""
        try:
            found = os.stat(f"{self._root}/{image}")  # noqa: PTH116 - a Path each would take twice as long
        except (OSError, ValueError):
            return b""
        if max(found.st_mtime_ns, found.st_ctime_ns) > time.time_ns() - QUIET_NS:
            return b""
        return _STAMP.pack(
            found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino & (2**64 - 1)
        )

    def _known(self, image: str, stamp: bytes) -> tuple[bytes, int, int, bytes]:
        record = self._new.get(image)
        if record is None:
            row = self._rows.get(image)
            record = _NOTHING if row is None else self._record(row)
        return record if stamp and record[0] == stamp else _NOTHING

    def _record(self, row: int) -> tuple[bytes, int, int, bytes]:
        stamp, width, height, digest = _RECORD.unpack_from(self._records, row * _RECORD.size)
        return stamp, width, height, digest

    def _learn(self, image: str, stamp: bytes, width: int, height: int, digest: bytes) -> None:
        # Changed while it was read: of which of the two was that?
        if stamp and stamp == self._stamp(image):
            self._new[image] = (stamp, width, height, digest)


def _read(path: Path) -> tuple[bytes, dict[str, int]]:
    """Return the records of a file and which name has which; nothing if it is missing or damaged."""
    start = len(_VERSION)
    try:
        data = path.read_bytes()
    except OSError:
        return b"", {}
    payload = data[start + 32 :]
    if data[:start] != _VERSION or data[start : start + 32] != hashlib.sha256(payload).digest():
        return b"", {}
    return _parsed(payload)


def _parsed(payload: bytes) -> tuple[bytes, dict[str, int]]:
    (count,) = _COUNT.unpack_from(payload)
    end = _COUNT.size + count * _RECORD.size
    names = payload[end:].decode("utf-8", "surrogatepass").split("\0")
    return payload[_COUNT.size : end], dict(zip(names, range(count), strict=True))
