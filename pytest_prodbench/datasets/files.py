"""Where images lie that are no files of a folder: what evidence says of it, and the way back."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_prodbench.errors import ProdbenchError

if TYPE_CHECKING:
    from pytest_prodbench.protocol import Dataset, ImageFiles


_KINDS = {
    "shards": ("shard_files", "ShardFiles"),
    "tars": ("tar_members", "TarMembers"),
    "parquet": ("parquet_files", "ParquetFiles"),
    "store": ("store_files", "StoreFiles"),
}


def kept_in(dataset: Dataset) -> tuple[str, str | Path]:
    """Return what ``reopened`` needs to find a dataset's images again: kind, and folder or address.

    The kind is ``""`` for files of a folder, and for a third party's files that say none.
    """
    files = dataset.files
    kind = str(getattr(files, "kind", ""))
    if kind != "store":
        return kind, dataset.root
    from pytest_prodbench.datasets.store_files import StoreFiles

    if not isinstance(files, StoreFiles):
        return "", dataset.root
    # A store that is a folder is recorded as one: its address holds a path of this machine.
    folder = files.folder()
    return (kind, files.address) if folder is None else ("", folder)


def reopened(kind: str, root: str | Path) -> ImageFiles | None:
    """Return the images of a dataset in evidence; None for plain files, and where there is no way back.

    Args:
        kind: ``DatasetRecord.files``.
        root: folder on this machine, or address of a store. Nothing is read yet.
    """
    if kind not in _KINDS:
        return None
    module, name = _KINDS[kind]
    try:
        made = getattr(import_module(f"pytest_prodbench.datasets.{module}"), name)
        files: ImageFiles
        if kind == "store":
            files = made.at(str(root), where="evidence")
        else:
            files = made.below(Path(root)) if kind == "tars" else made(Path(root))
    except (ProdbenchError, ImportError, OSError):
        return None
    return files
