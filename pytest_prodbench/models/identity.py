"""What decides a model's numbers: digests of its files and versions of its libraries."""

from __future__ import annotations

import hashlib
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

from pytest_prodbench.models.checkpoints import model_error

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    import torch

    from pytest_prodbench.models.protocol import ModelLibrary
    from pytest_prodbench.settings.types import ModelSpec

# Settings, vocabularies, templates and code among the deciding files.
_TEXTS = {".json", ".txt", ".jinja", ".model", ".py", ".pyc", ".so", ".toml", ".yaml"}


def weights_digest(architecture: str, files: Iterable[Path]) -> str:
    """Return the sha256 (hex) over an architecture's name and the sorted sha256 of its files.

    The name counts because the same tensors fit several architectures (``vit_base_patch16_clip_224``
    and its quick-GELU twin differ in an activation only). Names and places of files do not count, nor
    does a hub ref: the same bytes are the same model wherever they lie.
    """
    digests = sorted(_file_digest(path) for path in files)
    return hashlib.sha256("\n".join([architecture, *digests]).encode()).hexdigest()


def weights_value(spec: ModelSpec, library: ModelLibrary) -> tuple[str, list[Path]]:
    """Return what ``weights_sha256`` of a model would be, and the files that it is of.

    Of one file its sha256. Of several (shards, modules of sentence-transformers, external data, a head) the
    sha256 over a line ``SHA256  NAME`` for each, sorted by name, as
    ``sha256sum FILES | LC_ALL=C sort -k2 | sha256sum`` in their folder has it. Empty without such files.

    Raises:
        ModelError: they are not on this machine.
    """
    files = library.files(spec)
    resolved = getattr(library, "resolved_files", None)
    if files is None and resolved is not None:
        files = resolved(spec)
    head = [] if spec.head is None else [spec.head.weights]
    weights = [path for path in [*(files or ()), *head] if _holds_weights(path)]
    if len(weights) < 2:
        return "".join(map(_file_digest, weights)), weights
    named = sorted((path.name, _file_digest(path)) for path in weights)
    lines = "".join(f"{digest}  {name}\n" for name, digest in named)
    return hashlib.sha256(lines.encode()).hexdigest(), weights


def verify_weights(spec: ModelSpec, library: ModelLibrary) -> None:
    """Hold the weight files against the digest that the model's entry states, if it states one.

    Raises:
        ModelError: other files, or none that could be held against it.
    """
    if spec.weights_sha256 is None:
        return
    found, weights = weights_value(spec, library)
    if not weights:
        raise model_error(
            spec,
            found="weights_sha256 for a model with 0 known weight files",
            expected="files of weights on this machine",
            next_step="let checkpoint name the file, or take weights_sha256 out",
        )
    if found != spec.weights_sha256:
        names = ", ".join(sorted(path.name for path in weights))
        several = f"{len(weights)} weight files ({names}), with sha256 {found} over their sorted "
        raise model_error(
            spec,
            found=f"{weights[0]} with sha256 {found}"
            if len(weights) == 1
            else f"{several}lines 'SHA256  NAME'",
            expected=spec.weights_sha256,
            next_step="these are not the weights that the entry means: fetch them again, or correct it",
        )


def _holds_weights(path: Path) -> bool:
    """Whether a deciding file holds weights: it is no text, no code and no ref of the hub's cache.

    ONNX files keep tensors in files of any name.
    """
    ref = "refs" in path.parts and any(part.startswith("models--") for part in path.parts)
    return not ref and path.suffix not in _TEXTS


def parameters_digest(architecture: str, module: torch.nn.Module) -> str:
    """Return the sha256 (hex) over names, shapes, dtypes and bytes of all parameters and buffers.

    For models that have no file.
    """
    state = module.state_dict()
    digest = hashlib.sha256(architecture.encode())
    for name in sorted(state):
        tensor = state[name].detach().cpu().contiguous()
        digest.update(f"\n{name} {tuple(tensor.shape)} {tensor.dtype} ".encode())
        digest.update(tensor.numpy().tobytes())
    return digest.hexdigest()


def library_versions(*distributions: str) -> dict[str, str]:
    """Return name → version of the installed distributions, sorted by name; absent ones are left out."""
    found = {}
    for name in sorted(distributions):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def _file_digest(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
