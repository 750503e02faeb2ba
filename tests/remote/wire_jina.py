"""``POST /v1/embeddings`` of Jina AI (see pytest_prodbench/models/remote/jina.py)."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence

from werkzeug import Request, Response
from wire import PLANTED, Vectors, Wire


def read(request: Request) -> list[bytes]:
    assert (request.method, request.path) == ("POST", "/v1/embeddings")
    assert request.headers["Authorization"] == f"Bearer {PLANTED}"
    assert request.headers["Accept"] == "application/json"
    assert request.content_type == "application/json"
    body = request.get_json()
    assert set(body) == {"model", "input", "task", "dimensions", "embedding_type", "normalized"}
    assert body["model"] == "jina-embeddings-v4"
    assert body["task"] == "retrieval.passage"
    assert body["dimensions"] == 128
    assert body["embedding_type"] == "float"
    assert body["normalized"] is True
    assert all(set(one) == {"image"} for one in body["input"])
    return [base64.b64decode(one["image"], validate=True) for one in body["input"]]


def answer(request: Request, vectors: Vectors, order: Sequence[int]) -> Response:
    reply = {
        "model": "jina-embeddings-v4",
        "object": "list",
        "usage": {"total_tokens": 10 * len(vectors)},
        "data": [{"object": "embedding", "index": i, "embedding": vectors[i]} for i in order],
    }
    return Response(json.dumps(reply), 200, content_type="application/json")


def refusal() -> Response:
    return Response(
        json.dumps({"detail": "Failed to load image"}), 422, content_type="application/json"
    )


WIRE = Wire(
    library="jina",
    identifier="jina-embeddings-v4",
    dimension=128,
    environment={"JINA_API_KEY": PLANTED},
    read=read,
    answer=answer,
    refusal=refusal,
    options={"dimension": 128, "input_type": "document"},
    endpoint="/v1",
    indexed=True,
)
