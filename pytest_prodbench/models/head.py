"""A linear map after a model: a fine-tuned head, or a whitening matrix (Jégou & Chum, ECCV 2012, §3)."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import TYPE_CHECKING

from pytest_prodbench.models.checkpoints import first_line, model_error

if TYPE_CHECKING:
    import torch
    from PIL.Image import Image

    from pytest_prodbench.models.protocol import Embedder, Features
    from pytest_prodbench.settings.types import Head, ModelSpec

NAMES = ("weight", "bias", "mean")
"""Tensors that a file of weights may hold; the first one it must."""


class HeadedEmbedder:
    """A model with a linear map after it: W (x − mean) + bias, x of length 1 where the head says so."""

    def __init__(self, embedder: Embedder, spec: ModelSpec, device: torch.device) -> None:
        """Read the head's weights.

        Raises:
            ModelError: they are missing, damaged, or do not fit the model's vectors.
        """
        import torch

        assert spec.head is not None  # noqa: S101 - made for models that have one
        self._embedder, self._normalise = embedder, spec.head.normalise
        for optional in ("kind", "collate", "side_by_side"):
            if hasattr(embedder, optional):
                setattr(self, optional, getattr(embedder, optional))
        before = embedder.identity
        tensors, digest = _read(spec, spec.head)
        weight = tensors["weight"]
        if weight.ndim != 2 or weight.shape[1] != before.dimension:
            turned = weight.ndim == 2 and weight.shape[0] == before.dimension
            raise _unfit(
                spec,
                f"weight of shape {tuple(weight.shape)}",
                f"(d, {before.dimension})",
                "save weight.T: the output goes first, as in torch.nn.Linear"
                if turned
                else f"train it on the vectors of this model, which have {before.dimension} numbers",
            )
        out = int(weight.shape[0])
        for name, length in (("bias", out), ("mean", before.dimension)):
            if name in tensors and tuple(tensors[name].shape) != (length,):
                raise _unfit(
                    spec,
                    f"{name} of shape {tuple(tensors[name].shape)}",
                    f"({length},)",
                    f"save the {name} that belongs to this weight",
                )
        placed = {name: tensor.to(device, torch.float32) for name, tensor in tensors.items()}
        self._weight, self._bias = placed["weight"], placed.get("bias")
        self._mean = placed.get("mean")
        first = "length 1 > " if self._normalise else ""
        self.identity = replace(
            before,
            weights_digest=hashlib.sha256(
                f"{before.weights_digest} {first}{digest}".encode()
            ).hexdigest(),
            pooling=f"{before.pooling} > {first}linear({before.dimension}, {out})",
            dimension=out,
        )

    def preprocess(self, image: Image) -> Features:
        """As the model without the head."""
        return self._embedder.preprocess(image)

    def embed(self, batch: Features) -> torch.Tensor:
        """Map a batch of b images to vectors (b, d), in float32 whatever the model before ran in."""
        import torch

        # Autocast would round the head's product to the precision of the model before it.
        vectors = self._embedder.embed(batch).float()
        with torch.autocast(vectors.device.type, enabled=False):
            if self._normalise:
                vectors = torch.nn.functional.normalize(vectors, dim=1)
            if self._mean is not None:
                vectors = vectors - self._mean
            return torch.nn.functional.linear(vectors, self._weight, self._bias)


def _read(spec: ModelSpec, head: Head) -> tuple[dict[str, torch.Tensor], str]:
    from safetensors import SafetensorError
    from safetensors.torch import load

    try:
        data = head.weights.read_bytes()
        tensors: dict[str, torch.Tensor] = load(data)
    except OSError as error:
        raise model_error(
            spec,
            found=f"head {head.weights}: {error.strerror}",
            expected="a safetensors file",
            next_step="correct the path, or put the file there",
        ) from error
    except SafetensorError as error:
        raise model_error(
            spec,
            found=f"head {head.weights} cannot be read: {first_line(error)}",
            expected="a safetensors file",
            next_step="write it by safetensors.torch.save_file",
        ) from error
    strangers = sorted(set(tensors) - set(NAMES))
    if "weight" not in tensors or strangers:
        raise _unfit(
            spec,
            f"tensors {', '.join(sorted(tensors)) or '(none)'}",
            "weight (d_out, d_in), and perhaps bias (d_out,) and mean (d_in,)",
            "rename its tensors, and leave out others",
        )
    return tensors, hashlib.sha256(data).hexdigest()


def _unfit(spec: ModelSpec, found: str, expected: str, next_step: str) -> Exception:
    assert spec.head is not None  # noqa: S101 - asked of models that have one
    return model_error(
        spec,
        found=f"head {spec.head.weights} with {found}",
        expected=expected,
        next_step=next_step,
    )
