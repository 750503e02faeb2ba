"""What all models on Amazon Bedrock have in common: InvokeModel (see models/remote/bedrock.py)."""

from __future__ import annotations

import base64
import json
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import signature_v4
from werkzeug import Request, Response
from wire import PLANTED

REGION = "us-east-1"

ALONE = {
    "AWS_SHARED_CREDENTIALS_FILE": "/nonexistent/credentials",
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_PROFILE": "default",
    "AWS_SESSION_TOKEN": "",
}
"""The configuration of the machine that the tests run on is not read."""


@contextmanager
def configuration() -> Iterator[Mapping[str, str]]:
    """Yield the variable that names a file with one profile and nothing in it."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "config")
        file.write_text("[default]\n", encoding="utf-8")
        yield {"AWS_CONFIG_FILE": str(file)}


def asked(request: Request, model: str, access_key: str) -> Mapping[str, Any]:
    assert request.method == "POST"
    assert request.environ["RAW_URI"] == f"/model/{model.replace(':', '%3A')}/invoke"
    assert request.headers["Content-Type"] == "application/json"
    assert request.headers["Accept"] == "application/json"
    signature_v4.check(request, access_key, PLANTED, REGION, "bedrock")
    found: Mapping[str, Any] = json.loads(request.get_data())
    return found


def decoded(text: str) -> bytes:
    return base64.b64decode(text, validate=True)


def reply(body: Mapping[str, Any]) -> Response:
    return Response(json.dumps(body), 200, content_type="application/json")


def refusal() -> Response:
    body = {"message": "Malformed input request: the image could not be decoded"}
    headers = {"x-amzn-ErrorType": "ValidationException:http://internal.amazon.com/"}
    return Response(json.dumps(body), 400, headers, content_type="application/json")
