"""Reading a transformers model and its image processor from a folder; imported when a model is loaded."""

from __future__ import annotations

import json
import pickle
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from PIL import Image
from safetensors import SafetensorError

from pytest_prodbench.models.checkpoints import first_line, model_error
from pytest_prodbench.models.hub import offline
from pytest_prodbench.models.pipeline import refuse_preprocess, size_refused
from pytest_prodbench.models.transformers_pooling import Pool

if TYPE_CHECKING:
    from pytest_prodbench.settings.types import ModelSpec

_UNREADABLE = (
    SafetensorError,
    pickle.UnpicklingError,
    RuntimeError,
    OSError,
    EOFError,
    ValueError,
    KeyError,
    TypeError,
    AttributeError,
    ImportError,
)

# Architectures whose vectors would not be what they look like, by model_type.
_REFUSED = {
    "siglip2": "it is a NaFlex model, whose input is a sequence of patches; load a SigLIP 2 checkpoint of "
    "fixed resolution, such as google/siglip2-base-patch16-224",
    "vit_mae": "it masks random patches in every forward pass; load its encoder through timm",
}


def read(spec: ModelSpec, folder: Path, weights: Path) -> tuple[Any, torch.nn.Module]:
    """Return image processor and model, in float32, on the CPU.

    Args:
        spec: the model.
        folder: where ``save_pretrained`` wrote it.
        weights: the weight file or index that was chosen in it.

    Raises:
        ModelError: unreadable, refused, or with parameters for which the file has no weights.
    """
    from transformers import AutoConfig, AutoImageProcessor, AutoModel

    local = {"local_files_only": True, "trust_remote_code": False}
    with _quiet(), offline(), _readable(spec, folder):
        config = AutoConfig.from_pretrained(str(folder), **local)
        if why := _REFUSED.get(config.model_type):
            raise model_error(
                spec,
                found=f"an architecture ({config.model_type}) that cannot be measured: {why}",
                expected="a model of fixed (3, h, w) input and deterministic output",
            )
        processor = AutoImageProcessor.from_pretrained(str(folder), backend="pil", **local)
        model, report = AutoModel.from_pretrained(
            str(folder),
            config=config,
            dtype=torch.float32,
            use_safetensors=".safetensors" in weights.name,
            output_loading_info=True,
            # Reported and refused below, by name; the error that it spares names no tensor.
            ignore_mismatched_sizes=True,
            **local,
        )
    _refuse_random(spec, weights, model, report)
    for unused in ("text_model", "text_projection"):
        if hasattr(model, unused):
            setattr(model, unused, None)
    return processor, model


def pool_for(spec: ModelSpec, model: Any, processor: Any, device: torch.device) -> tuple[Pool, int]:
    """Return the pooling in force and the length of its vectors, found by one forward pass.

    Raises:
        ModelError: the image processor or the architecture does not fit the pooling.
    """
    pool = Pool(spec, model)
    with _readable(spec, Path(model.name_or_path)):
        pixels = processor(images=Image.new("RGB", (64, 48)), return_tensors="pt")["pixel_values"]
    if not isinstance(pixels, torch.Tensor) or pixels.ndim != 4 or pixels.shape[:2] != (1, 3):
        raise model_error(
            spec,
            found=f"{type(processor).__name__} gives pixel_values of shape {tuple(pixels.shape)}",
            expected="(1, 3, height, width) for one image",
        )
    try:
        with torch.inference_mode():
            vectors = pool(pixels.float().to(device))
    except (ValueError, RuntimeError) as error:
        if spec.preprocess.size is None:
            raise
        raise size_refused(spec, error) from error
    return pool, int(vectors.shape[1])


def replace(spec: ModelSpec, processor: Any) -> None:
    """Put what the model's entry states in the place of the image processor's own settings.

    Raises:
        ModelError: something that image processors do not have.
    """
    stated = spec.preprocess.stated()
    if not stated:
        return
    if stated.get("resize") == "pad":
        refuse_preprocess(spec, '"shortest" or "squash"', keys=["resize"])
    edges = stated.get("size") or _edges(processor)
    geometry = {"size", "resize", "crop"} & stated.keys()
    if geometry and edges is None:
        refuse_preprocess(spec, "a size beside it: this image processor has none", keys=geometry)
    if geometry and edges is not None:
        _fit(spec, processor, tuple(edges), stated)
    if "interpolation" in stated:
        processor.resample = Image.Resampling[stated["interpolation"].upper()]
    for key in {"mean", "std"} & stated.keys():
        setattr(processor, f"image_{key}", list(stated[key]))
        processor.do_normalize = True


def _edges(processor: Any) -> tuple[int, int] | None:
    """Height and width of the tensors that an image processor makes, where it says so."""
    cuts = getattr(processor, "do_center_crop", None)
    size = getattr(processor, "crop_size" if cuts else "size", None)
    if size is None:
        return None
    height, width = size.get("height"), size.get("width")
    return (height, width) if height and width else None


def _fit(
    spec: ModelSpec, processor: Any, edges: tuple[int, int], stated: Mapping[str, Any]
) -> None:
    """Resize and crop to a size: with a crop as it has been, unless the entry says otherwise."""
    height, width = edges
    cuts = bool(getattr(processor, "do_center_crop", None))
    resize = stated.get("resize") or ("shortest" if cuts else "squash")
    crop = stated.get("crop", 1.0)
    processor.do_resize, processor.do_center_crop = True, resize == "shortest" or crop < 1
    processor.crop_size = type(processor.size)(height=height, width=width)
    if resize == "squash":
        wanted = {"height": round(height / crop), "width": round(width / crop)}
    elif height == width:
        wanted = {"shortest_edge": round(height / crop)}
    else:
        refuse_preprocess(spec, '"squash", or a square size', keys=["resize", "size"])
    processor.size = type(processor.size)(**wanted)


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


def _refuse_random(
    spec: ModelSpec, weights: Path, model: torch.nn.Module, report: dict[str, Any]
) -> None:
    """Refuse parameters that got no weights: transformers draws them at random and only warns.

    A missing pooler is let pass where it is not used: checkpoints of ViT classifiers have none.
    """
    missing = sorted(report.get("missing_keys", ()))
    if not Pool(spec, model).uses_pooler:
        missing = [name for name in missing if "pooler" not in name.split(".")]
    wrong = [*missing, *(str(entry) for entry in report.get("mismatched_keys", ()))]
    wrong += [str(message) for message in report.get("error_msgs", ())]
    if wrong:
        raise model_error(
            spec,
            found=f"{weights} has no fitting weights for {', '.join(wrong[:5])}"
            + (f" and {len(wrong) - 5} more" if len(wrong) > 5 else ""),
            expected=f"weights for every parameter of {type(model).__name__}",
            next_step="save the model anew with save_pretrained, from the class it was trained as",
        )


@contextmanager
def _readable(spec: ModelSpec, folder: Path) -> Iterator[None]:
    try:
        yield
    except _UNREADABLE as error:
        text = " ".join(str(error).split()) or first_line(error)
        raise model_error(
            spec,
            found=f"{folder} cannot be loaded: {type(error).__name__}: {text[:1000]}",
            expected="a vision model as save_pretrained writes it, that needs no code of its own",
        ) from error


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep progress bars and advice of transformers off the terminal; errors are raised anyway."""
    from transformers.utils import logging

    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()
