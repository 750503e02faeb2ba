"""Sessions of the engines on an exported file, and the embedder that has one in the place of torch."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from pytest_prodbench.embedding.batches import stacked
from pytest_prodbench.embedding.engines.refusal import (
    EngineRefusedError,
    of_the_moment,
    with_reason,
)
from pytest_prodbench.embedding.engines.tensors import by_name, shapes_in, told_shapes
from pytest_prodbench.errors import ModelError
from pytest_prodbench.models.onnx import session_options

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray

    from pytest_prodbench.embedding.engines.tensors import Shapes
    from pytest_prodbench.models import Embedder, Features

    Arrays = Mapping[str, NDArray[Any]]
    Run = Callable[[Arrays], NDArray[np.float32]]

EXTRAS = {"onnxruntime": "onnx", "openvino": "openvino"}
"""What brings an engine: ``pip install "pytest-prodbench[…]"``."""

FREE_DIMENSION = "batch"
"""Name of an export's first dimension, the only one that it leaves free."""

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


Made = TypeVar("Made")


class BySize(Generic[Made]):
    """What is made once for each size of a batch, whichever thread asks first.

    A network of a stated batch is compiled to faster code than one of any: then its shapes are numbers, so
    that what is computed from them is known beforehand, and padding becomes a part of a convolution.
    """

    def __init__(self, make: Callable[[int], Made]) -> None:
        self._make, self._made = make, dict[int, Made]()
        self._making = threading.Lock()

    def __call__(self, size: int) -> Made:
        """Return what is made for this size."""
        with self._making:
            if size not in self._made:
                self._made[size] = self._make(size)
            return self._made[size]


def session(
    name: str,
    path: Path,
    precision: str,
    inputs: Collection[str],
    *,
    lanes: int,
    batch_size: int,
) -> Run:
    """Return a function from arrays by name, each (b, …), to vectors (b, d) in float32.

    It computes with one thread each time.

    Args:
        name: of the engine.
        path: of the export.
        inputs: names of the arrays.
        precision: of the forward pass.
        lanes: from how many threads it may be called at once.
        batch_size: of most batches; what others need is made when the first of them comes.

    Raises:
        EngineRefusedError: the engine cannot be imported, cannot run this file, or has not this precision.
    """
    try:
        module = import_module(name)
    except ImportError as error:
        raise EngineRefusedError(
            with_reason(f"{name} cannot be imported", error), passing=True
        ) from error
    if name == "onnxruntime":
        return _onnxruntime(module, path, precision, inputs, batch_size)
    return _openvino(module, path, precision, inputs, lanes)


def _onnxruntime(
    module: Any, path: Path, precision: str, inputs: Collection[str], batch_size: int
) -> Run:
    if precision not in {"float32", "int8"}:
        raise EngineRefusedError(
            f"onnxruntime has no {precision} here",
            next_step='for bfloat16 write engine = "openvino" or "torch"',
        )

    def loaded(options: Any) -> Any:
        return module.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])

    def started(size: int) -> Any:
        stated = session_options(module)
        stated.add_free_dimension_override_by_name(FREE_DIMENSION, size)
        try:
            return loaded(stated)
        except Exception:  # it raises a class of its own for each kind of trouble
            # A branch that is never taken may contradict the numbers. What is wrong without them is raised.
            return loaded(session_options(module))

    sessions = BySize(started)
    with _running("onnxruntime"):
        found = sessions(1 if precision == "int8" else batch_size)
    outputs = found.get_outputs()
    _require(inputs, [one.name for one in found.get_inputs()], outputs)
    vectors = outputs[0].name

    def run(batch: Arrays) -> NDArray[np.float32]:
        with _running("onnxruntime"):
            answer: NDArray[np.float32] = sessions(_count(batch)).run([vectors], dict(batch))[0]
        return answer

    return _one_by_one(run) if precision == "int8" else run


def _one_by_one(run: Run) -> Run:
    """Run each image alone: a scale of int8 is that of all that goes through the network at a time."""
    import numpy as np

    def apart(batch: Arrays) -> NDArray[np.float32]:
        rows = (slice(i, i + 1) for i in range(_count(batch)))
        return np.concatenate([run({name: batch[name][row] for name in batch}) for row in rows])

    return apart


def _count(batch: Arrays) -> int:
    return len(next(iter(batch.values())))


def _openvino(module: Any, path: Path, precision: str, inputs: Collection[str], lanes: int) -> Run:
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
    with _running("openvino"):
        network = core.read_model(str(path))
        compiled = core.compile_model(network, "CPU", wanted)
    _require(inputs, [one.get_any_name() for one in network.inputs], network.outputs)
    # A hint: a processor that has no such arithmetic takes float32 and says nothing.
    if compiled.get_property("INFERENCE_PRECISION_HINT") != getattr(
        module.Type, OPENVINO_PRECISIONS[precision]
    ):
        raise EngineRefusedError(
            f"openvino does not compute in {precision} on this processor",
            next_step=f"run on one that has {precision}, or take engine_precision out",
        )

    def sized(size: int) -> Any:
        own = network.clone()
        own.reshape(
            {one.get_any_name(): [size, *list(one.partial_shape)[1:]] for one in network.inputs}
        )
        return core.compile_model(own, "CPU", wanted)

    networks, requests = BySize(sized), threading.local()

    def run(batch: Arrays) -> NDArray[np.float32]:
        own = requests.__dict__.setdefault("own", {})
        with _running("openvino"):
            if (size := _count(batch)) not in own:
                own[size] = networks(size).create_infer_request()
            answer = own[size].infer(dict(batch), share_inputs=True, share_outputs=False)
        vectors: NDArray[np.float32] = answer[0]
        return vectors

    return run


@contextmanager
def _running(name: str) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # they raise classes of their own for each kind of trouble
        raise EngineRefusedError(
            with_reason(f"{name} cannot run the export", error), passing=of_the_moment(error)
        ) from error


def _require(wanted: Collection[str], inputs: Collection[str], outputs: Sequence[Any]) -> None:
    if set(inputs) != set(wanted) or len(outputs) != 1:
        # A network that computes in Python is written down as the numbers of one batch.
        raise EngineRefusedError(
            f"its export has {len(inputs)} inputs and {len(outputs)} outputs, not {len(wanted)} and 1"
        )


class EngineEmbedder:
    """A loaded model whose forward pass another engine makes."""

    side_by_side = True

    def __init__(self, alone: Embedder, run: Run, shapes: Shapes) -> None:
        """Take over all but the forward pass.

        Args:
            alone: the model, of which its network may be gone.
            run: the forward pass.
            shapes: of the export's inputs.
        """
        self.identity = alone.identity
        self.preprocess = alone.preprocess
        # What goes together is told by the shapes, which are those of the export.
        self.collate: Callable[[Sequence[Features]], Features] = getattr(alone, "collate", stacked)
        self._run, self._shapes = run, shapes

    def embed(self, batch: Features) -> torch.Tensor:
        """Map a batch on the CPU, such as float32 (b, 3, h, w), to vectors (b, dimension) in float32.

        Raises:
            ModelError: images of another size than the export's.
        """
        import torch

        if (found := shapes_in(batch)) != self._shapes:
            raise ModelError(
                "exported model",
                found=f"an image that became {told_shapes(found)}",
                expected=f"{told_shapes(self._shapes)}, as all sample images did",
                next_step='write engine = "torch": its input follows the shape of the image',
            )
        arrays = {name: tensor.contiguous().numpy() for name, tensor in by_name(batch).items()}
        return torch.from_numpy(self._run(arrays))
