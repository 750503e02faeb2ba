"""Networks in ONNX files, run by ONNX Runtime: the extra ``.[onnx]``.

==================  ============  ==================================================================
identifier          checkpoint    weights
==================  ============  ==================================================================
any name            file          that file, and what it says lies beside it (external data)
``org/name``        none          ``model.onnx`` of that hub repository, or the file that ``file`` names
==================  ============  ==================================================================

A file says nothing of the way from image to tensor, so that ``[models.NAME.preprocess]`` has to. It runs as
it is: the precision is that of the file, whatever ``--prodbench-precision`` says.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pytest_prodbench.errors import ProdbenchError
from pytest_prodbench.models.checkpoints import (
    checkpoint_path,
    first_line,
    model_error,
    weights_missing,
)
from pytest_prodbench.models.hub import cached_snapshot, fetch, repository_folder
from pytest_prodbench.models.identity import library_versions, weights_digest
from pytest_prodbench.models.onnx_data import with_data
from pytest_prodbench.models.onnx_session import CPU, CUDA, started, version_of
from pytest_prodbench.models.pipeline import Pipeline, pipeline_of
from pytest_prodbench.models.pooling import pooling_name
from pytest_prodbench.models.protocol import Engine, ModelIdentity
from pytest_prodbench.settings.frozen import Frozen

if TYPE_CHECKING:
    import torch
    from PIL.Image import Image

    from pytest_prodbench.settings.types import ModelSpec


class OnnxOptions(Frozen):
    """Keys of ``[models.NAME]`` that only an ONNX model has.

    Attributes:
        file: of a hub repository.
        output: name of the output that holds the vectors, where there are several.
        layout: of the input: channels first or last.
        providers: of ONNX Runtime, in order of preference; None: CUDA's on a GPU, else the CPU's.
    """

    file: str = "model.onnx"
    output: str | None = None
    layout: Literal["nchw", "nhwc"] = "nchw"
    providers: list[str] | None = None


class OnnxEmbedder:
    """A session of ONNX Runtime on one file."""

    def __init__(
        self, spec: ModelSpec, session: Any, pipeline: Pipeline, files: list[Path]
    ) -> None:
        """Look at inputs and outputs, and find the dimension by one forward pass.

        Raises:
            ModelError: they do not fit an image.
        """
        import torch

        self._spec, self._session, self._pipeline = spec, session, pipeline
        self._options = OnnxOptions.model_validate(spec.options)
        self._input, self._batch, self._dtype = self._checked_input()
        self._outputs = [output.name for output in session.get_outputs()]
        dimension = self._tried(torch.zeros(1, 3, *pipeline.size))
        if self._batch is None:
            try:
                self._tried(torch.zeros(2, 3, *pipeline.size))
            except ProdbenchError:
                self._batch = 1  # one image is baked in, as by a reshape to (1, d)
        self.side_by_side = session.get_providers() == [CPU]
        # Of what goes in, which is what a file of one precision is made for; what it casts to inside only
        # its owner knows.
        self.engine = Engine("onnxruntime", version_of(_runtime(spec), session), self._dtype)
        self.identity = ModelIdentity(
            weights_digest=weights_digest("onnx", files),
            preprocessing=f"{pipeline.description}; layout={self._options.layout}",
            pooling=pooling_name(spec),
            dimension=dimension,
            versions=library_versions(
                "onnxruntime", "onnxruntime-gpu", "torch", *pipeline.distributions
            ),
        )

    def preprocess(self, image: Image) -> torch.Tensor:
        """As ``[models.NAME.preprocess]`` says: float32 (3, h, w)."""
        return self._pipeline(image)

    def embed(self, batch: torch.Tensor) -> torch.Tensor:
        """Map (b, 3, h, w) to vectors (b, dimension), in float32, on the device of the batch."""
        import numpy as np
        import torch

        from pytest_prodbench.models.vectors import one_each, one_output, pooled

        pixels = batch if self._options.layout == "nchw" else batch.permute(0, 2, 3, 1)
        array = pixels.cpu().numpy().astype(self._dtype)
        step = self._batch or len(array)
        vectors = []
        for start in range(0, len(array), step):
            part = array[start : start + step]
            # A file with a fixed batch takes no smaller one: the last is filled up with its last image.
            lacking = step - len(part)
            filled = np.concatenate([part, *[part[-1:]] * lacking]) if lacking else part
            found = self._session.run(self._outputs, {self._input: filled})
            named = {
                name: torch.from_numpy(value)
                for name, value in zip(self._outputs, found, strict=True)
            }
            pool = pooled(self._spec, one_output(self._spec, named, self._options.output))
            vectors.append(one_each(self._spec, pool, len(filled))[: len(part)])
        return torch.cat(vectors).float().to(batch.device)

    def _tried(self, batch: torch.Tensor) -> int:
        """Length of the vectors of a batch."""
        import torch

        try:
            with torch.inference_mode():
                return int(self.embed(batch).shape[1])
        except ProdbenchError:
            raise
        except Exception as error:  # ONNX Runtime raises a class of its own for each failure
            raise model_error(
                self._spec,
                found=f"it does not take {tuple(batch.shape)}: {first_line(error)[:500]}",
                expected="a file exported for this size of images, or for every size",
                next_step=f"correct size in [models.{self._spec.name}.preprocess], or export it anew",
            ) from error

    def _checked_input(self) -> tuple[str, int | None, str]:
        """Name of the input, images of a batch if that is fixed, and its numpy dtype."""
        inputs = self._session.get_inputs()
        height, width = self._pipeline.size
        wanted = (3, height, width) if self._options.layout == "nchw" else (height, width, 3)
        kinds = {"tensor(float)": "float32", "tensor(float16)": "float16"}
        shape = list(inputs[0].shape) if inputs else []
        fits = len(inputs) == 1 and len(shape) == 4 and inputs[0].type in kinds
        # A name in the place of a number: any size.
        if not fits or any(
            isinstance(a, int) and a != b for a, b in zip(shape[1:], wanted, strict=True)
        ):
            told = ", ".join(f"{one.name}: {one.type} {one.shape}" for one in inputs)
            raise model_error(
                self._spec,
                found=f"inputs {told or '(none)'}",
                expected=f"one of float32 or float16, (b, {', '.join(map(str, wanted))})",
                next_step=f"correct size or layout in [models.{self._spec.name}], or export it anew",
            )
        batch = shape[0] if isinstance(shape[0], int) and shape[0] > 0 else None
        return inputs[0].name, batch, kinds[inputs[0].type]


class OnnxLibrary:
    """Finds and loads ONNX files."""

    options = OnnxOptions

    def files(self, spec: ModelSpec) -> list[Path]:
        """Return the file, the files of its external data, and the ref of a hub revision.

        Raises:
            ModelError: one of them is not on this machine, or lies elsewhere than beside the file.
        """
        path = checkpoint_path(spec)
        if path is not None:
            return with_data(spec, path)
        snapshot = (
            cached_snapshot(spec.identifier, spec.revision) if "/" in spec.identifier else None
        )
        name = OnnxOptions.model_validate(spec.options).file
        if snapshot is None or not (snapshot.folder / name).is_file():
            raise weights_missing(
                spec,
                f"{name} of {spec.identifier} at revision {spec.revision or 'main'}",
                repository_folder(spec.identifier),
            )
        return snapshot.decides(*with_data(spec, snapshot.folder / name))

    def load(self, spec: ModelSpec, device: torch.device) -> OnnxEmbedder:
        """Start a session on the file.

        Raises:
            ModelError: ONNX Runtime is not installed or lacks a provider; the file is damaged; its input is
                no image of the stated size; several outputs and none named.
        """
        runtime = _runtime(spec)
        files = self.files(spec)
        pipeline = pipeline_of(spec, why="an ONNX file says nothing of its preprocessing")
        session = started(
            spec, runtime, files[0], session_options(runtime), _providers(spec, device)
        )
        return OnnxEmbedder(spec, session, pipeline, files)

    def download(self, spec: ModelSpec) -> list[Path]:
        """Fetch the file of a hub repository; a checkpoint is only checked.

        Raises:
            ModelError: it could not be fetched.
        """
        if spec.checkpoint is None and "/" in spec.identifier:
            name = OnnxOptions.model_validate(spec.options).file
            beside = [f"{name}.data", f"{name}_data"]
            fetch(spec, spec.identifier, spec.revision, weights=[name], also=beside)
        return self.files(spec)


def session_options(runtime: Any) -> Any:
    """Return options of a session of ONNX Runtime that computes alike in every run, and prints nothing.

    It computes in the thread that asks, of which there may be several.
    """
    options = runtime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.use_deterministic_compute = True
    # 4: nothing but what ends the process; errors are raised as well.
    options.log_severity_level = 4
    return options


def _runtime(spec: ModelSpec) -> Any:
    try:
        import onnxruntime
    except ImportError as error:
        raise model_error(
            spec,
            found="onnxruntime, which runs ONNX files, is not installed",
            next_step='pip install "pytest-prodbench[onnx]" (on a GPU: onnxruntime-gpu)',
        ) from error
    return onnxruntime


def _providers(spec: ModelSpec, device: torch.device) -> list[str]:
    asked = OnnxOptions.model_validate(spec.options).providers
    return asked or [CUDA if device.type == "cuda" else CPU]
