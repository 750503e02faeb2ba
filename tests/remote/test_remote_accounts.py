"""Gemini, Vertex AI and Bedrock: whose credentials are used, where they are sent, and what errors mean."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import Any

import google_tokens
import pytest
from bedrock_wire import ALONE, configuration
from google.oauth2 import service_account
from named import GEMINI, TITAN, VERTEX, connected
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response
from wire import PLANTED, closing, payloads

from pytest_prodbench.errors import ModelError
from pytest_prodbench.models.remote import DeniedError, RefusedError, TransientError


@pytest.fixture
def entered(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """Set the variables of a context for the time of the test."""
    with ExitStack() as stack:

        def enter(context: AbstractContextManager[Any], **further: str) -> None:
            for name, value in {**stack.enter_context(context), **further}.items():
                monkeypatch.setenv(name, value)

        yield enter


@pytest.fixture
def google(entered: Callable[..., None]) -> None:
    entered(google_tokens.account(), **google_tokens.ALONE)


@pytest.fixture
def aws(entered: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name, raising=False)
    entered(configuration(), **ALONE)


@pytest.fixture
def server() -> Iterator[HTTPServer]:
    with closing(HTTPServer(threaded=True)) as started:
        yield started


def test_the_environment_does_not_say_where_a_key_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def nowhere(host: Any, *_: Any, **__: Any) -> Any:
        asked.append(host if isinstance(host, str) else host.decode())
        raise socket.gaierror(socket.EAI_NONAME, "no names are looked up here")

    for name, value in google_tokens.ALONE.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("GEMINI_API_KEY", PLANTED)
    monkeypatch.setenv("GOOGLE_GEMINI_BASE_URL", "http://elsewhere.example")
    monkeypatch.setenv("GOOGLE_GENAI_USE_VERTEXAI", "true")
    monkeypatch.setattr(socket, "getaddrinfo", nowhere)
    with pytest.raises(TransientError, match="no connection"):
        connected(GEMINI).embed(payloads(1))
    assert asked == ["generativelanguage.googleapis.com"]


@pytest.mark.parametrize("source", [GEMINI, VERTEX])
@pytest.mark.usefixtures("google")
def test_a_redirect_does_not_take_the_key_along(
    server: HTTPServer, monkeypatch: pytest.MonkeyPatch, source: str
) -> None:
    monkeypatch.setenv("GEMINI_API_KEY", PLANTED)
    seen: list[str] = []

    def answer(request: Request) -> Response:
        seen.append(request.path)
        return Response("", 307, {"Location": server.url_for("/elsewhere")})

    server.expect_request("/elsewhere").respond_with_json({})
    for path in (
        "/v1beta/models/gemini-embedding-2:batchEmbedContents",
        "/v1/projects/project-of-the-account/locations/us-central1/publishers/google/models"
        "/multimodalembedding@001:predict",
    ):
        server.expect_request(path).respond_with_handler(answer)
    with pytest.raises(DeniedError, match="307"):
        connected(source, endpoint=server.url_for("").rstrip("/")).embed(payloads(1))
    assert len(seen) == 1
    assert "/elsewhere" not in seen


@pytest.mark.usefixtures("google")
def test_threads_share_a_token(server: HTTPServer, monkeypatch: pytest.MonkeyPatch) -> None:
    fetched: list[None] = []
    refresh = service_account.Credentials.refresh

    def counted(self: Any, request: Any) -> None:
        fetched.append(None)
        refresh(self, request)

    monkeypatch.setattr(service_account.Credentials, "refresh", counted)

    def answer(request: Request) -> Response:
        body = {"predictions": [{"imageEmbedding": [1.0] * 1408}]}
        return Response(json.dumps(body), content_type="application/json")

    path = "/v1/projects/p/locations/us-central1/publishers/google/models/multimodalembedding@001:predict"
    server.expect_request(path).respond_with_handler(answer)
    service = connected(VERTEX, project="p", endpoint=server.url_for("").rstrip("/"))
    with ThreadPoolExecutor(4) as pool:
        shapes = [reply.vectors.shape for reply in pool.map(service.embed, [payloads(1)] * 8)]
    assert shapes == [(1, 1408)] * 8
    assert len(fetched) == 1


@pytest.mark.parametrize("source", [VERTEX, GEMINI])
@pytest.mark.usefixtures("google")
def test_no_frame_of_an_error_holds_the_token(source: str) -> None:
    """A report of pytest with ``--showlocals`` would print it."""
    service = connected(source, project="p", endpoint="http://127.0.0.1:9")
    with pytest.raises(TransientError, match="no connection") as raised:
        service.embed(payloads(1))
    assert PLANTED in [one.get_secret_value() for one in service.secrets]
    assert PLANTED not in repr([entry.frame.f_locals for entry in raised.traceback])


@pytest.mark.parametrize(
    ("source", "code", "body", "error"),
    [
        (VERTEX, 400, {"error": "invalid_grant", "error_description": "no account"}, DeniedError),
        (GEMINI, 400, {"error": "invalid_grant", "error_description": "no account"}, DeniedError),
        (VERTEX, 503, {"error": "temporarily_unavailable"}, TransientError),
    ],
)
def test_no_token(
    server: HTTPServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    google: None,
    source: str,
    code: int,
    body: dict[str, str],
    error: type[Exception],
) -> None:
    account = json.loads(Path(os.environ["GOOGLE_APPLICATION_CREDENTIALS"]).read_text("utf-8"))
    account["token_uri"] = server.url_for("/token")
    file = tmp_path / "account.json"
    file.write_text(json.dumps(account), encoding="utf-8")
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(file))
    server.expect_request("/token").respond_with_json(body, status=code)
    service = connected(source, project="p", endpoint=server.url_for("").rstrip("/"))
    with pytest.raises(error, match="no token of Google Cloud") as raised:
        service.embed(payloads(1))
    assert raised.value.__suppress_context__
    assert {request.path for request, _ in server.log} == {"/token"}  # the model was not asked


def test_an_account_without_a_project(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, google: None
) -> None:
    file = tmp_path / "user.json"
    user = {
        "type": "authorized_user",
        "client_id": "1",
        "client_secret": f"secret-{PLANTED}",
        "refresh_token": PLANTED,
        "quota_project_id": "q",
    }
    file.write_text(json.dumps(user), encoding="utf-8")
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(file))
    with pytest.raises(ModelError, match=r"no project of Google Cloud.*set the key project"):
        connected(VERTEX)
    secrets = {one.get_secret_value() for one in connected(VERTEX, project="p").secrets}
    assert secrets == {PLANTED, f"secret-{PLANTED}"}


@pytest.mark.usefixtures("aws")
def test_credentials_of_amazon(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(
        ModelError, match=r"no credentials for Amazon Bedrock.*set AWS_ACCESS_KEY_ID"
    ):
        connected(TITAN)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    with pytest.raises(ModelError, match=r"no credentials that can be used \(PartialCred"):
        connected(TITAN)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", PLANTED)
    with pytest.raises(ModelError, match=r"no region.*set the key region"):
        connected(TITAN)
    assert connected(TITAN, region="us-east-1").secrets
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    with pytest.raises(ModelError, match="ProfileNotFound"):
        connected(TITAN, region="us-east-1")


@pytest.mark.usefixtures("aws")
def test_a_key_of_bedrock_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_BEARER_TOKEN_BEDROCK", PLANTED)
    service = connected(TITAN, region="us-east-1", endpoint="https://127.0.0.1:9")
    assert [one.get_secret_value() for one in service.secrets] == [PLANTED]
    with pytest.raises(TransientError, match="no connection"):
        service.embed(payloads(1))


@pytest.mark.parametrize(
    ("code", "kind", "message", "error"),
    [
        (400, "ValidationException", "the image is not an image", RefusedError),
        (400, "ValidationException", "The provided model identifier is invalid.", DeniedError),
        (400, "ServiceQuotaExceededException", "your quota is used up", DeniedError),
        (403, "UnrecognizedClientException", "the security token is invalid", DeniedError),
        (408, "ModelTimeoutException", "it took too long", TransientError),
        (424, "ModelErrorException", "the model failed", TransientError),
        (429, "ModelNotReadyException", "not yet", TransientError),
    ],
)
@pytest.mark.usefixtures("aws")
def test_errors_of_bedrock(
    server: HTTPServer,
    monkeypatch: pytest.MonkeyPatch,
    code: int,
    kind: str,
    message: str,
    error: type[Exception],
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", PLANTED)
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "4")  # of the environment, which decides nothing
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    answer = Response(json.dumps({"message": message}), code, {"x-amzn-ErrorType": kind})
    server.expect_request("/model/amazon.titan-embed-image-v1/invoke").respond_with_response(answer)
    service = connected(TITAN, region="us-east-1", endpoint=server.url_for("").rstrip("/"))
    with pytest.raises(error, match=f"{code}: {kind}: {message}"):
        service.embed(payloads(1))
    assert len(server.log) == 1


@pytest.mark.parametrize("reached", [True, False], ids=["refused", "unreachable"])
@pytest.mark.usefixtures("aws")
def test_a_role_that_is_not_given(
    server: HTTPServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reached: bool
) -> None:
    """A token of the web's identity (GitHub, Kubernetes) is in no message and in no frame of it."""
    (tmp_path / "token").write_text(PLANTED, encoding="utf-8")
    monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(tmp_path / "token"))
    monkeypatch.setenv("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/prodbench")
    # A profile that is named would be taken before the token.
    monkeypatch.delenv("AWS_PROFILE")
    there = server.url_for("").rstrip("/") if reached else "http://127.0.0.1:9"
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", there)
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    told = f"<Code>InvalidIdentityToken</Code><Message>no good: {PLANTED}</Message>"
    server.expect_request("/").respond_with_data(
        f"<ErrorResponse><Error><Type>Sender</Type>{told}</Error></ErrorResponse>",
        400,
        content_type="text/xml",
    )
    name = "InvalidIdentityToken" if reached else "EndpointConnectionError"
    with pytest.raises(
        ModelError, match=rf"no credentials that can be used \({name}\).*AWS_ROLE_ARN"
    ) as raised:
        connected(TITAN, region="us-east-1")
    assert raised.value.__suppress_context__
    assert PLANTED not in repr([entry.frame.f_locals for entry in raised.traceback[1:]])
    assert bool(server.log) == reached


@pytest.mark.parametrize("content", [f'["{PLANTED}"]', f"no json {PLANTED}", "{}", None])
@pytest.mark.parametrize("source", [VERTEX, GEMINI])
@pytest.mark.usefixtures("google")
def test_an_account_s_file_that_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str, content: str | None
) -> None:
    file = tmp_path / "account.json"
    if content is None:
        file.mkdir()
    else:
        file.write_text(content, encoding="utf-8")
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(file))
    with pytest.raises(ModelError, match=r"no credentials of Google Cloud.*set GOOGLE") as raised:
        connected(source, project="p")
    assert raised.value.__suppress_context__
    assert PLANTED not in repr([entry.frame.f_locals for entry in raised.traceback[1:]])
