"""Where a transformers model lies on this machine, and which of its files decide its numbers."""

from __future__ import annotations

import json
import re
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
REPOSITORY = re.compile(r"(?!\.)[\w.-]+(/[\w.-]+)?", re.ASCII)
"""Name of a hub repository; no path that begins with a dot."""
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
    refuse_relative(spec)
    return repository_snapshot(spec, spec.identifier, spec.revision)


def refuse_relative(spec: ModelSpec) -> None:
    """Refuse a path in the place of a hub repository: nothing would say what it is relative to.

    Raises:
        ModelError: the identifier can be no repository.
    """
    if REPOSITORY.fullmatch(spec.identifier) is None:
        raise model_error(
            spec,
            found=f"{spec.identifier!r}, which names no hub repository",
            expected="org/name, or an absolute folder",
            next_step=f"for a folder write checkpoint = '{spec.identifier}' in [models.{spec.name}], "
            f"relative to that file, and source = '{spec.library}:{Path(spec.identifier).name or 'x'}'",
        )


def repository_snapshot(spec: ModelSpec, repository: str, revision: str | None) -> Snapshot:
    """Return the snapshot of a hub repository in the local cache.

    Raises:
        ModelError: it is not there.
    """
    snapshot = cached_snapshot(repository, revision)
    if snapshot is None:
        wanted = f"{repository} at revision {revision or 'main'}"
        folder = f"if it is a folder, write checkpoint = 'FOLDER' in [models.{spec.name}], or an absolute one"
        raise weights_missing(spec, wanted, repository_folder(repository), otherwise=folder)
    return snapshot


def is_remote(spec: ModelSpec) -> bool:
    """Whether the weights come from a hub repository.

    Raises:
        ModelError: they should, and the identifier can be none.
    """
    remote = spec.checkpoint is None and not Path(spec.identifier).is_absolute()
    if remote:
        refuse_relative(spec)
    return remote


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
    if folder / CONFIG not in configs:
        raise weights_missing(
            spec, CONFIG, folder, local_step="save the model anew there with save_pretrained"
        )
    if len(configs) < 2:
        place = inputs or folder
        raise weights_missing(
            spec,
            " or ".join(IMAGE_CONFIGS),
            place,
            local_step="copy it from the model that this one was trained from, or write it there: "
            f"AutoImageProcessor.from_pretrained(THAT MODEL).save_pretrained({str(place)!r})",
        )
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
        raise weights_missing(
            spec,
            " or ".join(names),
            folder,
            local_step="save the model there with save_pretrained, or correct checkpoint",
        )
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
