"""Images decoded by threads while something slower waits for them."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

from pytest_prodbench.datasets.decoding import crop, decode, pixel_digest
from pytest_prodbench.errors import ImageError

if TYPE_CHECKING:
    from PIL.Image import Image

    from pytest_prodbench.embedding.request import ImageRequest

Prepared = TypeVar("Prepared")


def decoded_ahead(
    requests: Iterable[ImageRequest],
    prepare: Callable[[Image], Prepared],
    *,
    max_pixels: int,
    workers: int,
    ahead: int,
) -> Generator[tuple[ImageRequest, tuple[bytes, Prepared] | ImageError]]:
    """Decode images and prepare them for a model, in order.

    Args:
        requests: what to read.
        prepare: makes of an upright RGB image, cut to its box, what the model takes; called from threads.
        max_pixels: larger images are refused before they are decoded.
        workers: threads.
        ahead: images that may be ready, or on their way, before they are asked for.

    Yields:
        Each request with the digest of its whole image's pixels (32 bytes) and what was prepared, or with
        what is wrong with it.
    """

    def work(request: ImageRequest) -> tuple[bytes, Prepared] | ImageError:
        try:
            image = decode(request.read(), where=request.name, max_pixels=max_pixels)
            part = crop(image, request.box, where=request.name)
        except ImageError as error:
            return error
        try:
            return bytes.fromhex(pixel_digest(image)), prepare(part)
        except ImageError as error:
            # What prepares does not know what the image is called.
            return ImageError(
                f"{request.name}: {error.where}",
                found=error.found,
                expected=error.expected,
                next_step=error.next_step,
            )

    pending: deque[tuple[ImageRequest, Future[tuple[bytes, Prepared] | ImageError]]] = deque()
    with ThreadPoolExecutor(workers, thread_name_prefix="prodbench-decode") as pool:
        try:
            for request in requests:
                pending.append((request, pool.submit(work, request)))
                if len(pending) >= ahead:
                    ready, future = pending.popleft()
                    yield ready, future.result()
            while pending:
                ready, future = pending.popleft()
                yield ready, future.result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
