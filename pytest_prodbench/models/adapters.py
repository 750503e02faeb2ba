"""Models that are an adapter over a base that stays as it is: LoRA and its kin, as peft saves them.

A folder with ``adapter_config.json`` at its top is the model; its base is what that file names
(``base_model_name_or_path`` at ``revision``), or what the key ``base`` of the model's entry says: an absolute
folder, or a hub repository in the local cache. A relative folder cannot be told from a repository.

Kinds that keep their numbers elsewhere (prompts that are learned, other adapters, random projections that are
drawn anew) are refused, and so is all of which it was not seen here that the vectors are those of peft.

No heavy imports: the adapter is put over its base in ``adapter_weights``.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_prodbench.models.checkpoints import model_error, weights_missing
from pytest_prodbench.models.hub import Snapshot, cached_snapshot, repository_folder
from pytest_prodbench.models.transformers_files import (
    ADAPTER,
    IMAGE_CONFIGS,
    REPOSITORY,
    snapshot_of,
)
from pytest_prodbench.settings.frozen import Frozen

if TYPE_CHECKING:
    from pytest_prodbench.settings.types import ModelSpec

WEIGHTS = ("adapter_model.safetensors", "adapter_model.bin")
"""Safetensors first; transformers reads the other with ``weights_only=True``, tensors and nothing else."""

KINDS = ("HRA", "IA3", "LN_TUNING", "LOHA", "LOKR", "LORA", "MISS", "OFT")
"""``peft_type`` of the adapters whose vectors are compared with peft's in our tests."""

_PROMPTS = {"PROMPT_TUNING", "MULTITASK_PROMPT_TUNING", "P_TUNING", "PREFIX_TUNING", "CPT"}
_REFUSED = {
    "megatron_config": "imports a library that the file names",
    "alora_invocation_tokens": "decides at run time, by tokens, whether the adapter counts",
}


class AdapterOptions(Frozen):
    """Keys of ``[models.NAME]`` that only a model with an adapter has.

    Attributes:
        base: absolute folder or hub repository of the base; None: what the adapter names.
        base_revision: branch, tag or commit of it; None: what the adapter names with its base, else main.
    """

    base: str | None = None
    base_revision: str | None = None


@dataclass(frozen=True, slots=True)
class Placed:
    """Where a model lies.

    Attributes:
        base: config and weights of the network.
        adapter: what lies over them; None: nothing.
        shown: kind of the adapter and its base, for people; a folder by its name alone.
    """

    base: Snapshot
    adapter: Snapshot | None = None
    shown: str = ""

    @property
    def inputs(self) -> Path:
        """Folder of the processor's settings: the adapter's, if it has any."""
        if self.adapter is not None and any(
            (self.adapter.folder / name).is_file() for name in IMAGE_CONFIGS
        ):
            return self.adapter.folder
        return self.base.folder

    @property
    def folders(self) -> list[Path]:
        """The base's, and the adapter's if there is one."""
        return [self.base.folder, *([self.adapter.folder] if self.adapter else [])]

    def decides(self, *files: Path) -> list[Path]:
        """Return the files together with the refs that led to them."""
        refs = self.adapter.decides() if self.adapter else []
        return [*self.base.decides(*files), *refs]


def placed(spec: ModelSpec) -> Placed:
    """Find a model on this machine, and under an adapter its base.

    Raises:
        ModelError: it or its base is not on this machine; an adapter that is refused; a base named for none.
    """
    snapshot = snapshot_of(spec)
    stated = _stated(spec)
    if not (snapshot.folder / ADAPTER).is_file():
        if stated != AdapterOptions():
            raise model_error(
                spec,
                found=f"a base for {snapshot.folder}, which has no {ADAPTER}",
                expected="an adapter, as save_pretrained of peft writes it",
                next_step=f"take base and base_revision out of [models.{spec.name}]",
            )
        return Placed(snapshot)
    settings = _settings(spec, snapshot.folder)
    name, revision = _base_named(spec, snapshot.folder, settings, stated)
    base = _base(spec, name, revision)
    if (base.folder / ADAPTER).is_file():
        raise model_error(
            spec,
            found=f"the base of {snapshot.folder} is an adapter itself: {base.folder}",
            expected="a complete model",
            next_step="merge that one into its base and name the result as base",
        )
    at = f" at {revision}" if revision else ""
    shown = Path(name).name if Path(name).is_absolute() else f"{name}{at}"
    return Placed(base, snapshot, f"{settings['peft_type']} over {shown}")


