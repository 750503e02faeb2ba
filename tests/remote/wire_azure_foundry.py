"""``/images/embeddings`` of Microsoft Foundry (see pytest_prodbench/models/remote/azure.py)."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence

from werkzeug import Request, Response
from wire import PLANTED, Vectors, Wire

HEAD = "data:image/png;base64,"


def read(request: Request) -> list[bytes]:
    assert (request.method, request.path) == ("POST", "/models/images/embeddings")
    assert request.args.to_dict(flat=False) == {"api-version": ["2024-05-01-preview"]}
    assert request.headers["api-key"] == PLANTED
    assert request.headers["Authorization"] == f"Bearer {PLANTED}"
    assert request.content_type == "application/json"
    body = request.get_json()
    assert set(body) == {"model", "input", "encoding_format", "dimensions", "input_type"}
    assert body["model"] == "embed-v-4-0"
    assert body["encoding_format"] == "float"
    assert body["dimensions"] == 256
    assert body["input_type"] == "document"
    assert all(set(one) == {"image"} for one in body["input"])
    assert all(one["image"].startswith(HEAD) for one in body["input"])
    return [
        base64.b64decode(one["image"].removeprefix(HEAD), validate=True) for one in body["input"]
    ]


def answer(request: Request, vectors: Vectors, order: Sequence[int]) -> Response:
    reply = {
        "id": "0ab1c234-d56e-7f89-g01h-23i4jkl567mn",
        "object": "list",
        "data": [{"index": i, "object": "embedding", "embedding": vectors[i]} for i in order],
        "model": "embed-v-4-0",
        "usage": {"prompt_tokens": 1000, "total_tokens": 1000},
    }
    return Response(json.dumps(reply), 200, content_type="application/json")


def refusal() -> Response:
    error = {"code": "unprocessable_entity", "message": "invalid image", "status": 422}
    return Response(json.dumps({"error": error}), 422, content_type="application/json")


WIRE = Wire(
    library="azure",
    identifier="embed-v-4-0",
    dimension=256,
    environment={"AZURE_INFERENCE_CREDENTIAL": PLANTED},
    read=read,
    answer=answer,
    refusal=refusal,
    options={"dimension": 256, "input_type": "document"},
    endpoint="/models",
    indexed=True,
)
