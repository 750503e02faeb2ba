"""Building an open_clip model from local files. Imported when a model is loaded: needs torch, open_clip."""

from __future__ import annotations

import json
import pickle
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from safetensors import SafetensorError

from pytest_prodbench.errors import did_you_mean
from pytest_prodbench.models.checkpoints import (
    TENSORS_ONLY,
    model_error,
    reason,
    refused_pickle,
    weights_missing,
)
from pytest_prodbench.models.hub import cached_snapshot, fetch, fetched, repository_folder
from pytest_prodbench.models.pipeline import refuse_preprocess
from pytest_prodbench.models.tensor_transforms import antialias, on_tensors

if TYPE_CHECKING:
    import torch

    from pytest_prodbench.settings.types import ModelSpec

_UNREADABLE = (SafetensorError, pickle.UnpicklingError, RuntimeError, OSError, EOFError)
_MISFIT = (KeyError, ValueError, TypeError, AttributeError, AssertionError)


@dataclass(frozen=True, slots=True)
class Source:
    """Where a model comes from, all on this machine.

    Attributes:
        architecture: name of a built-in config, or ``folder`` where the config is one of the files.
        tag: open_clip's entry for the pretrained tag (mean, std, interpolation …); may be empty.
        files: the weights first, then the config of a folder.
    """

    architecture: str
    tag: dict[str, Any]
    files: list[Path]


def resolve(spec: ModelSpec, local: list[Path] | None) -> Source:
    """Find out what an identifier and its local files mean.

    Args:
        spec: the model.
        local: weights, and the config beside them; None for the weights of a pretrained tag.

    Raises:
        ModelError: open_clip does not know the architecture or the tag, or the tag's weights are not on
            this machine.
    """
    if local is not None and len(local) > 1:
        return Source("folder", {}, local)
    architecture, tag = _entry(spec, tag_required=local is None)
    return Source(architecture, tag, local or [_cached(spec, tag)])


def build(spec: ModelSpec, source: Source) -> tuple[torch.nn.Module, dict[str, Any]]:
    """Build the model, load its weights strictly; return its image tower and its preprocess config.

    Raises:
        ModelError: damaged weights, or weights of another architecture.
    """
    import open_clip

    weights = source.files[0]
    try:
        if source.architecture == "folder":
            model = open_clip.create_model(
                f"local-dir:{weights.parent}", require_pretrained=True, weights_only=True
            )
        else:
            # The file, not the tag: given a tag, open_clip would look for a newer one on the network.
            model = open_clip.create_model(
                source.architecture,
                pretrained=str(weights),
                force_preprocess_cfg=source.tag,
                require_pretrained=True,
                weights_only=True,
            )
    except (*_UNREADABLE, *_MISFIT, json.JSONDecodeError) as error:
        raise model_error(
            spec,
            found=f"{weights} cannot be loaded: {reason(error)[:1000]}",
            expected=f"weights of {spec.identifier}, image and text tower, every tensor in its shape",
            next_step=TENSORS_ONLY
            if refused_pickle(error)
            else "name the architecture that the checkpoint was trained with",
        ) from error
    return model.visual, dict(model.visual.preprocess_cfg)


def asked_for(spec: ModelSpec, preprocess: dict[str, Any]) -> dict[str, Any]:
    """Return a preprocess config with what the model's entry states in its place.

    Raises:
        ModelError: something that open_clip's transform does not have.
    """
    refuse_preprocess(spec, "none: open_clip cuts nothing off after the resize", keys=["crop"])
    stated = dict(spec.preprocess.stated())
    stated.pop("resampler", None)  # of no config: ``transform_of``
    if stated.get("interpolation") not in {None, "bilinear", "bicubic"}:
        refuse_preprocess(spec, '"bilinear" or "bicubic"', keys=["interpolation"])
    if "resize" in stated:
        resize = stated.pop("resize")
        stated["resize_mode"] = "longest" if resize == "pad" else resize
    return preprocess | stated


def transform_of(spec: ModelSpec, preprocess: dict[str, Any]) -> tuple[Any, tuple[int, int]]:
    """Return the image → tensor function of a preprocess config, and the size (h, w) it makes.

    Raises:
        ModelError: the stated resampler cannot do it.
    """
    from open_clip.transform import PreprocessCfg, image_transform_v2

    size = preprocess["size"]
    height, width = (size, size) if isinstance(size, int) else size
    transform = image_transform_v2(PreprocessCfg(**preprocess), is_train=False)
    if spec.preprocess.resampler is not None:
        transform = on_tensors(spec, transform)
    return transform, (height, width)


