"""Image towers of open_clip: CLIP, SigLIP, SigLIP 2, Perception Encoder (PE-Core) and their kin.

Where the weights come from, by identifier and checkpoint:

===========================  ==========  ==============================================================
identifier                   checkpoint  weights
===========================  ==========  ==============================================================
``ViT-B-32/laion2b_s34b_b79k``  none     that pretrained tag, from the local caches
``hf-hub:org/name``          none        that repository, from the local hub cache
``ViT-B-32``                 file        that file; OpenAI's mean and standard deviation
``ViT-B-32/openai``          file        that file; mean, deviation and resize of the tag
any                          folder      its ``open_clip_config.json`` and weights (``local-dir:``)
===========================  ==========  ==============================================================

The vector is the tower's own projection, what ``encode_image(normalize=False)`` returns. The text tower
is dropped. A model whose text tower is a Hugging Face model (``roberta-ViT-B-32``) also needs that
model's config in the hub cache; ``prodbench download`` puts it there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_prodbench.models.checkpoints import (
    RANDOM,
    checkpoint_path,
    model_error,
    require_weight_file,
    weight_file_in,
    weights_missing,
)
from pytest_prodbench.models.hub import (
    HF_HUB,
    Snapshot,
    cached_snapshot,
    fetch,
    offline,
    repository_folder,
)
from pytest_prodbench.models.identity import library_versions, weights_digest
from pytest_prodbench.models.pipeline import size_refused
from pytest_prodbench.models.protocol import ModelIdentity
from pytest_prodbench.models.slivers import transformed

if TYPE_CHECKING:
    from pathlib import Path

    import torch
    from PIL.Image import Image

    from pytest_prodbench.settings.types import ModelSpec

CONFIG = "open_clip_config.json"

# The order in which open_clip's own loader takes them, so that the file digested is the file loaded.
_PREFERRED = (
    "open_clip_model.safetensors",
    "open_clip_pytorch_model.safetensors",
    "open_clip_pytorch_model.bin",
    "open_clip_pytorch_model.pth",
    "model.safetensors",
    "pytorch_model.bin",
    "pytorch_model.pth",
    "model.pth",
)


class OpenClipEmbedder:
    """A loaded image tower."""

    def __init__(self, tower: torch.nn.Module, transform: Any, identity: ModelIdentity) -> None:
        self.identity = identity
        self.network = tower
        self._transform = transform

    def preprocess(self, image: Image) -> torch.Tensor:
        """Resize, crop and normalise as the model's own preprocess config says: float32 (3, h, w)."""
        return transformed(self._transform, image)

    def embed(self, batch: torch.Tensor) -> torch.Tensor:
        """Map (b, 3, h, w) to projected features (b, dimension)."""
        return project(self.network, batch)


