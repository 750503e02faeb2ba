"""A network of the user's own code: ``module:package.module:name``.

What the name may be:

* a class or function that can be called without arguments and returns an ``nn.Module``, as the builders of
  torchvision do; weights come from ``checkpoint`` (safetensors, or a pickle that is read as tensors only),
  loaded strictly;
* an ``nn.Module`` itself;
* any other callable, which maps a float32 batch (b, 3, h, w) to vectors (b, d): see the options.

The way from image to tensor is ``[models.NAME.preprocess]``, or a method ``preprocess`` of the object: PIL
image → float32 tensor (3, h, w), with an attribute ``preprocessing``, the same in words.
"""

from __future__ import annotations

import hashlib
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_prodbench.errors import ProdbenchError
from pytest_prodbench.models.checkpoints import (
    TENSORS_ONLY,
    checkpoint_path,
    first_line,
    model_error,
    reason,
    refused_pickle,
    require_weight_file,
)
from pytest_prodbench.models.identity import library_versions, parameters_digest, weights_digest
from pytest_prodbench.models.named_object import imported, made, no_module, not_imported, split
from pytest_prodbench.models.pipeline import pipeline_of, refuse_preprocess
from pytest_prodbench.models.pooling import pooling_name
from pytest_prodbench.models.protocol import ModelIdentity
from pytest_prodbench.settings.frozen import Frozen

if TYPE_CHECKING:
    from collections.abc import Callable

    import torch
    from PIL.Image import Image

    from pytest_prodbench.settings.types import ModelSpec


class ModuleOptions(Frozen):
    """Keys of ``[models.NAME]`` that only a module has.

    Attributes:
        output: key or place of the output that holds the vectors, where there are several.
        version: of the code: where stated it counts in the digest of an ``nn.Module``, and for a callable
            that has no parameters it stands in the place of one.
    """

    output: str | int | None = None
    version: str | None = None


class ModuleEmbedder:
    """A network of the user's own."""

    def __init__(
        self,
        spec: ModelSpec,
        network: Any,
        preprocess: Callable[[Image], torch.Tensor],
        words: str,
        digest: str,
        device: torch.device,
    ) -> None:
        """Find the dimension by one forward pass over a grey image.

        Raises:
            ModelError: the network raises, or gives no vector.
        """
        import torch
        from PIL import Image as Images

        self._spec, self._network, self._preprocess = spec, network, preprocess
        self.network = network if isinstance(network, torch.nn.Module) else None
        self._output = ModuleOptions.model_validate(spec.options).output
        try:
            tensor = preprocess(Images.new("RGB", (97, 64), "grey"))
            with torch.inference_mode():
                dimension = int(self.embed(tensor[None].to(device)).shape[1])
        except ProdbenchError:
            raise
        except Exception as error:  # the user's code may raise anything
            raise model_error(
                spec,
                found=f"{type(error).__name__} on one image: {first_line(error)[:500]}",
                expected="float32 (b, 3, h, w) → vectors (b, d)",
            ) from error
        self.identity = ModelIdentity(
            weights_digest=digest,
            preprocessing=words,
            pooling=pooling_name(spec),
            dimension=dimension,
            versions=library_versions("torch", "torchvision", "pillow", "numpy"),
        )

    def preprocess(self, image: Image) -> torch.Tensor:
        """By the stated pipeline, or the object's own."""
        return self._preprocess(image)

    def embed(self, batch: torch.Tensor) -> torch.Tensor:
        """Map (b, 3, h, w) to vectors (b, dimension)."""
        from pytest_prodbench.models.vectors import one_output, pooled

        return pooled(self._spec, one_output(self._spec, self._network(batch), self._output))


