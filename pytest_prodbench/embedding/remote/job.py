"""Embeds over the network what the cache lacks; what was paid for is on disk before anything else is sent."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import TYPE_CHECKING

from pytest_prodbench.embedding.ahead import decoded_ahead
from pytest_prodbench.embedding.progress import OnProgress, ProgressEvent
from pytest_prodbench.embedding.remote.ledger import BudgetSpentError, open_ledger
from pytest_prodbench.embedding.remote.pace import Pace
from pytest_prodbench.embedding.remote.sending import Refusal, Sender
from pytest_prodbench.embedding.remote.trouble import named
from pytest_prodbench.errors import EmbeddingError, ImageError, ProblemList, ProdbenchError
from pytest_prodbench.models.checkpoints import model_error
from pytest_prodbench.protocol.vectors import refuse_unusable

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from pytest_prodbench.embedding.cache import VectorCache
    from pytest_prodbench.embedding.request import ImageRequest
    from pytest_prodbench.models.remote import (
        Payload,
        RemoteLibrary,
        RemoteOptions,
        ServiceError,
    )
    from pytest_prodbench.protocol import Box
    from pytest_prodbench.settings.types import ModelSpec, RunSettings

    Entry = tuple[ImageRequest, bytes, Payload]

LOCK = "paid"
"""One process asks for a model at a time: two would pay twice for an image that two datasets have."""

DECODERS = 2
AHEAD = 32

BLOCK_IMAGES = 256
"""Replies are written one by one, and put together when they are so many."""

NONE_TAKEN = 8
"""Refused images, and none taken, after which it is the request that is wrong, not the images."""


class RemoteJob:
    """Embeds images of one model that a provider runs."""

    def __init__(
        self,
        spec: ModelSpec,
        library: RemoteLibrary[RemoteOptions],
        settings: RunSettings,
        cache: VectorCache,
        missing: Sequence[ImageRequest],
        cached: int,
        on_progress: OnProgress | None,
    ) -> None:
        self._spec, self._library, self._settings = spec, library, settings
        self._cache, self._missing, self._cached = cache, missing, cached
        self._on_progress = on_progress
        self._options, self._facts = library.given(spec), library.facts(spec)
        self.ledger = open_ledger(spec, self._options, cache.folder)
        # Two files with the same pixels get the same vector, and are paid for once.
        self.known: dict[tuple[bytes, Box | None], NDArray[np.float32]] = {}
        self._done: dict[bytes, tuple[bytes, NDArray[np.float32]]] = {}
        self._waiting: dict[tuple[bytes, Box | None], list[ImageRequest]] = {}
        self._under_way: set[Future[None]] = set()
        # Of all that follows an answer: it is settled by the thread that got it.
        self._lock = threading.Lock()
        self._sender: Sender
        self._problems: list[str] = []
        self._refused = 0
        self._failure: tuple[ServiceError | BudgetSpentError | ProdbenchError, str] | None = None
        self._small: list[Path] = []
        self._unmerged: list[bytes] = []
        self._started = time.monotonic()

    def run(self) -> dict[bytes, tuple[bytes, NDArray[np.float32]]]:
        """Return key → (pixel digest, vector) of every image that was missing.

        Raises:
            ModelError: no key, no SDK; the provider denies us, does not answer, or the budget is spent.
            EmbeddingError: a reply that is not usable.
            ProblemList: images that cannot be decoded or that the provider refused, all of them.
        """
        self._library.sdk(self._spec, "tenacity")
        service = self._library.connect(self._spec)
        self._sender = Sender(service, self._pace(), self.ledger, self._options)
        self._report()
        images = decoded_ahead(
            self._missing,
            self._library.encoder(self._spec),
            max_pixels=self._settings.max_pixels,
            workers=DECODERS,
            ahead=AHEAD,
        )
        opened = time.monotonic()
        concurrency = self._options.concurrency
        with ThreadPoolExecutor(concurrency, thread_name_prefix="prodbench-remote") as pool:
            try:
                batch: list[Entry] = []
                for request, result in images:
                    if self._failure is not None:
                        break
                    if isinstance(result, ImageError):
                        self._problems.append(str(result))
                        continue
                    pixels, payload = result
                    if self._is_twin(request, pixels):
                        continue
                    if batch and not self._fits(batch, payload):
                        self._send(pool, batch)
                        batch = []
                    batch.append((request, pixels, payload))
                if batch and self._failure is None:
                    self._send(pool, batch)
                while self._under_way and self._failure is None:
                    self._take_some()
            finally:
                # Ended early: what is under way is paid for, and is waited for; nothing else is sent.
                self._sender.stop()
                while self._under_way:
                    self._take_some()
                images.close()
                self._merge()
                self.ledger.was_open(time.monotonic() - opened)
        if self._failure is not None:
            # Named now, as it says how much is kept.
            error, image = self._failure
            raise named(
                error,
                self._spec,
                self._library.provider,
                image=image,
                missing=len(self._missing),
                kept=len(self._done) + self._cached,
            )
        if self._problems:
            raise ProblemList(
                f"model {self._spec.name!r}",
                self._problems,
                next_step="mend or remove these images; all others are embedded and kept in the cache",
            )
        return self._done

    def _is_twin(self, request: ImageRequest, pixels: bytes) -> bool:
        """Whether the same pixels are known or on their way."""
        same = (pixels, request.box)
        with self._lock:
            if same in self.known:
                self._keep([(request, pixels, self.known[same])])
                return True
            if same in self._waiting:
                self._waiting[same].append(request)
                return True
            self._waiting[same] = []
            return False

    def _fits(self, batch: Sequence[Entry], payload: Payload) -> bool:
        limits = self._facts.limits
        most = min(limits.images_per_request, self._options.images_per_request or 1000)
        if len(batch) >= most:
            return False
        if limits.request_bytes is None:
            return True
        sizes = [len(one.data) for _, _, one in batch] + [len(payload.data)]
        return sum(-(-size // 3) * 4 for size in sizes) <= limits.request_bytes

    def _send(self, pool: ThreadPoolExecutor, batch: list[Entry]) -> None:
        while len(self._under_way) >= self._options.concurrency:
            self._take_some()
        if self._failure is None:
            self._under_way.add(pool.submit(self._embed, batch))

    def _take_some(self) -> None:
        """Wait until some images are done with."""
        ready, self._under_way = wait(self._under_way, return_when=FIRST_COMPLETED)
        for future in ready:
            future.result()
        self._report()

    def _embed(self, batch: Sequence[Entry]) -> None:
        """Send a batch and keep what comes of it, all in one thread: nothing can come in between."""

        def settled(first: int, answers: Sequence[NDArray[np.float32] | Refusal]) -> None:
            with self._lock:
                self._take(batch[first : first + len(answers)], answers)

        ended = self._sender.send([payload for _, _, payload in batch], settled)
        if ended is not None:
            with self._lock:
                self._fail(ended.error, batch[ended.first])

    def _fail(self, error: ServiceError | BudgetSpentError | ProdbenchError, entry: Entry) -> None:
        """Let nothing more be sent, and remember why: the first reason is the one that is told."""
        self._failure = self._failure or (error, entry[0].name)
        self._sender.stop()

    def _take(
        self, batch: Sequence[Entry], answers: Sequence[NDArray[np.float32] | Refusal]
    ) -> None:
        rows: list[tuple[ImageRequest, bytes, NDArray[np.float32]]] = []
        for entry, answer in zip(batch, answers, strict=True):
            request, pixels, _ = entry
            twins = (request, *self._waiting.pop((pixels, request.box)))
            if isinstance(answer, Refusal):
                provider = self._library.provider
                self._refused += 1
                self._problems += [
                    f"{twin.name}: refused by {provider}: {answer.reason}" for twin in twins
                ]
                continue
            try:
                self._check(request, answer)
            except EmbeddingError as error:
                self._fail(error, entry)
                continue
            self.known[pixels, request.box] = answer
            rows += [(twin, pixels, answer) for twin in twins]
        self._keep(rows)
        none_taken = not self._done and not self._cached
        if none_taken and self._refused >= NONE_TAKEN and self._failure is None:
            wrong = model_error(
                self._spec,
                found=f"{self._library.provider} refused the first {self._refused} images; the last: "
                f"{self._problems[-1]}",
                expected="a request that it takes",
                next_step="check dimension, input_type and encoding of the model",
            )
            self._fail(wrong, batch[-1])

    def _check(self, request: ImageRequest, vector: NDArray[np.float32]) -> None:
        if vector.shape != (self._facts.dimension,):
            raise EmbeddingError(
                f"model {self._spec.name!r}, image {request.name}",
                found=f"a vector of {len(vector)} numbers",
                expected=f"{self._facts.dimension}",
                next_step=f"set dimension to what {self._library.provider} gives for this model",
            )
        refuse_unusable(vector[None], lambda _: request.name)

    def _keep(self, rows: Sequence[tuple[ImageRequest, bytes, NDArray[np.float32]]]) -> None:
        """Write what one reply brought, at once: a process that is killed now has lost no money."""
        import numpy as np

        if not rows:
            return
        keys = [request.key for request, _, _ in rows]
        for key, (_, pixels, vector) in zip(keys, rows, strict=True):
            self._done[key] = (pixels, vector)
        path = self._cache.add(
            keys, [pixels for _, pixels, _ in rows], np.stack([vector for _, _, vector in rows])
        )
        self._small.append(path)
        self._unmerged += keys
        if len(self._unmerged) >= BLOCK_IMAGES:
            self._merge()

    def _merge(self) -> None:
        """Put small blocks together; the large one is on disk before they go."""
        import numpy as np

        if len(self._small) > 1:
            rows = [self._done[key] for key in self._unmerged]
            whole = self._cache.add(
                self._unmerged, [pixels for pixels, _ in rows], np.stack([v for _, v in rows])
            )
            for path in {*self._small} - {whole}:
                path.unlink(missing_ok=True)
        self._small, self._unmerged = [], []

    def _pace(self) -> Pace:
        address = self._options.endpoint or ""
        name = f"{self._library.provider}-{hashlib.sha256(address.encode()).hexdigest()[:12]}.json"
        return Pace(
            self._settings.cache_dir / "pace" / name,
            per_minute=self._options.requests_per_minute,
            burst=self._options.burst,
        )

    def _report(self) -> None:
        if self._on_progress is not None:
            seconds = time.monotonic() - self._started
            self._on_progress(
                ProgressEvent(len(self._done), len(self._missing), self._cached, seconds)
            )
