"""How an image becomes a vector: the two protocols that a model library implements.

A library is one file with one class (``ModelLibrary``), registered under the entry-point group
``prodbench.models``. Its module must import nothing heavy at the top: ``torch`` and the library itself
are imported inside ``load``, so that a run whose embeddings are all cached never pays for them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeAlias, runtime_checkable

if TYPE_CHECKING:
    import torch
    from PIL.Image import Image

    from pytest_prodbench.settings.types import ModelSpec

Features: TypeAlias = "torch.Tensor | Mapping[str, torch.Tensor]"
"""What a model takes in: a tensor, or several of them by name; of one image, or of a batch."""


@dataclass(frozen=True, slots=True)
class ModelIdentity:
    """What decides the numbers of a model, as far as it is the model's own.

    Attributes:
        weights_digest: sha256 (hex) over the weight and config files, or over the parameters where a
            model has no file.
        preprocessing: readable description of image → tensor, complete: two models with equal
            descriptions preprocess alike (resize, interpolation, crop, mean, std, library).
        pooling: the pooling in force, by name (``mean``, ``cls``, ``gem(3)``, ``projection`` …).
        dimension: length of a vector.
        versions: versions of the libraries that change the numbers (the model library's own, torch,
            torchvision, pillow), name → version.
        adapter: kind of an adapter that is not merged, and its base, for people; empty: none. It decides
            nothing: its files are in the digest.
    """

    weights_digest: str
    preprocessing: str
    pooling: str
    dimension: int
    versions: dict[str, str]
    adapter: str = ""


@dataclass(frozen=True, slots=True)
class Engine:
    """What runs a model's network, and what is known of its being torch's equal.

    Attributes:
        name: ``torch``, ``onnxruntime`` or ``openvino``.
        version: of that library.
        precision: of the forward pass.
        worst_cosine: smallest cosine of a sample image's vector to the one of torch in float32, to seven
            decimals; None where nothing was compared, as torch in float32 is what others are compared with.
        changed_ranks: sample images whose first hit, or rank of best positive, is not torch's.
        reason: why it is torch although another one was to be had; empty where that is not so.
    """

    name: str
    version: str
    precision: str
    worst_cosine: float | None = None
    changed_ranks: int | None = None
    reason: str = ""


@runtime_checkable
class Embedder(Protocol):
    """A loaded model. Its parameters are in eval mode and need no gradient.

    Images whose features are of one kind go through the model together. Unless the embedder says otherwise,
    they are of one kind if their shapes are equal, and a batch is their stack: (b, …) in front of each. An
    embedder whose features differ in size from image to image has two methods more:

    - ``kind(features) -> Hashable``: equal for images that can go in one batch;
    - ``collate(features: Sequence[Features]) -> Features``: the batch of images of one kind.

    What comes of an image must not depend on the others of its batch, but for the order of float sums.
    """

    identity: ModelIdentity

    def preprocess(self, image: Image) -> Features:
        """Turn one upright RGB image (mode ``RGB``) into what the model takes, on the CPU.

        For most models a float32 tensor (3, h, w). A model with another input gives its tensors by name:
        patches with their mask, tokens of a prompt …

        Called from threads; must be free of shared state.

        Raises:
            ImageError: this image cannot be preprocessed (a strip too long and thin to be resized); the
                message has its size, the caller knows its name.
        """
        ...

    def embed(self, batch: Features) -> torch.Tensor:
        """Map a batch of b images, such as float32 (b, 3, h, w), on the model's device to (b, dimension).

        Returned in the dtype of the forward pass; not normalised. The caller holds
        ``torch.inference_mode`` and autocast.
        """
        ...


@runtime_checkable
class Exportable(Protocol):
    """What an embedder has beside the rest if another engine than torch may run it.

    Attributes:
        network: holds every parameter that ``embed`` computes with, and ``embed`` calls nothing but it and
            functions of torch; None: it cannot be exported. It may be a TorchScript program, if ``embed``
            does not look at values beside it: of a program both sides of every branch are exported, of
            Python the one that was taken. Features may be several tensors; of a batch each has one row an
            image.
    """

    network: torch.nn.Module | None


@runtime_checkable
class TorchAlone(Protocol):
    """What an embedder has beside the rest if it knows what keeps every other engine from running it.

    Attributes:
        torch_alone: what, in words that are the same in every run; empty: nothing that it knows of.
    """

    torch_alone: str


@runtime_checkable
class SelfRun(Protocol):
    """What an embedder has beside the rest if torch does not run it."""

    engine: Engine


@runtime_checkable
class SideBySide(Protocol):
    """What an embedder has beside the rest if it may be asked for several batches at once.

    Attributes:
        side_by_side: whether ``embed`` may be called from several threads at a time, each pass with one
            thread of its own and on the CPU; what comes of a batch must not depend on the others. A batch
            is then as it was stacked (contiguous), not in channels_last.
    """

    side_by_side: bool


class ModelLibrary(Protocol):
    """One model library: finds the files of a model without importing it, and loads it.

    A library that has keys of its own in ``[models.NAME]`` says so in a class attribute ``options``, a
    pydantic model; they come checked in ``spec.options``.
    """

    def files(self, spec: ModelSpec) -> list[Path] | None:
        """Return every file on this machine that decides the model's numbers, without heavy imports.

        Weights, config, preprocessor config, and for a hub model the ``refs/<revision>`` file of the
        local hub cache (which says what the revision now means). None where that cannot be told
        without the library: then identity is known only after ``load``.

        Raises:
            ModelError: the weights are not on this machine; says how to get them
                (``prodbench download NAME``).
        """
        ...

    def load(self, spec: ModelSpec, device: torch.device) -> Embedder:
        """Load the model from local files only (never the network) onto a device, in eval mode.

        Raises:
            ModelError: weights missing, damaged, or of another architecture.
        """
        ...

    def download(self, spec: ModelSpec) -> list[Path]:
        """Fetch the weights into the library's own cache; the one place that may use the network.

        Raises:
            ModelError: it could not be fetched; says why.
        """
        ...
