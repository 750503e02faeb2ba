"""Vision models of transformers: CLIP, SigLIP, SigLIP 2, DINOv2, DINOv3 and any AutoModel for images.

Where the weights come from, by identifier and checkpoint:

=====================  ==========  ================================================================
identifier             checkpoint  weights
=====================  ==========  ================================================================
``org/name``           none        that hub repository at ``revision``, from the local hub cache
an absolute folder     none        that folder, as ``save_pretrained`` writes it
any                    folder      that folder
=====================  ==========  ================================================================

Such a folder may be an adapter, over the base that it names (``adapters``).

Safetensors before pickles, which are read as tensors only; code in a repository is run only if the model's
entry says ``trust_remote_code = true``.

Images go through the model's own image processor, always its PIL backend (the *slow* processor of
older versions) where it has one: the torchvision backend resizes tensors and gives other pixels
(transformers #39591). DINOv3 has the torchvision backend only. Class and backend are part of the
preprocessing description.

SigLIP 2 at a fixed resolution (``google/siglip2-base-patch16-224``) has SigLIP's architecture
(``SiglipModel``) and loads as such. Its NaFlex variants (``Siglip2Model``) keep the aspect ratio: their input
is a sequence of at most ``max_num_patches`` patches with a mask and the shape of the grid. ViT-MAE masks
nothing here. Perception Encoder is not in transformers; load it through open_clip or timm.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from pytest_prodbench.models.adapters import (
    WEIGHTS as ADAPTER_WEIGHTS,
)
from pytest_prodbench.models.adapters import (
    AdapterOptions,
    Placed,
    adapter_files,
    base_repository,
    placed,
)
from pytest_prodbench.models.hub import fetched
from pytest_prodbench.models.identity import library_versions, weights_digest
from pytest_prodbench.models.protocol import ModelIdentity
from pytest_prodbench.models.remote_code import CODE, code_files, code_refs, repositories_named
from pytest_prodbench.models.slivers import refuse_sliver
from pytest_prodbench.models.transformers_files import (
    ADAPTER,
    CONFIG,
    IMAGE_CONFIGS,
    INDEX,
    WEIGHTS,
    files_in,
    is_remote,
    repository_snapshot,
)

if TYPE_CHECKING:
    from pathlib import Path

    import torch
    from PIL.Image import Image

    from pytest_prodbench.models.protocol import Features
    from pytest_prodbench.models.transformers_pooling import Pool
    from pytest_prodbench.settings.types import ModelSpec


class TransformersOptions(AdapterOptions):
    """Keys of ``[models.NAME]`` that only a transformers model has.

    Attributes:
        max_num_patches: of a NaFlex model; None: as its image processor has it.
    """

    max_num_patches: Annotated[int, Field(ge=1, le=65536)] | None = None


class TransformersEmbedder:
    """A loaded vision model with its image processor."""

    def __init__(
        self, processor: Any, inputs: tuple[str, ...], pool: Pool, identity: ModelIdentity
    ) -> None:
        self.identity = identity
        self.network: torch.nn.Module = pool.model
        self._processor = processor
        self._inputs = inputs
        self._pool = pool

    def preprocess(self, image: Image) -> Features:
        """Run the model's own image processor over one image: float32 (3, h, w).

        Of a NaFlex model ``pixel_values`` (n, d), ``pixel_attention_mask`` (n,) and ``spatial_shapes`` (2,).
        """
        refuse_sliver(image)
        found = self._processor(images=image, return_tensors="pt")
        pixels: torch.Tensor = found["pixel_values"][0].float()
        if len(self._inputs) == 1:
            return pixels
        return {name: found[name][0] for name in self._inputs} | {"pixel_values": pixels}

    def embed(self, batch: Features) -> torch.Tensor:
        """Map b images to pooled or projected features (b, dimension)."""
        return self._pool(batch)


class TransformersLibrary:
    """Finds, loads and downloads transformers models."""

    options = TransformersOptions
    remote_code = True

    def files(self, spec: ModelSpec) -> list[Path] | None:
        """Return weights, configs, code that may run and, for a hub model, the ref that its revision is.

        Raises:
            ModelError: some of them are not on this machine.
        """
        where = placed(spec)
        refs = [ref for folder in where.folders for ref in code_refs(spec, folder)]
        return where.decides(*_files(spec, where), *refs)

    def load(self, spec: ModelSpec, device: torch.device) -> TransformersEmbedder:
        """Load model and image processor from a folder on this machine; put the model on a device.

        Raises:
            ModelError: files missing or damaged; parameters without weights; an adapter of another model; an
                architecture that takes no image; a pooling that it cannot do; code of its own that is not
                allowed.
        """
        from pytest_prodbench.models import transformers_network, transformers_preprocess

        where = placed(spec)
        files = _files(spec, where)
        processor, model = transformers_network.read(spec, where, files[0])
        processor = transformers_preprocess.replace(spec, processor)
        model.to(device).eval().requires_grad_(requires_grad=False)
        inputs = transformers_network.inputs_of(model)
        pool, dimension = transformers_network.pool_for(spec, model, processor, inputs, device)
        identity = ModelIdentity(
            weights_digest=weights_digest("transformers", files),
            preprocessing=transformers_network.describe(processor),
            pooling=pool.name,
            dimension=dimension,
            versions=library_versions(
                *("transformers", "torch", "torchvision", "pillow", "numpy"),
                *(["peft"] if where.adapter else []),
            ),
            adapter=where.shown,
        )
        return TransformersEmbedder(processor, inputs, pool, identity)

    def download(self, spec: ModelSpec) -> list[Path]:
        """Fetch a hub repository's configs and weights into the hub cache; a folder is only checked.

        The base of an adapter likewise. Code is fetched where the entry lets it run.

        Raises:
            ModelError: it could not be fetched.
        """
        if is_remote(spec):
            _fetch(spec, spec.identifier, spec.revision)
        base = base_repository(spec)
        if base is not None:
            _fetch(spec, *base)
        return self.files(spec) or []


def _files(spec: ModelSpec, where: Placed) -> list[Path]:
    """The base's weights first, then all else that decides the numbers."""
    own = [] if where.adapter is None else adapter_files(spec, where.adapter.folder)
    code = [path for folder in where.folders for path in code_files(spec, folder)]
    return [*files_in(spec, where.base.folder, where.inputs), *own, *code]


def _fetch(spec: ModelSpec, repository: str, revision: str | None) -> None:
    from huggingface_hub import list_repo_files, snapshot_download

    with fetched(spec, repository):
        there = list_repo_files(repository, revision=revision)
        # Safetensors where there are any: the same weights as pickles would only fill the disk.
        if ADAPTER in there:
            weights = [ADAPTER, next((name for name in ADAPTER_WEIGHTS if name in there), "")]
        elif any(name in there for name in (WEIGHTS[0], WEIGHTS[0] + INDEX)):
            weights = ["model*.safetensors*"]
        else:
            weights = ["pytorch_model*.bin*"]
        code = [CODE] if spec.trust_remote_code else []
        snapshot_download(
            repository,
            revision=revision,
            allow_patterns=[CONFIG, *IMAGE_CONFIGS, *filter(None, weights), *code],
        )
        folder = repository_snapshot(spec, repository, revision).folder
        for other in repositories_named(folder) if code else ():
            snapshot_download(other, allow_patterns=[CODE])
