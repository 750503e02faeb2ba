"""Images inside Parquet files, as data-set hubs publish them: read in batches of rows, when asked.

An image is named ``<file>#<row>``: posix path of the Parquet file below the root, and the 1-based number of
the row, written with seven digits or more so that names sort as rows lie
(``corpus/test-00000-of-00002.parquet#0000017``). The name stays the same when the folder moves, and the root
alone opens it again.

The column is called ``image``: binary, or a struct whose field ``bytes`` holds the file (``path``, beside it,
is the name that the file once had).

Parquet finds a row group at once, but a row in it only by reading what stands before it. So a place reached
in a group is kept as a cursor, one for each thread that reads there, and what a batch brought besides the
row that was asked for is kept for the next request.
"""

from __future__ import annotations

import io
import re
import threading
from bisect import bisect_right
from collections import OrderedDict
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

IMAGE_COLUMN = "image"

KEPT = 256 * 2**20
"""Bytes of images, read and maybe not yet asked for, that are kept of all files together."""

BATCH = 4 * 2**20
"""Bytes of images, about, that are read at once; many threads times this must be well below ``KEPT``."""

_CURSORS = 64
_OPEN_FILES = 32
_NAME: Final = re.compile(r"(?P<file>.+)#(?P<row>\d{7,})", re.DOTALL)


def image_name(file: str, row: int) -> str:
    """Return the name of the image in a 1-based row of a Parquet file."""
    return f"{file}#{row:07}"


class ParquetFiles:
    """The images in the Parquet files below a folder; files are opened when an image of theirs is.

    Safe for threads: a file is read by one of them at a time.
    """

    kind = "parquet"

    def __init__(self, root: Path) -> None:
        self.root = root
        self._lock = threading.Lock()
        self._files: OrderedDict[str, _File] = OrderedDict()
        self._kept = _Kept(KEPT)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ParquetFiles) and other.root == self.root

    def __hash__(self) -> int:
        return hash((self.kind, self.root))

    def __reduce__(self) -> tuple[object, ...]:
        """Locks and open files stay behind."""
        return (ParquetFiles, (self.root,))

    def open(self, image: str) -> BinaryIO:
        """Return the file of an image; see ``ImageFiles.open``."""
        match = _NAME.fullmatch(image)
        if match is None or image_name(match["file"], int(match["row"])) != image:
            raise FileNotFoundError(f"{image!r} does not name a row of a Parquet file")
        name, row = match["file"], int(match["row"])
        data = self._kept.get((name, row))
        if data is None:
            data = self._file(name).read(row - 1, name, self._kept)
        return io.BytesIO(data)

    def _file(self, name: str) -> _File:
        with self._lock:
            file = self._files.get(name)
            if file is None:
                file = self._files[name] = _File(self.root / name)
                if len(self._files) > _OPEN_FILES:
                    # Closed when the last thread that still reads it is done.
                    self._files.popitem(last=False)
            else:
                self._files.move_to_end(name)
            return file


class _Kept:
    """Images that were read together with another, by file and 1-based row; the oldest go first."""

    def __init__(self, limit: int) -> None:
        self._limit, self._size = limit, 0
        self._lock = threading.Lock()
        self._images: OrderedDict[tuple[str, int], bytes] = OrderedDict()

    def get(self, key: tuple[str, int]) -> bytes | None:
        with self._lock:
            return self._images.get(key)

    def put(self, key: tuple[str, int], data: bytes) -> None:
        with self._lock:
            old = self._images.pop(key, b"")
            self._images[key] = data
            self._size += len(data) - len(old)
            while self._size > self._limit and len(self._images) > 1:
                self._size -= len(self._images.popitem(last=False)[1])


@dataclass(slots=True)
class _Cursor:
    """A place in a row group: ``row``, 0-based in the file, is what the next batch begins with."""

    group: int
    row: int
    batches: Iterator[Any]


