"""A server that takes the file of one image (see pytest_prodbench/models/remote/described.py)."""

from __future__ import annotations

import json
from collections.abc import Sequence

from werkzeug import Request, Response
from wire import PLANTED, Vectors, Wire


def read(request: Request) -> list[bytes]:
    assert (request.method, request.path) == ("POST", "/embed/shoes")
    assert request.headers["X-Api-Key"] == PLANTED
    assert "Authorization" not in request.headers
    assert request.content_type == "image/png"
    return [request.get_data()]


def answer(request: Request, vectors: Vectors, order: Sequence[int]) -> Response:
    reply: dict[str, object] = {"result": {"vector": vectors[0]} if vectors else {}}
    return Response(json.dumps(reply), 200, content_type="application/json")


def refusal() -> Response:
    return Response("cannot read this image", 415, content_type="text/plain")


WIRE = Wire(
    library="http",
    identifier="shoes",
    dimension=64,
    environment={"SHOES_KEY": PLANTED},
    read=read,
    answer=answer,
    refusal=refusal,
    options={
        "dimension": 64,
        "key_variable": "SHOES_KEY",
        "key_header": "X-Api-Key",
        "key_prefix": "",
        "body": "bytes",
        "vectors": "result.vector",
    },
    endpoint="/embed/shoes",
)
