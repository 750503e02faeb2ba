"""Stated preprocessing, held against what each library makes of the same statement."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import pytest
import timm
import torch
import transformers as hf
from PIL import Image
from safetensors.torch import save_file

from pytest_prodbench.errors import ImageError, ModelError
from pytest_prodbench.models import Embedder
from pytest_prodbench.models.pipeline import Pipeline
from pytest_prodbench.settings.types import Preprocess

MEAN, STD = (0.1, 0.2, 0.3), (0.4, 0.5, 0.6)


def smooth(width: int, height: int) -> Image.Image:
    """Without hard edges: pipelines that round an edge elsewhere differ little."""
    y, x = np.mgrid[0:height, 0:width]
    waves = [np.sin(x / 17 + k) + np.cos(y / 13 - k) for k in range(3)]
    return Image.fromarray(np.uint8(127 + 60 * np.stack(waves, axis=-1)))


@pytest.fixture
def clip_folder(tmp_path: Path) -> Path:
    config = {
        "embed_dim": 16,
        "vision_cfg": {"image_size": 32, "layers": 1, "width": 64, "patch_size": 8},
        "text_cfg": {"context_length": 8, "vocab_size": 64, "width": 32, "heads": 2, "layers": 1},
    }
    network = open_clip.CLIP(**config)
    save_file(network.state_dict(), tmp_path / "open_clip_model.safetensors")
    whole = {"model_cfg": config, "preprocess_cfg": {"size": 32}}
    (tmp_path / "open_clip_config.json").write_text(json.dumps(whole))
    return tmp_path


@pytest.fixture
def convnext(tmp_path: Path) -> Path:
    """A network that takes any size."""
    shape = {"hidden_sizes": [8, 8, 8, 8], "depths": [1, 1, 1, 1]}
    hf.ConvNextModel(hf.ConvNextConfig(**shape)).save_pretrained(tmp_path)
    hf.CLIPImageProcessor(
        size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32}
    ).save_pretrained(tmp_path)
    return tmp_path


def processed(folder: Path, image: Image.Image, **settings: Any) -> torch.Tensor:
    """What transformers makes of settings that are written into a processor's own file."""
    hf.CLIPImageProcessor(**settings).save_pretrained(folder)
    processor = hf.AutoImageProcessor.from_pretrained(folder, backend="pil")
    return processor(images=image, return_tensors="pt")["pixel_values"][0]


def test_timm_takes_all_of_it(load: Callable[..., Embedder]) -> None:
    stated = Preprocess(
        size=(64, 96), resize="squash", crop=0.8, interpolation="lanczos", mean=MEAN, std=STD
    )
    model = load("timm:test_efficientnet", checkpoint="random:0", preprocess=stated)
    reference = timm.data.create_transform(
        input_size=(3, 64, 96),
        crop_mode="squash",
        crop_pct=0.8,
        interpolation="lanczos",
        mean=MEAN,
        std=STD,
    )
    image = smooth(130, 70)
    torch.testing.assert_close(model.preprocess(image), reference(image))
    for told in ("3x64x96", "squash", "0.8", "lanczos", "0.1, 0.2, 0.3"):
        assert told in model.identity.preprocessing


@pytest.mark.parametrize("resize", ["shortest", "squash", "pad"])
def test_timm_means_by_a_resize_what_our_pipeline_means(
    load: Callable[..., Embedder], resize: Any
) -> None:
    stated = Preprocess(size=(64, 64), resize=resize, crop=1.0, mean=MEAN, std=STD)
    model = load("timm:test_efficientnet", checkpoint="random:0", preprocess=stated)
    image = smooth(192, 96)
    ours = Pipeline((64, 64), MEAN, STD, resize=resize, crop=1.0, interpolation="bicubic")(image)
    theirs = model.preprocess(image)
    middle = np.s_[:, 20:44, 4:60]  # timm fills up with its own colour
    torch.testing.assert_close(theirs[middle], ours[middle], rtol=0, atol=0.02)


@pytest.mark.parametrize("library", ["timm", "open_clip"])
def test_a_strip_that_padding_would_leave_nothing_of_is_an_error_of_the_image(
    library: str, load: Callable[..., Embedder], clip_folder: Path
) -> None:
    """Such a transform rounds the short side to no pixel, and Pillow knows of no image."""
    stated = Preprocess(size=(32, 32), resize="pad", mean=MEAN, std=STD)
    source, checkpoint = {
        "timm": ("timm:test_efficientnet", "random:0"),
        "open_clip": ("open_clip:x", str(clip_folder)),
    }[library]
    model = load(source, checkpoint=checkpoint, preprocess=stated)
    assert model.preprocess(Image.new("RGB", (2, 60))).shape == (3, 32, 32)
    with pytest.raises(ImageError, match="image of 1 x 100 pixels: the model's own transform"):
        model.preprocess(Image.new("RGB", (1, 100)))


