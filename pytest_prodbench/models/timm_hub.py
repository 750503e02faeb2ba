"""timm's own weights: what its registry says of them, where they are cached, how they are fetched.

Imported when a model is loaded, because it needs torch and timm.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from pytest_prodbench.errors import did_you_mean
from pytest_prodbench.models.checkpoints import model_error, weights_missing
from pytest_prodbench.models.hub import cached_snapshot, fetch, fetched, repository_folder

if TYPE_CHECKING:
    from pytest_prodbench.settings.types import ModelSpec

_HUB_WEIGHTS = ("model.safetensors", "pytorch_model.bin")


def create(spec: ModelSpec, architecture: str, **options: Any) -> torch.nn.Module:
    """Build an architecture, or what ``local-dir:`` and a folder that timm saved describe.

    Raises:
        ModelError: timm does not know the architecture, or not its pretrained tag.
    """
    import timm

    if not architecture.startswith("local-dir:"):
        registered_config(spec, architecture)
    model: torch.nn.Module = timm.create_model(architecture, **options)
    return model


def registered_config(spec: ModelSpec, architecture: str) -> Any:
    """Return what timm's registry says of ``architecture`` or ``architecture.tag``.

    Raises:
        ModelError: timm does not know it; suggests the nearest that it does.
    """
    import timm

    name, _, tag = architecture.partition(".")
    if not timm.is_model(name):
        raise model_error(
            spec,
            found=f"{architecture!r}, which timm {timm.__version__} does not know",
            expected="a name that timm.list_models() or timm.list_pretrained() lists",
            next_step=_nearest(name, timm.list_models()),
        )
    tags = [known.partition(".")[2] for known in timm.list_pretrained(f"{name}.*")]
    if tag and tag not in tags:
        raise model_error(
            spec,
            found=f"{tag!r}, which timm {timm.__version__} does not know as weights of {name}",
            expected=f"one of {', '.join(tags)}" if tags else f"{name} without a tag",
        )
    return timm.get_pretrained_cfg(architecture)


def pretrained_config(spec: ModelSpec) -> Any:
    """Return the registry's entry for an identifier that has trained weights.

    Raises:
        ModelError: timm does not know it, or has no weights for it.
    """
    import timm

    config = registered_config(spec, spec.identifier)
    if config is None or not (config.hf_hub_id or config.url):
        raise model_error(
            spec,
            found=f"timm has no trained weights for {spec.identifier!r}",
            expected="an identifier with weights, a checkpoint, or checkpoint = 'random:SEED'",
            next_step=_nearest(spec.identifier, timm.list_pretrained()),
        )
    return config


def _nearest(name: str, known: list[str]) -> str:
    # timm knows more than a thousand names: a list of them all would help nobody.
    suggestion = did_you_mean(name, known)
    return (
        suggestion if len(suggestion) < 200 else "python -c 'import timm; help(timm.list_models)'"
    )


def _repository(spec: ModelSpec, config: Any) -> tuple[str, str | None]:
    repository, _, revision = config.hf_hub_id.partition("@")
    return repository, spec.revision or revision or None


def hub_file(spec: ModelSpec) -> Path:
    """Return the cached file of timm's own weights for an identifier.

    Raises:
        ModelError: timm has none for it, or they are not on this machine.
    """
    config = pretrained_config(spec)
    if config.hf_hub_id:
        repository, revision = _repository(spec, config)
        names = (config.hf_hub_filename,) if config.hf_hub_filename else _HUB_WEIGHTS
        if snapshot := cached_snapshot(repository, revision):
            for name in names:
                if (snapshot.folder / name).is_file():
                    return snapshot.folder / name
        wanted = f"{' or '.join(names)} of {repository} at revision {revision or 'main'}"
        raise weights_missing(spec, wanted, repository_folder(repository))
    _, cached = _by_url(config)
    if not cached.is_file():
        raise weights_missing(spec, cached.name, cached.parent)
    return cached


def download_pretrained(spec: ModelSpec) -> Path:
    """Fetch timm's own weights for an identifier into the hub's or torch's cache; return the file."""
    config = pretrained_config(spec)
    if config.hf_hub_id:
        repository, revision = _repository(spec, config)
        weights = (config.hf_hub_filename,) if config.hf_hub_filename else _HUB_WEIGHTS
        fetch(spec, repository, revision, weights=weights)
    else:
        address, cached = _by_url(config)
        cached.parent.mkdir(parents=True, exist_ok=True)
        with fetched(spec, address):
            torch.hub.download_url_to_file(address, str(cached), progress=False)
    return hub_file(spec)


def _by_url(config: Any) -> tuple[str, Path]:
    """Return the address of weights that are on no hub, and where timm caches them."""
    # A pair where the file is to be called otherwise than the last part of its address.
    pair = config.url if isinstance(config.url, tuple) else (config.url, config.url.split("/")[-1])
    return str(pair[0]), Path(torch.hub.get_dir()) / "checkpoints" / str(pair[1])
