"""A torch network as an ONNX file, by torch's two exporters.

Tracing is ten times as fast, but writes down what one batch went through: a network that looks at its
values, to choose a way by them, would be cut down to the way of that batch. Whether it looks is seen in one
forward pass; such a network goes to ``torch.export``, which follows its code, or refuses it.

A TorchScript program is not traced: its code is converted as it stands, branches and loops included, so that
it may look at its values. What it raises would be left out: one that could is refused.
"""

from __future__ import annotations

import contextlib
import logging
import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from pytest_prodbench.embedding.engines.programs import raises_by_values
from pytest_prodbench.embedding.engines.refusal import (
    EngineRefusedError,
    of_the_moment,
    with_reason,
)
from pytest_prodbench.embedding.engines.running import FREE_DIMENSION
from pytest_prodbench.embedding.engines.silence import silenced
from pytest_prodbench.embedding.engines.tensors import by_name

if TYPE_CHECKING:
    from pytest_prodbench.models import Features

VECTORS = "vectors"
OPSET = 18

Inputs = Mapping[str, torch.Tensor]
Way = Callable[[torch.nn.Module, Inputs, Path], None]


class Forward(torch.nn.Module):
    """``embed`` of an embedder as a module that owns the parameters it computes with."""

    def __init__(
        self,
        network: torch.nn.Module,
        embed: Callable[[Features], torch.Tensor],
        names: tuple[str, ...] | None,
    ) -> None:
        """``names``: of the tensors that ``embed`` takes; None: it takes one without a name."""
        super().__init__()
        self.network = network
        self._embed, self._names = embed, names

    def forward(self, *tensors: torch.Tensor) -> torch.Tensor:
        """Map tensors (b, …) to vectors (b, d)."""
        if self._names is None:
            return self._embed(tensors[0])
        return self._embed(dict(zip(self._names, tensors, strict=True)))


# torch writes no types on this class, neither on how it is subclassed nor on how it is made.
class _Reading(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Sees a number leave a tensor: ``if x.mean() > 0``, ``x.item()``, ``x.nonzero()``.

    Attributes:
        seen: whether one did.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.seen = False

    def __torch_dispatch__(
        self, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        self.seen |= torch.Tag.data_dependent_output in function.tags
        self.seen |= torch.Tag.dynamic_output_shape in function.tags
        return function(*args, **(kwargs or {}))


def export(
    network: torch.nn.Module,
    embed: Callable[[Features], torch.Tensor],
    batch: Features,
    path: Path,
) -> None:
    """Write a network to an ONNX file (and beside it, where its tensors are too large for one).

    Args:
        network: in eval mode, on the CPU.
        embed: a batch → (b, d), computing with the network's parameters.
        batch: of two images or more, each in one row of every tensor; the sizes of the file are theirs. The
            number of images is free. Inputs have the names of the tensors (``tensors.by_name``).
        path: of the file.

    Raises:
        EngineRefusedError: neither exporter can.
    """
    inputs = by_name(batch)
    names = tuple(inputs) if isinstance(batch, Mapping) else None
    forward = Forward(network, embed, names).eval()
    failures: list[Exception] = []
    with torch.no_grad(), _quiet():
        try:
            ways = _ways(network, inputs, reads=_reads_values(forward, inputs))
        except EngineRefusedError:
            raise
        except Exception as error:  # the user's code may raise anything
            count = len(next(iter(inputs.values())))
            raise EngineRefusedError(
                with_reason(f"it does not take {count} images together", error),
                passing=of_the_moment(error),
            ) from error
        for way in ways:
            try:
                way(forward, inputs, path)
            except Exception as error:  # exporters raise whatever their parts do
                failures.append(error)
            else:
                return
    missing = next((error.name for error in failures if isinstance(error, ImportError)), None)
    if missing is not None:
        raise EngineRefusedError(
            f"exporting it needs {missing}, which is not installed",
            next_step='pip install "pytest-prodbench[onnx]"',
        )
    passing = next((error for error in failures if of_the_moment(error)), None)
    # The last way is the one that follows the code; it says more of what stands in its way.
    shown = passing or failures[-1]
    raise EngineRefusedError(
        with_reason("it cannot be exported to ONNX", shown), passing=passing is not None
    ) from shown


def _ways(network: torch.nn.Module, inputs: Inputs, *, reads: bool) -> list[Way]:
    """Return what can be tried, best first; ``reads``: whether the network looks at its values."""
    programs = [one for one in network.modules() if isinstance(one, torch.jit.ScriptModule)]
    if isinstance(network, torch.jit.ScriptModule):
        if reads and raises_by_values(network):
            raise EngineRefusedError(
                "its program may raise an error by its values; an export would not raise it"
            )
        return [_converted]
    if reads:
        settings = [name for name, tensor in inputs.items() if not tensor.is_floating_point()]
        if settings:
            # SigLIP 2 NaFlex resizes its positions to the grid of an image. Followed through the grids of the
            # samples its export is right for those, and for a grid of one column it is not.
            raise EngineRefusedError(
                f"it decides by values, and of {', '.join(settings)} sample images have too few to show that "
                "an export does as well"
            )
        return [_captured]
    return [_converted] if programs else [_traced, _captured]


def _reads_values(forward: Forward, inputs: Inputs) -> bool:
    reading = _Reading()
    with reading:
        forward(*inputs.values())
    return reading.seen


def _converted(forward: torch.nn.Module, inputs: Inputs, path: Path) -> None:
    # In this trace a program is one call; an exporter that traces by itself refuses to call one.
    tensors = tuple(inputs.values())
    called = torch.jit.trace(forward, tensors, check_trace=False)  # type: ignore[no-untyped-call]
    _traced(called, inputs, path)


def _traced(forward: torch.nn.Module, inputs: Inputs, path: Path) -> None:
    names = list(inputs)
    torch.onnx.export(
        forward,
        tuple(inputs.values()),
        str(path),
        dynamo=False,
        input_names=names,
        output_names=[VECTORS],
        dynamic_axes={name: {0: FREE_DIMENSION} for name in [*names, VECTORS]},
        opset_version=OPSET,
    )


def _captured(forward: torch.nn.Module, inputs: Inputs, path: Path) -> None:
    import onnxscript  # noqa: F401 - torch would say in many words that it is not there

    batch = torch.export.Dim(FREE_DIMENSION)
    torch.onnx.export(
        forward,
        tuple(inputs.values()),
        str(path),
        dynamo=True,
        verbose=False,
        input_names=list(inputs),
        output_names=[VECTORS],
        # One entry for each argument of forward, which is the tuple of all of them.
        dynamic_shapes=(tuple({0: batch} for _ in inputs),),
        opset_version=OPSET,
    )


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep what exporters print off the terminal, and torch's fused attention out of what they see.

    The fused layer is one operation that ONNX does not have; without it the same sums are written out.
    """
    fused = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    level = logging.root.manager.disable
    logging.disable(logging.ERROR)
    try:
        with warnings.catch_warnings(), silenced():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(level)
        torch.backends.mha.set_fastpath_enabled(fused)
