"""What decides a model's numbers: digests of its files and versions of its libraries."""

from __future__ import annotations

import hashlib
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

from pytest_prodbench.models.checkpoints import WEIGHT_SUFFIXES, model_error

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    import torch

    from pytest_prodbench.models.protocol import ModelLibrary
    from pytest_prodbench.settings.types import ModelSpec


def weights_digest(architecture: str, files: Iterable[Path]) -> str:
    """Return the sha256 (hex) over an architecture's name and the sorted sha256 of its files.

    The name counts because the same tensors fit several architectures (``vit_base_patch16_clip_224``
    and its quick-GELU twin differ in an activation only). Names and places of files do not count, nor
    does a hub ref: the same bytes are the same model wherever they lie.
    """
    digests = sorted(_file_digest(path) for path in files)
    return hashlib.sha256("\n".join([architecture, *digests]).encode()).hexdigest()


def verify_weights(spec: ModelSpec, library: ModelLibrary) -> None:
    """Hold the weight file against the digest that the model's entry states, if it states one.

    Raises:
        ModelError: another file, or none that could be held against it.
    """
    if spec.weights_sha256 is None:
        return
    files = library.files(spec)
    weights = [path for path in files or () if path.suffix in WEIGHT_SUFFIXES]
    if len(weights) != 1:
        raise model_error(
            spec,
            found=f"weights_sha256 for a model with {len(weights)} known weight files",
            expected="one file of weights on this machine",
            next_step="let checkpoint name the file, or take weights_sha256 out",
        )
    found = _file_digest(weights[0])
    if found != spec.weights_sha256:
        raise model_error(
            spec,
            found=f"{weights[0]} with sha256 {found}",
            expected=spec.weights_sha256,
            next_step="these are not the weights that the entry means: fetch them again, or correct it",
        )


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
