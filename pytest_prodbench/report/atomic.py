"""A file is there whole or not at all, whatever kills the writer."""

from __future__ import annotations

import os
import secrets
from pathlib import Path


def atomic_write_bytes(path: Path, data: bytes) -> None:
    """Write ``data`` to ``path``: a temporary file in the same folder, then one rename.

    The folder is made if it is missing. A reader sees the old file or the new one, never half of one.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # Not tempfile: its files are readable by their owner alone, and reports are published by CI.
    draft = path.with_name(f".{secrets.token_hex(8)}.tmp")
    try:
        with draft.open("xb") as file:
            file.write(data)
        os.replace(draft, path)  # noqa: PTH105 - the name everybody knows for an atomic rename
    except BaseException:
        draft.unlink(missing_ok=True)
        raise


def atomic_write_text(path: Path, text: str) -> None:
    """Write ``text`` as UTF-8 with the line ends it has, as ``atomic_write_bytes`` does."""
    atomic_write_bytes(path, text.encode("utf-8"))
