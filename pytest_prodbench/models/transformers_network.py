"""Reading a transformers model and its image processor from a folder; imported when a model is loaded."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from PIL import Image

from pytest_prodbench.models.adapter_weights import attach
from pytest_prodbench.models.checkpoints import model_error
from pytest_prodbench.models.hub import offline
from pytest_prodbench.models.pipeline import size_refused
from pytest_prodbench.models.transformers_pooling import VIT_MAE, WITH_PROJECTION, Pool
from pytest_prodbench.models.transformers_reading import (
    quiet,
    readable,
    refuse_random,
    refuse_unused,
)

if TYPE_CHECKING:
    from pytest_prodbench.models.adapters import Placed
    from pytest_prodbench.settings.types import ModelSpec

# The tensors that a NaFlex model takes, by model_type; all others take pixel_values (b, 3, h, w).
_NAFLEX = {"siglip2", "siglip2_vision_model"}
# Parts of a model of images and texts that are dropped.
_TEXT = ("text_model", "text_projection")
_NAFLEX_INPUTS = ("pixel_values", "pixel_attention_mask", "spatial_shapes")


def read(spec: ModelSpec, where: Placed, weights: Path) -> tuple[Any, torch.nn.Module]:
    """Return image processor and model, in float32, on the CPU.

    Args:
        spec: the model.
        where: the folders where ``save_pretrained`` wrote it.
        weights: the weight file or index that was chosen in the base's.

    Raises:
        ModelError: unreadable, refused, or with parameters for which the file has no weights.
    """
    from transformers import AutoConfig, AutoImageProcessor, AutoModel

    folder = where.base.folder
    local = {"local_files_only": True, "trust_remote_code": spec.trust_remote_code}
    with quiet(), offline(), readable(spec, folder):
        config = AutoConfig.from_pretrained(str(folder), **local)
        if config.model_type == VIT_MAE:
            # Masking is how it was trained; an encoder sees the whole image (He et al. 2021, section 3).
            config.mask_ratio = 0.0
        with readable(spec, where.inputs):
            # An adapter's folder has no config of its own that would say which image processor it is.
            base = {"config": config} if where.inputs != folder else {}
            processor = AutoImageProcessor.from_pretrained(
                str(where.inputs), backend="pil", **base, **local
            )
        architectures = getattr(
            config, "architectures", None
        )  # of the file, until a model is built
        model, report = (_projecting(config) or AutoModel).from_pretrained(
            str(folder),
            config=config,
            dtype=torch.float32,
            use_safetensors=".safetensors" in weights.name,
            output_loading_info=True,
            # Reported and refused below, by name; the error that it spares names no tensor.
            ignore_mismatched_sizes=True,
            **local,
        )
    missing = report.get("missing_keys", ())
    if not Pool(spec, model).uses_pooler:
        # Checkpoints of ViT classifiers have no pooler, and need none where it is not used.
        missing = [name for name in missing if "pooler" not in name.split(".")]
    refuse_random(spec, weights, model, {**report, "missing_keys": missing})
    refuse_unused(spec, weights, model, report, architectures)
    if where.adapter is not None:
        idle = [*_TEXT, *([] if Pool(spec, model).uses_pooler else ["pooler"])]
        attach(spec, where.adapter.folder, model, idle)
    for unused in _TEXT:
        if hasattr(model, unused):
            setattr(model, unused, None)
    return processor, model


def _projecting(config: Any) -> Any:
    """Return the class of an image tower with its projection, where the config names one; else None.

    AutoModel takes the tower alone for it, and drops the projection.
    """
    import transformers

    named = str(next(iter(getattr(config, "architectures", None) or ()), ""))
    own = "AutoModel" in (getattr(config, "auto_map", None) or {})
    found = named.endswith(WITH_PROJECTION) and not own
    return getattr(transformers, named, None) if found else None


def read_with_text(
    spec: ModelSpec, where: Placed, weights: Path, dtype: torch.dtype
) -> tuple[Any, torch.nn.Module]:
    """Return the processor of images and text, and the model without its language head, on the CPU.

    Args:
        spec: the model.
        where: the folders where ``save_pretrained`` wrote it.
        weights: the weight file or index that was chosen in the base's.
        dtype: of the weights.

    Raises:
        ModelError: unreadable, without a processor of both, or with parameters without weights.
    """
    from transformers import AutoConfig, AutoModel, AutoProcessor

    folder = where.base.folder
    local = {"local_files_only": True, "trust_remote_code": spec.trust_remote_code}
    with quiet(), offline(), readable(spec, folder):
        base = {}
        if where.inputs != folder:
            # An adapter's folder may name a class of the library that trained it: then the base's is taken.
            base["config"] = AutoConfig.from_pretrained(str(folder), **local)
        with readable(spec, where.inputs):
            processor = AutoProcessor.from_pretrained(str(where.inputs), **base, **local)
        model, report = AutoModel.from_pretrained(
            str(folder),
            dtype=dtype,
            use_safetensors=".safetensors" in weights.name,
            output_loading_info=True,
            ignore_mismatched_sizes=True,
            **local,
        )
    if not all(hasattr(processor, part) for part in ("image_processor", "tokenizer")):
        raise model_error(
            spec,
            found=f"{type(processor).__name__} in {where.inputs}",
            expected="a processor of images and text",
            next_step="load it through transformers",
        )
    refuse_random(spec, weights, model, report)
    if where.adapter is not None:
        attach(spec, where.adapter.folder, model)
    return processor, model


def inputs_of(model: Any) -> tuple[str, ...]:
    """Return the names of the tensors that a model takes."""
    return _NAFLEX_INPUTS if model.config.model_type in _NAFLEX else _NAFLEX_INPUTS[:1]


def pool_for(
    spec: ModelSpec, model: Any, processor: Any, inputs: tuple[str, ...], device: torch.device
) -> tuple[Pool, int]:
    """Return the pooling in force and the length of its vectors, found by one forward pass.

    Raises:
        ModelError: the image processor or the architecture does not fit the pooling.
    """
    pool = Pool(spec, model)
    with readable(spec, Path(model.name_or_path)):
        found = processor(images=Image.new("RGB", (64, 48)), return_tensors="pt")
        pixels = found["pixel_values"]
    whole = len(inputs) == 1
    fits = isinstance(pixels, torch.Tensor) and (
        pixels.ndim == 4 and pixels.shape[:2] == (1, 3) if whole else pixels.ndim == 3
    )
    if not fits:
        raise model_error(
            spec,
            found=f"{type(processor).__name__} gives pixel_values of shape {tuple(pixels.shape)}",
            expected=f"(1, {'3, height, width' if whole else 'patches, values'}) for one image",
        )
    batch = {name: found[name].to(device) for name in inputs}
    try:
        with torch.inference_mode():
            vectors = pool(batch["pixel_values"].float() if whole else batch)
    except (ValueError, RuntimeError) as error:
        if spec.preprocess.size is None:
            raise
        raise size_refused(spec, error) from error
    return pool, int(vectors.shape[1])


def limit_pixels(spec: ModelSpec, processor: Any, least: int | None, most: int | None) -> None:
    """Set how many pixels a resized image has, for image processors that keep its aspect ratio.

    Args:
        spec: the model.
        processor: its image processor; its ``size`` holds numbers of pixels, whatever the keys are called.
        least, most: None leaves it as it is.

    Raises:
        ModelError: an image processor of another kind.
    """
    if least is None and most is None:
        return
    edges = {key: processor.size.get(key) for key in ("shortest_edge", "longest_edge")}
    if not all(edges.values()) or not hasattr(processor, "merge_size"):
        raise model_error(
            spec,
            found=f"min_pixels or max_pixels for {type(processor).__name__}",
            expected="a model that keeps the aspect ratio, such as those of the Qwen-VL families",
            next_step=f"take them out of [models.{spec.name}]",
        )
    shortest, longest = least or edges["shortest_edge"], most or edges["longest_edge"]
    processor.size = type(processor.size)(shortest_edge=shortest, longest_edge=longest)


def describe(processor: Any) -> str:
    """Write down an image processor with its class, its backend and all its settings."""
    settings = {
        key: value
        for key, value in processor.to_dict().items()
        if value is not None
        and key not in {"image_processor_type", "processor_class", "_name_or_path"}
    }
    if isinstance(settings.get("resample"), int):
        settings["resample"] = Image.Resampling(settings["resample"]).name.lower()
    backend = getattr(processor, "backend", "unnamed")
    written = json.dumps(settings, sort_keys=True, default=str)
    return f"transformers {type(processor).__name__}, backend {backend}: {written}"