class _File:
    """One Parquet file, opened at the first row that is asked for."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._parquet: Any = None
        self._column = ""
        self._starts: list[int] = []
        self._cursors: list[_Cursor] = []

    def read(self, row: int, name: str, kept: _Kept) -> bytes:
        """Return the image in a 0-based row, and keep what had to be read with it.

        Raises:
            OSError: no such file or row, no image in it, or damage.
        """
        import pyarrow as pa

        with self._lock:
            # Another thread may have brought it meanwhile.
            data = kept.get((name, row + 1))
            if data is not None:
                return data
            try:
                self._open()
                found = self._read(row, name, kept)
            except pa.ArrowException as error:
                # OSError is what callers expect of files; most Arrow errors are ValueErrors.
                raise OSError(f"damaged Parquet file: {error}") from error
        if found is None:
            raise OSError(f"row {row + 1:,} holds no image bytes")
        return found

    def _open(self) -> None:
        if self._parquet is not None:
            return
        from pyarrow import types
        from pyarrow.parquet import ParquetFile

        # By default a group is loaded as a whole before its first row is seen.
        parquet = ParquetFile(self._path, buffer_size=2**20, pre_buffer=False)
        schema = parquet.schema_arrow
        where = schema.get_field_index(IMAGE_COLUMN)
        kind = None if where < 0 else schema.field(where).type
        if kind is not None and types.is_struct(kind) and kind.get_field_index("bytes") >= 0:
            self._column = f"{IMAGE_COLUMN}.bytes"
        elif kind is not None and (types.is_binary(kind) or types.is_large_binary(kind)):
            self._column = IMAGE_COLUMN
        else:
            raise OSError(
                f"column {IMAGE_COLUMN!r} is {kind or 'not there'}; expected binary or a struct with bytes"
            )
        groups = range(parquet.num_row_groups)
        sizes = (parquet.metadata.row_group(group).num_rows for group in groups)
        self._starts = [0, *accumulate(sizes)]
        self._parquet = parquet

    def _read(self, row: int, name: str, kept: _Kept) -> bytes | None:
        cursor = self._cursor_before(row)
        found = None
        while cursor.row <= row:
            batch = next(cursor.batches, None)
            if batch is None:
                raise OSError(
                    f"damaged Parquet file: group {cursor.group} ends before its last row"
                )
            images = batch.column(0)
            for value in images if self._column == IMAGE_COLUMN else images.field(0):
                data = value.as_py()
                if cursor.row == row:
                    found = data
                if data is not None:
                    kept.put((name, cursor.row + 1), data)
                cursor.row += 1
        # Only now: after an error a cursor stands nowhere. At the end of its group it is of no more use.
        if cursor.row < self._starts[cursor.group + 1]:
            self._cursors.append(cursor)
            del self._cursors[:-_CURSORS]
        return found

    def _cursor_before(self, row: int) -> _Cursor:
        """Take the nearest cursor that has not passed a row, or begin at its group."""
        if not 0 <= row < self._starts[-1]:
            raise FileNotFoundError(
                f"there is no row {row + 1:,}: the file has {self._starts[-1]:,}"
            )
        group = bisect_right(self._starts, row) - 1
        before = [c for c in self._cursors if c.group == group and c.row <= row]
        if before:
            nearest = max(before, key=lambda cursor: cursor.row)
            self._cursors.remove(nearest)
            return nearest
        start, end = self._starts[group : group + 2]
        batches = self._parquet.iter_batches(
            batch_size=max(1, BATCH * (end - start) // max(self._image_bytes(group), BATCH)),
            row_groups=[group],
            columns=[self._column],
            use_threads=False,
        )
        return _Cursor(group, start, batches)

    def _image_bytes(self, group: int) -> int:
        columns = self._parquet.metadata.row_group(group)
        return sum(
            columns.column(i).total_uncompressed_size
            for i in range(columns.num_columns)
            if columns.column(i).path_in_schema == self._column
        )
