"""Who gives tokens of Google Cloud out: a service account's file, and the server that it names.

From "Using OAuth 2.0 for Server to Server Applications" of Google's documentation: a JWT that the account's
key has signed is exchanged for an access token (RFC 7523, section 2.1).
"""

from __future__ import annotations

import base64
import functools
import json
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response
from wire import PLANTED, closing

ACCOUNT = "tests@project-of-the-account.iam.gserviceaccount.com"
AUDIENCE = "https://oauth2.googleapis.com/token"  # always, whatever token_uri says
SCOPE = "https://www.googleapis.com/auth/cloud-platform"

ALONE = {
    "NO_GCE_CHECK": "true",
    "CLOUDSDK_CONFIG": "/nonexistent/gcloud",
    "GOOGLE_CLOUD_PROJECT": "",
    "GOOGLE_API_KEY": "",
    "GEMINI_API_KEY": "",
}
"""The configuration of the machine that the tests run on is not read."""


@functools.cache
def key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@contextmanager
def account() -> Iterator[Mapping[str, str]]:
    """Yield the variable that names the account's file."""
    with closing(HTTPServer(threaded=True)) as server, tempfile.TemporaryDirectory() as folder:
        address = server.url_for("/token")
        trouble: list[BaseException] = []

        def give(request: Request) -> Response:
            try:
                _check(request)
            except BaseException as error:
                trouble.append(error)
                raise
            token = {"access_token": PLANTED, "expires_in": 3599, "token_type": "Bearer"}
            return Response(json.dumps(token), 200, content_type="application/json")

        server.expect_request("/token").respond_with_handler(give)
        pem = key().private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        file = Path(folder, "account.json")
        found = {
            "type": "service_account",
            "project_id": "project-of-the-account",
            "private_key_id": "0123456789abcdef",
            "private_key": pem.decode(),
            "client_email": ACCOUNT,
            "client_id": "1234567890",
            "token_uri": address,
        }
        file.write_text(json.dumps(found), encoding="utf-8")
        yield {"GOOGLE_APPLICATION_CREDENTIALS": str(file)}
        assert not trouble, trouble


def _check(request: Request) -> None:
    assert request.method == "POST"
    assert request.form["grant_type"] == "urn:ietf:params:oauth:grant-type:jwt-bearer"
    signed, _, signature = request.form["assertion"].rpartition(".")
    key().public_key().verify(
        _decoded(signature), signed.encode(), padding.PKCS1v15(), hashes.SHA256()
    )
    head, claims = (json.loads(_decoded(part)) for part in signed.split("."))
    assert head["alg"] == "RS256"
    assert (claims["iss"], claims["aud"], claims["scope"]) == (ACCOUNT, AUDIENCE, SCOPE)
    assert claims["iat"] - 60 <= time.time() < claims["exp"] <= claims["iat"] + 3600


def _decoded(part: str) -> Any:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
