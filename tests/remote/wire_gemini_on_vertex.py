"""``:embedContent`` of Gemini on Vertex AI (see pytest_prodbench/models/remote/gemini.py)."""

from __future__ import annotations

import json
from collections.abc import Sequence

from google_tokens import ALONE, account
from werkzeug import Request, Response
from wire import PLANTED, Vectors, Wire
from wire_gemini import image_of, refusal

PATH = (
    "/v1beta1/projects/project-that-pays/locations/us-central1/publishers/google/models"
    "/gemini-embedding-2:embedContent"
)


def read(request: Request) -> list[bytes]:
    assert (request.method, request.path) == ("POST", PATH)
    assert request.headers["Authorization"] == f"Bearer {PLANTED}"
    assert "x-goog-api-key" not in request.headers
    body = request.get_json()
    assert set(body) == {"content", "embedContentConfig"}
    assert body["embedContentConfig"] == {"outputDimensionality": 3072}
    return [image_of(body["content"], "inlineData")]


def answer(request: Request, vectors: Vectors, order: Sequence[int]) -> Response:
    body = {
        **({"embedding": {"values": vectors[0]}} if vectors else {}),
        "usageMetadata": {"promptTokenCount": 258, "totalTokenCount": 258},
        "truncated": False,
    }
    return Response(json.dumps(body), 200, content_type="application/json; charset=UTF-8")


WIRE = Wire(
    library="gemini",
    identifier="gemini-embedding-2",
    dimension=3072,
    # A key of the Gemini API is not sent to Vertex AI.
    environment={**ALONE, "GOOGLE_API_KEY": "a-key-of-the-other-service"},
    read=read,
    answer=answer,
    refusal=refusal,
    options={"project": "project-that-pays", "location": "us-central1"},
    key_files=("GOOGLE_APPLICATION_CREDENTIALS",),
    beside=account,
)
