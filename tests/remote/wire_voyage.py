"""``POST /v1/multimodalembeddings`` of Voyage AI (see pytest_prodbench/models/remote/voyage.py)."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence

from werkzeug import Request, Response
from wire import PLANTED, Vectors, Wire

HEAD = "data:image/png;base64,"


def read(request: Request) -> list[bytes]:
    assert (request.method, request.path) == ("POST", "/v1/multimodalembeddings")
    assert request.headers["Authorization"] == f"Bearer {PLANTED}"
    assert request.content_type == "application/json"
    body = request.get_json()
    assert set(body) == {"model", "inputs", "input_type", "output_dimension"}
    assert body["model"] == "voyage-multimodal-3.5"
    assert body["input_type"] is None
    assert body["output_dimension"] == 256
    assert 1 <= len(body["inputs"]) <= 1000
    files = []
    for one in body["inputs"]:
        assert set(one) == {"content"}
        (piece,) = one["content"]
        assert set(piece) == {"type", "image_base64"}
        assert piece["type"] == "image_base64"
        assert piece["image_base64"].startswith(HEAD)
        files.append(base64.b64decode(piece["image_base64"].removeprefix(HEAD), validate=True))
    return files


def answer(request: Request, vectors: Vectors, order: Sequence[int]) -> Response:
    reply = {
        "object": "list",
        "data": [{"object": "embedding", "embedding": vectors[i], "index": i} for i in order],
        "model": "voyage-multimodal-3.5",
        "usage": {"text_tokens": 0, "image_pixels": 50_000, "total_tokens": 89},
    }
    return Response(json.dumps(reply), 200, content_type="application/json")


def refusal() -> Response:
    body = {"detail": "Failed to decode the image in inputs[0].content[0]."}
    return Response(json.dumps(body), 400, content_type="application/json")


WIRE = Wire(
    library="voyage",
    identifier="voyage-multimodal-3.5",
    dimension=256,
    environment={"VOYAGE_API_KEY": PLANTED},
    read=read,
    answer=answer,
    refusal=refusal,
    options={"dimension": 256},
    endpoint="/v1",
    indexed=True,
)
