"""Blocks of scores by torch: float32 on a GPU, and the certified first pass in bfloat16."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from pytest_prodbench.retrieval.backends import (
    BFLOAT16_ROUNDOFF,
    SIMILARITY_ROUNDING,
    AlikeQueries,
    Backend,
    BlockMemory,
    Float32Queries,
    gamma,
)
from pytest_prodbench.retrieval.bfloat16 import Bfloat16Block
from pytest_prodbench.retrieval.blocks import ScoreBlock
from pytest_prodbench.retrieval.bounds import Bounds
from pytest_prodbench.retrieval.device_block import DeviceBlock
from pytest_prodbench.retrieval.full_float32 import full_float32
from pytest_prodbench.retrieval.gallery import NORM_SLACK

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pytest_prodbench.retrieval.backends import OpenQueries
    from pytest_prodbench.retrieval.gallery import Gallery

    Floats = NDArray[np.float32]


class DeviceBackend(Backend):
    """float32 on a GPU, TF32 off; the gallery is moved there once."""

    name = "torch"
    query_block = 1024
    gallery_block = 65_536
    side_by_side = False

    def __init__(self, gallery: Gallery, device: str) -> None:
        super().__init__(gallery)
        self.device = torch.device(device)
        # Places, not rows: a block is then one piece of device memory.
        self.moved: torch.Tensor = gallery.moved(device)
        self.memory = BlockMemory(partial(torch.empty, dtype=torch.float32, device=device))

    def open(self, queries: Floats) -> OpenQueries:
        return _DeviceQueries(self, queries)


class _DeviceQueries(Float32Queries):
    def __init__(self, backend: DeviceBackend, queries: Floats) -> None:
        super().__init__(queries)
        self._backend = backend
        self._moved = torch.from_numpy(np.ascontiguousarray(queries)).to(backend.device)

    def block(self, start: int, stop: int, group: int) -> ScoreBlock:  # noqa: ARG002 - topk needs none
        out = self._backend.memory.of(len(self._queries), stop - start)
        with full_float32():
            torch.mm(self._moved, self._backend.moved[start:stop].T, out=out)
        return DeviceBlock(out)


class ReducedBackend(Backend):
    """bfloat16 products of vectors rounded to bfloat16, with a certified bound on their error.

    With x̃, ỹ the rounded vectors: |⟨x, y⟩ − ⟨x̃, ỹ⟩| <= ‖x − x̃‖ ‖y‖ + ‖x̃‖ ‖y − ỹ‖ (Cauchy and
    Schwarz), where the residuals ‖x − x̃‖ are measured, not estimated. The products of bfloat16 numbers
    are exact in float32 and are added up in float32 in some order: γ_2d ‖x̃‖ ‖ỹ‖ more (Higham §3.1; 2d,
    because tensor units round each of a pair), and u + 2⁻³¹ for rounding the exact score. The sum is
    rounded to bfloat16 once, relatively by 2⁻⁸.
    """

    name = "torch, bfloat16 first"
    # On a CPU every thread has a block of its own, and candidates of so many queries: of larger ones two
    # threads took more memory than is promised, and hardly less time.
    query_block = 512
    gallery_block = 4096

    def __init__(self, gallery: Gallery, device: str) -> None:
        super().__init__(gallery)
        self.device = torch.device(device)
        self.reduced = gallery.reduced(device)
        self.memory = BlockMemory(partial(torch.empty, dtype=torch.bfloat16, device=device))
        self.side_by_side = self.device.type == "cpu"
        if not self.side_by_side:
            self.query_block, self.gallery_block = 1024, 65_536

    @staticmethod
    def suits(device: str) -> bool:
        """Whether the processor multiplies bfloat16 matrices faster than float32 ones."""
        kind = torch.device(device).type
        if kind == "cuda":
            return bool(torch.cuda.is_bf16_supported(including_emulation=False))
        ask: Any = getattr(torch.cpu, "get_capabilities", None)
        found = ask() if kind == "cpu" and ask is not None else {}
        onednn: Any = torch.backends.mkldnn
        fast = found.get("amx_bf16") or found.get("avx512_bf16")
        return bool(fast) and bool(onednn.is_available())

    def open(self, queries: Floats) -> OpenQueries:
        return _ReducedQueries(self, queries)


class _ReducedQueries(AlikeQueries):
    def __init__(self, backend: ReducedBackend, queries: Floats) -> None:
        self._backend = backend
        plain = torch.from_numpy(np.ascontiguousarray(queries))
        copy = plain.to(torch.bfloat16)
        self._queries = copy.to(backend.device)
        residual = torch.linalg.vector_norm(plain - copy, dim=1).double().numpy() * NORM_SLACK
        norm = torch.linalg.vector_norm(copy.float(), dim=1).double().numpy() * NORM_SLACK
        known = backend.reduced
        terms = 2 * queries.shape[1]
        # Units that flush subnormal products to zero lose less than 2⁻¹²⁶ a term.
        error = (
            residual * known.norm
            + norm * known.residual
            + gamma(terms) * norm * (known.norm + known.residual)
            + terms * 2.0**-126
            + SIMILARITY_ROUNDING
        )
        super().__init__(Bounds(error, BFLOAT16_ROUNDOFF))

    def block(self, start: int, stop: int, group: int) -> ScoreBlock:
        out = self._backend.memory.of(len(self._queries), stop - start)
        on_cpu = self._backend.device.type == "cpu"
        # A switch of GPUs and of the whole process: threads of a CPU would turn it over each other's heads.
        with nullcontext() if on_cpu else _full_accumulation():
            torch.mm(self._queries, self._backend.reduced.tensor[start:stop].T, out=out)
        return Bfloat16Block(out, group) if on_cpu else DeviceBlock(out)


@contextmanager
def _full_accumulation() -> Iterator[None]:
    # Otherwise a GPU may add up partial sums in bfloat16: outside the bound.
    switch: Any = torch.backends.cuda.matmul
    before = switch.allow_bf16_reduced_precision_reduction
    # Newer versions of torch keep a second setting with it, which a plain bool would overwrite.
    split_k = getattr(switch, "allow_bf16_reduced_precision_reduction_split_k", None)
    rest = () if split_k is None else (split_k,)
    switch.allow_bf16_reduced_precision_reduction = (False, *rest) if rest else False
    try:
        yield
    finally:
        switch.allow_bf16_reduced_precision_reduction = (before, *rest) if rest else before
