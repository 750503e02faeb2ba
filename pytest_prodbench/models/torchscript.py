"""Networks saved by ``torch.jit.save``: ``torchscript:NAME`` with the file as checkpoint.

A file says nothing of the way from image to tensor, so that ``[models.NAME.preprocess]`` has to. It holds a
program of its own in TorchScript, which can compute anything but reach neither files nor network.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zipfile import BadZipFile, ZipFile

from pytest_prodbench.errors import ModelError
from pytest_prodbench.models.checkpoints import checkpoint_path, first_line, model_error
from pytest_prodbench.models.identity import library_versions, weights_digest
from pytest_prodbench.models.pipeline import Pipeline, pipeline_of
from pytest_prodbench.models.pooling import pooling_name
from pytest_prodbench.models.protocol import ModelIdentity
from pytest_prodbench.settings.frozen import Frozen

if TYPE_CHECKING:
    import torch
    from PIL.Image import Image

    from pytest_prodbench.settings.types import ModelSpec


class TorchScriptOptions(Frozen):
    """Keys of ``[models.NAME]`` that only a TorchScript model has.

    Attributes:
        output: key or place of the output that holds the vectors, where there are several.
    """

    output: str | int | None = None


class TorchScriptEmbedder:
    """A loaded program."""

    def __init__(
        self,
        spec: ModelSpec,
        program: Any,
        pipeline: Pipeline,
        files: list[Path],
        device: torch.device,
    ) -> None:
        """Find the dimension by one forward pass.

        Raises:
            ModelError: the program does not take an image of the stated size, or gives no vector.
        """
        import torch

        self._spec, self._program, self._pipeline = spec, program, pipeline
        self._output = TorchScriptOptions.model_validate(spec.options).output
        self._one_by_one = False
        self.network: torch.nn.Module = program
        reduced = reduced_floats(program)
        self.torch_alone = f"its program has numbers in {reduced}" if reduced else ""
        try:
            with torch.inference_mode():
                vectors = self.embed(torch.zeros(1, 3, *pipeline.size, device=device))
        except RuntimeError as error:
            lines = [line for line in str(error).splitlines() if line.strip()]
            raise model_error(
                spec,
                found=f"it does not take (1, 3, {pipeline.size[0]}, {pipeline.size[1]}): {lines[-1]}",
                expected="a program of one image batch, traced or scripted for this size",
                next_step=f"correct size in [models.{spec.name}.preprocess]",
            ) from error
        try:
            with torch.inference_mode():
                self.embed(torch.zeros(2, 3, *pipeline.size, device=device))
        except (RuntimeError, ModelError):
            self._one_by_one = True  # one image is baked in, as by a reshape to (1, d)
            self.torch_alone = "its program takes one image at a time"
        self.identity = ModelIdentity(
            weights_digest=weights_digest("torchscript", files),
            preprocessing=pipeline.description,
            pooling=pooling_name(spec),
            dimension=int(vectors.shape[1]),
            versions=library_versions("torch", *pipeline.distributions),
        )

    def preprocess(self, image: Image) -> torch.Tensor:
        """As ``[models.NAME.preprocess]`` says: float32 (3, h, w)."""
        return self._pipeline(image)

    def embed(self, batch: torch.Tensor) -> torch.Tensor:
        """Map (b, 3, h, w) to vectors (b, dimension)."""
        import torch

        # Whole where that can be: parts of it would be so many in an export as in the batch that was traced.
        if not self._one_by_one:
            return self._vectors(batch)
        return torch.cat([self._vectors(batch[i : i + 1]) for i in range(len(batch))])

    def _vectors(self, batch: torch.Tensor) -> torch.Tensor:
        from pytest_prodbench.models.vectors import one_each, one_output, pooled

        outputs = self._program(batch)
        vectors = pooled(self._spec, one_output(self._spec, outputs, self._output))
        return one_each(self._spec, vectors, len(batch))


class TorchScriptLibrary:
    """Finds and loads files of ``torch.jit.save``."""

    options = TorchScriptOptions

    def files(self, spec: ModelSpec) -> list[Path]:
        """Return the file.

        Raises:
            ModelError: no checkpoint is stated, or it is not there.
        """
        path = checkpoint_path(spec)
        if path is None:
            raise model_error(
                spec,
                found="no checkpoint",
                expected="the file that torch.jit.save wrote",
                next_step=f"write checkpoint = … in [models.{spec.name}]",
            )
        return [path]

    def load(self, spec: ModelSpec, device: torch.device) -> TorchScriptEmbedder:
        """Load the program onto a device, in eval mode.

        Raises:
            ModelError: the file is damaged or no TorchScript; see ``TorchScriptEmbedder``.
        """
        import torch

        (path,) = self.files(spec)
        pipeline = pipeline_of(spec, why="a TorchScript file says nothing of its preprocessing")
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # that TorchScript is deprecated its owner knows
                load: Any = torch.jit.load
                program = load(str(path), map_location=device).eval()
        except (RuntimeError, ValueError, OSError) as error:
            raise _unreadable(spec, path, error) from error
        return TorchScriptEmbedder(spec, program, pipeline, [path], device)

    def download(self, spec: ModelSpec) -> list[Path]:
        """Nothing to fetch; see ``files``."""
        return self.files(spec)


def reduced_floats(program: Any) -> str:
    """Return in which reduced precisions a program has numbers, such as ``float16``; empty: in none."""
    import torch

    graph = program.inlined_graph  # of which its nodes are parts: it must outlive them
    constants = graph.findAllNodes("prim::Constant")
    # A program that was frozen has its weights written into its code.
    written = [node.t("value") for node in constants if _is_tensor(node)]
    tensors = [*program.parameters(), *program.buffers(), *written]
    reduced = {tensor.dtype for tensor in tensors} & {torch.float16, torch.bfloat16}
    return ", ".join(sorted(str(dtype).removeprefix("torch.") for dtype in reduced))


def _is_tensor(constant: Any) -> bool:
    return bool(constant.hasAttribute("value") and constant.kindOf("value") == "t")


def _unreadable(spec: ModelSpec, path: Path, error: Exception) -> ModelError:
    """Say what a file is instead: torch calls each archive that is no program perhaps corrupted."""
    try:
        with ZipFile(path) as archive:
            names = archive.namelist()
        weights = any(name.endswith("/data.pkl") for name in names) and not any(
            "/code/" in name for name in names
        )
    except (BadZipFile, OSError):
        weights = False
    if weights:
        return model_error(
            spec,
            found=f"{path} is what torch.save writes: weights, or a pickled module, without a program",
            expected="a file that torch.jit.save wrote",
            next_step="for weights write source = 'module:PACKAGE:CLASS', or timm:ARCHITECTURE, with this "
            "file as checkpoint; or save torch.jit.trace(network, images) by torch.jit.save",
        )
    return model_error(
        spec,
        found=f"{path} cannot be loaded: {first_line(error)[:500]}",
        expected="a file that torch.jit.save wrote",
        next_step="save the network anew by torch.jit.save, or correct checkpoint",
    )
