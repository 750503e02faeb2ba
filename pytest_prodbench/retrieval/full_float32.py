"""Float32 products of torch in full, whatever precision the process has chosen for its own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

INHERITED = "none"
"""What a switch of its own holds where it follows the one above it."""


@contextmanager
def full_float32() -> Iterator[None]:
    """Multiply float32 matrices in float32; afterwards everything is set as it was.

    TF32 keeps 10 bits of a mantissa and bfloat16 8: outside the bound of ``score_error``. Since torch 2.9
    each kind of device has a switch, and whoever has used one must not touch the older one for all of
    them, which then raises instead of answering.
    """
    switches = _switches()
    if not switches:
        before = torch.get_float32_matmul_precision()
        torch.set_float32_matmul_precision("highest")
        try:
            yield
        finally:
            torch.set_float32_matmul_precision(before)
        return
    found = [switch.fp32_precision for switch in switches]
    try:
        for switch in switches:
            switch.fp32_precision = "ieee"
        yield
    finally:
        for switch, precision in zip(switches, found, strict=True):
            # A switch tells what is in force, not whether that is its own or comes from
            # torch.backends.fp32_precision; written down as its own it would stay when that changes.
            switch.fp32_precision = INHERITED
            if switch.fp32_precision != precision:
                switch.fp32_precision = precision


def _switches() -> list[Any]:
    """What says how float32 matrices are multiplied, on GPUs and CPUs; nothing before torch 2.9."""
    backends: tuple[Any, ...] = (torch.backends.cuda, torch.backends.mkldnn)
    found = [getattr(backend, "matmul", None) for backend in backends]
    return found if all(hasattr(switch, "fp32_precision") for switch in found) else []
