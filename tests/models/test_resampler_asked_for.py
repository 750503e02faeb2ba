"""Who takes ``resampler = "torchvision"`` and who refuses it; where it is to be seen."""

from __future__ import annotations

import json
import sys
import tomllib
import warnings
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import pytest
import timm
import torch
import torchvision.transforms as plain
from open_clip.transform import _convert_to_rgb
from PIL import Image
from safetensors.torch import save_file

from pytest_prodbench.cli import main
from pytest_prodbench.embedding.model import ModelHandle
from pytest_prodbench.errors import ModelError
from pytest_prodbench.models import Embedder
from pytest_prodbench.models.overrides import overrides
from pytest_prodbench.models.tensor_transforms import on_tensors
from pytest_prodbench.settings.types import ModelSpec, Preprocess, RunSettings

STATED = Preprocess(resampler="torchvision")
LINE = 'preprocess.resampler = "torchvision"'
SMALL: dict[str, Any] = {"size": (32, 32), "mean": (0.5, 0.5, 0.5), "std": (0.5, 0.5, 0.5)}
PROVIDERS = {"azure", "bedrock", "cohere", "gemini", "http", "jina", "vertex", "voyage"}
OBEYING = {"timm", "open_clip", "onnx", "torchscript", "module"}
REFUSING = {"transformers", "sentence_transformers", "vision_language", "baseline"} | PROVIDERS

CODE = """
import torch


class Encoder(torch.nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(7)
        self.layer = torch.nn.Conv2d(3, 5, 3)

    def forward(self, x):
        return self.layer(x).mean(dim=(2, 3))


class WithItsOwn(Encoder):
    preprocessing = "resize to 20 x 20, 0 to 1"

    def preprocess(self, image):
        raise AssertionError("of no use here")
"""


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, dict[str, Any]]]:
    """A small model for each library that resizes by itself."""
    folder = tmp_path_factory.mktemp("resampled")
    (folder / "nets_to_resample.py").write_text(CODE)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        yield _written(folder)
    sys.modules.pop("nets_to_resample")


def _written(folder: Path) -> dict[str, dict[str, Any]]:
    from nets_to_resample import Encoder

    network, example = Encoder().eval(), torch.zeros(1, 3, 32, 32)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # TorchScript is deprecated, the exporter talks
        torch.onnx.export(network, (example,), str(folder / "net.onnx"), verbose=False)
        torch.jit.save(torch.jit.trace(network, example), str(folder / "net.pt"))
    config = {
        "embed_dim": 16,
        "vision_cfg": {"image_size": 32, "layers": 1, "width": 64, "patch_size": 8},
        "text_cfg": {"context_length": 8, "vocab_size": 64, "width": 32, "heads": 2, "layers": 1},
    }
    tower = folder / "clip"
    tower.mkdir()
    save_file(open_clip.CLIP(**config).state_dict(), tower / "open_clip_model.safetensors")
    whole = {"model_cfg": config, "preprocess_cfg": {"size": 32}}
    (tower / "open_clip_config.json").write_text(json.dumps(whole))
    return {
        "timm": {"source": "timm:test_efficientnet", "checkpoint": "random:0"},
        "open_clip": {"source": "open_clip:x", "checkpoint": str(tower)},
        "onnx": {"source": "onnx:x", "checkpoint": str(folder / "net.onnx")},
        "torchscript": {"source": "torchscript:x", "checkpoint": str(folder / "net.pt")},
        "module": {"source": "module:nets_to_resample:Encoder"},
    }


def test_every_library_obeys_or_refuses() -> None:
    declared = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())
    known = declared["project"]["entry-points"]["prodbench.models"]
    assert set(known) == OBEYING | REFUSING


@pytest.mark.parametrize("library", sorted(OBEYING))
def test_it_is_another_model(
    sources: dict[str, dict[str, Any]],
    spec: Callable[..., ModelSpec],
    library: str,
    tmp_path: Path,
) -> None:
    fixed = {} if library in {"timm", "open_clip"} else SMALL
    made = {
        resampler: spec(**sources[library], preprocess=Preprocess(resampler=resampler, **fixed))
        for resampler in (None, "torchvision")
    }
    handles = {
        name: ModelHandle(one, RunSettings(cache_dir=tmp_path / "cache", device="cpu"))
        for name, one in made.items()
    }
    own, asked = handles[None].identity, handles["torchvision"].identity
    assert "antialias=yes (PIL)" in own.preprocessing
    assert asked.preprocessing == own.preprocessing.replace("(PIL)", "(torchvision, uint8)")
    assert asked.weights_digest == own.weights_digest
    assert asked.versions["torchvision"] == version("torchvision")
    assert asked.versions["pillow"] == version("pillow")
    assert handles[None].cache_key() != handles["torchvision"].cache_key()
    assert overrides(made[None]) == [one for one in overrides(made["torchvision"]) if one != LINE]
    assert LINE in overrides(made["torchvision"])
    pixels = np.random.default_rng(2).integers(0, 256, (130, 170, 3), dtype=np.uint8)
    image = Image.fromarray(pixels)
    one, other = (handle.load().preprocess(image) for handle in handles.values())
    assert one.shape == other.shape  # type: ignore[union-attr]
    assert 0 < (one - other).abs().max() < 0.05  # type: ignore[operator]