def describe(spec: ModelSpec, preprocess: dict[str, Any], size: tuple[int, int]) -> str:
    """Write down a preprocess config with all its numbers."""
    settings = {
        "size": "x".join(str(number) for number in size),
        "resize_mode": preprocess["resize_mode"],
        "interpolation": preprocess["interpolation"],
        "antialias": antialias(spec.preprocess.resampler),
        "fill_color": preprocess["fill_color"],
        "mode": preprocess["mode"],
        "mean": ", ".join(repr(float(number)) for number in preprocess["mean"]),
        "std": ", ".join(repr(float(number)) for number in preprocess["std"]),
    }
    written = "; ".join(f"{key}={value}" for key, value in settings.items())
    return f"open_clip image_transform_v2: {written}"


def download(spec: ModelSpec) -> list[Path]:
    """Fetch the weights of a pretrained tag into the hub's or open_clip's cache.

    Raises:
        ModelError: unknown tag, or it could not be fetched.
    """
    import open_clip
    from open_clip.pretrained import download_pretrained_from_url

    architecture, tag = _entry(spec, tag_required=True)
    if tag.get("hf_hub"):
        repository, weights = _hub_weights(tag["hf_hub"])
        fetch(spec, repository, spec.revision, weights=weights)
    else:
        with fetched(spec, tag["url"]):
            download_pretrained_from_url(tag["url"])
    if text := open_clip.get_model_config(architecture)["text_cfg"].get("hf_model_name"):
        from transformers import AutoConfig

        with fetched(spec, text):
            AutoConfig.from_pretrained(text, trust_remote_code=False)
    return [_cached(spec, tag)]


def _entry(spec: ModelSpec, *, tag_required: bool) -> tuple[str, dict[str, Any]]:
    """Return architecture and tag entry of ``ARCHITECTURE[/TAG]``."""
    import open_clip
    from open_clip.pretrained import get_pretrained_cfg

    architecture, _, tag = spec.identifier.partition("/")
    if architecture not in open_clip.list_models():
        raise model_error(
            spec,
            found=f"{architecture!r}, which open_clip {open_clip.__version__} does not know",
            expected="ARCHITECTURE/TAG, such as ViT-B-32/laion2b_s34b_b79k",
            next_step=did_you_mean(architecture, open_clip.list_models()),
        )
    known = open_clip.list_pretrained_tags_by_model(architecture)
    entry = dict(get_pretrained_cfg(architecture, tag)) if tag else {}
    if (tag or tag_required) and not entry:
        raise model_error(
            spec,
            found=f"pretrained tag {tag!r}" if tag else "no pretrained tag and no checkpoint",
            expected=f"{architecture}/TAG with one of {', '.join(known) or '(it has none)'}",
        )
    ours = bool(open_clip.get_model_config(architecture).get("quick_gelu", False))
    # open_clip only warns, and computes wrong vectors.
    if entry and bool(entry.get("quick_gelu", False)) != ours:
        twin = architecture.removesuffix("-quickgelu") if ours else f"{architecture}-quickgelu"
        raise model_error(
            spec,
            found=f"the weights {tag!r} were trained with another activation than {architecture} has",
            expected="an architecture with the GELU of its weights",
            next_step=f"write open_clip:{twin}/{tag}",
        )
    return architecture, entry


def _cached(spec: ModelSpec, tag: dict[str, Any]) -> Path:
    """Return the cached weights of a tag, safetensors first."""
    if tag.get("hf_hub"):
        repository, names = _hub_weights(tag["hf_hub"])
        if snapshot := cached_snapshot(repository, spec.revision):
            for name in names:
                if (snapshot.folder / name).is_file():
                    return snapshot.folder / name
        wanted = f"{' or '.join(names)} of {repository} at revision {spec.revision or 'main'}"
        raise weights_missing(spec, wanted, repository_folder(repository))
    name = str(tag.get("url", "")).rpartition("/")[2]
    cached = Path.home() / ".cache" / "clip" / name
    if not name or not cached.is_file():
        raise weights_missing(spec, name or "weights", cached.parent)
    return cached


def _hub_weights(hub: str) -> tuple[str, tuple[str, ...]]:
    """Split ``org/name/[file]`` of open_clip's table into the repository and its weight files."""
    repository, _, name = hub.rpartition("/")
    if not name:
        return repository, ("open_clip_model.safetensors", "open_clip_pytorch_model.bin")
    return repository, (f"{name.rpartition('.')[0]}.safetensors", name)
