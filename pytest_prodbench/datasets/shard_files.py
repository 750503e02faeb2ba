"""Images inside tar shards, opened by where their bytes lie."""

from __future__ import annotations

import io
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, ClassVar, cast

from pytest_prodbench.datasets.shard_index import ShardIndex, Span, shard_index
from pytest_prodbench.errors import DatasetError


@dataclass(frozen=True, slots=True)
class ShardFiles:
    """Images called ``catalog-0000.tar/<member>``, from any thread; see ``ImageFiles``.

    A shard is walked when the first of its images is asked for, and once.

    Attributes:
        root: folder of the shards.
    """

    kind: ClassVar[str] = "shards"
    root: Path
    _shards: dict[str, ShardIndex] = field(default_factory=dict, repr=False, compare=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False, compare=False)

    def members(self, shard: str) -> ShardIndex:
        """Return the files in a shard, by its path below ``root``.

        Raises:
            DatasetError: it is missing, compressed or damaged.
        """
        found = self._shards.get(shard)
        if found is None:
            with self._lock:
                found = self._shards.get(shard)
                if found is None:
                    found = self._shards[shard] = shard_index(self.root / shard, shard)
        return found

    def open(self, image: str) -> BinaryIO:
        """Open one image; raises OSError where there is none, see ``ImageFiles.open``."""
        for shard, member in _splits(image):
            if shard in self._shards or (self.root / shard).is_file():
                try:
                    span = self.members(shard).spans.get(member)
                except DatasetError as error:
                    raise OSError(str(error)) from error
                if span is not None:
                    return cast("BinaryIO", io.BufferedReader(_Member(self.root / shard, span)))
        raise FileNotFoundError(2, "no such member of a shard", image)

    def __reduce__(self) -> tuple[type[ShardFiles], tuple[Path]]:
        """Without the lock, and without an index that another process can make again."""
        return (ShardFiles, (self.root,))


def _splits(image: str) -> list[tuple[str, str]]:
    """Return (shard, member) for each place where a name may go from one into the other."""
    parts = image.split("/")
    return [
        ("/".join(parts[:i]), "/".join(parts[i:]))
        for i in range(1, len(parts))
        if ".." not in parts[:i]
    ]


class _Member(io.RawIOBase):
    """Some bytes of a file as a file of its own, with a position that no other reader moves."""

    def __init__(self, path: Path, span: Span) -> None:
        super().__init__()
        self._start, self._size = span
        self._at = 0
        self._file = path.open("rb", buffering=0)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        if base + offset < 0:
            raise ValueError(f"position {base + offset} is before the beginning")
        self._at = base + offset
        return self._at

    def tell(self) -> int:
        return self._at

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        wanted = max(0, min(len(buffer), self._size - self._at))
        if not wanted:
            return 0
        self._file.seek(self._start + self._at)
        count = self._file.readinto(memoryview(buffer)[:wanted])
        if not count:
            raise OSError(
                "the shard ends before this member does: it was cut short since it was read"
            )
        self._at += count
        return count

    def close(self) -> None:
        if not self.closed:
            self._file.close()
        super().close()