def base_repository(spec: ModelSpec) -> tuple[str, str | None] | None:
    """Return hub repository and revision of the base under a model; None: it has none, or it is a folder.

    Raises:
        ModelError: the model is not on this machine; an adapter that is refused.
    """
    folder = snapshot_of(spec).folder
    if not (folder / ADAPTER).is_file():
        return None
    stated = _stated(spec)
    name, revision = _base_named(spec, folder, _settings(spec, folder), stated)
    return None if Path(name).is_absolute() else (name, revision)


def adapter_files(spec: ModelSpec, folder: Path) -> list[Path]:
    """Return weights and settings of an adapter; the weights first.

    Raises:
        ModelError: no weights.
    """
    weights = next((folder / name for name in WEIGHTS if (folder / name).is_file()), None)
    if weights is None:
        raise weights_missing(spec, " or ".join(WEIGHTS), folder)
    return [weights, folder / ADAPTER]


def _stated(spec: ModelSpec) -> AdapterOptions:
    """These two of the keys that a library has."""
    named = {key: spec.options.get(key) for key in AdapterOptions.model_fields}
    return AdapterOptions.model_validate(named)


def _settings(spec: ModelSpec, folder: Path) -> dict[str, Any]:
    """Read an adapter's settings, and refuse those that were not tried or could run code."""
    path = folder / ADAPTER
    try:
        settings: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        kind = settings["peft_type"]
    except (ValueError, KeyError, TypeError) as error:
        raise model_error(
            spec,
            found=f"{path} cannot be understood",
            expected="settings of peft, with a peft_type",
        ) from error
    merge = "merge the adapter into its base model and save the result"
    if kind not in KINDS:
        raise model_error(
            spec,
            found=f"{path} has peft_type {kind!r}"
            + (", prompts that are learned" if kind in _PROMPTS else ""),
            expected=f"one of {', '.join(KINDS)}",
            next_step="such prompts cannot be merged: choose another model"
            if kind in _PROMPTS
            else merge,
        )
    for key, why in _REFUSED.items():
        if settings.get(key):
            raise model_error(
                spec, found=f"{path} has {key}, which {why}", expected="none", next_step=merge
            )
    return settings


def _base_named(
    spec: ModelSpec, folder: Path, settings: dict[str, Any], stated: AdapterOptions
) -> tuple[str, str | None]:
    name = stated.base or settings.get("base_model_name_or_path")
    named = settings.get("revision") if stated.base is None else None
    revision = stated.base_revision or named or None
    if isinstance(name, str) and (Path(name).is_absolute() or REPOSITORY.fullmatch(name)):
        return name, revision
    where = "base" if stated.base else f"base_model_name_or_path in {folder / ADAPTER}"
    raise model_error(
        spec,
        found=f"{where} is {name!r}",
        expected="an absolute folder, or a hub repository org/name",
        next_step=f"state base in [models.{spec.name}]",
    )


def _base(spec: ModelSpec, name: str, revision: str | None) -> Snapshot:
    entry = f'write base = "/absolute/folder" or base = "org/name" in [models.{spec.name}]'
    if Path(name).is_absolute():
        if Path(name).is_dir():
            return Snapshot(Path(name), None)
        raise model_error(
            spec,
            found=f"the adapter's base, {name}, is no folder on this machine",
            expected="a folder with config.json and weights",
            next_step=f"put it there, or {entry}",
        )
    snapshot = cached_snapshot(name, revision)
    if snapshot is None:
        raise model_error(
            spec,
            found=f"the adapter's base, {name} at revision {revision or 'main'}, is not on this machine: "
            f"looked for it in {repository_folder(name)}",
            expected="weights on disk, because loading a model never uses the network",
            next_step=f"run `prodbench download {spec.name}`; if it is another base, or a folder, {entry}",
        )
    return snapshot
