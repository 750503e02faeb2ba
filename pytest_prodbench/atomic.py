"""Write a file whole or not at all: temp file beside it, flush to disk, rename."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO


@contextmanager
def atomic_file(path: Path, *, durable: bool = True) -> Iterator[BinaryIO]:
    """Give a file to write to, which replaces ``path`` when all is written, and is gone if anything fails.

    A reader sees the old file or the new one, never a part. Makes the parent folders. Raises OSError as the
    system gives it.

    Args:
        durable: wait until the disk has it. Without, a loss of power may leave a damaged file: for what can
            be made again and is checked when it is read.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            if durable:
                os.fsync(file.fileno())
        # mkstemp makes files that only their owner may read; a report is for everybody that the
        # umask allows.
        Path(name).chmod(0o666 & ~_umask())
        os.replace(name, path)  # noqa: PTH105 - the name everybody knows for an atomic rename
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def atomic_write_bytes(path: Path, data: bytes, *, durable: bool = True) -> None:
    """Replace ``path`` by ``data``, as ``atomic_file`` does."""
    with atomic_file(path, durable=durable) as file:
        file.write(data)


def atomic_write_text(path: Path, text: str) -> None:
    """Replace ``path`` by ``text`` in UTF-8, line ends as they stand."""
    atomic_write_bytes(path, text.encode("utf-8"))


def _umask() -> int:
    # The only portable way to read the mask is to set it; done once, at import, before any thread.
    return _UMASK


_UMASK = os.umask(0)
os.umask(_UMASK)
