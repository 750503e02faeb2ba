"""Images to vectors: what the cache has is taken from it, the rest is decoded, batched and embedded."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from pytest_prodbench.embedding.ahead import decoded_ahead
from pytest_prodbench.embedding.batches import batch_of, kind, runs_side_by_side
from pytest_prodbench.embedding.cache import VectorCache
from pytest_prodbench.embedding.device import choose_batch_size, choose_lanes
from pytest_prodbench.embedding.lanes import Lanes
from pytest_prodbench.embedding.progress import OnProgress, ProgressEvent
from pytest_prodbench.embedding.remote.job import LOCK, RemoteJob
from pytest_prodbench.embedding.remote.ledger import Account
from pytest_prodbench.embedding.remote.silence import silenced
from pytest_prodbench.errors import EmbeddingError, ImageError, ProblemList
from pytest_prodbench.protocol.vectors import refuse_unusable

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from pytest_prodbench.embedding.model import ModelHandle
    from pytest_prodbench.embedding.request import ImageRequest
    from pytest_prodbench.models import Embedder, Features
    from pytest_prodbench.protocol import Box
    from pytest_prodbench.settings.types import RunSettings

    Floats = NDArray[np.float32]
    Decoded = tuple[ImageRequest, bytes, Features]

BLOCK_IMAGES = 256
BLOCK_SECONDS = 10.0
"""A block is written after so many images or seconds: that much is lost at most by ``kill -9``."""

AHEAD = 16
"""Images decoded ahead of the forward pass, at least; two batches for each of its lanes."""


@dataclass(frozen=True, slots=True, eq=False)
class EmbeddedImages:
    """Vectors of n requests, in their order.

    Attributes:
        vectors: float32 (n, d), as the model gave them, not normalised.
        pixels: 32-byte digest of the decoded pixels of each whole image, before any crop.
        embedded, cached: how many distinct images were embedded now and found in the cache.
        paid: what a provider was asked for meanwhile; None for a model on this machine.
    """

    vectors: NDArray[np.float32]
    pixels: tuple[bytes, ...]
    embedded: int
    cached: int
    paid: Account | None = None


def embed_images(
    requests: Sequence[ImageRequest],
    model: ModelHandle,
    settings: RunSettings,
    *,
    dataset: str,
    on_progress: OnProgress | None = None,
) -> EmbeddedImages:
    """Embed n images with a model; equal images (bytes and box) are embedded once.

    The model is loaded only if the cache lacks something. What was embedded is in the cache even if a
    later image fails.

    Args:
        requests: what to embed.
        model: with what.
        settings: cache folder, batch size, pixel limit.
        dataset: name of the lock under which these images are embedded, made of letters and digits.
        on_progress: told about every batch.

    Raises:
        ProblemList: images that cannot be decoded, all of them, after every other image was embedded.
        EmbeddingError: the model gave a vector that is not usable; names the image.
        ModelError: the model cannot be loaded, or its provider cannot be asked.
    """
    import numpy as np

    cache = VectorCache(settings.cache_dir, model.cache_key())
    distinct = {request.key: request for request in requests}
    found = cache.find(list(distinct))
    embedded = 0
    paid = None if model.remote is None else Account()
    # A cache that has everything may lie on a read-only disk: no lock, then.
    if len(found) < len(distinct):
        with cache.lock(dataset if model.remote is None else LOCK):
            # Another process may have embedded the rest while this one waited.
            found |= cache.find([key for key in distinct if key not in found])
            missing = [request for key, request in distinct.items() if key not in found]
            if missing:
                embedded = len(missing)
                job: _Job | RemoteJob
                if model.remote is None:
                    job = _Job(model, settings, cache, missing, len(found), on_progress)
                else:
                    job = RemoteJob(
                        model.spec, model.remote, settings, cache, missing, len(found), on_progress
                    )
                    paid = job.ledger.here
                job.known = {(pixels, distinct[k].box): v for k, (pixels, v) in found.items()}
                with silenced() if model.remote is not None else nullcontext():
                    found |= job.run()
    cached = len(distinct) - embedded
    # Blocks of different runs may hold the same pixels under two files, embedded in different company.
    first: dict[tuple[bytes, Box | None], NDArray[np.float32]] = {}
    for key in sorted(found):
        pixels, vector = found[key]
        found[key] = pixels, first.setdefault((pixels, distinct[key].box), vector)
    keys = [request.key for request in requests]
    return EmbeddedImages(
        np.stack([found[key][1] for key in keys]),
        tuple(found[key][0] for key in keys),
        embedded,
        cached,
        paid,
    )


class _Job:
    """Embeds what the cache lacks."""

    def __init__(
        self,
        model: ModelHandle,
        settings: RunSettings,
        cache: VectorCache,
        missing: Sequence[ImageRequest],
        cached: int,
        on_progress: OnProgress | None,
    ) -> None:
        self._model, self._settings, self._cache = model, settings, cache
        self._missing, self._cached, self._on_progress = missing, cached, on_progress
        self._batch_size = choose_batch_size(settings.batch_size, model.device)
        self._done: dict[bytes, tuple[bytes, NDArray[np.float32]]] = {}
        self._unwritten: list[bytes] = []
        # Two files with the same pixels get the same vector, bit for bit: else noise breaks their tie.
        self.known: dict[tuple[bytes, Box | None], NDArray[np.float32]] = {}
        self._waiting: dict[tuple[bytes, Box | None], list[ImageRequest]] = {}
        self._started = self._written = time.monotonic()

    def run(self) -> dict[bytes, tuple[bytes, NDArray[np.float32]]]:
        embedder = self._model.load()
        lanes = choose_lanes(self._settings) if runs_side_by_side(embedder) else 1
        problems: list[str] = []
        self._report()
        decoded = decoded_ahead(
            self._missing,
            embedder.preprocess,
            max_pixels=self._settings.max_pixels,
            workers=max(2, lanes) if self._model.device == "cpu" else 8,
            ahead=max(AHEAD, 2 * self._batch_size * lanes),
        )
        try:
            forward = partial(self._forward, embedder)
            with Lanes(lanes, forward) as passes:
                try:
                    for batch in self._batches(embedder, decoded, problems):
                        passes.begin(batch)
                        self._take(embedder, passes.finished())
                    self._take(embedder, passes.finished(all_of_them=True))
                except Exception:
                    # What the other lanes are at is measured too.
                    for one in passes.finished(all_of_them=True):
                        with suppress(Exception):
                            self._take(embedder, [one])
                    raise
        finally:
            self._write()
            decoded.close()
        if problems:
            raise ProblemList(
                f"model {self._model.spec.name!r}",
                problems,
                next_step="mend or remove these images; all others are embedded and kept in the cache",
            )
        return self._done

    def _batches(
        self,
        embedder: Embedder,
        decoded: Iterable[tuple[ImageRequest, tuple[bytes, Features] | ImageError]],
        problems: list[str],
    ) -> Iterator[list[Decoded]]:
        """Put images of one kind together; what has known pixels is kept, or waits for its twin."""
        batch: list[Decoded] = []
        for request, result in decoded:
            if isinstance(result, ImageError):
                problems.append(str(result))
                continue
            pixels, features = result
            same = (pixels, request.box)
            if same in self.known:
                self._keep(request, pixels, self.known[same])
            elif same in self._waiting:
                self._waiting[same].append(request)
            else:
                if batch and kind(embedder, batch[0][2]) != kind(embedder, features):
                    yield batch
                    batch = []
                self._waiting[same] = []
                batch.append((request, pixels, features))
                if len(batch) == self._batch_size:
                    yield batch
                    batch = []
        if batch:
            yield batch

    def _take(
        self, embedder: Embedder, passes: Iterable[tuple[list[Decoded], Future[Floats]]]
    ) -> None:
        """Keep the vectors of passes that are through."""
        for batch, future in passes:
            vectors = future.result()
            wanted = (len(batch), embedder.identity.dimension)
            if vectors.shape != wanted:
                raise EmbeddingError(
                    f"model {self._model.spec.name!r}",
                    found=f"an output of shape {vectors.shape}",
                    expected=f"shape {wanted}",
                    next_step="check pooling and identifier of the model",
                )
            names = [request.name for request, _, _ in batch]
            refuse_unusable(vectors, names.__getitem__)
            for (request, pixels, _), vector in zip(batch, vectors, strict=True):
                self.known[pixels, request.box] = vector
                for twin in (request, *self._waiting.pop((pixels, request.box))):
                    self._keep(twin, pixels, vector)
            self._report()
            late = time.monotonic() - self._written > BLOCK_SECONDS
            if len(self._unwritten) >= BLOCK_IMAGES or late:
                self._write()

    def _forward(self, embedder: Embedder, batch: Sequence[Decoded]) -> Floats:
        """Run one batch, always of the full size: the arithmetic must not depend on who is last."""
        import torch

        size = self._batch_size
        features = [features for _, _, features in batch]
        parts = []
        for start in range(0, len(features), size):
            part = features[start : start + size]
            padded = part + [part[-1]] * (size - len(part))
            try:
                with torch.inference_mode(), self._model.autocast():
                    images = batch_of(embedder, padded, self._model.device)
                    parts.append(embedder.embed(images)[: len(part)].float().cpu())
            except torch.cuda.OutOfMemoryError:
                if size == 1:
                    raise
                torch.cuda.empty_cache()
                self._batch_size = size // 2
                return self._forward(embedder, batch)
        vectors: NDArray[np.float32] = torch.cat(parts).numpy()
        return vectors

    def _keep(self, request: ImageRequest, pixels: bytes, vector: NDArray[np.float32]) -> None:
        self._done[request.key] = (pixels, vector)
        self._unwritten.append(request.key)

    def _write(self) -> None:
        import numpy as np

        keys, self._unwritten = self._unwritten, []
        if keys:
            rows = [self._done[key] for key in keys]
            self._cache.add(keys, [pixels for pixels, _ in rows], np.stack([v for _, v in rows]))
        self._written = time.monotonic()

    def _report(self) -> None:
        if self._on_progress is not None:
            seconds = time.monotonic() - self._started
            self._on_progress(
                ProgressEvent(len(self._done), len(self._missing), self._cached, seconds)
            )
