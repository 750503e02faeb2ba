"""Products of 8-bit integers by torch: whether they are right, and whether they are fast."""

from __future__ import annotations

import time
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

if TYPE_CHECKING:
    from collections.abc import Callable

LARGEST = 127
"""Of a component as an integer."""

CHECKS = 16
"""Random signs, of which each finds a wrong row of products with a chance of a half at least."""

TRIAL = (128, 512, 1024)
"""r, d, w of the products that are timed."""

FASTER = 1.4
"""How many times as fast as in bfloat16 products must be."""

NOTHING = -(2**31)
"""What no product of such integers is."""


def multiply(queries: Any, gallery: Any, out: Any) -> None:
    """Integer products int32 (r, w) of int8 (r, d) and (w, d).

    Each combination of sizes proves itself once: torch leaves ``out`` as it was for some (d = 1). Few numbers
    prove little, so that those of ``are_exact`` are asked too.
    """
    sizes = (*queries.shape, len(gallery))
    if sizes not in _proven:
        _proven[sizes] = are_exact() and _is_right(*sizes)
    if _proven[sizes]:
        torch._int_mm(queries, gallery.T, out=out)
    else:
        # Exact too, as long as the sums are below 2⁵³.
        out.copy_(queries.double() @ gallery.double().T)


_proven: dict[tuple[int, ...], bool] = {}


def _is_right(r: int, d: int, w: int) -> bool:
    """Whether torch multiplies matrices (r, d) and (d, w) of the largest numbers, with random signs.

    Not those that are asked for: they may be so small that nothing overflows, and memory that is used again
    may hold their products already.
    """
    rng = np.random.default_rng(0)
    queries, gallery = (
        torch.from_numpy((rng.integers(0, 2, size, np.int8) * 2 - 1) * np.int8(LARGEST))
        for size in ((r, d), (w, d))
    )
    out = torch.full((r, w), NOTHING, dtype=torch.int32, device="cpu")
    torch._int_mm(queries, gallery.T, out=out)
    return _adds_up(queries, gallery, out)


def _adds_up(queries: Any, gallery: Any, out: Any) -> bool:
    """Whether a product times random signs is what its factors are (Freivalds, 1977), several times over."""
    signs = np.random.default_rng(1).choice([-1.0, 1.0], (len(gallery), CHECKS))
    some = torch.from_numpy(signs)
    # Sums of a segment's integers are below 2²⁴: exact in float32, in half the memory.
    added = (gallery.float().T @ some.float()).double()
    return torch.equal(out.double() @ some, queries.double() @ added)


@lru_cache(maxsize=1)
def are_exact() -> bool:
    """Whether torch has products of 8-bit integers, and the largest of them are right.

    Older instructions add pairs of products in 16 bits, which do not hold them.
    """
    try:
        return _is_right(*TRIAL)
    except (AttributeError, RuntimeError):
        return False


@lru_cache(maxsize=1)
def are_fast() -> bool:
    """Whether integers are multiplied faster than numbers of bfloat16 and of float32.

    Where torch does not use the processor's instructions they are slower by far. Units for matrices (AMX)
    are so fast in bfloat16 already that its narrower bound is worth more.
    """
    ask: Any = getattr(torch.cpu, "get_capabilities", None)
    found = ask() if ask is not None else {}
    if found.get("amx_bf16") or not (found.get("avx512_vnni") or found.get("avx_vnni")):
        return False
    r, d, w = TRIAL
    queries = torch.ones((r, d), dtype=torch.int8, device="cpu")
    gallery = torch.ones((w, d), dtype=torch.int8, device="cpu")
    out = torch.empty((r, w), dtype=torch.int32, device="cpu")
    integers = _seconds(partial(multiply, queries, gallery, out))
    for kind in (torch.bfloat16, torch.float32):
        scores = torch.empty((r, w), dtype=kind, device="cpu")
        product = partial(torch.mm, queries.to(kind), gallery.to(kind).T, out=scores)
        if _seconds(product) < FASTER * integers:
            return False
    return True


def _seconds(product: Callable[[], object]) -> float:
    """Least time of a few, after one that makes the kernel."""
    product()
    found = []
    for _ in range(5):
        start = time.perf_counter()
        product()
        found.append(time.perf_counter() - start)
    return min(found)
