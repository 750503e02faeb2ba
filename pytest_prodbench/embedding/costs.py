"""What a model costs on this machine: time of one image, images a second, memory."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_prodbench.datasets.decoding import crop, decode
from pytest_prodbench.embedding.batches import batch_of, kind
from pytest_prodbench.embedding.device import choose_batch_size
from pytest_prodbench.embedding.remote.roles import account_of

if TYPE_CHECKING:
    from pytest_prodbench.embedding.model import ModelHandle
    from pytest_prodbench.embedding.request import ImageRequest
    from pytest_prodbench.models import Features
    from pytest_prodbench.settings.types import RunSettings

LOOKED_AT = 64
"""Images, evenly spaced among the queries: the 95th of a hundredth parts has three above it."""

WARM_UP = 3
MEBIBYTE = 2**20


def measure_costs(
    requests: Sequence[ImageRequest], model: ModelHandle, settings: RunSettings
) -> dict[str, float]:
    """Embed some images alone and in batches; nothing is taken from the cache, nothing is kept.

    Args:
        requests: images that can be decoded, as those of an evaluated dataset.
        model: loaded if it is not yet.
        settings: batch size, pixel limit.

    Returns:
        ``latency_p95_ms``: 95th percentile (nearest rank) over single images, from the bytes of the file to
        the vector in memory: decoding, preprocessing, forward pass. ``images_per_s``: the same work in full
        batches, decoded by two threads. ``peak_memory_mib``: on a GPU what the allocator held at its peak;
        on the CPU the peak resident memory of this process meanwhile, libraries and weights included.
    """
    import torch

    embedder = model.load()
    looked_at = requests[:: -(-len(requests) // LOOKED_AT)]
    files = [(request, request.read()) for request in looked_at]

    def features(one: tuple[ImageRequest, bytes]) -> Features:
        request, data = one
        image = decode(data, where=request.name, max_pixels=settings.max_pixels)
        return embedder.preprocess(crop(image, request.box, where=request.name))

    def embed(images: Sequence[Features]) -> None:
        with torch.inference_mode(), model.autocast():
            # To the CPU: a GPU has only then done what it was asked.
            embedder.embed(batch_of(embedder, images, model.device)).float().cpu()

    def one_by_one(one: tuple[ImageRequest, bytes]) -> float:
        return _seconds(lambda: embed([features(one)]))

    for one in files[:WARM_UP]:
        one_by_one(one)
    peak = _peak_memory(model.device)
    seconds = sorted(map(one_by_one, files))
    size = choose_batch_size(settings.batch_size, model.device)
    whole = files * -(-size // len(files))
    whole = whole[: len(whole) // size * size]

    def all_of_them() -> None:
        with ThreadPoolExecutor(2, thread_name_prefix="prodbench-costs") as pool:
            # Decoded ahead of the forward pass; images of another kind go in a batch of their own.
            ready = pool.map(features, whole)
            while batch := list(islice(ready, size)):
                kinds = [kind(embedder, part) for part in batch]
                for one in dict.fromkeys(kinds):
                    embed([part for part, its in zip(batch, kinds, strict=True) if its == one])

    taken = _seconds(all_of_them)
    return {
        "latency_p95_ms": round(1000.0 * seconds[math.ceil(0.95 * len(seconds)) - 1], 3),
        "images_per_s": round(len(whole) / taken, 3),
        "peak_memory_mib": round(peak(), 3),
    }


def recorded_costs(model: ModelHandle, settings: RunSettings) -> dict[str, float]:
    """Return what a remote model's requests took so far, as its account has it; nothing is sent.

    Returns:
        ``latency_p95_ms``: 95th percentile (nearest rank) over the newest requests, of one image or several.
        ``images_per_s``: images over the time in which they were asked for. Empty for a model on this
        machine, and before the first request.
    """
    if model.remote is None:
        return {}
    account = account_of(model, settings)
    found = {
        "latency_p95_ms": account.latency_p95_ms(),
        "images_per_s": account.images_per_s(),
    }
    return {name: value for name, value in found.items() if value is not None}


def _seconds(work: Callable[[], None]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def _peak_memory(device: str) -> Callable[[], float]:
    """Begin to watch; what is returned tells the peak since then, in MiB."""
    if device != "cpu":
        import torch

        torch.cuda.reset_peak_memory_stats(device)
        return lambda: torch.cuda.max_memory_allocated(device) / MEBIBYTE
    # Linux: forget the peak so far (proc(5), clear_refs).
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")

    def peak() -> float:
        for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
            if line.startswith("VmHWM"):
                return int(line.split()[1]) / 1024
        raise OSError("/proc/self/status has no VmHWM")

    return peak