class ModuleLibrary:
    """Imports what a dotted path names."""

    options = ModuleOptions

    def files(self, spec: ModelSpec) -> list[Path] | None:
        """Return the source file of the module and the checkpoint; None where the source has no file.

        What the module imports from other files of its own is not seen: a change there needs another
        ``version``, or another checkpoint.

        Raises:
            ModelError: there is no such module, or no such checkpoint.
        """
        module, _ = split(spec)
        try:
            found = find_spec(module)
        except (ImportError, ValueError) as error:
            raise no_module(spec, module, error) from error
        except Exception as error:  # the packages above it are imported, and may raise anything
            raise not_imported(spec, error) from error
        if found is None:
            raise no_module(spec, module, None)
        checkpoint = checkpoint_path(spec)
        weights = [] if checkpoint is None else [require_weight_file(spec, checkpoint)]
        # "built-in" and "frozen" are origins, but no files.
        return [Path(found.origin), *weights] if found.has_location and found.origin else None

    def load(self, spec: ModelSpec, device: torch.device) -> ModuleEmbedder:
        """Import it, make the network, load its weights, put it on a device, in eval mode.

        Raises:
            ModelError: it cannot be imported or made; the weights do not fit; no preprocessing is known; the
                network does not take an image.
        """
        import torch

        files = self.files(spec) or []
        thing = imported(spec)
        network = made(spec, thing)
        checkpoint = checkpoint_path(spec)
        if checkpoint is not None:
            _load_weights(spec, network, checkpoint)
        preprocess, words = _preprocessing(spec, network, thing)
        if isinstance(network, torch.nn.Module):
            network = network.to(device).eval().requires_grad_(requires_grad=False)
            digest = (
                weights_digest(f"module:{spec.identifier}", files)
                if checkpoint is not None
                else _joined(parameters_digest(f"module:{spec.identifier}", network), files)
            )
            stated = ModuleOptions.model_validate(spec.options).version
            if stated is not None:
                digest = hashlib.sha256(f"{digest} version {stated}".encode()).hexdigest()
        else:
            digest = _joined(_version(spec), files)
        return ModuleEmbedder(spec, network, preprocess, words, digest, device)

    def download(self, spec: ModelSpec) -> list[Path]:
        """Nothing to fetch; see ``files``."""
        return self.files(spec) or []


def _load_weights(spec: ModelSpec, network: Any, path: Path) -> None:
    import pickle

    import torch
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    if not isinstance(network, torch.nn.Module):
        raise model_error(
            spec, found="a checkpoint for a callable", expected="an nn.Module to load it into"
        )
    try:
        if path.suffix == ".safetensors":
            state = load_file(path)
        else:
            state = torch.load(path, map_location="cpu", weights_only=True)
        network.load_state_dict(state, strict=True)
    except (
        SafetensorError,
        pickle.UnpicklingError,
        RuntimeError,
        OSError,
        EOFError,
        TypeError,
    ) as error:
        raise model_error(
            spec,
            found=f"{path} cannot be loaded: {reason(error)[:1000]}",
            expected=f"every tensor of {type(network).__name__} in its shape, and no other",
            next_step=TENSORS_ONLY if refused_pickle(error) else "",
        ) from error


def _preprocessing(
    spec: ModelSpec, network: Any, thing: Any
) -> tuple[Callable[[Image], torch.Tensor], str]:
    own = next(
        (one for one in (network, thing) if callable(getattr(one, "preprocess", None))), None
    )
    if own is None:
        pipeline = pipeline_of(spec, why="it has no method preprocess either")
        return pipeline, pipeline.description
    refuse_preprocess(spec, "none beside the method preprocess of the object")
    words = getattr(own, "preprocessing", None)
    if not isinstance(words, str) or not words:
        raise model_error(
            spec,
            found=f"an attribute preprocessing of type {type(words).__name__}",
            expected="text that says all that its method preprocess does: it is in the cache's key",
        )
    return own.preprocess, words


def _version(spec: ModelSpec) -> str:
    stated = ModuleOptions.model_validate(spec.options).version
    if stated is None:
        raise model_error(
            spec,
            found="a callable without parameters to take a digest of, and no version",
            expected="version = '…', another one whenever its answers change",
            next_step=f"add it to [models.{spec.name}]",
        )
    return stated


def _joined(digest: str, files: list[Path]) -> str:
    return hashlib.sha256(f"{digest} {weights_digest('source', files)}".encode()).hexdigest()
