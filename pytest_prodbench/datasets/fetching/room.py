"""Room on the disk, asked for before something is written."""

from __future__ import annotations

import shutil
from pathlib import Path

from pytest_prodbench.errors import DatasetError

SPARE = 256 * 2**20
"""Bytes that are left alone: a full disk harms more than this download."""


def need_room(folder: Path, wanted: int, what: str) -> None:
    """Raise DatasetError if a folder has not so many bytes to spare; ``what`` needs them."""
    free = shutil.disk_usage(folder).free
    if free - SPARE < wanted:
        raise DatasetError(
            str(folder),
            found=f"{free:,} bytes free on the disk",
            expected=f"{wanted:,} for {what}, and {SPARE:,} to spare",
            next_step="make room, or choose another disk with --out; what is there already is kept",
        )
