"""One download of a set, from its address to files that can be measured."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_prodbench.datasets.fetching.archives import marker_of, unpack, was_unpacked
from pytest_prodbench.datasets.fetching.transfer import Told, forget, text_of, transfer
from pytest_prodbench.errors import DatasetError, SettingsError

if TYPE_CHECKING:
    from pytest_prodbench.datasets.published import Download

LOCK = ".prodbench-download.lock"


def check_installed() -> None:
    """Raise SettingsError unless what downloads need is installed."""
    try:
        import httpx2  # noqa: F401 - only whether it is there
        import pooch  # noqa: F401 - likewise
    except ImportError as error:
        raise SettingsError(
            "prodbench download",
            found=f"{error.name} is not installed",
            next_step='pip install "pytest-prodbench[download]"',
        ) from None


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Let nobody else download into a folder meanwhile.

    Raises:
        DatasetError: somebody does.
    """
    import filelock

    folder.mkdir(parents=True, exist_ok=True)
    lock = filelock.FileLock(folder / LOCK)
    try:
        lock.acquire(timeout=0)
    except filelock.Timeout:
        raise DatasetError(
            str(folder),
            found="another 'prodbench download' that writes here",
            next_step="wait for it, or choose another folder with --out",
        ) from None
    try:
        yield
    finally:
        lock.release()


def fetch_file(download: Download, folder: Path, told: Told) -> tuple[Path, str]:
    """Bring a file into a folder; one that is there and right is kept.

    Returns:
        Where it lies, and what is known of its being the right one.

    Raises:
        DatasetError: it cannot be had, or is another one than stated.
    """
    target = folder / download.name
    target.parent.mkdir(parents=True, exist_ok=True)
    if download.unpack and was_unpacked(target, folder) and not target.is_file():
        marker = marker_of(target, folder).name
        return target, f"unpacked already, the archive is gone (to fetch it again, delete {marker})"
    known_hash = download.known_hash
    if download.checksums:
        known_hash = f"sha256:{_listed(download)}"
    if target.is_file():
        _check(target, download, known_hash, "delete it and run the same command again")
        return target, f"there already, {_said(known_hash)}"
    part = transfer(
        download.address,
        target,
        size=download.bytes,
        checked=known_hash is not None,
        told=told,
    )
    try:
        _check(part, download, known_hash, "run the same command again: it begins anew")
    except DatasetError:
        forget(target)
        raise
    os.replace(part, target)  # noqa: PTH105 - the name everybody knows for an atomic rename
    forget(target)
    return target, _said(known_hash)


def unpack_file(
    archive: Path, folder: Path, *, remove: bool, told: Callable[[int], None] = lambda _files: None
) -> str:
    """Unpack an archive unless it was, and say so in words; ``remove``: take it away when it is done.

    Raises:
        DatasetError: as ``unpack``.
    """
    if was_unpacked(archive, folder):
        said = "unpacked already"
    else:
        said = f"{unpack(archive, folder, told):,} files unpacked"
    if remove and archive.is_file():
        archive.unlink()
        said += ", archive removed"
    return said


def _listed(download: Download) -> str:
    """Return the digest that a list on the server has for a file."""
    for line in text_of(download.checksums).splitlines():
        digest, _, address = line.strip().partition(" ")
        if address.strip().lstrip("*") == download.address:
            return digest.lower()
    raise DatasetError(
        download.checksums,
        found=f"no line on {download.address}",
        expected="a line 'sha256 address' for it",
        next_step="its authors have changed something: look at their page",
    )


def _check(path: Path, download: Download, known_hash: str | None, next_step: str) -> None:
    size = path.stat().st_size
    if download.bytes is not None and size != download.bytes:
        raise DatasetError(
            str(path),
            found=f"{size:,} bytes",
            expected=f"{download.bytes:,} bytes, as stated by its authors",
            next_step=next_step,
        )
    if known_hash is None:
        return
    import pooch

    kind, _, wanted = known_hash.partition(":")
    found = pooch.file_hash(str(path), alg=kind)
    if found != wanted:
        raise DatasetError(
            str(path),
            found=f"{kind} {found}",
            expected=f"{wanted}, as stated by its authors",
            next_step=next_step,
        )


def _said(known_hash: str | None) -> str:
    if known_hash is None:
        return "not checked: no digest is stated for it"
    return f"{known_hash.partition(':')[0]} as stated"
