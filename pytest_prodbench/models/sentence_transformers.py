"""Models of sentence-transformers that take images: the extra ``.[sentence-transformers]``.

Weights come from a hub repository, or a folder as ``SentenceTransformer.save`` writes it (``whole_folder``).

The vector is what ``SentenceTransformer(folder).encode(image)`` gives (sentence-transformers, *Computing
Embeddings*, and *Multimodal Embedding & Reranker Models*): processor, prompt, pooling and normalisation are
those of its modules. CLIP models are there, and from version 5.4 vision-language embedders such as
``Qwen/Qwen3-VL-Embedding-2B``, whose image stands in a chat message.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from pytest_prodbench.models.checkpoints import model_error
from pytest_prodbench.models.identity import library_versions, weights_digest
from pytest_prodbench.models.pipeline import refuse_preprocess
from pytest_prodbench.models.protocol import ModelIdentity
from pytest_prodbench.models.remote_code import code_refused
from pytest_prodbench.models.sequences import (
    TOKENS,
    Padding,
    SequenceEmbedder,
    reduced_weights,
)
from pytest_prodbench.models.transformers_files import snapshot_of
from pytest_prodbench.models.whole_folder import WholeFolderLibrary, deciding_files
from pytest_prodbench.settings.frozen import Frozen

if TYPE_CHECKING:
    from collections.abc import Mapping
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


class SentenceTransformersEmbedder(SequenceEmbedder):
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
        self.network: torch.nn.Module = model
        self.torch_alone = reduced_weights(self._options.dtype)
        self._dimension = self._options.truncate_dim or model.truncate_dim
        self._prompt = self._options.prompt
        if self._prompt is None and model.default_prompt_name is not None:
            self._prompt = model.prompts.get(model.default_prompt_name)
        if not model.supports("image"):
            told = ", ".join(map(str, model.modalities))
            raise model_error(spec, found=f"a model that takes {told}", expected="one for images")
        tokenizer = getattr(model[0], "tokenizer", None)
        side = getattr(tokenizer, "padding_side", "right")
        super().__init__(Padding(getattr(tokenizer, "pad_token_id", None) or 0, side == "left"))
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

        found = self._processed(image)
        return {name: each for name, each in found.items() if torch.is_tensor(each)}

    def embed(self, batch: Mapping[str, torch.Tensor]) -> torch.Tensor:
        """Map b images to (b, dimension) by all modules, as ``encode`` does."""
        vectors: torch.Tensor = self._model({**batch, **self._words})["sentence_embedding"]
        return vectors[:, : self._dimension]

    def _features(self, image: Image) -> dict[str, Any]:
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


class SentenceTransformersLibrary(WholeFolderLibrary):
    """Finds, loads and downloads models of sentence-transformers."""

    options = SentenceTransformersOptions

    def load(self, spec: ModelSpec, device: torch.device) -> SentenceTransformersEmbedder:
        """Load all modules from a folder on this machine.

        Raises:
            ModelError: sentence-transformers is not installed; files missing or damaged; parameters without
                weights; code of its own that is not allowed; a model that takes no images.
        """
        folder = snapshot_of(spec).folder
        files = deciding_files(spec, folder)
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
