"""ONNX Runtime: by the providers that were asked for; and batches that are baked into exported files."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from pytest_prodbench.errors import ModelError
from pytest_prodbench.models import Embedder, library_for
from pytest_prodbench.models.onnx_session import started, version_of
from pytest_prodbench.settings.types import ModelSpec, Preprocess

SMALL = Preprocess(size=(32, 32), mean=(0.5,) * 3, std=(0.5,) * 3)
CPU, CUDA, TENSORRT = (f"{name}ExecutionProvider" for name in ("CPU", "CUDA", "Tensorrt"))


def written(path: Path, nodes: list[Any], shape: list[Any], *more: Any) -> Path:
    """Write an ONNX file from nodes that lead from x to y."""
    tensors = onnx.helper.make_tensor_value_info
    graph = onnx.helper.make_graph(
        nodes,
        "small",
        [tensors("x", onnx.TensorProto.FLOAT, shape)],
        [tensors("y", onnx.TensorProto.FLOAT, None)],
        list(more),
    )
    opset = [onnx.helper.make_opsetid("", 13)]
    onnx.save(onnx.helper.make_model(graph, opset_imports=opset, ir_version=8), path)
    return path


def means(path: Path, shape: list[Any]) -> Path:
    """A network whose vector is the mean of each channel."""
    node = onnx.helper.make_node("ReduceMean", ["x"], ["y"], axes=[2, 3], keepdims=0)
    return written(path, [node], shape)


class Runtime:
    """An ONNX Runtime with providers compiled in, of which only some start."""

    __version__ = "9.9.9"

    def __init__(self, starting: list[str]) -> None:
        self.starting, self.asked = starting, []

    def get_available_providers(self) -> list[str]:
        return [TENSORRT, CUDA, CPU]

    def InferenceSession(self, path: str, options: Any, providers: Any) -> Any:  # noqa: N802
        self.asked = providers
        found = [name for name, _ in providers if name in self.starting]
        return SimpleNamespace(get_providers=lambda: [*found, *([] if CPU in found else [CPU])])


@pytest.mark.parametrize("asked", [[CUDA], [TENSORRT, CUDA], [CUDA, CPU]])
def test_a_provider_that_does_not_start_is_an_error_and_not_the_cpu(
    asked: list[str], spec: Callable[..., ModelSpec]
) -> None:
    with pytest.raises(ModelError) as caught:
        started(spec("onnx:x"), Runtime([CPU]), Path("x.onnx"), None, asked)
    told = str(caught.value)
    assert f"a session by {CPU}: {asked[0]}" in told
    assert f"expected {', '.join(asked)}" in told
    assert "install the libraries" in told


def test_one_of_several_providers_that_does_not_start(spec: Callable[..., ModelSpec]) -> None:
    with pytest.raises(ModelError, match=f"by {CUDA}, {CPU}: {TENSORRT} did not start"):
        started(spec("onnx:x"), Runtime([CUDA]), Path("x.onnx"), None, [TENSORRT, CUDA])


def test_tf32_is_off_on_cuda_and_the_engine_says_what_ran(spec: Callable[..., ModelSpec]) -> None:
    runtime = Runtime([CUDA, CPU])
    session = started(spec("onnx:x"), runtime, Path("x.onnx"), None, [CUDA, CPU])
    assert runtime.asked == [(CUDA, {"use_tf32": "0"}), (CPU, {})]
    assert version_of(runtime, session) == f"9.9.9 ({CUDA}, TF32 off)"
    alone = started(spec("onnx:x"), runtime, Path("x.onnx"), None, [CPU])
    assert version_of(runtime, alone) == "9.9.9"


def test_a_wrong_provider_is_told_once(tmp_path: Path, load: Callable[..., Embedder]) -> None:
    path = means(tmp_path / "x.onnx", ["b", 3, 32, 32])
    stated = {"checkpoint": str(path), "preprocess": SMALL}
    with pytest.raises(ModelError) as caught:
        load("onnx:x", **stated, options={"providers": ["cpu"]})
    told = str(caught.value)
    assert told.count("model 'tried'") == 1
    assert "whole ONNX file" not in told
    assert load("onnx:x", **stated).engine.version == onnxruntime.__version__


@pytest.mark.parametrize("length", [5, 127, 128, 200])
def test_tensors_beside_the_file_count_however_long_their_name(
    length: int, tmp_path: Path, spec: Callable[..., ModelSpec]
) -> None:
    weight = onnx.numpy_helper.from_array(np.ones((3 * 32 * 32, 4), np.float32), "w")
    nodes = [
        onnx.helper.make_node("Flatten", ["x"], ["flat"]),
        onnx.helper.make_node("MatMul", ["flat", "w"], ["y"]),
    ]
    path = written(tmp_path / "x.onnx", nodes, ["b", 3, 32, 32], weight)
    name = "d" * length
    onnx.save_model(onnx.load(path), path, save_as_external_data=True, location=name)
    stated = spec("onnx:x", checkpoint=str(path), preprocess=SMALL)
    assert library_for(stated).files(stated) == [path, tmp_path / name]


@pytest.mark.parametrize("batch", [1, 2, 4])
def test_a_fixed_batch_is_filled_up(
    batch: int, tmp_path: Path, load: Callable[..., Embedder]
) -> None:
    path = means(tmp_path / "x.onnx", [batch, 3, 32, 32])
    model = load("onnx:x", checkpoint=str(path), preprocess=SMALL)
    for count in (1, 3, 4, 5):
        images = torch.rand(count, 3, 32, 32)
        torch.testing.assert_close(model.embed(images), images.mean(dim=(2, 3)))


def test_an_onnx_file_with_one_image_baked_in_gets_them_one_by_one(
    tmp_path: Path, load: Callable[..., Embedder]
) -> None:
    nodes = [
        onnx.helper.make_node("ReduceMean", ["x"], ["m"], axes=[2, 3], keepdims=0),
        onnx.helper.make_node("Reshape", ["m", "to"], ["y"]),
    ]
    for last in (3, -1):
        to = onnx.numpy_helper.from_array(np.array([1, last], np.int64), "to")
        path = written(tmp_path / f"{last}.onnx", nodes, ["b", 3, 32, 32], to)
        model = load("onnx:x", checkpoint=str(path), preprocess=SMALL)
        images = torch.rand(3, 3, 32, 32)
        torch.testing.assert_close(model.embed(images), images.mean(dim=(2, 3)))


class Baked(torch.nn.Module):
    """As by x.reshape(1, -1) in somebody's forward."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.mean(dim=(2, 3)).reshape(1, 3)


