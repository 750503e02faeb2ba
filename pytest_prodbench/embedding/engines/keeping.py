"""Exports on disk, each with its proof: made once by whichever process comes first, checked when read.

Layout: ``<cache>/engines/<key>/proof.json`` holds the key in words, the proof, and the sha256 of every other
file of the folder, which is ``network.onnx`` and perhaps tensors beside it. A folder is made under another
name and renamed, so that it is whole or not there.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
import warnings
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path

from pytest_prodbench.embedding.cache import CacheWarning
from pytest_prodbench.embedding.engines.proof import Proof

NETWORK = "network.onnx"
PROOF = "proof.json"


def kept(
    root: Path,
    key: Mapping[str, object],
    make: Callable[[Path], Proof],
    holds: Callable[[Path, Proof], bool] = lambda _folder, _proof: True,
) -> tuple[Path, Proof]:
    """Return folder and proof of an export; makes them if they are not there, damaged or out of date.

    A damaged one, and one that does not hold any more, is named in a ``CacheWarning`` and deleted.

    Args:
        root: folder of all exports.
        key: all that decides the export and its proof; JSON-like.
        make: writes the files into an empty folder and says what the proof found.
        holds: whether a whole one that lies there is still that of the model; asked of no new one.
    """
    from filelock import FileLock

    described = json.dumps(key, sort_keys=True)
    folder = root / hashlib.sha256(described.encode()).hexdigest()[:32]
    if (found := _read(folder)) is not None and holds(folder, found):
        return folder, found
    root.mkdir(parents=True, exist_ok=True)
    with FileLock(root / f"{folder.name}.lock"):
        # Another process may have made it while this one waited.
        if (again := _read(folder)) is not None and holds(folder, again):
            return folder, again
        if folder.exists():
            # Before the warning: where warnings are errors, the next run must not meet it again.
            shutil.rmtree(folder)
            what = (
                "damaged export"
                if again is None
                else "export of another network than the one loaded, whose code changed in a file that "
                "its key does not see"
            )
            warnings.warn(
                f"{folder}: {what}; it is deleted and made again", CacheWarning, stacklevel=2
            )
        with tempfile.TemporaryDirectory(prefix=f".{folder.name}.", dir=root) as name:
            part = Path(name) / "export"
            part.mkdir()
            found = make(part)
            told = {"key": key, "proof": asdict(found), "files": _digests(part)}
            (part / PROOF).write_text(json.dumps(told, sort_keys=True, indent=1), encoding="utf-8")
            part.rename(folder)
    return folder, found


def _read(folder: Path) -> Proof | None:
    """Return the proof of a whole export; None where there is none, or a damaged one."""
    try:
        told = json.loads((folder / PROOF).read_text(encoding="utf-8"))
        return Proof(**told["proof"]) if told["files"] == _digests(folder) else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _digests(folder: Path) -> dict[str, str]:
    found = {}
    for path in sorted(folder.iterdir()):
        if path.name != PROOF:
            with path.open("rb") as stream:
                found[path.name] = hashlib.file_digest(stream, "sha256").hexdigest()
    return found
