"""Vectors on disk: content-addressed, written in blocks as they are made, checked when they are read.

Layout: ``<cache>/vectors/<key>/key.json`` says in words what the key stands for;
``<cache>/vectors/<key>/<digest>.safetensors`` is one block of n images: ``keys`` uint8 (n, 32), ``pixels``
uint8 (n, 32), ``vectors`` float32 (n, d). A block bears the digest of its own content as its name, so
that damage is seen; it is written to a temp file and renamed, so that it is whole or not there.
"""

from __future__ import annotations

import hashlib
import json
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_prodbench.atomic import atomic_write_bytes

if TYPE_CHECKING:
    import numpy as np
    from filelock import BaseFileLock
    from numpy.typing import NDArray

FORMAT_VERSION = 1


class CacheWarning(UserWarning):
    """A block of the cache was damaged; it was thrown away and is made again."""


class VectorCache:
    """The vectors of one model under one preprocessing, precision and set of library versions."""

    def __init__(self, cache_dir: Path, key: Mapping[str, object]) -> None:
        """``key``: everything that decides a vector besides the image; JSON-like."""
        described = json.dumps({"format": FORMAT_VERSION, **key}, sort_keys=True, indent=1)
        digest = hashlib.sha256(described.encode()).hexdigest()
        self.folder = cache_dir / "vectors" / digest[:32]
        self._described = described

    def lock(self, name: str) -> BaseFileLock:
        """Return a lock that dies with its holder; two processes do not embed one dataset twice."""
        from filelock import FileLock

        self.folder.mkdir(parents=True, exist_ok=True)
        return FileLock(self.folder / f"{name}.lock")

    def find(self, wanted: Sequence[bytes]) -> dict[bytes, tuple[bytes, NDArray[np.float32]]]:
        """Return key → (pixel digest, vector (d,)) for those of the wanted keys that are here.

        Keys and pixel digests are 32 bytes. A damaged block is named in a ``CacheWarning``, deleted, and
        its images are simply not found.
        """
        missing = set(wanted)
        found: dict[bytes, tuple[bytes, NDArray[np.float32]]] = {}
        for path in sorted(self.folder.glob("*.safetensors")):
            if not missing:
                break
            block = self._read(path)
            if block is None:
                continue
            keys, pixels, vectors = block
            for row, key in enumerate(map(bytes, keys)):
                if key in missing:
                    missing.discard(key)
                    found[key] = (bytes(pixels[row]), vectors[row])
        return found

    def add(
        self, keys: Sequence[bytes], pixels: Sequence[bytes], vectors: NDArray[np.float32]
    ) -> Path:
        """Write one block of n >= 1 images; returns its path when it is on disk."""
        import numpy as np
        from safetensors.numpy import save

        block: dict[str, NDArray[Any]] = {
            "keys": np.frombuffer(b"".join(keys), np.uint8).reshape(-1, 32),
            "pixels": np.frombuffer(b"".join(pixels), np.uint8).reshape(-1, 32),
            "vectors": np.ascontiguousarray(vectors, np.float32),
        }
        described = self.folder / "key.json"
        if not described.exists():
            atomic_write_bytes(described, self._described.encode())
        path = self.folder / f"{_digest(block)}.safetensors"
        atomic_write_bytes(path, save(block))
        return path

    def _read(
        self, path: Path
    ) -> tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.float32]] | None:
        from safetensors import SafetensorError
        from safetensors.numpy import load

        try:
            block = load(path.read_bytes())
            if _digest(block) == path.stem:
                return block["keys"], block["pixels"], block["vectors"]
            reason = "its content is not what its name says"
        except FileNotFoundError:
            return None  # another process found it damaged first
        except (SafetensorError, KeyError, ValueError) as error:
            reason = str(error)
        # Before the warning: where warnings are errors, the next run must not meet it again.
        path.unlink(missing_ok=True)
        warnings.warn(
            f"{path}: damaged cache block ({reason}); it is deleted and its images are embedded again",
            CacheWarning,
            stacklevel=3,
        )
        return None


def _digest(block: Mapping[str, NDArray[Any]]) -> str:
    digest = hashlib.sha256()
    for name in ("keys", "pixels", "vectors"):
        digest.update(f"{name} {block[name].dtype} {block[name].shape}\n".encode())
        digest.update(block[name].tobytes())
    return digest.hexdigest()[:32]
