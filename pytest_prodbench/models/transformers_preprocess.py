"""What an entry states of the way from image to tensor, in the place of an image processor's own settings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from PIL import Image

from pytest_prodbench.models.checkpoints import model_error
from pytest_prodbench.models.pipeline import refuse_preprocess

if TYPE_CHECKING:
    from pytest_prodbench.settings.types import ModelSpec

# From this edge on ConvNeXt's processor squashes; below it cuts out the middle (its page in transformers).
_CONVNEXT_SQUASHES = 384


def replace(spec: ModelSpec, processor: Any) -> Any:
    """Put what the model's entry states in the place of the image processor's own settings; return it.

    Raises:
        ModelError: something that image processors do not have.
    """
    patches = spec.options.get("max_num_patches")
    naflex = hasattr(processor, "max_num_patches")
    if naflex:
        geometry_of_naflex = ("size", "resize", "crop")
        refuse_preprocess(spec, "max_num_patches, beside source", keys=geometry_of_naflex)
        processor.max_num_patches = patches or processor.max_num_patches
    elif patches is not None:
        raise model_error(
            spec,
            found=f"max_num_patches = {patches} for {type(processor).__name__}",
            expected="a NaFlex model, such as google/siglip2-base-patch16-naflex",
            next_step=f"take it out of [models.{spec.name}]",
        )
    refuse_preprocess(
        spec,
        "none: the model's image processor resizes; size, resize and interpolation can be stated",
        keys=["resampler"],
    )
    stated = spec.preprocess.stated()
    if not stated:
        return processor
    if stated.get("resize") == "pad":
        refuse_preprocess(spec, '"shortest" or "squash"', keys=["resize"])
    geometry = {"size", "resize", "crop"} & stated.keys()
    if geometry and type(processor).__name__.startswith("ConvNext"):
        processor = _in_general_terms(processor)
    edges = stated.get("size") or _edges(processor)
    if geometry and edges is None:
        refuse_preprocess(spec, "a size beside it: this image processor has none", keys=geometry)
    if geometry and edges is not None:
        _fit(spec, processor, tuple(edges), stated)
    if "interpolation" in stated:
        processor.resample = Image.Resampling[stated["interpolation"].upper()]
    for key in {"mean", "std"} & stated.keys():
        setattr(processor, f"image_{key}", list(stated[key]))
        processor.do_normalize = True
    return processor


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
    """Resize and crop to a size: by kind and share as it has been, unless the entry says otherwise."""
    height, width = edges
    kind, share = _in_force(processor)
    resize, crop = stated.get("resize") or kind, stated.get("crop", share)
    if "crop" in stated and getattr(processor, "crop_pct", None):
        processor.crop_pct = None  # PoolFormer's own share, by which it would enlarge once more
    processor.do_resize, processor.do_center_crop = True, resize == "shortest" or crop != 1
    processor.crop_size = type(processor.size)(height=height, width=width)
    if resize == "squash":
        wanted = {"height": round(height / crop), "width": round(width / crop)}
    elif height == width:
        wanted = {"shortest_edge": round(height / crop)}
    else:
        refuse_preprocess(spec, '"squash", or a square size', keys=["resize", "size"])
    processor.size = type(processor.size)(**wanted)


def _in_force(processor: Any) -> tuple[str, float]:
    """How an image processor resizes, and the share of the resized edge that its crop keeps."""
    if not getattr(processor, "do_center_crop", None):
        return "squash", 1.0
    shortest = processor.size.get("shortest_edge")
    edge = shortest or processor.size.get("height")
    resizes = getattr(processor, "do_resize", None) and edge
    share = processor.crop_size.get("height") / edge if resizes else 1.0
    return ("squash" if resizes and not shortest else "shortest"), share


def _in_general_terms(processor: Any) -> Any:
    """Return the processor that gives ConvNeXt's pixels and has its resize and crop as settings.

    ConvNeXt's own has one number for both, and decides by it whether it cuts at all.
    """
    import transformers

    edge = int(processor.size["shortest_edge"])
    cuts = edge < _CONVNEXT_SQUASHES
    square = {"height": edge, "width": edge}
    settings = {
        name: getattr(processor, name)
        for name in ("do_rescale", "rescale_factor", "do_normalize", "image_mean", "image_std")
    }
    general = getattr(transformers, "BitImageProcessorPil", transformers.BitImageProcessor)
    return general(
        size={"shortest_edge": int(edge / processor.crop_pct)} if cuts else square,
        crop_size=square,
        do_resize=True,
        do_center_crop=cuts,
        resample=processor.resample,
        **settings,
    )
