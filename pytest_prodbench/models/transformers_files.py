"""Where a transformers model lies on this machine, and which of its files decide its numbers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_prodbench.models.checkpoints import (
    RANDOM,
    checkpoint_path,
    model_error,
    weights_missing,
)
from pytest_prodbench.models.hub import Snapshot, cached_snapshot, repository_folder

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pytest_prodbench.settings.types import ModelSpec

CONFIG = "config.json"
IMAGE_CONFIGS = ("preprocessor_config.json", "processor_config.json")
"""One of them holds the image processor's settings."""

WEIGHTS = ("model.safetensors", "pytorch_model.bin")
INDEX = ".index.json"
ADAPTER = "adapter_config.json"


def snapshot_of(spec: ModelSpec) -> Snapshot:
    """Return the folder that holds the model: a checkpoint, a local folder or a cached repository.

    Raises:
        ModelError: it is not on this machine, or is no folder.
    """
    if spec.checkpoint is not None and spec.checkpoint.startswith(RANDOM):
        raise model_error(
            spec,
            found=f"checkpoint {spec.checkpoint!r}",
            expected="a folder; only timm models can be random floors",
            next_step="write source = 'timm:ARCHITECTURE' with this checkpoint",
        )
    path = checkpoint_path(spec)
    if path is None and Path(spec.identifier).is_absolute():
        path = checkpoint_path(spec.model_copy(update={"checkpoint": spec.identifier}))
    if path is not None:
        if not path.is_dir():
            raise model_error(
                spec,
                found=f"checkpoint {path} is a file",
                expected="a folder with config.json, image processor settings and weights",
                next_step="save the model with save_pretrained and name that folder",
            )
        return Snapshot(path, None)
    return repository_snapshot(spec, spec.identifier, spec.revision)


def repository_snapshot(spec: ModelSpec, repository: str, revision: str | None) -> Snapshot:
    """Return the snapshot of a hub repository in the local cache.

    Raises:
        ModelError: it is not there.
    """
    snapshot = cached_snapshot(repository, revision)
    if snapshot is None:
        wanted = f"{repository} at revision {revision or 'main'}"
        raise weights_missing(spec, wanted, repository_folder(repository))
    return snapshot


def is_remote(spec: ModelSpec) -> bool:
    """Whether the weights come from a hub repository."""
    return spec.checkpoint is None and not Path(spec.identifier).is_absolute()


def files_in(spec: ModelSpec, folder: Path, inputs: Path | None = None) -> list[Path]:
    """Return the deciding files of a folder: the weight file (or the index of its shards) first.

    Args:
        spec: the model.
        folder: where they are.
        inputs: where its image processor's settings are; None: there too.

    Raises:
        ModelError: weights, config, image processor settings or a shard are missing.
    """
    weights = weight_files(spec, folder)
    there = [folder / CONFIG, *((inputs or folder) / name for name in IMAGE_CONFIGS)]
    configs = [path for path in there if path.is_file()]
    if folder / CONFIG not in configs or len(configs) < 2:
        raise weights_missing(spec, f"{CONFIG} and {IMAGE_CONFIGS[0]}", folder)
    return [*weights, *configs]


def refuse_adapter(spec: ModelSpec, files: Iterable[Path]) -> None:
    """Refuse an adapter among the files of a complete model: nothing says whether it counts.

    Raises:
        ModelError: one of the files is an adapter's settings.
    """
    if found := next((path for path in files if path.name == ADAPTER), None):
        raise model_error(
            spec,
            found=f"{found.parent} holds an adapter ({ADAPTER})",
            expected="a complete model",
            next_step="merge the adapter into its base model and save the result; transformers and "
            "vision_language load the folder of an adapter itself",
        )


def weight_files(spec: ModelSpec, folder: Path) -> list[Path]:
    """Return the weight file, or the index of its shards and these; safetensors before pickles.

    Raises:
        ModelError: it or a shard is missing.
    """
    names = [name for weights in WEIGHTS for name in (weights, weights + INDEX)]
    found = next((folder / name for name in names if (folder / name).is_file()), None)
    if found is None:
        raise weights_missing(spec, " or ".join(names), folder)
    return [found, *_shards(spec, found)]


def _shards(spec: ModelSpec, weights: Path) -> list[Path]:
    if not weights.name.endswith(INDEX):
        return []
    try:
        names = sorted(set(json.loads(weights.read_text(encoding="utf-8"))["weight_map"].values()))
    except (ValueError, KeyError, AttributeError, TypeError) as error:
        raise model_error(
            spec, found=f"{weights} cannot be understood", expected="a weight_map: tensor → file"
        ) from error
    shards = [weights.parent / str(name) for name in names]
    if missing := [shard.name for shard in shards if not shard.is_file()]:
        raise weights_missing(spec, ", ".join(missing), weights.parent)
    return shards
