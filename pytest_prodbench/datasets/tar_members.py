"""Images that lie in uncompressed tar files, read in place: unpacking millions of files costs days."""

from __future__ import annotations

import errno
import io
import posixpath
import tarfile
import threading
from collections import OrderedDict
from pathlib import Path
from typing import BinaryIO

KEPT = 4
"""Tar files whose members are remembered: images are read in the order of their tar files."""


class TarMembers:
    """Reads ``<tar file>/<member>`` (a member in no folder); any other path is a file of its own."""

    kind = "tars"

    @classmethod
    def below(cls, root: Path) -> TarMembers:
        """Return the images below a folder, whichever tar files it holds."""
        tars = (path.relative_to(root).as_posix() for path in root.rglob("*.tar"))
        return cls(root, frozenset(tars))

    def __init__(self, root: Path, tars: frozenset[str]) -> None:
        """Remember where the tar files are; opens none.

        Args:
            root: folder that all paths hang below.
            tars: path of each tar file, relative to ``root``.
        """
        self._root = root
        self._tars = tars
        self._members: OrderedDict[str, dict[str, tuple[int, int]]] = OrderedDict()
        self._lock = threading.Lock()

    def open(self, image: str) -> BinaryIO:
        """Return the file of an image; see ``ImageFiles.open``."""
        tar, _, member = image.rpartition("/")
        if tar not in self._tars:
            return (self._root / image).open("rb")
        place = self._places(tar).get(member)
        if place is None:
            raise FileNotFoundError(errno.ENOENT, f"{tar} has no member {member}", image)
        offset, size = place
        with (self._root / tar).open("rb") as file:
            file.seek(offset)
            data = file.read(size)
        if len(data) != size:
            raise OSError(errno.EIO, f"{tar} ends in the middle of the member", image)
        return io.BytesIO(data)

    def _places(self, tar: str) -> dict[str, tuple[int, int]]:
        """Return member → (offset, size) of a tar file."""
        with self._lock:
            places = self._members.get(tar)
            if places is None:
                places = self._members[tar] = _places(self._root / tar)
                while len(self._members) > KEPT:
                    self._members.popitem(last=False)
            self._members.move_to_end(tar)
            return places


def _places(path: Path) -> dict[str, tuple[int, int]]:
    places = {}
    try:
        with tarfile.open(path, "r:") as file:
            while (member := file.next()) is not None:
                if member.isreg():
                    places[posixpath.normpath(member.name)] = (member.offset_data, member.size)
                # It keeps every member that it saw; a shard has 100,000.
                file.members = []  # type: ignore[attr-defined]
    except tarfile.TarError as error:
        raise OSError(errno.EIO, f"no whole tar file: {error}", str(path)) from error
    return places
