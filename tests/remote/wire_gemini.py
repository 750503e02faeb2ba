"""``:batchEmbedContents`` of the Gemini API (see pytest_prodbench/models/remote/gemini.py)."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from typing import Any

from google_tokens import ALONE
from werkzeug import Request, Response
from wire import PLANTED, Vectors, Wire

MODEL = "gemini-embedding-2"


def image_of(content: Mapping[str, Any], field: str) -> bytes:
    """Return the one image of a content; JSON of protocol buffers takes both spellings of a field."""
    assert set(content) == {"parts", "role"}
    (part,) = content["parts"]
    assert set(part) == {field}
    assert set(part[field]) == {"data", "mime_type"}
    assert part[field]["mime_type"] == "image/png"
    # It takes both alphabets, too; this SDK uses that of addresses.
    return base64.b64decode(part[field]["data"], altchars=b"-_", validate=True)


def read(request: Request) -> list[bytes]:
    path = f"/v1beta/models/{MODEL}:batchEmbedContents"
    assert (request.method, request.path, request.query_string) == ("POST", path, b"")
    assert request.headers["x-goog-api-key"] == PLANTED
    assert request.headers["Content-Type"] == "application/json"
    body = request.get_json()
    assert set(body) == {"requests"}
    for one in body["requests"]:
        assert set(one) == {"model", "content", "outputDimensionality"}
        assert (one["model"], one["outputDimensionality"]) == (f"models/{MODEL}", 768)
    return [image_of(one["content"], "inline_data") for one in body["requests"]]


def answer(request: Request, vectors: Vectors, order: Sequence[int]) -> Response:
    body = {
        "embeddings": [{"values": vectors[i]} for i in order],
        "usageMetadata": {"promptTokenCount": 258 * len(vectors)},
    }
    return Response(json.dumps(body), 200, content_type="application/json; charset=UTF-8")


def refusal() -> Response:
    error = {"code": 400, "message": "Unable to process image", "status": "INVALID_ARGUMENT"}
    return Response(json.dumps({"error": error}), 400, content_type="application/json")


WIRE = Wire(
    library="gemini",
    identifier=MODEL,
    dimension=768,
    environment={**ALONE, "GEMINI_API_KEY": PLANTED},
    read=read,
    answer=answer,
    refusal=refusal,
    options={"dimension": 768},
)