def test_a_program_with_one_image_baked_in_gets_them_one_by_one(
    tmp_path: Path, load: Callable[..., Embedder]
) -> None:
    path = tmp_path / "x.torchscript"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # TorchScript is deprecated
        torch.jit.save(torch.jit.trace(Baked().eval(), torch.rand(1, 3, 32, 32)), str(path))
    model = load("torchscript:x", checkpoint=str(path), preprocess=SMALL)
    images = torch.rand(3, 3, 32, 32)
    torch.testing.assert_close(model.embed(images), images.mean(dim=(2, 3)))


def test_a_size_that_fails_only_when_it_runs(tmp_path: Path, load: Callable[..., Embedder]) -> None:
    """Height and width are free in the file, and a layer behind them is not."""
    add = onnx.numpy_helper.from_array(np.ones((1, 3, 32, 32), np.float32), "positions")
    nodes = [
        onnx.helper.make_node("Add", ["x", "positions"], ["p"]),
        onnx.helper.make_node("ReduceMean", ["p"], ["y"], axes=[2, 3], keepdims=0),
    ]
    path = written(tmp_path / "x.onnx", nodes, ["b", 3, "h", "w"], add)
    assert load("onnx:x", checkpoint=str(path), preprocess=SMALL)
    other = SMALL.model_copy(update={"size": (24, 32)})
    with pytest.raises(ModelError, match=r"does not take \(1, 3, 24, 32\).*correct size"):
        load("onnx:x", checkpoint=str(path), preprocess=other)


def test_weights_are_told_from_a_program(tmp_path: Path, load: Callable[..., Embedder]) -> None:
    path = tmp_path / "x.pth"
    torch.save(torch.nn.Linear(2, 2).state_dict(), path)
    with pytest.raises(ModelError, match=r"what torch\.save writes") as caught:
        load("torchscript:x", checkpoint=str(path), preprocess=SMALL)
    assert "corrupted" not in str(caught.value)
    assert "module:PACKAGE:CLASS" in str(caught.value)
