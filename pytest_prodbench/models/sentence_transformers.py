"""Models of sentence-transformers that take images: the extra ``.[sentence-transformers]``.

Where the weights come from, by identifier and checkpoint:

=====================  ==========  ================================================================
identifier             checkpoint  weights
=====================  ==========  ================================================================
``org/name``           none        that hub repository at ``revision``, from the local hub cache
an absolute folder     none        that folder, as ``SentenceTransformer.save`` writes it
any                    folder      that folder
=====================  ==========  ================================================================

The vector is what ``SentenceTransformer(folder).encode(image)`` gives (sentence-transformers, *Computing
Embeddings*, and *Multimodal Embedding & Reranker Models*): processor, prompt, pooling and normalisation are
those of its modules. CLIP models are there, and from version 5.4 vision-language embedders such as
``Qwen/Qwen3-VL-Embedding-2B``, whose image stands in a chat message.
"""

from __future__ import annotations

import hashlib
import json
from threading import Lock
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from pytest_prodbench.errors import ImageError
from pytest_prodbench.models import whole_folder
from pytest_prodbench.models.checkpoints import first_line, model_error
from pytest_prodbench.models.identity import library_versions, weights_digest
from pytest_prodbench.models.pipeline import refuse_preprocess
from pytest_prodbench.models.protocol import ModelIdentity
from pytest_prodbench.models.remote_code import code_refused
from pytest_prodbench.models.sequences import TOKENS, Padding, kind
from pytest_prodbench.models.slivers import refuse_sliver
from pytest_prodbench.models.transformers_files import snapshot_of
from pytest_prodbench.settings.frozen import Frozen

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping, Sequence
    from pathlib import Path

    import torch
    from PIL.Image import Image

    from pytest_prodbench.settings.types import ModelSpec

MODULES = "modules.json"
_OWN = "sentence_transformers."


class SentenceTransformersOptions(Frozen):
    """Keys of ``[models.NAME]`` that only a model of sentence-transformers has.

    Attributes:
        prompt: instruction beside the image, where the model takes one; None: its own default.
        truncate_dim: numbers of a vector that are kept; None: as the model has it.
        min_pixels, max_pixels: of the resized image, for models that keep its aspect ratio; None: as its
            processor has it.
        dtype: of the weights.
    """

    prompt: str | None = None
    truncate_dim: Annotated[int, Field(ge=1)] | None = None
    min_pixels: Annotated[int, Field(ge=1)] | None = None
    max_pixels: Annotated[int, Field(ge=1)] | None = None
    dtype: Literal["float32", "bfloat16", "float16"] = "float32"


class SentenceTransformersEmbedder:
    """A loaded SentenceTransformer."""

    def __init__(self, spec: ModelSpec, model: Any, files: list[Path]) -> None:
        """Look at its modules, and find the dimension by one forward pass.

        Raises:
            ModelError: it takes no images.
        """
        import torch
        from PIL import Image

        self._options = SentenceTransformersOptions.model_validate(spec.options)
        self._model = model
        self._lock = Lock()
        self._dimension = self._options.truncate_dim or model.truncate_dim
        self._prompt = self._options.prompt
        if self._prompt is None and model.default_prompt_name is not None:
            self._prompt = model.prompts.get(model.default_prompt_name)
        if not model.supports("image"):
            told = ", ".join(map(str, model.modalities))
            raise model_error(spec, found=f"a model that takes {told}", expected="one for images")
        tokenizer = getattr(model[0], "tokenizer", None)
        side = getattr(tokenizer, "padding_side", "right")
        self._padding = Padding(getattr(tokenizer, "pad_token_id", None) or 0, side == "left")
        grey = self._features(Image.new("RGB", (64, 48), "grey"))
        # What is no tensor says what kind of input it is, the same for every image.
        self._words = {name: each for name, each in grey.items() if not torch.is_tensor(each)}
        batch = {
            name: each.to(model.device) for name, each in grey.items() if torch.is_tensor(each)
        }
        with torch.inference_mode():
            dimension = int(self.embed(batch).shape[1])
        self.identity = ModelIdentity(
            weights_digest=weights_digest(f"sentence_transformers {self._options.dtype}", files),
            preprocessing=self._described(TOKENS in batch),
            pooling=" > ".join(_named(module) for module in model),
            dimension=dimension,
            versions=library_versions(
                *(
                    "sentence-transformers",
                    "transformers",
                    "torch",
                    "torchvision",
                    "pillow",
                    "numpy",
                )
            ),
        )

    def preprocess(self, image: Image) -> Mapping[str, torch.Tensor]:
        """Run the first module's processor over one image: its tensors, with 1 in front.

        Raises:
            ImageError: the processor refuses the image.
        """
        import torch

        refuse_sliver(image)
        try:
            found = self._features(image)
        except ValueError as error:
            raise ImageError(
                f"image of {image.width} x {image.height} pixels", found=first_line(error)
            ) from error
        return {name: each for name, each in found.items() if torch.is_tensor(each)}

    def kind(self, features: Mapping[str, torch.Tensor]) -> Hashable:
        """Images whose patches and sequences differ in number only go together."""
        return kind(features)

    def collate(self, features: Sequence[Mapping[str, torch.Tensor]]) -> Mapping[str, torch.Tensor]:
        """Pad the sequences as the model's own tokenizer would."""
        return self._padding.collate(features)

    def embed(self, batch: Mapping[str, torch.Tensor]) -> torch.Tensor:
        """Map b images to (b, dimension) by all modules, as ``encode`` does."""
        vectors: torch.Tensor = self._model({**batch, **self._words})["sentence_embedding"]
        return vectors[:, : self._dimension]

    def _features(self, image: Image) -> dict[str, Any]:
        # One at a time: a tokenizer of the library in Rust refuses to be used by two threads at once.
        with self._lock:
            return dict(self._model.preprocess([image], prompt=self._prompt))

    def _described(self, message: bool) -> str:
        from pytest_prodbench.models.transformers_network import describe

        parts = [describe(_image_processor(self._model))]
        if message:
            template = str(getattr(self._model[0].processor, "chat_template", ""))
            parts += [
                f"prompt {json.dumps(self._prompt)}",
                f"chat template sha256 {hashlib.sha256(template.encode()).hexdigest()}",
                f"padding {'left' if self._padding.left else 'right'}",
            ]
        return "sentence-transformers: " + "; ".join(parts)


