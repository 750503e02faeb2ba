"""Features of models that read an image as a sequence of tokens: which go together, and how they are padded.

The convention is that of transformers' processors: each tensor has the images of the batch in front, but
patches of all images lie behind one another (``pixel_values`` of Qwen2-VL: (patches, values)); tensors of
the shape of ``input_ids`` are padded to the longest sequence and masked by ``attention_mask``.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING, Any

from pytest_prodbench.errors import ImageError
from pytest_prodbench.models.checkpoints import first_line
from pytest_prodbench.models.slivers import refuse_sliver

if TYPE_CHECKING:
    import torch
    from PIL.Image import Image

TOKENS = "input_ids"


@dataclass(frozen=True, slots=True)
class Padding:
    """How the sequences of a batch become equally long.

    Attributes:
        token: id that fills ``input_ids``; everything else is filled with 0.
        left: in front of the sequence instead of behind it.
    """

    token: int = 0
    left: bool = False

    def collate(self, features: Sequence[Mapping[str, torch.Tensor]]) -> dict[str, torch.Tensor]:
        """Put n images together, each with 1 in front of its sequences."""
        import torch

        first = features[0]
        longest = max(one[TOKENS].shape[1] for one in features) if TOKENS in first else 0
        batch = {}
        for name in first:
            parts = [one[name] for one in features]
            if _is_sequence(first, name):
                value = self.token if name == TOKENS else 0
                missing = [longest - part.shape[1] for part in parts]
                parts = [
                    torch.nn.functional.pad(part, (n, 0) if self.left else (0, n), value=value)
                    for part, n in zip(parts, missing, strict=True)
                ]
            batch[name] = torch.cat(parts)
        return batch


class SequenceEmbedder:
    """What embedders of sequences share; each runs its own processor over an image in ``_features``."""

    def __init__(self, padding: Padding) -> None:
        self._padding = padding
        self._lock = Lock()

    def __getstate__(self) -> dict[str, Any]:
        """All but the lock, of which a copy needs its own."""
        return {name: value for name, value in self.__dict__.items() if name != "_lock"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Take over what was copied."""
        self.__dict__.update(state)
        self._lock = Lock()

    def kind(self, features: Mapping[str, torch.Tensor]) -> Hashable:
        """Images whose patches and sequences differ in number only go together."""
        return kind(features)

    def collate(self, features: Sequence[Mapping[str, torch.Tensor]]) -> Mapping[str, torch.Tensor]:
        """Pad the sequences to one length."""
        return self._padding.collate(features)

    def _processed(self, image: Image) -> dict[str, Any]:
        """What ``_features`` makes of an image; an error of the processor's is one of this image."""
        refuse_sliver(image)
        try:
            # One at a time: a tokenizer of the library in Rust refuses to be used by two threads at once.
            with self._lock:
                return self._features(image)
        except ValueError as error:
            raise ImageError(
                f"image of {image.width} x {image.height} pixels", found=first_line(error)
            ) from error

    def _features(self, image: Image) -> dict[str, Any]:
        raise NotImplementedError


def kind(features: Mapping[str, torch.Tensor]) -> Hashable:
    """Return what images of one batch have in common: all but the lengths of sequences and of patches."""
    return tuple(
        (name, "sequence" if _is_sequence(features, name) else tuple(features[name].shape[1:]))
        for name in sorted(features)
    )


def reduced_weights(dtype: str) -> str:
    """Return what keeps engines that compute in float32 from weights of a dtype; empty: nothing."""
    return "" if dtype == "float32" else f"its weights are in {dtype}"


def _is_sequence(features: Mapping[str, torch.Tensor], name: str) -> bool:
    return TOKENS in features and features[name].shape == features[TOKENS].shape
