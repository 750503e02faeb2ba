"""Models that are a folder: all its files decide the numbers, but for texts, pictures and other copies."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_prodbench.models.checkpoints import weights_missing
from pytest_prodbench.models.hub import fetched
from pytest_prodbench.models.remote_code import CODE, code_files, code_refs, repositories_named
from pytest_prodbench.models.transformers_files import is_remote, refuse_adapter, snapshot_of

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
        ModelError: no weights, or an adapter without its model.
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
    refuse_adapter(spec, folder, found)
    settings = [path for path in found if path.suffix in _SETTINGS]
    return [*weights, *settings, *code_files(spec, folder)]


class WholeFolderLibrary:
    """Finds and downloads models that are a folder; a library that has this as its base loads them."""

    remote_code = True

    def files(self, spec: ModelSpec) -> list[Path] | None:
        """Return the deciding files of a model, and the refs that led to them.

        Raises:
            ModelError: they are not on this machine.
        """
        return _files_of(spec)

    def download(self, spec: ModelSpec) -> list[Path]:
        """Fetch a hub repository into the hub cache; a folder is only checked.

        Raises:
            ModelError: it could not be fetched.
        """
        if is_remote(spec):
            from huggingface_hub import list_repo_files, snapshot_download

            with fetched(spec, spec.identifier):
                there = list_repo_files(spec.identifier, revision=spec.revision)
                weights = SAFE if any(name.endswith(SAFE) for name in there) else PICKLED
                code = [CODE] if spec.trust_remote_code else []
                snapshot_download(
                    spec.identifier,
                    revision=spec.revision,
                    allow_patterns=[*(f"*{suffix}" for suffix in (*_SETTINGS, weights)), *code],
                    ignore_patterns=[f"{engine}/*" for engine in _OTHER_ENGINES],
                )
                for repository in repositories_named(snapshot_of(spec).folder) if code else ():
                    snapshot_download(repository, allow_patterns=[CODE])
        return _files_of(spec)


def _files_of(spec: ModelSpec) -> list[Path]:
    snapshot = snapshot_of(spec)
    folder = snapshot.folder
    return snapshot.decides(*deciding_files(spec, folder), *code_refs(spec, folder))


def _counts(path: Path, folder: Path) -> bool:
    inside = path.relative_to(folder).parts
    hidden = any(part.startswith(".") for part in inside)
    return path.is_file() and not hidden and not _OTHER_ENGINES & set(inside)
