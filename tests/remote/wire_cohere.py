"""``POST /v2/embed`` of Cohere (see pytest_prodbench/models/remote/cohere.py)."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence

from werkzeug import Request, Response
from wire import PLANTED, Vectors, Wire

HEAD = "data:image/png;base64,"


def read(request: Request) -> list[bytes]:
    assert (request.method, request.path) == ("POST", "/v2/embed")
    assert request.headers["Authorization"] == f"Bearer {PLANTED}"
    body = request.get_json()
    assert body["model"] == "embed-v4.0"
    assert body["embedding_types"] == ["float"]
    assert body["input_type"] in {"image", "search_query", "search_document"}
    assert body["output_dimension"] == 256
    assert all(uri.startswith(HEAD) for uri in body["images"])
    return [base64.b64decode(uri.removeprefix(HEAD), validate=True) for uri in body["images"]]


def answer(request: Request, vectors: Vectors, order: Sequence[int]) -> Response:
    reply = {
        "id": "5807ee2e-0cda-445a-9ec8-864c60a06606",
        "embeddings": {"float": [vectors[i] for i in order]},
        "images": [{"width": 40, "height": 40, "format": "png", "bit_depth": 24} for _ in order],
        "meta": {"api_version": {"version": "2"}, "billed_units": {"images": len(vectors)}},
        "response_type": "embeddings_by_type",
    }
    return Response(json.dumps(reply), 200, content_type="application/json")


def refusal() -> Response:
    body = {"id": "x", "message": "invalid image: could not be decoded"}
    return Response(json.dumps(body), 400, content_type="application/json")


WIRE = Wire(
    library="cohere",
    identifier="embed-v4.0",
    dimension=256,
    environment={"COHERE_API_KEY": PLANTED},
    read=read,
    answer=answer,
    refusal=refusal,
    options={"dimension": 256},
)