class OpenClipLibrary:
    """Finds, loads and downloads open_clip models."""

    def files(self, spec: ModelSpec) -> list[Path] | None:
        """Return the deciding files; None for a pretrained tag.

        Which hub repository a tag means is written in open_clip's table, which only open_clip can read.

        Raises:
            ModelError: the checkpoint or hub repository is not on this machine.
        """
        if (path := _checkpoint(spec)) is not None:
            return _files_at(spec, path)
        snapshot = _snapshot(spec)
        return snapshot.decides(*_files_at(spec, snapshot.folder)) if snapshot else None

    def resolved_files(self, spec: ModelSpec) -> list[Path]:
        """Return the deciding files of every model, by open_clip's table where only that knows them.

        Raises:
            ModelError: as ``files``; open_clip does not know the tag.
        """
        from pytest_prodbench.models import open_clip_tower

        files = self.files(spec)
        return list(open_clip_tower.resolve(spec, None).files) if files is None else files

    def load(self, spec: ModelSpec, device: torch.device) -> OpenClipEmbedder:
        """Build the model, load its weights strictly, keep the image tower, put it on a device.

        Raises:
            ModelError: unknown architecture or tag; weights missing, damaged or of another
                architecture; a pooling other than the projection.
        """
        if spec.pooling not in {"default", "projection"}:
            raise model_error(
                spec,
                found=f"pooling {spec.pooling!r}, which open_clip's towers do not offer",
                expected="default, which is the model's own projection",
                next_step="for cls, mean or gem load the model through timm or transformers",
            )
        import torch

        from pytest_prodbench.models import open_clip_tower

        path = _checkpoint(spec)
        if path is None and (snapshot := _snapshot(spec)):
            path = snapshot.folder
        source = open_clip_tower.resolve(spec, None if path is None else _files_at(spec, path))
        with offline():
            tower, preprocess = open_clip_tower.build(spec, source)
        tower.to(device).eval().requires_grad_(requires_grad=False)
        preprocess = open_clip_tower.asked_for(spec, preprocess)
        transform, size = open_clip_tower.transform_of(spec, preprocess)
        try:
            with torch.inference_mode():
                vectors = project(tower, torch.zeros(1, 3, *size, device=device))
        except (AssertionError, RuntimeError) as error:
            if spec.preprocess.size is None:
                raise
            raise size_refused(spec, error) from error
        identity = ModelIdentity(
            weights_digest=weights_digest(f"open_clip:{source.architecture}", source.files),
            preprocessing=open_clip_tower.describe(spec, preprocess, size),
            pooling="projection",
            dimension=int(vectors.shape[1]),
            versions=library_versions("open_clip_torch", "timm", "torch", "torchvision", "pillow"),
        )
        return OpenClipEmbedder(tower, transform, identity)

    def download(self, spec: ModelSpec) -> list[Path]:
        """Fetch a tag's or a repository's weights into the local caches; a checkpoint is only checked.

        Raises:
            ModelError: it could not be fetched, or open_clip does not know the tag.
        """
        if spec.checkpoint is not None:
            return self.files(spec) or []
        if spec.identifier.startswith(HF_HUB):
            repository = spec.identifier.removeprefix(HF_HUB)
            fetch(spec, repository, spec.revision, weights=_PREFERRED, also=[CONFIG])
            return self.files(spec) or []
        from pytest_prodbench.models import open_clip_tower

        return open_clip_tower.download(spec)


def project(tower: torch.nn.Module, batch: torch.Tensor) -> torch.Tensor:
    """Map (b, 3, h, w) to projected features (b, c), as ``encode_image(normalize=False)`` does.

    A CoCa tower returns its tokens beside the projection; like ``encode_image``, they are left out.
    """
    output: Any = tower(batch)
    vectors: torch.Tensor = output[0] if isinstance(output, tuple) else output
    return vectors


def _checkpoint(spec: ModelSpec) -> Path | None:
    if spec.checkpoint is not None and spec.checkpoint.startswith(RANDOM):
        raise model_error(
            spec,
            found=f"checkpoint {spec.checkpoint!r}",
            expected="a path; only timm models can be random floors",
            next_step="write source = 'timm:ARCHITECTURE' with this checkpoint",
        )
    return checkpoint_path(spec)


def _snapshot(spec: ModelSpec) -> Snapshot | None:
    """Return the cached repository of an ``hf-hub:org/name`` identifier, None for every other one."""
    if not spec.identifier.startswith(HF_HUB):
        return None
    repository = spec.identifier.removeprefix(HF_HUB)
    snapshot = cached_snapshot(repository, spec.revision)
    if snapshot is None:
        wanted = f"{repository} at revision {spec.revision or 'main'}"
        raise weights_missing(spec, wanted, repository_folder(repository))
    return snapshot


def _files_at(spec: ModelSpec, path: Path) -> list[Path]:
    """Return [weights] for a file, [weights, config] for a folder that open_clip saved."""
    if not path.is_dir():
        return [require_weight_file(spec, path)]
    if not (path / CONFIG).is_file():
        raise model_error(
            spec,
            found=f"{path} has no {CONFIG}",
            expected="a folder that open_clip saved, with its config",
            next_step="let checkpoint name the weight file and the identifier the architecture",
        )
    return [weight_file_in(spec, path, _PREFERRED), path / CONFIG]
