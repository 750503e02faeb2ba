"""Trivial models: a floor that every dataset must leave far behind.

A dataset on which one of them comes near a real model can be solved by its backgrounds, its colours or
its file names, and measures nothing else.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from pytest_prodbench.models.checkpoints import model_error
from pytest_prodbench.models.identity import library_versions
from pytest_prodbench.models.pipeline import refuse_preprocess
from pytest_prodbench.models.protocol import ModelIdentity
from pytest_prodbench.models.slivers import refuse_sliver

if TYPE_CHECKING:
    from pathlib import Path

    import torch
    from PIL.Image import Image

    from pytest_prodbench.settings.types import ModelSpec

VERSION = 1
"""Of the definitions below; raised when one of them changes."""

EDGES = {"pixels": 32, "colour-histogram": 64}
"""Edge of the square that an image is shrunk to, by name of the model."""

BINS = 8
"""Steps of each colour channel in the histogram."""


class BaselineEmbedder:
    """A loaded trivial model."""

    def __init__(self, name: str) -> None:
        edge = EDGES[name]
        self._name, self._edge = name, edge
        self.identity = ModelIdentity(
            weights_digest=hashlib.sha256(f"baseline:{name}:{VERSION}".encode()).hexdigest(),
            preprocessing=f"resize to {edge} x {edge}, bicubic, antialiased (Pillow); 0 … 1",
            pooling="none" if name == "pixels" else "histogram",
            dimension=3 * edge**2 + 1 if name == "pixels" else BINS**3,
            versions=library_versions("torch", "pillow"),
        )

    def preprocess(self, image: Image) -> torch.Tensor:
        """Shrink to a square, whatever the sides were: float32 (3, edge, edge) in 0 … 1."""
        import numpy as np
        import torch
        from PIL.Image import Resampling

        refuse_sliver(image)
        small = image.resize((self._edge, self._edge), Resampling.BICUBIC)
        return torch.from_numpy(np.asarray(small, np.float32) / 255.0).permute(2, 0, 1)

    def embed(self, batch: torch.Tensor) -> torch.Tensor:
        """Map (b, 3, edge, edge) to vectors (b, dimension)."""
        return _pixels(batch) if self._name == "pixels" else _histogram(batch)


def _pixels(batch: torch.Tensor) -> torch.Tensor:
    """All pixels less their mean over the image, and 1/255: the cosine of two is their correlation.

    The last component keeps an image of one colour from being the zero vector, which has no direction.
    """
    import torch

    flat = batch.flatten(1)
    rest = flat.new_full((len(flat), 1), 1.0 / 255.0)
    return torch.cat([flat - flat.mean(dim=1, keepdim=True), rest], dim=1)


def _histogram(batch: torch.Tensor) -> torch.Tensor:
    """Square roots of the shares of ``BINS``³ colours (Swain & Ballard, Color indexing, IJCV 1991).

    The cosine of two is their Bhattacharyya coefficient.
    """
    import torch

    steps = (batch * BINS).long().clamp(0, BINS - 1)
    colour = ((steps[:, 0] * BINS + steps[:, 1]) * BINS + steps[:, 2]).flatten(1)
    counts = torch.zeros(len(batch), BINS**3, dtype=torch.float32, device=batch.device)
    counts.scatter_add_(1, colour, torch.ones_like(colour, dtype=torch.float32))
    return (counts / colour.shape[1]).sqrt()


class BaselineLibrary:
    """``baseline:pixels`` and ``baseline:colour-histogram``; nothing is loaded or downloaded."""

    def files(self, spec: ModelSpec) -> list[Path]:
        """Return ``[]``: no file decides the numbers.

        Raises:
            ModelError: no such baseline, or something is asked of it that it has not.
        """
        if spec.identifier not in EDGES:
            raise model_error(
                spec,
                found=f"baseline {spec.identifier!r}",
                expected=" or ".join(f"baseline:{name}" for name in EDGES),
            )
        for key in ("checkpoint", "revision"):
            if getattr(spec, key) is not None:
                raise model_error(
                    spec, found=f"{key} {getattr(spec, key)!r}", expected="none: it has no weights"
                )
        if spec.pooling != "default":
            raise model_error(spec, found=f"pooling {spec.pooling!r}", expected="default")
        refuse_preprocess(spec, "none: a trivial baseline is what it is")
        return []

    def load(self, spec: ModelSpec, device: torch.device) -> BaselineEmbedder:  # noqa: ARG002
        """Return the model; it computes on whatever device its batches lie.

        Raises:
            ModelError: as ``files``.
        """
        self.files(spec)
        return BaselineEmbedder(spec.identifier)

    def download(self, spec: ModelSpec) -> list[Path]:
        """Nothing to fetch; see ``files``."""
        return self.files(spec)
