"""A local server that speaks a provider's documented wire format, and misbehaves as it is told."""

from __future__ import annotations

import io
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from PIL import Image
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from pytest_prodbench.models import library_for
from pytest_prodbench.models.remote import Payload, RemoteLibrary
from pytest_prodbench.settings.types import ModelSpec

PLANTED = "planted-key-5e0c2b7d91"
"""Stands for every key: it must be found in nothing that a run leaves behind."""

Vectors = list[list[float]]


@dataclass(frozen=True)
class Wire:
    """One provider's format, as its documentation has it.

    Attributes:
        library: registered name.
        identifier: a model of it.
        dimension: of its vectors.
        environment: variables that hold the key, and whatever else the SDK reads.
        key_files: variables that name a file with a key.
        read: checks address, headers and body of a request against the documentation, and returns the
            files of its images.
        answer: the reply to a request with these vectors, listed in this order of the images (the order is
            0, 1, … unless the reply says of each vector whose it is).
        refusal: the reply to an image that it cannot read.
        options: keys of the model, besides the endpoint.
        endpoint: path behind the address of the local server.
        indexed: whether a reply says which image each vector belongs to.
        beside: what has to be there besides the provider, such as who gives tokens out; yields further
            variables of the environment.
    """

    library: str
    identifier: str
    dimension: int
    environment: Mapping[str, str]
    read: Callable[[Request], list[bytes]]
    answer: Callable[[Request, Vectors, Sequence[int]], Response]
    refusal: Callable[[], Response]
    options: Mapping[str, Any] = field(default_factory=dict)
    endpoint: str = ""
    indexed: bool = False
    key_files: tuple[str, ...] = ()
    beside: Callable[[], AbstractContextManager[Mapping[str, str]]] = lambda: nullcontext({})

    def spec(self, address: str, **options: Any) -> ModelSpec:
        return ModelSpec(
            name="remote",
            library=self.library,
            identifier=self.identifier,
            family="api",
            options={**self.options, "endpoint": f"{address}{self.endpoint}", **options},
        )

    def loaded(self, spec: ModelSpec) -> RemoteLibrary[Any]:
        found: Any = library_for(spec)
        assert isinstance(found, RemoteLibrary)
        return found


Behaviour = Callable[["Provider", Request], Response | None]
"""What happens to one request; None: what the documentation says."""


class Provider:
    """The server's side: what came in, and what to do with the next requests."""

    def __init__(self, wire: Wire, server: HTTPServer) -> None:
        self.wire = wire
        self.address = server.url_for("").rstrip("/")
        self.behaviours: list[Behaviour] = []
        self.requests: list[int] = []
        self.times: list[float] = []
        self.files: list[bytes] = []
        self.trouble: list[BaseException] = []
        self.under_way = self.most_under_way = 0
        self.lasts = 0.0
        self._lock = threading.Lock()
        server.expect_request(_Any()).respond_with_handler(self._handle)  # type: ignore[arg-type]

    def _handle(self, request: Request) -> Response:
        try:
            files = self.wire.read(request)
        except BaseException as error:
            # Raised in the server's thread, where no test would see it.
            self.trouble.append(error)
            raise
        with self._lock:
            self.requests.append(len(files))
            self.times.append(time.monotonic())
            self.files += files
            self.under_way += 1
            self.most_under_way = max(self.most_under_way, self.under_way)
            behaviour = self.behaviours.pop(0) if self.behaviours else None
        try:
            time.sleep(self.lasts)
            given = None if behaviour is None else behaviour(self, request)
            return self.documented(request) if given is None else given
        finally:
            with self._lock:
                self.under_way -= 1

    def vectors(self, request: Request) -> Vectors:
        return [vector_of(file, self.wire.dimension) for file in self.wire.read(request)]

    def documented(self, request: Request, order: Sequence[int] | None = None) -> Response:
        vectors = self.vectors(request)
        return self.wire.answer(request, vectors, order or range(len(vectors)))


class _Any(str):
    """A path that every path is equal to: a test looks at the address itself."""

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        return True

    def __hash__(self) -> int:
        return 0


def vector_of(file: bytes, dimension: int) -> list[float]:
    """An image's own vector: its pixels, small, repeated until the dimension is reached."""
    with Image.open(io.BytesIO(file)) as image:
        assert image.mode == "RGB"
        small = np.asarray(image.resize((8, 8), Image.Resampling.BOX), np.float64) - 100.0
    return [float(value) for value in np.resize(small.ravel(), dimension)]


def status(code: int, message: str = "no", **headers: str) -> Behaviour:
    def behave(provider: Provider, request: Request) -> Response:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return Response(json.dumps({"message": message}), code, named, "application/json")

    return behave


def slow(seconds: float) -> Behaviour:
    def behave(provider: Provider, request: Request) -> None:
        time.sleep(seconds)

    return behave


def half_closed(provider: Provider, request: Request) -> Response:
    """Send the beginning of a reply, and close."""
    connection: socket.socket = request.environ["werkzeug.socket"]
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 4000\r\n\r\n"
    connection.sendall(head + b'{"embeddings": [[0.1,')
    connection.shutdown(socket.SHUT_RDWR)
    return Response("")


def reordered(provider: Provider, request: Request) -> Response:
    return provider.documented(request, list(range(len(provider.vectors(request))))[::-1])


def refused(provider: Provider, request: Request) -> Response:
    return provider.wire.refusal()


def changed(change: Callable[[Vectors], Vectors]) -> Behaviour:
    def behave(provider: Provider, request: Request) -> Response:
        vectors = change(provider.vectors(request))
        return provider.wire.answer(request, vectors, range(len(vectors)))

    return behave


def too_short(vectors: Vectors) -> Vectors:
    return [row[:-1] for row in vectors]


def not_finite(vectors: Vectors) -> Vectors:
    return [[float("nan"), *row[1:]] for row in vectors]


def one_missing(vectors: Vectors) -> Vectors:
    return vectors[:-1]


def payloads(count: int, seed: int = 0, edge: int = 40) -> list[Payload]:
    """Different images, as they are sent."""
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(count):
        stream = io.BytesIO()
        coarse = rng.integers(0, 255, (5, 5, 3), dtype=np.uint8)
        Image.fromarray(coarse).resize((edge, edge)).save(stream, "PNG")
        found.append(Payload(stream.getvalue(), "image/png", edge, edge))
    return found


@contextmanager
def closing(server: HTTPServer) -> Iterator[HTTPServer]:
    # It looks by itself every half second only whether it is to stop.
    server.thread_target = lambda: server.server.serve_forever(0.01)  # type: ignore[method-assign, union-attr]
    server.start()  # type: ignore[no-untyped-call]
    try:
        yield server
    finally:
        server.clear()  # type: ignore[no-untyped-call]
        server.stop()  # type: ignore[no-untyped-call]
