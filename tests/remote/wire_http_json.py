"""A server that speaks OpenAI's format with images (see pytest_prodbench/models/remote/described.py)."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence

from werkzeug import Request, Response
from wire import PLANTED, Vectors, Wire

HEAD = "data:image/png;base64,"


def read(request: Request) -> list[bytes]:
    assert (request.method, request.path) == ("POST", "/v1/embeddings")
    assert request.headers["Authorization"] == f"Bearer {PLANTED}"
    assert request.content_type == "application/json"
    body = request.get_json()
    assert set(body) == {"model", "input", "encoding_format", "modality"}
    assert body["model"] == "wkcn/TinyCLIP-ViT-8M-16-Text-3M-YFCC15M"
    assert (body["encoding_format"], body["modality"]) == ("float", "image")
    assert all(uri.startswith(HEAD) for uri in body["input"])
    return [base64.b64decode(uri.removeprefix(HEAD), validate=True) for uri in body["input"]]


def answer(request: Request, vectors: Vectors, order: Sequence[int]) -> Response:
    reply = {
        "object": "list",
        "data": [{"object": "embedding", "embedding": vectors[i], "index": i} for i in order],
        "model": "wkcn/TinyCLIP-ViT-8M-16-Text-3M-YFCC15M",
        "usage": {"prompt_tokens": len(vectors), "total_tokens": len(vectors)},
        "id": "infinity-6c2b0c8e",
        "created": 1764316800,
    }
    return Response(json.dumps(reply), 200, content_type="application/json")


def refusal() -> Response:
    error = {"message": "Failed to process image", "type": None, "param": None, "code": 400}
    return Response(json.dumps({"error": error}), 400, content_type="application/json")


WIRE = Wire(
    library="http",
    identifier="wkcn/TinyCLIP-ViT-8M-16-Text-3M-YFCC15M",
    dimension=512,
    environment={"EMBEDDING_SERVER_KEY": PLANTED},
    read=read,
    answer=answer,
    refusal=refusal,
    options={
        "dimension": 512,
        "key_variable": "EMBEDDING_SERVER_KEY",
        "body": {
            "model": "{model}",
            "input": ["{image}"],
            "encoding_format": "float",
            "modality": "image",
        },
        "repeat": "input",
        "vectors": "data[].embedding",
        "index": "data[].index",
        "images_per_request": 8,
    },
    endpoint="/v1/embeddings",
    indexed=True,
)
