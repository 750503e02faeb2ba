"""Vision-language models of transformers that embed one image as one vector: Qwen2-VL, Qwen2.5-VL, Qwen3-VL.

Weights come from a hub repository or a folder as ``save_pretrained`` writes it (``whole_folder``).

Model and processor read a text, ``prompt``, in which the image has its place; the vector is the last hidden
state of its last token (``pooling = "default"``) or a mean of them (``"mean"``). Which text and which pooling
is a matter of how the model was trained. Documented ways of embedding an image:

- GME (``Alibaba-NLP/gme-Qwen2-VL-2B-Instruct``, its gme_inference.py): the last token of a chat that ends in
  ``<|im_start|>assistant`` and ``<|endoftext|>``; 256 to 1280 tokens an image (4 to 1280 in mteb).
- Nomic Embed Multimodal (colpali_engine, ``BiQwen2_5``): the last token of ColQwen2.5's prompt; published as
  an adapter over Qwen2.5-VL (``adapters``).
- Jina Embeddings v4 (its modeling_jina_embeddings_v4.py, ``get_single_vector_embeddings``): the mean from
  ``<|vision_start|>`` to ``<|vision_end|>``: ``pooling = "mean"``, ``tokens = "image"``.
- Qwen3-VL-Embedding: the last token of a chat; it has modules of sentence-transformers, which say how.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from pytest_prodbench.models.adapters import AdapterOptions, placed
from pytest_prodbench.models.checkpoints import model_error
from pytest_prodbench.models.identity import library_versions, weights_digest
from pytest_prodbench.models.pipeline import refuse_preprocess
from pytest_prodbench.models.protocol import ModelIdentity
from pytest_prodbench.models.sequences import (
    TOKENS,
    Padding,
    SequenceEmbedder,
    reduced_weights,
)
from pytest_prodbench.models.transformers_files import weight_files
from pytest_prodbench.models.whole_folder import WholeFolderLibrary, files_with_adapter

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import torch
    from PIL.Image import Image

    from pytest_prodbench.settings.types import ModelSpec

_MASK = "attention_mask"


class VisionLanguageOptions(AdapterOptions):
    """Keys of ``[models.NAME]`` that only a vision-language model has.

    Attributes:
        prompt: the whole text that the model reads, special tokens and the image's place included.
        tokens: which tokens a mean is taken of: all, or those of the image with the marks around it.
        min_pixels, max_pixels: of the resized image; None: as its processor has it.
        dtype: of the weights.
    """

    prompt: str | None = None
    tokens: Literal["all", "image"] = "all"
    min_pixels: Annotated[int, Field(ge=1)] | None = None
    max_pixels: Annotated[int, Field(ge=1)] | None = None
    dtype: Literal["float32", "bfloat16", "float16"] = "float32"


class VisionLanguageEmbedder(SequenceEmbedder):
    """A loaded vision-language model with its processor and the text around the image."""

    def __init__(
        self,
        spec: ModelSpec,
        model: Any,
        processor: Any,
        files: list[Path],
        device: torch.device,
        adapter: str = "",
    ) -> None:
        """Find the dimension by one forward pass.

        Raises:
            ModelError: no prompt, or one without a place for the image; tokens that it cannot tell apart.
        """
        import torch
        from PIL import Image

        from pytest_prodbench.models.transformers_network import describe

        self._options = VisionLanguageOptions.model_validate(spec.options)
        self._model, self._processor = model, processor
        self.network: torch.nn.Module = model
        self.torch_alone = reduced_weights(self._options.dtype)
        self._mean = spec.pooling == "mean"
        self._prompt = _prompt(spec, self._options, processor)
        self._marks = _marks(spec, self._options, model)
        tokenizer = processor.tokenizer
        # Behind the sequence: there it changes nothing of a model that looks back only.
        super().__init__(Padding(tokenizer.pad_token_id or 0, left=False))
        features = self.preprocess(Image.new("RGB", (64, 48), "grey"))
        with torch.inference_mode():
            vectors = self.embed({name: each.to(device) for name, each in features.items()})
        over = "image tokens" if self._options.tokens == "image" else "all tokens"
        self.identity = ModelIdentity(
            weights_digest=weights_digest(f"vision_language {self._options.dtype}", files),
            preprocessing=f"{describe(processor.image_processor)}; prompt {json.dumps(self._prompt)}",
            pooling=f"mean of {over}" if self._mean else "last token",
            dimension=int(vectors.shape[1]),
            versions=library_versions(
                *("transformers", "torch", "torchvision", "pillow", "numpy"),
                *(["peft"] if adapter else []),
            ),
            adapter=adapter,
        )

    def preprocess(self, image: Image) -> Mapping[str, torch.Tensor]:
        """Run the model's processor over the prompt and one image: its tensors, with 1 in front.

        Raises:
            ImageError: the processor refuses the image.
        """
        return self._processed(image)

    def embed(self, batch: Mapping[str, torch.Tensor]) -> torch.Tensor:
        """Map b images to (b, dimension)."""
        import torch

        hidden = self._model(**batch, use_cache=False).last_hidden_state
        mask = batch[_MASK].bool()
        if not self._mean:
            last = mask.sum(dim=1) - 1
            vectors: torch.Tensor = hidden[torch.arange(len(hidden), device=hidden.device), last]
            return vectors
        if self._marks is not None:
            begins, ends = ((batch[TOKENS] == mark).int() for mark in self._marks)
            # From the first mark to the second, both included.
            mask = (begins.cumsum(1) > 0) & (ends.cumsum(1) - ends < 1)
        counted = mask[..., None].to(hidden.dtype)
        pooled: torch.Tensor = (hidden * counted).sum(dim=1) / counted.sum(dim=1)
        return pooled

    def _features(self, image: Image) -> dict[str, Any]:
        return dict(self._processor(text=[self._prompt], images=[image], return_tensors="pt"))


class VisionLanguageLibrary(WholeFolderLibrary):
    """Finds, loads and downloads vision-language models of transformers."""

    options = VisionLanguageOptions
    adapters = True

    def load(self, spec: ModelSpec, device: torch.device) -> VisionLanguageEmbedder:
        """Load model and processor from a folder on this machine; put the model on a device.

        Raises:
            ModelError: files missing or damaged; parameters without weights; an adapter of another model;
                code of its own that is not allowed; a prompt or a pooling that does not fit.
        """
        import torch

        from pytest_prodbench.models import transformers_network

        refuse_preprocess(spec, "the processor of the model, with min_pixels and max_pixels")
        options = VisionLanguageOptions.model_validate(spec.options)
        if spec.pooling not in {"default", "mean"} or (
            options.tokens == "image" and spec.pooling != "mean"
        ):
            raise model_error(
                spec,
                found=f"pooling {spec.pooling!r} with tokens = {options.tokens!r}",
                expected="default (the last token), or mean with tokens all or image",
            )
        where = placed(spec)
        files = files_with_adapter(spec, where)
        weights = weight_files(spec, where.base.folder)[0]
        dtype = getattr(torch, options.dtype)
        processor, model = transformers_network.read_with_text(spec, where, weights, dtype)
        transformers_network.limit_pixels(
            spec, processor.image_processor, options.min_pixels, options.max_pixels
        )
        model.to(device).eval().requires_grad_(requires_grad=False)
        return VisionLanguageEmbedder(spec, model, processor, files, device, where.shown)


def _prompt(spec: ModelSpec, options: VisionLanguageOptions, processor: Any) -> str:
    place = str(getattr(processor, "image_token", ""))
    if options.prompt is None or options.prompt.count(place) != 1:
        raise model_error(
            spec,
            found=f"prompt {options.prompt!r}",
            expected=f"a text that has {place} once, where the image goes",
            next_step=f"add prompt to [models.{spec.name}], as the model was trained with",
        )
    return options.prompt


def _marks(spec: ModelSpec, options: VisionLanguageOptions, model: Any) -> tuple[int, int] | None:
    """Ids of the tokens around an image, if the mean is taken of it alone."""
    if options.tokens == "all":
        return None
    start = getattr(model.config, "vision_start_token_id", None)
    end = getattr(model.config, "vision_end_token_id", None)
    if start is None or end is None:
        raise model_error(
            spec,
            found=f"tokens = 'image' for {model.config.model_type}, which has no marks around it",
            expected="all",
        )
    return int(start), int(end)
