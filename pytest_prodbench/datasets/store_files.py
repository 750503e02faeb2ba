"""Images in an object store, through fsspec: ``s3://``, ``gs://``, ``abfs://``, ``memory://`` and more.

Who may read is decided where it always is: the environment and the SDK's own chain (``AWS_PROFILE``,
``GOOGLE_APPLICATION_CREDENTIALS`` …; ``FSSPEC_*`` for further settings). An address with a secret inside
is refused, and the refusal does not repeat it.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, ClassVar, cast

from pytest_prodbench.datasets.paths import image_path, image_path_problem, shown_address
from pytest_prodbench.errors import DatasetError

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

HEAD = 65_536
"""Bytes that are fetched of an image when only its header is asked for."""

_INSTALL = "pip install 'pytest-prodbench[store]'"


@dataclass(frozen=True, slots=True)
class StoreFiles:
    """Images below an address, from any thread; see ``ImageFiles``.

    A header costs one request of ``HEAD`` bytes where the store can do that (of a larger PNG all of it,
    because its orientation may stand at its end), everything else one request of the whole image.
    Requests are retried as fsspec and the SDK behind it do.

    Attributes:
        address: ``protocol://bucket/prefix``, without a slash at its end.
    """

    kind: ClassVar[str] = "store"
    address: str

    @classmethod
    def at(cls, address: str, *, where: str) -> StoreFiles:
        """Return the store at an address, checked; nothing is fetched.

        Args:
            address: as in a manifest's options.
            where: names the option in messages.

        Raises:
            DatasetError: no address, a secret inside it, a protocol that fsspec or a package lacks.
        """
        protocol, _, rest = address.partition("://")
        place = rest.split("/")[0]
        if not protocol or not rest or "::" in address:
            raise DatasetError(
                where,
                found=f"{shown_address(address)!r}, which is no address of a store",
                expected="protocol://bucket/prefix, of one protocol",
            )
        # abfs://container@account/… is no secret; user:password@… is.
        if ":" in place.rpartition("@")[0] or "?" in address or "#" in address:
            raise DatasetError(
                where,
                found=f"{shown_address(address)} with a password or parameters",
                expected="an address and nothing else: it stands in evidence",
                next_step="leave credentials to the environment and the SDK's own chain",
            )
        _file_system(protocol, where)
        return cls(address.rstrip("/"))

    def open(self, image: str) -> BinaryIO:
        """Open one image; what is wrong with it is told by the first read, as OSError."""
        if image.startswith(("../", "/")) or image == "..":
            raise FileNotFoundError(2, "outside the store", image)
        return cast("BinaryIO", io.BufferedReader(_StoredImage(f"{self.address}/{image}", image)))

    def folder(self) -> Path | None:
        """Return the folder that the store is, None where it is none of this machine."""
        protocol, _, rest = self.address.partition("://")
        return Path("/", rest) if protocol in {"file", "local"} else None

    def relative(self, image: str) -> str:
        """Return the path of an image below the store; what is not below it is left as it is."""
        inside = f"{self.address}/"
        return image.removeprefix(inside) if image.startswith(inside) else image

    def path_problem(self, image: str) -> str | None:
        """Return why a path cannot name an image of this store, or None."""
        problem = image_path_problem(image)
        if problem:
            return problem
        if image_path(image).split("/")[0] == "..":
            return f"path {image!r} leads out of the store {self.address}"
        if "?" in image and self.address.startswith(("http:", "https:")):
            # A signature would stand in evidence.
            return f"path {shown_address(image)!r} has parameters; name the image without"
        return None


def _file_system(protocol: str, where: str) -> object:
    """Return fsspec's file system; raises DatasetError, with what to install, where there is none."""
    fsspec = _fsspec(where)
    try:
        return fsspec.filesystem(protocol)
    except ImportError as error:
        raise DatasetError(
            where,
            found=f"{protocol}:// needs a package that is not installed",
            next_step=str(error).strip(),
        ) from None
    except ValueError:
        raise DatasetError(
            where,
            found=f"{protocol}://, which fsspec does not know",
            expected="a protocol such as s3, gs, abfs, https, file, memory",
        ) from None


def _fsspec(where: str) -> ModuleType:
    try:
        import fsspec
    except ImportError:
        raise DatasetError(where, found="fsspec is not installed", next_step=_INSTALL) from None
    module: ModuleType = fsspec
    return module


class _StoredImage(io.RawIOBase):
    """One image: its first bytes are fetched for its header, all of it as soon as more is read."""

    def __init__(self, address: str, image: str) -> None:
        super().__init__()
        self._address = address
        self._image = image
        self._at = 0
        self._data = b""
        self._whole = False

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at}.get(whence)
        if base is None:
            self._fetch(HEAD + 1)
            base = len(self._data)
        if base + offset < 0:
            raise ValueError(f"position {base + offset} is before the beginning")
        self._at = base + offset
        return self._at

    def readall(self) -> bytes:
        self._fetch(HEAD + 1)
        data = self._data[self._at :]
        self._at += len(data)
        return data

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        self._fetch(self._at + len(buffer))
        data = self._data[self._at : self._at + len(buffer)]
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)

    def _fetch(self, end: int) -> None:
        """Have the bytes up to ``end``, or all there are."""
        if self._whole or end <= len(self._data):
            return
        if end > HEAD:
            # Anew, not only the rest: two requests might see two versions of one image.
            self._data, self._whole = self._cat(), True
            return
        self._data = self._cat(start=0, end=HEAD)
        # A store that knows no ranges answers with everything.
        self._whole = len(self._data) != HEAD

    def _cat(self, **part: int) -> bytes:
        import fsspec

        protocol, _, _ = self._address.partition("://")
        try:
            cat: Callable[..., bytes] = fsspec.filesystem(protocol).cat_file
            return bytes(cat(self._address, **part))
        except OSError as error:
            if isinstance(error, FileNotFoundError) or error.strerror:
                raise
            raise OSError(_said(error)) from None
        except Exception as error:  # SDKs raise errors of their own, which callers cannot know
            raise OSError(_said(error)) from None


def _said(error: Exception) -> str:
    """Return an SDK's message for ours: one line, without what stands behind a question mark."""
    text = " ".join(shown_address(word) for word in str(error).split())
    return f"{type(error).__name__}: {text[:300]}"
