"""``:predict`` of multimodalembedding@001 on Vertex AI (see models/remote/vertex.py)."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence

from google_tokens import ALONE, account
from werkzeug import Request, Response
from wire import PLANTED, Vectors, Wire

PATH = (
    "/v1/projects/project-of-the-account/locations/europe-west4/publishers/google/models"
    "/multimodalembedding@001:predict"
)


def read(request: Request) -> list[bytes]:
    assert (request.method, request.path) == ("POST", PATH)
    assert request.headers["Authorization"] == f"Bearer {PLANTED}"
    assert request.headers["Content-Type"] == "application/json"
    body = request.get_json()
    assert set(body) == {"instances", "parameters"}
    assert body["parameters"] == {"dimension": 256}
    (instance,) = body["instances"]
    assert set(instance) == {"image"}
    assert set(instance["image"]) == {"bytesBase64Encoded", "mimeType"}
    assert instance["image"]["mimeType"] == "image/png"
    return [base64.b64decode(instance["image"]["bytesBase64Encoded"], validate=True)]


def answer(request: Request, vectors: Vectors, order: Sequence[int]) -> Response:
    body = {
        "predictions": [{"imageEmbedding": vectors[i]} for i in order],
        "deployedModelId": "4987573657894092800",
    }
    return Response(json.dumps(body), 200, content_type="application/json; charset=UTF-8")


def refusal() -> Response:
    error = {"code": 400, "message": "Image could not be decoded.", "status": "INVALID_ARGUMENT"}
    return Response(json.dumps({"error": error}), 400, content_type="application/json")


WIRE = Wire(
    library="vertex",
    identifier="multimodalembedding@001",
    dimension=256,
    environment=ALONE,
    read=read,
    answer=answer,
    refusal=refusal,
    options={"dimension": 256, "location": "europe-west4"},
    key_files=("GOOGLE_APPLICATION_CREDENTIALS",),
    beside=account,
)