@pytest.mark.parametrize("library", ["onnx", "torchscript"])
def test_without_it_torchvision_has_no_say(
    sources: dict[str, dict[str, Any]], load: Callable[..., Embedder], library: str
) -> None:
    model = load(**sources[library], preprocess=Preprocess(**SMALL))
    assert "torchvision" not in model.identity.versions


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("baseline:pixels", "expected none: a trivial baseline"),
        ("vision_language:x", "expected the processor of the model, with min_pixels"),
        ("module:nets_to_resample:WithItsOwn", "expected none beside the method preprocess"),
    ],
)
@pytest.mark.usefixtures("sources")
def test_refused(load: Callable[..., Embedder], source: str, told: str) -> None:
    with pytest.raises(ModelError, match=f"preprocess.resampler = 'torchvision'; {told}"):
        load(source, preprocess=STATED)


def test_transformers_refuse_it(
    load: Callable[..., Embedder], saved_transformers: Callable[[str], Path]
) -> None:
    told = "resampler = 'torchvision'; expected none: the model's image processor resizes; size,"
    with pytest.raises(ModelError, match=told):
        load("transformers:x", checkpoint=str(saved_transformers("vit")), preprocess=STATED)


def test_sentence_transformers_refuse_it(load: Callable[..., Embedder], tmp_path: Path) -> None:
    (tmp_path / "modules.json").write_text("[]")
    (tmp_path / "model.safetensors").write_bytes(b"")
    with pytest.raises(ModelError, match=r"resampler = 'torchvision'; expected the processor"):
        load("sentence_transformers:x", checkpoint=str(tmp_path), preprocess=STATED)


@pytest.mark.parametrize("library", sorted(OBEYING))
@pytest.mark.parametrize("interpolation", ["nearest", "lanczos"])
def test_an_interpolation_that_torchvision_does_not_share(
    sources: dict[str, dict[str, Any]],
    load: Callable[..., Embedder],
    library: str,
    interpolation: Any,
) -> None:
    stated = Preprocess(resampler="torchvision", interpolation=interpolation, **SMALL)
    with pytest.raises(ModelError, match=rf'{interpolation}.*expected "bilinear" or "bicubic"'):
        load(**sources[library], preprocess=stated)


@pytest.mark.parametrize("interpolation", ["box", "hamming"])
def test_an_interpolation_of_the_models_own(
    spec: Callable[..., ModelSpec], interpolation: str
) -> None:
    own = timm.data.create_transform((3, 32, 32), interpolation=interpolation)
    with pytest.raises(ModelError, match=f"torchvision' with interpolation '{interpolation}'"):
        on_tensors(spec("timm:x", preprocess=STATED), own)


class Resize(plain.Resize):
    """Of another's making: what it does nobody knows."""


RESIZE = plain.Resize(32, interpolation=plain.InterpolationMode.BICUBIC)
KEEPING = timm.data.transforms.ResizeKeepRatio(32, interpolation="bicubic", random_scale_prob=0.5)
REFLECTING = timm.data.transforms.CenterCropOrPad(32, padding_mode="reflect")
LIMITED = plain.Resize(32, interpolation=plain.InterpolationMode.BICUBIC, max_size=64)


@pytest.mark.parametrize(
    ("steps", "told"),
    [
        ([timm.data.transforms.TrimBorder(4), RESIZE], "step 1 of its transform, TrimBorder"),
        ([plain.CenterCrop(9)], "step 1 of its transform, CenterCrop; expected a resize first"),
        ([RESIZE, RESIZE], "step 2 of its transform, Resize"),
        ([Resize(32)], "step 1 of its transform, Resize"),
        ([RESIZE, plain.Grayscale(3)], "step 2 of its transform, Grayscale"),
        ([RESIZE, lambda image: image], "step 2 of its transform, <lambda>"),
        ([KEEPING], "a ResizeKeepRatio that draws its size"),
        ([LIMITED], r"Resize\(max_size=64\)"),
        ([RESIZE, REFLECTING], "padding_mode 'reflect'"),
        ([RESIZE, open_clip.transform.MaybeConvertMode("L")], "a conversion to 'L'"),
    ],
)
def test_an_unknown_step_is_named(
    spec: Callable[..., ModelSpec], steps: list[Any], told: str
) -> None:
    with pytest.raises(ModelError, match=told) as caught:
        on_tensors(spec("timm:x", preprocess=STATED), plain.Compose(steps))
    assert "take resampler out of [models.tried.preprocess]" in str(caught.value)


def test_a_conversion_to_rgb_has_nothing_to_do(spec: Callable[..., ModelSpec]) -> None:
    image = Image.linear_gradient("L").convert("RGB")
    tail = [plain.ToTensor(), plain.Normalize((0.5,) * 3, (0.5,) * 3)]
    given = spec("open_clip:x", preprocess=STATED)
    without = on_tensors(given, plain.Compose([RESIZE, *tail]))(image)
    assert torch.equal(
        on_tensors(given, plain.Compose([RESIZE, _convert_to_rgb, *tail]))(image), without
    )


def test_show_says_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "suites/diy").mkdir(parents=True)
    (tmp_path / "suites/diy/sector.toml").write_text('[datasets.bolts]\npath = "manifest.csv"\n')
    (tmp_path / "suites/models.toml").write_text(
        '[models.fast]\nsource = "timm:test_efficientnet"\ncheckpoint = "random:0"\n'
        'preprocess = { resampler = "torchvision" }\n'
    )
    assert main(["models", "show", "fast"]) == 0
    said = capsys.readouterr().out
    assert f"overridden     {LINE}" in said
    assert "antialias=yes (torchvision, uint8)" in said
    (tmp_path / "suites/models.toml").write_text(
        '[models.fast]\nsource = "timm:test_efficientnet"\npreprocess = { resampler = "pillow" }\n'
    )
    assert main(["models", "show", "fast"]) == 4
    assert "'models.fast.preprocess.resampler' is 'pillow' (str)" in capsys.readouterr().err
