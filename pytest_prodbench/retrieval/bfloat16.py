"""Blocks of bfloat16 scores, compared by their bits.

Half the memory traffic of float32, and integer comparisons are several times faster than comparisons of
bfloat16 numbers, for which processors have no instruction.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_prodbench.retrieval.blocks import ArrayBlock

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]
    Ints = NDArray[np.int64]

MINUS_INFINITY = np.int16(-128)
"""Bits 0xFF80."""

NEGATIVE_ZERO = np.uint16(0x8000)


def widen(codes: NDArray[np.int16]) -> Floats:
    """Bits of bfloat16 numbers to the same numbers in float32."""
    wide = codes.astype(np.uint16).astype(np.uint32) << np.uint32(16)
    return wide.view(np.float32)


def codes_of(limits: Floats, *, up: bool) -> NDArray[np.uint16]:
    """Bits of the nearest bfloat16 number not below (``up``) or not above each limit."""
    bits = np.ascontiguousarray(limits).view(np.uint32)
    short = (bits >> np.uint32(16)).astype(np.uint16)
    inexact = (bits & np.uint32(0xFFFF)) != 0
    negative = short >= NEGATIVE_ZERO
    # Cutting bits off moves towards zero; one step more moves away from it.
    away = inexact & (~negative if up else negative)
    codes: NDArray[np.uint16] = short + away.astype(np.uint16)
    return codes


class Bfloat16Block(ArrayBlock):
    """A bfloat16 block (r, w) of the CPU; limits stay float32 and are compared exactly."""

    def __init__(self, tensor: Any, group: int) -> None:
        import torch

        super().__init__(tensor.view(torch.int16).numpy(), group)
        self._tensor = tensor

    def exclude(self, rows: Ints, columns: Ints) -> None:
        self._values[rows, columns] = MINUS_INFINITY

    @cached_property
    def maxima(self) -> Floats:
        return self._with_rest(_strided_maxima(self._tensor, self._group).float().numpy())

    def _floats(self, values: NDArray[Any], rows: Ints) -> Floats:  # noqa: ARG002 - alike for all rows
        return widen(values)

    def _exceeding(self, rows: Ints, limits: Floats) -> NDArray[np.bool_]:
        return self._compare(rows, codes_of(limits, up=False), strict=True)

    def _reaching(self, rows: Ints, limits: Floats) -> NDArray[np.bool_]:
        return self._compare(rows, codes_of(limits, up=True), strict=False)

    def _compare(self, rows: Ints, codes: NDArray[np.uint16], *, strict: bool) -> NDArray[np.bool_]:
        """Score > limit (strict) or >= limit, by bits.

        As int16, positive numbers are ordered as numbers and negative ones lie below them; as uint16,
        negative numbers lie above positive ones and are ordered backwards. −0 counts as 0.
        """
        zero = (codes & np.uint16(0x7FFF)) == 0
        # x > 0 is a question about int16; x >= 0, which includes −0, is one about uint16.
        codes = np.where(zero, np.uint16(0) if strict else NEGATIVE_ZERO, codes)
        positive = codes < NEGATIVE_ZERO
        out = np.empty((len(rows), self._values.shape[1]), np.bool_)
        for part, kind, compare in (
            (np.flatnonzero(positive), np.int16, np.greater if strict else np.greater_equal),
            (np.flatnonzero(~positive), np.uint16, np.less if strict else np.less_equal),
        ):
            limits = codes[part].view(kind)[:, None]
            if len(part) == len(rows):
                compare(self._rows(rows).view(kind), limits, out=out)
            elif len(part):
                out[part] = compare(self._values[rows[part]].view(kind), limits)
        return out


def _strided_maxima(tensor: Any, group: int) -> Any:
    """Maxima (r, w // group) over strided groups of a contiguous tensor (r, w)."""
    import torch

    rows, width = tensor.shape
    stride = width // group
    if not stride:
        return tensor[:, :0]
    groups = tensor[:, : stride * group].reshape(rows, group, stride)
    # As int16, in half the time: right for every group that has a positive number.
    maxima = groups.view(torch.int16).amax(1)
    wrong = (maxima < 0).any(1).nonzero().squeeze(1)
    maxima = maxima.view(torch.bfloat16)
    if len(wrong):
        maxima[wrong] = groups[wrong].amax(1)
    return maxima
