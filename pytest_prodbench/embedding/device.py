"""Where and how the forward pass runs: device, precision, batch size, threads, heap."""

from __future__ import annotations

import os
import re
from contextlib import AbstractContextManager, nullcontext
from functools import cache
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_prodbench.errors import SettingsError

if TYPE_CHECKING:
    import torch

    from pytest_prodbench.settings.types import RunSettings

CPU_BATCH = 4
"""Larger batches are slower on a CPU (activations leave the caches, docs/benchmarks.md)."""

GPU_BATCH = 64
"""First guess on a GPU; halved until it fits."""


def cpu_count() -> int:
    """Processors that this process may use, cgroup quota included; at least 1."""
    count = (
        len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    )
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text(encoding="ascii").split()
        if quota != "max":
            count = min(count, max(1, int(quota) // int(period)))
    except (OSError, ValueError):
        pass  # no cgroup v2 here: the affinity mask is all there is to know
    return count


def may_have_gpu() -> bool:
    """Whether it is worth importing torch to look for a GPU: a driver's device file is there."""
    if os.environ.get("CUDA_VISIBLE_DEVICES") in {"", "-1"}:
        return False
    return any(Path(path).exists() for path in ("/dev/nvidiactl", "/dev/dxg", "/dev/kfd"))


def visible_gpus() -> list[str]:
    """Return what ``CUDA_VISIBLE_DEVICES`` may name in this process, without importing torch."""
    outer = os.environ.get("CUDA_VISIBLE_DEVICES")
    if outer is not None:
        # The driver's own rule: what stands behind the first invalid entry is not visible.
        parts = [part.strip() for part in outer.split(",")]
        return list(takewhile(lambda part: part not in {"", "-1"}, parts))
    driver = Path("/proc/driver/nvidia/gpus")
    count = len(list(driver.iterdir())) if driver.is_dir() else 0
    return [str(index) for index in range(count)]


def choose_device(wanted: str) -> str:
    """Resolve ``auto`` to ``cuda`` or ``cpu``; on a machine without a GPU driver torch is not imported.

    Raises:
        SettingsError: a GPU was asked for by name and is not there, or the name is unknown.
    """
    if wanted == "cpu" or (wanted == "auto" and not may_have_gpu()):
        return "cpu"
    import torch

    available = torch.cuda.is_available()
    if wanted == "auto":
        return "cuda" if available else "cpu"
    if not re.fullmatch(r"cuda(:[0-9]{1,3})?", wanted):
        raise SettingsError(
            "device", found=repr(wanted), expected="auto, cpu, cuda or cuda:N with N a number"
        )
    count = torch.cuda.device_count() if available else 0
    if int(wanted.partition(":")[2] or 0) >= count:
        raise SettingsError(
            "device",
            found=f"{wanted!r} where torch {torch.__version__} sees {count} GPUs",
            expected="a GPU that is there",
            next_step="use --prodbench-device auto, or look at CUDA_VISIBLE_DEVICES and the driver",
        )
    return wanted


def choose_precision(wanted: str, device: str) -> str:
    """Resolve ``auto``: float32 everywhere, so that a verdict does not depend on where it was measured.

    Reduced precision is another model, asked for by name: bfloat16 moved a quarter of the ranks of a trained
    Lite0, and up to 11 of 440 first hits (docs/benchmarks.md).

    Raises:
        SettingsError: a reduced precision was asked for on the CPU.
    """
    if device == "cpu" and wanted not in {"auto", "float32"}:
        raise SettingsError(
            "precision",
            found=f"{wanted!r} on the CPU",
            expected="float32",
            next_step="reduced precision is for GPUs; leave it at auto",
        )
    return "float32" if wanted == "auto" else wanted


def autocast(device: str, precision: str) -> AbstractContextManager[Any]:
    """Context in which the forward pass runs."""
    if precision == "float32":
        return nullcontext()
    import torch

    return torch.autocast(device.partition(":")[0], dtype=getattr(torch, precision))


def choose_batch_size(wanted: int, device: str) -> int:
    """Resolve 0."""
    return wanted or (CPU_BATCH if device == "cpu" else GPU_BATCH)


def choose_lanes(settings: RunSettings) -> int:
    """How many forward passes of one thread each may run side by side: the stated threads.

    By default the processors of this process, shared with the other workers of a distributed session. Unlike
    the threads of one pass, which split its sums, the number of lanes changes no digit.
    """
    if settings.threads:
        return settings.threads
    workers = os.environ.get("PYTEST_XDIST_WORKER_COUNT", "")
    return max(1, cpu_count() // max(1, int(workers) if workers.isdecimal() else 1))


def prepare_process(settings: RunSettings, device: str) -> None:
    """Set torch threads and keep the heap; called before the first forward pass of a process."""
    import torch

    # One thread unless told otherwise: work is spread over processes, two threads beside a busy neighbour
    # are slower than one, and the last digits of a convolution depend on how it is split over threads.
    torch.set_num_threads(settings.threads or 1)
    # Convolutions in TF32 keep 10 bits; float32 must mean float32 on a GPU too.
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cuda.matmul.allow_tf32 = False
    if device == "cpu":
        keep_heap()


@cache
def keep_heap() -> bool:
    """Tell glibc to keep freed memory; True if it agreed, False where there is no glibc.

    By default glibc hands large activations back to the kernel at each batch and gets them again page by
    page, which costs a third of the time or more (docs/benchmarks.md). 32 MiB is the largest threshold
    that it accepts on a 64-bit machine.
    """
    import ctypes

    trim_threshold, mmap_threshold = -1, -3
    try:
        mallopt = ctypes.CDLL("libc.so.6").mallopt
    except (OSError, AttributeError):
        return False
    return bool(mallopt(mmap_threshold, 32 << 20)) and bool(mallopt(trim_threshold, 1 << 30))


def to_device(batch: torch.Tensor, device: str) -> torch.Tensor:
    """Move a float32 batch (b, 3, h, w) to a device in channels_last memory format."""
    import torch

    if batch.dim() == 4:
        batch = batch.contiguous(memory_format=torch.channels_last)
    return batch if device == "cpu" else batch.pin_memory().to(device, non_blocking=True)
