"""Vision models of transformers: CLIP, SigLIP, SigLIP 2, DINOv2, DINOv3 and any AutoModel for images.

Where the weights come from, by identifier and checkpoint:

=====================  ==========  ================================================================
identifier             checkpoint  weights
=====================  ==========  ================================================================
``org/name``           none        that hub repository at ``revision``, from the local hub cache
an absolute folder     none        that folder, as ``save_pretrained`` writes it
any                    folder      that folder
=====================  ==========  ================================================================

Safetensors before pickles, which are read as tensors only; code in a repository is never run.

Images go through the model's own image processor, always its PIL backend (the *slow* processor of
older versions) where it has one: the torchvision backend resizes tensors and gives other pixels
(transformers #39591). DINOv3 has the torchvision backend only. Class and backend are part of the
preprocessing description.

SigLIP 2 at a fixed resolution (``google/siglip2-base-patch16-224``) has SigLIP's architecture
(``SiglipModel``) and loads as such. Its NaFlex variants (``Siglip2Model``) take a sequence of patches whose
length depends on the image, not a (3, h, w) tensor: they are refused. Perception Encoder is not in
transformers; load it through open_clip.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_prodbench.models.checkpoints import (
    RANDOM,
    checkpoint_path,
    model_error,
    weights_missing,
)
from pytest_prodbench.models.hub import Snapshot, cached_snapshot, fetched, repository_folder
from pytest_prodbench.models.identity import library_versions, weights_digest
from pytest_prodbench.models.protocol import ModelIdentity
from pytest_prodbench.models.slivers import refuse_sliver

if TYPE_CHECKING:
    import torch
    from PIL.Image import Image

    from pytest_prodbench.models.transformers_pooling import Pool
    from pytest_prodbench.settings.types import ModelSpec

# One of the last two holds the image processor's settings.
_CONFIGS = ("config.json", "preprocessor_config.json", "processor_config.json")
_WEIGHTS = ("model.safetensors", "pytorch_model.bin")
INDEX = ".index.json"


class TransformersEmbedder:
    """A loaded vision model with its image processor."""

    def __init__(self, processor: Any, pool: Pool, identity: ModelIdentity) -> None:
        self.identity = identity
        self.network: torch.nn.Module = pool.model
        self._processor = processor
        self._pool = pool

    def preprocess(self, image: Image) -> torch.Tensor:
        """Run the model's own image processor over one image: float32 (3, h, w)."""
        refuse_sliver(image)
        pixels: torch.Tensor = self._processor(images=image, return_tensors="pt")["pixel_values"]
        return pixels[0].float()

    def embed(self, batch: torch.Tensor) -> torch.Tensor:
        """Map (b, 3, h, w) to pooled or projected features (b, dimension)."""
        return self._pool(batch)


class TransformersLibrary:
    """Finds, loads and downloads transformers models."""

    def files(self, spec: ModelSpec) -> list[Path] | None:
        """Return weights, configs and, for a hub model, the ref that its revision is.

        Raises:
            ModelError: some of them are not on this machine.
        """
        snapshot = _snapshot(spec)
        return snapshot.decides(*files_in(spec, snapshot.folder))

    def load(self, spec: ModelSpec, device: torch.device) -> TransformersEmbedder:
        """Load model and image processor from a folder on this machine; put the model on a device.

        Raises:
            ModelError: files missing or damaged; parameters without weights; an architecture that does
                not take a (3, h, w) image; a pooling that it cannot do.
        """
        from pytest_prodbench.models import transformers_network

        folder = _snapshot(spec).folder
        files = files_in(spec, folder)
        processor, model = transformers_network.read(spec, folder, files[0])
        transformers_network.replace(spec, processor)
        model.to(device).eval().requires_grad_(requires_grad=False)
        pool, dimension = transformers_network.pool_for(spec, model, processor, device)
        identity = ModelIdentity(
            weights_digest=weights_digest("transformers", files),
            preprocessing=transformers_network.describe(processor),
            pooling=pool.name,
            dimension=dimension,
            versions=library_versions("transformers", "torch", "torchvision", "pillow", "numpy"),
        )
        return TransformersEmbedder(processor, pool, identity)

    def download(self, spec: ModelSpec) -> list[Path]:
        """Fetch a hub repository's configs and weights into the hub cache; a folder is only checked.

        Raises:
            ModelError: it could not be fetched.
        """
        if spec.checkpoint is None and not Path(spec.identifier).is_absolute():
            from huggingface_hub import list_repo_files, snapshot_download

            with fetched(spec, spec.identifier):
                there = list_repo_files(spec.identifier, revision=spec.revision)
                # Safetensors where there are any: the same weights as pickles would only fill the disk.
                safe = any(name in there for name in (_WEIGHTS[0], _WEIGHTS[0] + INDEX))
                weights = "model*.safetensors*" if safe else "pytorch_model*.bin*"
                snapshot_download(
                    spec.identifier,
                    revision=spec.revision,
                    allow_patterns=[*_CONFIGS, weights],
                )
        return self.files(spec) or []


def files_in(spec: ModelSpec, folder: Path) -> list[Path]:
    """Return the deciding files of a folder: the weight file (or the index of its shards) first.

    Raises:
        ModelError: weights, config, image processor settings or a shard are missing.
    """
    names = [name for weights in _WEIGHTS for name in (weights, weights + INDEX)]
    weights = next((folder / name for name in names if (folder / name).is_file()), None)
    if weights is None:
        raise weights_missing(spec, " or ".join(names), folder)
    configs = [folder / name for name in _CONFIGS if (folder / name).is_file()]
    if folder / _CONFIGS[0] not in configs or len(configs) < 2:
        raise weights_missing(spec, f"{_CONFIGS[0]} and {_CONFIGS[1]}", folder)
    if (folder / "adapter_config.json").is_file():
        raise model_error(
            spec,
            found=f"{folder} holds an adapter (adapter_config.json)",
            expected="a complete model",
            next_step="merge the adapter into its base model and save the result",
        )
    return [weights, *_shards(spec, weights), *configs]


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


def _snapshot(spec: ModelSpec) -> Snapshot:
    """Return the folder that holds the model: a checkpoint, a local folder or a cached repository."""
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
    snapshot = cached_snapshot(spec.identifier, spec.revision)
    if snapshot is None:
        wanted = f"{spec.identifier} at revision {spec.revision or 'main'}"
        raise weights_missing(spec, wanted, repository_folder(spec.identifier))
    return snapshot
