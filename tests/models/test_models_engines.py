"""Models of each library in other engines: torch's vectors, or torch with the reason."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import networks_of_programs as programs
import pytest
import timm
import torch

from pytest_prodbench.embedding import ModelHandle
from pytest_prodbench.errors import ModelError
from pytest_prodbench.settings.types import Preprocess

pytestmark = pytest.mark.usefixtures("no_network")

ENGINES = ("onnxruntime", "openvino")
STATED = Preprocess(size=(32, 32), mean=(0.5, 0.5, 0.5), std=(0.25, 0.25, 0.25))


@pytest.mark.parametrize("pooling", ["default", "mean", "gem"])
def test_an_encoder_trained_with_masks(
    pooling: str, saved_transformers: Callable[[str], Path], equal_in_engines: Callable[..., None]
) -> None:
    equal_in_engines(f"transformers:{saved_transformers('vit_mae')}", pooling=pooling)


def program(path: Path, network: torch.nn.Module, how: str) -> dict[str, Any]:
    """Save a network as its owner would; return the fields of its entry."""
    example = torch.zeros(1 if "one" in how else 2, 3, 32, 32)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # TorchScript is deprecated
        if "traced" in how:
            made = torch.jit.trace(network.eval(), example)
        else:
            made = torch.jit.script(network.eval())
        if "frozen" in how:
            made = torch.jit.freeze(made)
        torch.jit.save(made, str(path))
    return {"checkpoint": str(path), "preprocess": STATED}


@pytest.mark.parametrize("how", ["traced", "scripted", "traced frozen", "scripted frozen"])
def test_a_torchscript_program(
    how: str, tmp_path: Path, equal_in_engines: Callable[..., None]
) -> None:
    equal_in_engines("torchscript:x", **program(tmp_path / "x.pt", programs.Plain(), how))


@pytest.mark.parametrize(("place", "pooling"), [(0, "mean"), (0, "gem"), (1, "default")], ids=str)
def test_an_output_of_a_program_is_chosen_and_pooled(
    place: int, pooling: str, tmp_path: Path, equal_in_engines: Callable[..., None]
) -> None:
    stated = program(tmp_path / "x.pt", programs.OfTwoOutputs(), "scripted")
    equal_in_engines("torchscript:x", **stated, pooling=pooling, options={"output": place})


@pytest.mark.parametrize("name", ["test_vit", "test_efficientnet", "test_convnext"])
def test_scripted_architectures(
    name: str, tmp_path: Path, equal_in_engines: Callable[..., None]
) -> None:
    torch.manual_seed(1)
    size = {"img_size": 32} if "vit" in name else {}
    network = timm.create_model(name, num_classes=0, scriptable=True, **size)
    # OpenVINO has no rule for operations of a branch that the transformer never takes.
    engines = ENGINES[:1] if "vit" in name else ENGINES
    equal_in_engines("torchscript:x", engines, **program(tmp_path / "x.pt", network, "scripted"))


@pytest.mark.parametrize("name", ["Choosing", "ChoosingOnce"])
def test_both_ways_of_a_program_that_looks_at_its_values(
    name: str, tmp_path: Path, made: Callable[..., ModelHandle]
) -> None:
    """Its branches and loops are converted, where a trace would keep the way that one batch went."""
    network = getattr(programs, name)().eval()
    stated = program(tmp_path / "x.pt", network, "scripted")
    model = made("torchscript:x", engine="onnxruntime", **stated)
    embedder = model.load()
    assert model.engine.worst_cosine is not None
    bright = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    ways = (bright, -bright, torch.cat([bright, -bright, bright]))
    for batch in ways:
        torch.testing.assert_close(embedder.embed(batch), network(batch), rtol=1e-4, atol=1e-6)
    turned = torch.cosine_similarity(embedder.embed(bright), embedder.embed(-bright))
    assert turned < 0.99


@pytest.mark.parametrize(
    ("network", "how", "reason"),
    [
        ("OfOneImage", "traced of one", "its program takes one image at a time"),
        ("InHalf", "scripted", "its program has numbers in float16"),
        ("InHalf", "traced frozen", "its program has numbers in float16"),
        (
            "Refusing",
            "scripted",
            "its program may raise an error by its values; an export would not raise it",
        ),
    ],
)
def test_a_program_that_stays_with_torch_says_why(
    network: str, how: str, reason: str, tmp_path: Path, made: Callable[..., ModelHandle]
) -> None:
    stated = program(tmp_path / "x.pt", getattr(programs, network)(), how)
    model = made("torchscript:x", **stated)
    assert model.engine.name == "torch"
    assert model.engine.reason == f"onnxruntime: {reason}"
    for engine in ENGINES:
        with pytest.raises(ModelError, match=f"engine {engine}: {reason}"):
            made("torchscript:x", **stated, engine=engine).load()


@pytest.mark.parametrize("name", ["naflex", "naflex tower"])
def test_a_grid_that_a_network_reads_is_not_proven_by_samples(
    name: str, saved_transformers: Callable[[str], Path], made: Callable[..., ModelHandle]
) -> None:
    source = f"transformers:{saved_transformers(name)}"
    reason = "it decides by values, and of pixel_attention_mask, spatial_shapes sample images have too few"
    model = made(source)
    assert model.engine.name == "torch"
    assert model.engine.reason.startswith(f"onnxruntime: {reason}")
    for engine in ENGINES:
        with pytest.raises(ModelError, match=f"engine {engine}: {reason}"):
            made(source, engine=engine).load()
