"""Sessions of the engines on an exported file, and the embedder that has one in the place of torch."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_prodbench.embedding.engines.refusal import EngineRefusedError
from pytest_prodbench.errors import ModelError
from pytest_prodbench.models.onnx import session_options

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray
    from PIL.Image import Image

    from pytest_prodbench.models import Embedder, Features

    Run = Callable[[NDArray[np.float32]], NDArray[np.float32]]

EXTRAS = {"onnxruntime": "onnx", "openvino": "openvino"}
"""What brings an engine: ``pip install "pytest-prodbench[…]"``."""

OPENVINO_PRECISIONS = {"float32": "f32", "bfloat16": "bf16"}


def engine_version(name: str) -> str:
    """Return the version of an engine's library, without importing it.

    Raises:
        EngineRefusedError: it is not installed.
    """
    for distribution in (name, f"{name}-gpu"):
        try:
            return version(distribution)
        except PackageNotFoundError:
            continue
    raise EngineRefusedError(
        f"{name} is not installed",
        next_step=f'pip install "pytest-prodbench[{EXTRAS[name]}]", or engine = "auto"',
    )


def session(name: str, path: Path, precision: str, lanes: int) -> Run:
    """Return a function from images (b, 3, h, w) to vectors (b, d), both float32.

    It may be called from so many threads at once (``lanes``), and computes with one thread each time.

    Raises:
        EngineRefusedError: the engine cannot be imported, cannot run this file, or has not this precision.
    """
    try:
        module = import_module(name)
    except ImportError as error:
        raise EngineRefusedError(f"{name} cannot be imported", details=str(error)) from error
    if name == "onnxruntime":
        return _onnxruntime(module, path, precision)
    return _openvino(module, path, precision, lanes)


def _onnxruntime(module: Any, path: Path, precision: str) -> Run:
    if precision not in {"float32", "int8"}:
        raise EngineRefusedError(
            f"onnxruntime has no {precision} here",
            next_step='for bfloat16 write engine = "openvino" or "torch"',
        )
    try:
        found = module.InferenceSession(
            str(path), session_options(module), providers=["CPUExecutionProvider"]
        )
    except Exception as error:  # it raises classes of its own for each kind of trouble
        raise EngineRefusedError(
            "onnxruntime cannot run the export", details=str(error)[:500]
        ) from error
    inputs, outputs = found.get_inputs(), found.get_outputs()
    _require_one(inputs, outputs)
    images, vectors = inputs[0].name, outputs[0].name

    def run(batch: NDArray[np.float32]) -> NDArray[np.float32]:
        answer: NDArray[np.float32] = found.run([vectors], {images: batch})[0]
        return answer

    return _one_by_one(run) if precision == "int8" else run


def _one_by_one(run: Run) -> Run:
    """Run each image alone: a scale of int8 is that of all that goes through the network at a time."""
    import numpy as np

    return lambda batch: np.concatenate([run(batch[i : i + 1]) for i in range(len(batch))])


def _openvino(module: Any, path: Path, precision: str, lanes: int) -> Run:
    if precision not in OPENVINO_PRECISIONS:
        raise EngineRefusedError(
            f"openvino has no {precision} here",
            next_step='for int8 write engine = "onnxruntime"',
        )
    core = module.Core()
    wanted = {
        "INFERENCE_PRECISION_HINT": OPENVINO_PRECISIONS[precision],
        "INFERENCE_NUM_THREADS": lanes,
        "NUM_STREAMS": lanes,
        # Threads that decode share the processors with those of the streams.
        "ENABLE_CPU_PINNING": False,
    }
    try:
        network = core.read_model(str(path))
        compiled = core.compile_model(network, "CPU", wanted)
    except RuntimeError as error:
        raise EngineRefusedError(
            "openvino cannot run the export", details=str(error)[:500]
        ) from error
    _require_one(network.inputs, network.outputs)
    # A hint: a processor that has no such arithmetic takes float32 and says nothing.
    if compiled.get_property("INFERENCE_PRECISION_HINT") != getattr(
        module.Type, OPENVINO_PRECISIONS[precision]
    ):
        raise EngineRefusedError(
            f"openvino does not compute in {precision} on this processor",
            next_step=f"run on one that has {precision}, or take engine_precision out",
        )
    sizes: dict[int, Any] = {}
    compiling = threading.Lock()
    requests = threading.local()

    def request_for(shape: tuple[int, ...]) -> Any:
        # A network of a stated batch is compiled to faster code than one of any.
        with compiling:
            if shape[0] not in sizes:
                sized = network.clone()
                sized.reshape(list(shape))
                sizes[shape[0]] = core.compile_model(sized, "CPU", wanted)
        return sizes[shape[0]].create_infer_request()

    def run(batch: NDArray[np.float32]) -> NDArray[np.float32]:
        own = requests.__dict__.setdefault("own", {})
        if len(batch) not in own:
            own[len(batch)] = request_for(batch.shape)
        answer = own[len(batch)].infer({0: batch}, share_inputs=True, share_outputs=False)
        vectors: NDArray[np.float32] = answer[0]
        return vectors

    return run


def _require_one(inputs: Sequence[Any], outputs: Sequence[Any]) -> None:
    if len(inputs) != 1 or len(outputs) != 1:
        # A network that computes in Python is written down as the numbers of one batch.
        raise EngineRefusedError(
            f"its export has {len(inputs)} inputs and {len(outputs)} outputs, not one of each"
        )


class EngineEmbedder:
    """A loaded model whose forward pass another engine makes."""

    side_by_side = True

    def __init__(self, embedder: Embedder, run: Run, shape: tuple[int, ...]) -> None:
        """``shape``: (3, h, w) of the export."""
        self.identity = embedder.identity
        self.preprocess: Callable[[Image], Features] = embedder.preprocess
        self._run, self._shape = run, shape

    def embed(self, batch: Features) -> torch.Tensor:
        """Map float32 (b, 3, h, w) on the CPU to vectors (b, dimension) in float32.

        Raises:
            ModelError: images of another size than the export's.
        """
        import torch

        assert not isinstance(batch, Mapping)  # noqa: S101 - the samples were no mappings
        if tuple(batch.shape[1:]) != self._shape:
            raise ModelError(
                "exported model",
                found=f"an image that became {tuple(batch.shape[1:])}",
                expected=f"{self._shape}, as all sample images did",
                next_step='write engine = "torch": its input follows the shape of the image',
            )
        return torch.from_numpy(self._run(batch.contiguous().numpy()))
