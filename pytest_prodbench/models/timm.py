"""Models of timm (PyTorch Image Models): any architecture, hub weights, local checkpoints, random floors.

Where the weights come from, by identifier and checkpoint:

==============================  =============================  ========================================
identifier                      checkpoint                     weights
==============================  =============================  ========================================
``tf_efficientnet_lite0/1/2``   none                           an installed package (``packaged.py``)
``resnet50.a1_in1k``            none                           timm's own, from the local hub cache
``hf-hub:org/name``             none                           that repository, from the local hub cache
``resnet50``                    file                           that file, loaded strictly
``resnet50``                    folder                         its weights, and its ``config.json``
``resnet50``                    ``package:module/path``        a file or folder in an installed package
``resnet50``                    ``random:SEED``                none: a floor, see below
==============================  =============================  ========================================

``random:SEED`` builds the architecture with random parameters. A model that does not beat such a floor
has learnt nothing that helps; a gate that lets it pass is broken. It has no file, and the same seed and
library versions give the same parameters.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_prodbench.models.checkpoints import (
    checkpoint_path,
    model_error,
    random_seed,
    require_weight_file,
    weight_file_in,
    weights_missing,
)
from pytest_prodbench.models.hub import HF_HUB, Snapshot, cached_snapshot, fetch, repository_folder
from pytest_prodbench.models.identity import library_versions, parameters_digest, weights_digest
from pytest_prodbench.models.packaged import PACKAGED
from pytest_prodbench.models.protocol import ModelIdentity
from pytest_prodbench.models.slivers import transformed

if TYPE_CHECKING:
    from pathlib import Path

    import torch
    from PIL.Image import Image

    from pytest_prodbench.models.timm_network import Network
    from pytest_prodbench.settings.types import ModelSpec

# The order in which timm's own loader takes them.
_PREFERRED = ("model.safetensors", "pytorch_model.bin", "pytorch_model.pth", "model.pth")


class TimmEmbedder:
    """A loaded timm model."""

    def __init__(self, network: Network, identity: ModelIdentity) -> None:
        self.identity = identity
        self.network = network.model
        self._network = network

    def preprocess(self, image: Image) -> torch.Tensor:
        """Resize, crop and normalise as timm's data config says: float32 (3, h, w)."""
        return transformed(self._network.transform, image)

    def embed(self, batch: torch.Tensor) -> torch.Tensor:
        """Map (b, 3, h, w) to pooled features (b, dimension)."""
        return self._network.features(batch)


class TimmLibrary:
    """Finds, loads and downloads timm models."""

    def files(self, spec: ModelSpec) -> list[Path] | None:
        """Return the deciding files; ``[]`` for a random floor, None for timm's own hub weights.

        Which hub repository ``resnet50`` means is written in timm's registry, which only timm can read.

        Raises:
            ModelError: the checkpoint, package or hub repository is not on this machine.
        """
        if random_seed(spec) is not None:
            return []
        path = checkpoint_path(_with_packaged(spec))
        if path is not None:
            return _files_at(spec, path)
        snapshot = _snapshot(spec)
        return snapshot.decides(*_files_at(spec, snapshot.folder)) if snapshot else None

    def resolved_files(self, spec: ModelSpec) -> list[Path]:
        """Return the deciding files of every model, by timm's registry where only that knows them.

        Raises:
            ModelError: as ``files``; timm has no weights for the identifier.
        """
        from pytest_prodbench.models import timm_hub

        files = self.files(spec)
        return [timm_hub.hub_file(spec)] if files is None else files

    def load(self, spec: ModelSpec, device: torch.device) -> TimmEmbedder:
        """Build the network, load its weights strictly and put it on a device, in eval mode.

        Raises:
            ModelError: unknown architecture; weights missing, damaged or of another architecture; a
                pooling that this architecture cannot do.
        """
        from pytest_prodbench.models import timm_hub, timm_network, timm_weights

        seed = random_seed(spec)
        files: list[Path] = []
        packaged = _packaged(spec)
        if seed is not None:
            model = timm_weights.random_model(spec, seed)
        elif packaged is not None:
            files = self.files(spec) or []
            model = timm_weights.packaged_model(spec, files[0])
        elif (path := checkpoint_path(spec)) is not None:
            files = _files_at(spec, path)
            model = timm_weights.model_from_files(spec, files)
        elif snapshot := _snapshot(spec):
            files = _files_at(spec, snapshot.folder)
            model = timm_weights.model_from_files(spec, files)
        else:
            files = [timm_hub.hub_file(spec)]
            model = timm_weights.model_from_hub_file(spec, files[0])
        network = timm_network.Network(
            spec, model.to(device).eval().requires_grad_(requires_grad=False), packaged
        )
        architecture = f"timm:{network.architecture}"
        identity = ModelIdentity(
            weights_digest=weights_digest(architecture, files)
            if seed is None
            else parameters_digest(architecture, model),
            preprocessing=network.preprocessing,
            pooling=network.pooling,
            dimension=network.dimension(device),
            versions=library_versions("timm", "torch", "torchvision", "pillow"),
        )
        return TimmEmbedder(network, identity)

    def download(self, spec: ModelSpec) -> list[Path]:
        """Fetch hub weights into the hub cache; what is local already is only checked.

        Raises:
            ModelError: it could not be fetched, or it is a checkpoint that only its owner can supply.
        """
        if random_seed(spec) is not None or spec.checkpoint is not None or _packaged(spec):
            return self.files(spec) or []
        if spec.identifier.startswith(HF_HUB):
            repository = spec.identifier.removeprefix(HF_HUB)
            fetch(spec, repository, spec.revision, weights=_PREFERRED, also=["config.json"])
            return self.files(spec) or []
        from pytest_prodbench.models import timm_hub

        return [timm_hub.download_pretrained(spec)]


def _packaged(spec: ModelSpec) -> tuple[tuple[float, ...], tuple[float, ...]] | None:
    """Return mean and std of a model that takes its weights from a package, else None."""
    entry = PACKAGED.get(spec.identifier) if spec.checkpoint is None else None
    return (entry.mean, entry.std) if entry else None


def _with_packaged(spec: ModelSpec) -> ModelSpec:
    entry = PACKAGED.get(spec.identifier)
    if entry is None or spec.checkpoint is not None:
        return spec
    return spec.model_copy(update={"checkpoint": entry.checkpoint})


def _snapshot(spec: ModelSpec) -> Snapshot | None:
    """Return the cached repository of an ``hf-hub:org/name`` identifier, None for every other one."""
    if not spec.identifier.startswith(HF_HUB):
        return None
    repository = spec.identifier.removeprefix(HF_HUB)
    snapshot = cached_snapshot(repository, spec.revision)
    if snapshot is None:
        raise weights_missing(
            spec,
            f"{repository} at revision {spec.revision or 'main'}",
            repository_folder(repository),
        )
    return snapshot


def _files_at(spec: ModelSpec, path: Path) -> list[Path]:
    """Return [weights] for a file, [weights, config] for a folder that timm saved."""
    if not path.is_dir():
        return [require_weight_file(spec, path)]
    weights, config = weight_file_in(spec, path, _PREFERRED), path / "config.json"
    if config.is_file():
        return [weights, config]
    if spec.identifier.startswith(HF_HUB):
        raise model_error(
            spec,
            found=f"{path} has no config.json",
            expected="the config that timm saves beside the weights",
            next_step=f"run `prodbench download {spec.name}`",
        )
    return [weights]
