"""``retrieval:vectorizeImage`` of Azure Vision (see pytest_prodbench/models/remote/azure.py)."""

from __future__ import annotations

import json
from collections.abc import Sequence

from werkzeug import Request, Response
from wire import PLANTED, Vectors, Wire


def read(request: Request) -> list[bytes]:
    assert request.method == "POST"
    assert request.path == "/computervision/retrieval:vectorizeImage"
    assert request.args.to_dict(flat=False) == {
        "api-version": ["2024-02-01"],
        "model-version": ["2023-04-15"],
    }
    assert request.headers["Ocp-Apim-Subscription-Key"] == PLANTED
    assert "Authorization" not in request.headers
    assert request.content_type == "application/octet-stream"
    return [request.get_data()]


def answer(request: Request, vectors: Vectors, order: Sequence[int]) -> Response:
    reply: dict[str, object] = {"modelVersion": "2023-04-15"}
    if vectors:
        (reply["vector"],) = vectors
    return Response(json.dumps(reply), 200, content_type="application/json")


def refusal() -> Response:
    error = {
        "code": "InvalidRequest",
        "message": "Input data is not a valid image.",
        "innererror": {"code": "InvalidImageFormat", "message": "Image format is not valid."},
    }
    return Response(json.dumps({"error": error}), 400, content_type="application/json")


WIRE = Wire(
    library="azure",
    identifier="vision",
    dimension=1024,
    environment={"VISION_KEY": PLANTED},
    read=read,
    answer=answer,
    refusal=refusal,
)