def test_what_is_not_stated_stays(load: Callable[..., Embedder]) -> None:
    plain = load("timm:test_efficientnet", checkpoint="random:0")
    other = load("timm:test_efficientnet", checkpoint="random:0", preprocess=Preprocess(mean=MEAN))
    differ = {
        (a, b)
        for a, b in zip(
            plain.identity.preprocessing.split("; "),
            other.identity.preprocessing.split("; "),
            strict=True,
        )
        if a != b
    }
    assert len(differ) == 1
    assert next(iter(differ))[1] == "mean=0.1, 0.2, 0.3"


def test_the_packaged_mean_may_be_replaced(load: Callable[..., Embedder]) -> None:
    one = load("timm:tf_efficientnet_lite0").identity.preprocessing
    other = load(
        "timm:tf_efficientnet_lite0", preprocess=Preprocess(mean=MEAN)
    ).identity.preprocessing
    assert other == one.replace(
        next(part for part in one.split("; ") if part.startswith("mean=")), "mean=0.1, 0.2, 0.3"
    )


def test_a_size_that_a_network_does_not_take(
    load: Callable[..., Embedder], clip_folder: Path, saved_transformers: Callable[[str], Path]
) -> None:
    stated = Preprocess(size=(40, 48))
    for source, checkpoint in (
        ("timm:test_vit", "random:0"),
        ("open_clip:x", str(clip_folder)),
        ("transformers:x", str(saved_transformers("vit"))),
    ):
        with pytest.raises(ModelError, match=r"preprocess\.size = \[40, 48\]") as caught:
            load(source, checkpoint=checkpoint, preprocess=stated)
        assert "correct size in [models.tried.preprocess]" in str(caught.value), source


def test_open_clip_takes_what_it_has(load: Callable[..., Embedder], clip_folder: Path) -> None:
    stated = Preprocess(resize="squash", interpolation="bilinear", mean=MEAN, std=STD)
    model = load("open_clip:x", checkpoint=str(clip_folder), preprocess=stated)
    reference = open_clip.image_transform(
        32, is_train=False, mean=MEAN, std=STD, resize_mode="squash", interpolation="bilinear"
    )
    image = smooth(90, 61)
    torch.testing.assert_close(model.preprocess(image), reference(image))
    padded = load("open_clip:x", checkpoint=str(clip_folder), preprocess=Preprocess(resize="pad"))
    reference = open_clip.image_transform(32, is_train=False, resize_mode="longest")
    torch.testing.assert_close(padded.preprocess(image), reference(image))


@pytest.mark.parametrize(
    ("stated", "told"),
    [
        (Preprocess(crop=0.9), r"preprocess\.crop = 0\.9; expected none"),
        (Preprocess(interpolation="lanczos"), r"interpolation = 'lanczos'; expected \"bilinear\""),
    ],
)
def test_open_clip_refuses_the_rest(
    load: Callable[..., Embedder], clip_folder: Path, stated: Preprocess, told: str
) -> None:
    with pytest.raises(ModelError, match=told):
        load("open_clip:x", checkpoint=str(clip_folder), preprocess=stated)


def test_transformers_resizes_and_cuts_as_its_processor_would(
    load: Callable[..., Embedder], convnext: Path, tmp_path: Path
) -> None:
    stated = Preprocess(size=(48, 48), crop=0.75, interpolation="bilinear", mean=MEAN, std=STD)
    model = load("transformers:x", checkpoint=str(convnext), preprocess=stated)
    image = smooth(150, 81)
    expected = processed(
        tmp_path / "reference",
        image,
        size={"shortest_edge": 64},
        crop_size={"height": 48, "width": 48},
        resample=Image.Resampling.BILINEAR,
        image_mean=list(MEAN),
        image_std=list(STD),
    )
    torch.testing.assert_close(model.preprocess(image), expected)
    assert '"shortest_edge": 64' in model.identity.preprocessing


def test_transformers_squashes_to_any_size(
    load: Callable[..., Embedder], convnext: Path, tmp_path: Path
) -> None:
    model = load(
        "transformers:x",
        checkpoint=str(convnext),
        preprocess=Preprocess(size=(48, 64), resize="squash"),
    )
    image = smooth(150, 81)
    expected = processed(
        tmp_path / "reference", image, size={"height": 48, "width": 64}, do_center_crop=False
    )
    torch.testing.assert_close(model.preprocess(image), expected)


def test_transformers_keeps_its_size_where_only_the_crop_is_stated(
    load: Callable[..., Embedder], convnext: Path
) -> None:
    model = load("transformers:x", checkpoint=str(convnext), preprocess=Preprocess(crop=0.5))
    assert model.preprocess(smooth(90, 90)).shape == (3, 32, 32)
    assert '"shortest_edge": 64' in model.identity.preprocessing


@pytest.mark.parametrize(
    ("stated", "told"),
    [
        (Preprocess(resize="pad"), 'expected "shortest" or "squash"'),
        (Preprocess(size=(32, 48)), 'expected "squash", or a square size'),
    ],
)
def test_transformers_refuses_the_rest(
    load: Callable[..., Embedder], convnext: Path, stated: Preprocess, told: str
) -> None:
    with pytest.raises(ModelError, match=told):
        load("transformers:x", checkpoint=str(convnext), preprocess=stated)