class SentenceTransformersLibrary:
    """Finds, loads and downloads models of sentence-transformers."""

    options = SentenceTransformersOptions
    remote_code = True

    def files(self, spec: ModelSpec) -> list[Path] | None:
        """Return all files of the folder that decide the numbers and, for a hub model, its ref.

        Raises:
            ModelError: they are not on this machine.
        """
        return whole_folder.files_of(spec)

    def load(self, spec: ModelSpec, device: torch.device) -> SentenceTransformersEmbedder:
        """Load all modules from a folder on this machine.

        Raises:
            ModelError: sentence-transformers is not installed; files missing or damaged; parameters without
                weights; code of its own that is not allowed; a model that takes no images.
        """
        folder = snapshot_of(spec).folder
        files = whole_folder.deciding_files(spec, folder)
        _check(spec, folder)
        options = SentenceTransformersOptions.model_validate(spec.options)
        try:
            from sentence_transformers import SentenceTransformer
        except ImportError as error:
            raise model_error(
                spec,
                found="sentence-transformers is not installed",
                next_step='pip install "pytest-prodbench[sentence-transformers]"',
            ) from error
        from pytest_prodbench.models import transformers_network
        from pytest_prodbench.models.transformers_reading import whole

        with whole(spec, folder):
            model = SentenceTransformer(
                str(folder),
                device=str(device),
                trust_remote_code=spec.trust_remote_code,
                local_files_only=True,
                model_kwargs={"dtype": options.dtype},
            )
            images = _image_processor(model)
            transformers_network.limit_pixels(spec, images, options.min_pixels, options.max_pixels)
            model.eval().requires_grad_(requires_grad=False)
            return SentenceTransformersEmbedder(spec, model, files)

    def download(self, spec: ModelSpec) -> list[Path]:
        """Fetch a hub repository into the hub cache; a folder is only checked.

        Raises:
            ModelError: it could not be fetched.
        """
        return whole_folder.download(spec)


def _check(spec: ModelSpec, folder: Path) -> None:
    """Refuse what sentence-transformers would do otherwise without asking."""
    refuse_preprocess(spec, "the processor of the model")
    if spec.pooling != "default":
        raise model_error(
            spec,
            found=f"pooling {spec.pooling!r}",
            expected="default: the modules of the model say how it pools",
        )
    path = folder / MODULES
    if not path.is_file():
        # It would pool by the mean, whatever the model was trained for.
        raise model_error(
            spec,
            found=f"{folder} has no {MODULES}",
            expected="a model as SentenceTransformer.save writes it",
            next_step="load it through transformers or vision_language",
        )
    try:
        classes = [str(module["type"]) for module in json.loads(path.read_text(encoding="utf-8"))]
    except (ValueError, KeyError, TypeError) as error:
        raise model_error(
            spec, found=f"{path} cannot be understood", expected="a list of modules"
        ) from error
    # Versions before 6 import classes of a local folder unasked.
    if not spec.trust_remote_code and not all(name.startswith(_OWN) for name in classes):
        raise code_refused(spec, folder)


def _image_processor(model: Any) -> Any:
    processor = getattr(model[0], "processor", None)
    return getattr(processor, "image_processor", processor)


def _named(module: Any) -> str:
    mode = getattr(module, "pooling_mode", None)
    return type(module).__name__ + (f"({mode})" if mode else "")
