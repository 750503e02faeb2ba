"""What providers without an SDK are told, and what they are not: options, limits, redirects, proxies."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from named import connected, facts_of, library_of, spec_of
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response
from wire import PLANTED, closing, payloads

from pytest_prodbench.errors import ModelError
from pytest_prodbench.models.remote import (
    BrokenReplyError,
    DeniedError,
    TransientError,
)
from pytest_prodbench.models.remote.vectors import by_index

KEYS = ("VOYAGE_API_KEY", "JINA_API_KEY", "VISION_KEY", "AZURE_INFERENCE_CREDENTIAL")
VISION = "https://shop.cognitiveservices.azure.com"
FOUNDRY = "https://shop.services.ai.azure.com/models"


@pytest.fixture(autouse=True)
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in KEYS:
        monkeypatch.setenv(name, PLANTED)


@pytest.mark.parametrize(
    ("source", "options", "dimension"),
    [
        ("voyage:voyage-multimodal-3.5", {}, 1024),
        ("voyage:voyage-multimodal-3.5", {"dimension": 2048}, 2048),
        ("voyage:voyage-multimodal-3", {}, 1024),
        ("voyage:voyage-multimodal-9", {"dimension": 333}, 333),
        ("jina:jina-embeddings-v5-omni-small", {}, 1024),
        ("jina:jina-embeddings-v5-omni-nano", {}, 768),
        ("jina:jina-embeddings-v4", {}, 2048),
        ("jina:jina-clip-v2", {"dimension": 64}, 64),
        ("azure:vision", {"endpoint": VISION}, 1024),
        ("azure:embed-v-4-0", {"endpoint": FOUNDRY}, 1536),
        ("azure:Cohere-embed-v3-english", {"endpoint": FOUNDRY}, 1024),
        ("azure:our-deployment", {"endpoint": FOUNDRY, "dimension": 768}, 768),
    ],
)
def test_the_dimension(source: str, options: dict[str, Any], dimension: int) -> None:
    assert facts_of(source, **options).dimension == dimension


@pytest.mark.parametrize(
    ("source", "options", "message"),
    [
        ("voyage:voyage-multimodal-3", {"dimension": 512}, "dimension 512; expected one of 1024"),
        ("voyage:voyage-multimodal-9", {}, "not among the known models of voyage"),
        (
            "jina:jina-embeddings-v4",
            {"dimension": 100},
            "expected one of 2048, 1024, 512, 256, 128",
        ),
        ("jina:jina-embeddings-v9", {}, "not among the known models of jina"),
        ("jina:jina-clip-v2", {"input_type": "query"}, "cannot be told what an image is"),
        ("azure:vision", {}, "no endpoint.*cognitiveservices"),
        ("azure:embed-v-4-0", {}, "no endpoint.*services.ai.azure.com/models"),
        ("azure:vision", {"endpoint": VISION, "dimension": 512}, "expected one of 1024"),
        ("azure:vision", {"endpoint": VISION, "input_type": "document"}, "cannot be told"),
        ("azure:our-deployment", {"endpoint": FOUNDRY}, "not among the known models of azure"),
        (
            "azure:embed-v-4-0",
            {"endpoint": FOUNDRY, "model_version": "2022-04-11"},
            "key of azure:vision",
        ),
    ],
)
def test_what_a_model_does_not_have(source: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ModelError, match=message):
        facts_of(source, **options)


def test_what_images_are_said_to_be() -> None:
    assert facts_of("voyage:voyage-multimodal-3").parameters == {"input_type": None}
    assert facts_of("voyage:voyage-multimodal-3", input_type="query").parameters == {
        "input_type": "query"
    }
    assert "task" not in facts_of("jina:jina-embeddings-v4").parameters
    said = facts_of("jina:jina-embeddings-v4", input_type="query").parameters
    assert said["task"] == "retrieval.query"
    assert "input_type" not in facts_of("azure:embed-v-4-0", endpoint=FOUNDRY).parameters


def test_queries_and_gallery_are_told_apart_where_the_model_can_be_told() -> None:
    spec = spec_of("jina:jina-embeddings-v4", input_type="by_role")
    both = library_of(spec).identity(spec).preprocessing
    assert both.index("retrieval.query") < both.index("retrieval.passage")
    for source, endpoint in (("azure:vision", VISION), ("http:x", "http://127.0.0.1:9")):
        spec = spec_of(source, endpoint=endpoint, input_type="by_role")
        with pytest.raises(ModelError, match="cannot be told what an image is"):
            library_of(spec).identity(spec)


def test_a_dimension_is_sent_only_to_models_that_have_a_choice() -> None:
    one = facts_of("azure:Cohere-embed-v3-english", endpoint=FOUNDRY)
    assert "dimensions" not in one.parameters  # it answers 422 to the key
    assert one.limits.images_per_request == 1
    assert facts_of("azure:embed-v-4-0", endpoint=FOUNDRY).parameters["dimensions"] == 1536
    assert "output_dimension" not in facts_of("voyage:voyage-multimodal-3").parameters


def test_a_request_of_voyage_stays_below_its_tokens() -> None:
    limits = facts_of("voyage:voyage-multimodal-3.5").limits
    assert limits.pixels is not None
    tokens = -(-limits.pixels // 560)
    assert tokens <= 32_000
    assert limits.images_per_request * tokens <= 320_000


def test_the_version_of_azures_model_makes_another_model() -> None:
    old = spec_of("azure:vision", endpoint=VISION, model_version="2022-04-11")
    new = spec_of("azure:vision", endpoint=VISION)
    library = library_of(new)
    assert library.identity(old).weights_digest != library.identity(new).weights_digest


def test_a_redirect_does_not_take_the_key_along() -> None:
    with closing(HTTPServer()) as here, closing(HTTPServer()) as there:
        there.expect_request("/v1/multimodalembeddings").respond_with_json({"data": []})
        here.expect_request("/v1/multimodalembeddings").respond_with_response(
            Response("", 307, {"Location": there.url_for("/v1/multimodalembeddings")})
        )
        service = connected("voyage:voyage-multimodal-3", endpoint=here.url_for("/v1"))
        with pytest.raises(DeniedError, match="307"):
            service.embed(payloads(1))
        assert there.log == []


def test_no_frame_of_an_error_holds_the_key() -> None:
    """A report of pytest with ``--showlocals`` would print it."""
    service = connected("jina:jina-clip-v2", endpoint="http://127.0.0.1:9")
    with pytest.raises(TransientError) as raised:
        service.embed(payloads(1))
    frames = [entry.frame for entry in raised.traceback]
    assert [frame.code.name for frame in frames][-2:] == ["post", "post"]
    assert PLANTED not in repr([frame.f_locals for frame in frames])


def test_a_server_on_this_machine_needs_no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    with closing(HTTPServer()) as server:
        reply = {"data": [{"index": 0, "embedding": [1.0, 2.0]}]}
        server.expect_request("/v1/embeddings").respond_with_json(reply)
        service = connected("jina:jina-clip-v2", endpoint=server.url_for("/v1"))
        found = service.embed(payloads(1))
    assert found.vectors.tolist() == [[1.0, 2.0]]
    assert found.usage == {}


@pytest.mark.parametrize(
    "reply",
    [
        {},
        {"data": None},
        {"data": {"0": [1.0]}},
        {"data": [[1.0]]},
        {"data": [{"embedding": [1.0]}]},
        {"data": [{"index": 1, "embedding": [1.0]}]},
        {"data": [{"index": [0], "embedding": [1.0]}]},
        {"data": [{"index": 0}]},
        {"data": [{"index": 0, "embedding": "AACAPw=="}]},
    ],
    ids=json.dumps,
)
def test_a_reply_of_another_shape(reply: dict[str, Any]) -> None:
    with closing(HTTPServer()) as server:
        server.expect_request("/v1/embeddings").respond_with_json(reply)
        service = connected("jina:jina-clip-v2", endpoint=server.url_for("/v1"))
        with pytest.raises(BrokenReplyError):
            service.embed(payloads(1))


def test_an_index_twice() -> None:
    with pytest.raises(BrokenReplyError, match=r"indices \[0, 0\] for 2 images"):
        by_index([{"index": 0, "embedding": [1.0]}, {"index": 0, "embedding": [2.0]}], 2)


def test_each_provider_has_an_extra_of_its_name() -> None:
    for source in ("voyage:x", "jina:x", "azure:x"):
        library = library_of(spec_of(source))
        assert library.extra == library.provider


def test_many_threads_share_one_service(run_together: Callable[..., list[Any]]) -> None:
    def answer(request: Request) -> Response:
        (one,) = request.get_json()["input"]
        reply = {"data": [{"index": 0, "embedding": [float(len(one["image"]))]}]}
        return Response(json.dumps(reply), content_type="application/json")

    with closing(HTTPServer(threaded=True)) as server:
        server.expect_request("/v1/embeddings").respond_with_handler(answer)
        service = connected("jina:jina-clip-v2", endpoint=server.url_for("/v1"))
        sent = payloads(8)
        found = run_together(lambda one: service.embed([one]).vectors[0, 0], sent)
    assert found == [float(len(one.base64())) for one in sent]


@pytest.fixture
def run_together() -> Callable[..., list[Any]]:
    from concurrent.futures import ThreadPoolExecutor

    def run(work: Callable[[Any], Any], things: list[Any]) -> list[Any]:
        with ThreadPoolExecutor(len(things)) as pool:
            return list(pool.map(work, things))

    return run
