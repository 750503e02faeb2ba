"""Models that are a folder: all its files decide the numbers, but for texts, pictures and other copies."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_prodbench.models.adapters import Placed, adapter_files, base_repository, placed
from pytest_prodbench.models.checkpoints import weights_missing
from pytest_prodbench.models.hub import fetched
from pytest_prodbench.models.remote_code import CODE, code_files, code_refs, repositories_named
from pytest_prodbench.models.transformers_files import (
    is_remote,
    refuse_adapter,
    repository_snapshot,
    snapshot_of,
)

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_prodbench.settings.types import ModelSpec

SAFE = ".safetensors"
PICKLED = ".bin"

# Settings, vocabularies and templates of chats, as transformers and sentence-transformers write them.
_SETTINGS = {".json", ".txt", ".jinja", ".model"}
# Copies of the weights for other engines.
_OTHER_ENGINES = {"onnx", "openvino"}


def deciding_files(spec: ModelSpec, folder: Path) -> list[Path]:
    """Return settings, weights and code that may run; pickles only where there are no safetensors.

    Raises:
        ModelError: no weights, or an adapter among them.
    """
    found = sorted(path for path in folder.rglob("*") if _counts(path, folder))
    safe = {path.parent for path in found if path.suffix == SAFE}
    weights = [
        path
        for path in found
        if path.suffix == SAFE or (path.suffix == PICKLED and path.parent not in safe)
    ]
    if not weights:
        raise weights_missing(spec, f"*{SAFE} or *{PICKLED}", folder)
    refuse_adapter(spec, found)
    settings = [path for path in found if path.suffix in _SETTINGS]
    return [*weights, *settings, *code_files(spec, folder)]


def files_with_adapter(spec: ModelSpec, where: Placed) -> list[Path]:
    """Return the deciding files of a model, and those of the adapter over it: at the top of its folder.

    Raises:
        ModelError: no weights, or another adapter among them.
    """
    files = deciding_files(spec, where.base.folder)
    if where.adapter is None:
        return files
    folder = where.adapter.folder
    own = adapter_files(spec, folder)
    # What lies deeper are states of its training.
    settings = sorted(path for path in folder.iterdir() if path.suffix in _SETTINGS)
    return [
        *files,
        *own,
        *(path for path in settings if path not in own),
        *code_files(spec, folder),
    ]


class WholeFolderLibrary:
    """Finds and downloads models that are a folder; a library that has this as its base loads them.

    Attributes:
        adapters: whether a model may be an adapter over another folder.
    """

    remote_code = True
    adapters = False

    def files(self, spec: ModelSpec) -> list[Path] | None:
        """Return the deciding files of a model, and the refs that led to them.

        Raises:
            ModelError: they are not on this machine.
        """
        where = placed(spec) if self.adapters else Placed(snapshot_of(spec))
        refs = [ref for folder in where.folders for ref in code_refs(spec, folder)]
        return where.decides(*files_with_adapter(spec, where), *refs)

    def download(self, spec: ModelSpec) -> list[Path]:
        """Fetch a hub repository, and the base of an adapter, into the hub cache; a folder is only checked.

        Raises:
            ModelError: it could not be fetched.
        """
        if is_remote(spec):
            _fetch(spec, spec.identifier, spec.revision)
        base = base_repository(spec) if self.adapters else None
        if base is not None:
            _fetch(spec, *base)
        return self.files(spec) or []


def _fetch(spec: ModelSpec, repository: str, revision: str | None) -> None:
    from huggingface_hub import list_repo_files, snapshot_download

    with fetched(spec, repository):
        there = list_repo_files(repository, revision=revision)
        weights = SAFE if any(name.endswith(SAFE) for name in there) else PICKLED
        code = [CODE] if spec.trust_remote_code else []
        snapshot_download(
            repository,
            revision=revision,
            allow_patterns=[*(f"*{suffix}" for suffix in (*_SETTINGS, weights)), *code],
            ignore_patterns=[f"{engine}/*" for engine in _OTHER_ENGINES],
        )
        folder = repository_snapshot(spec, repository, revision).folder
        for other in repositories_named(folder) if code else ():
            snapshot_download(other, allow_patterns=[CODE])


def _counts(path: Path, folder: Path) -> bool:
    inside = path.relative_to(folder).parts
    hidden = any(part.startswith(".") for part in inside)
    return path.is_file() and not hidden and not _OTHER_ENGINES & set(inside)
