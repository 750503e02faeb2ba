"""Paths of images as they are written in a dataset: posix, relative, the same on every machine."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Sequence

# ``C:\x`` and ``C:/x``; a posix file name may hold a colon, but hardly after one single letter.
_DRIVE = re.compile(r"[A-Za-z]:[\\/]")
_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")


def image_path_problem(path: str) -> str | None:
    """Return why a text cannot be the relative path of an image, or None."""
    if not path:
        return "image path is empty"
    if "\0" in path:
        return f"path {path!r} holds a NUL character"
    if path.startswith(("/", "\\\\")) or _DRIVE.match(path):
        return (
            f"path {path!r} is absolute: it is true on one machine only, and evidence would carry "
            "it; write it relative to the folder of the images"
        )
    if _ADDRESS.match(path):
        return (
            f"path {shown_address(path)!r} is an address, and not below the store of this dataset; name "
            "its store with the option store of the layout manifest, or fetch the images first"
        )
    return None


def shown_address(address: str) -> str:
    """Return an address for messages: no user and password, no parameters (which may be a signature)."""
    if not _ADDRESS.match(address):
        return address
    scheme, _, rest = re.split(r"[?#]", address, maxsplit=1)[0].partition("://")
    place, slash, path = rest.partition("/")
    user, _, host = place.rpartition("@")
    # abfs://container@account is a place, user:password@host is not.
    return f"{scheme}://{host if ':' in user else place}{slash}{path}"


def image_path(path: str) -> str:
    """Return a relative path without ``.``, ``..`` and doubled slashes: one file, one name."""
    return posixpath.normpath(path)


# What a path has in which ``image_path_problem`` or ``image_path`` could find something, where each path
# stands between two line ends.
_NOT_PLAIN = ("\0", "//", "./", ":", "\n\n", "\n/", "\n\\", "/\n", ".\n")
_CHUNK = 10_000


def all_plain(paths: Sequence[str]) -> bool:
    """Whether all are relative paths that ``image_path`` leaves as they are.

    False does not say that one is not. A million calls would take seconds, searching joined text does not.
    """
    for start in range(0, len(paths), _CHUNK):
        text = "\n".join(["", *paths[start : start + _CHUNK], ""])
        if any(part in text for part in _NOT_PLAIN):
            return False
    return True
