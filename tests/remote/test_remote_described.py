"""Servers that a model's table describes: what is sent, where the vectors are, and tables that do not do."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response
from wire import closing, payloads

from pytest_prodbench.errors import ModelError, SettingsError
from pytest_prodbench.models import library_for
from pytest_prodbench.models.remote import BrokenReplyError, RemoteLibrary, Reply
from pytest_prodbench.settings.files import load_suite
from pytest_prodbench.settings.types import ModelSpec

WHOLE = {
    "endpoint": "http://127.0.0.1:9/v1/embeddings",
    "dimension": 2,
    "body": {"model": "{model}", "input": ["{image}"]},
    "vectors": "data[].embedding",
}
SUITE = """
[models.own]
source = "http:openai/clip"
endpoint = "{address}"
dimension = 2
body = {{ model = "{{model}}", input = ["{{image}}"], dimensions = 2 }}
repeat = "input"
vectors = "data[].embedding"
index = "data[].index"
images_per_request = 16
"""


def spec_of(**options: Any) -> ModelSpec:
    return ModelSpec(
        name="own", library="http", identifier="openai/clip", family="api", options=options
    )


def library_of(spec: ModelSpec) -> RemoteLibrary[Any]:
    found: Any = library_for(spec)
    return found


def asked(reply: object, count: int = 1, **options: Any) -> tuple[Request, Reply]:
    """Send images to a server that gives this reply, and return what it received and what came of it."""
    with closing(HTTPServer()) as server:
        server.expect_request("/v1/embeddings").respond_with_json(reply)
        spec = spec_of(**{**WHOLE, "endpoint": server.url_for("/v1/embeddings"), **options})
        found = library_of(spec).connect(spec).embed(payloads(count))
        ((request, _),) = server.log
    return request, found


def read(folder: Path, models: str) -> ModelSpec:
    """Read the model of a suite."""
    (folder / "models.toml").write_text(models)
    (folder / "diy").mkdir()
    (folder / "diy/sector.toml").write_text(
        '[datasets.parts]\npath = "parts.csv"\n[thresholds]\n"recall@1" = 0.5\n'
    )
    return load_suite([folder], folder).models["own"]


def test_a_table_of_a_suite(tmp_path: Path) -> None:
    def answer(request: Request) -> Response:
        body = request.get_json()
        assert (body["model"], body["dimensions"], len(body["input"])) == ("openai/clip", 2, 3)
        entries = [{"index": i, "embedding": [i, 1.5]} for i in (2, 0, 1)]
        return Response(json.dumps({"data": entries}), content_type="application/json")

    with closing(HTTPServer()) as server:
        server.expect_request("/v1/embeddings").respond_with_handler(answer)
        spec = read(tmp_path, SUITE.format(address=server.url_for("/v1/embeddings")))
        service = library_of(spec).connect(spec)
        found = service.embed(payloads(3))
    assert found.vectors.tolist() == [[0.0, 1.5], [1.0, 1.5], [2.0, 1.5]]
    assert service.secrets == ()


def test_without_a_key_none_is_sent() -> None:
    request, _ = asked({"data": [{"embedding": [1, 2]}]})
    assert "Authorization" not in request.headers


def test_one_image_in_a_message() -> None:
    content = [{"type": "image_url", "image_url": {"url": "{image}"}}]
    body = {"model": "{model}", "messages": [{"role": "user", "content": content}]}
    request, found = asked(
        {"data": [{"embedding": [1, 2]}], "usage": {"total_tokens": 7}}, body=body
    )
    (message,) = request.get_json()["messages"]
    (piece,) = message["content"]
    head, _, data = piece["image_url"]["url"].partition(",")
    assert head == "data:image/png;base64"
    assert base64.b64decode(data) == payloads(1)[0].data
    assert found.usage == {"total_tokens": 7.0}


def test_parts_of_a_text_are_filled() -> None:
    body = {"image": {"kind": "{media_type}", "data": "b64:{image_base64}"}, "top": 1, "f": None}
    request, _ = asked({"vector": [1, 2]}, body=body, vectors="vector")
    data = payloads(1)[0].base64()
    assert request.get_json() == {
        "image": {"kind": "image/png", "data": f"b64:{data}"},
        "top": 1,
        "f": None,
    }


def test_an_inner_list_is_repeated_and_the_table_stays_as_it_was() -> None:
    body = {"query": {"images": [{"b64": "{image_base64}"}], "model": "{model}"}}
    rows = {"embeddings": [[1, 2], [3, 4]]}
    options = {"body": body, "repeat": "query.images", "vectors": "embeddings[]"}
    request, found = asked(rows, 2, **options, images_per_request=2)
    sent = request.get_json()["query"]
    assert [one["b64"] for one in sent["images"]] == [one.base64() for one in payloads(2)]
    assert sent["model"] == "openai/clip"
    assert found.vectors.tolist() == [[1.0, 2.0], [3.0, 4.0]]
    assert body == {"query": {"images": [{"b64": "{image_base64}"}], "model": "{model}"}}


@pytest.mark.parametrize(
    ("reply", "options"),
    [
        ({}, {}),
        ({"data": {"embedding": [1, 2]}}, {}),
        ({"data": [[1, 2]]}, {}),
        ({"data": [{"vector": [1, 2]}]}, {}),
        ({"data": []}, {}),
        ({"data": [{"embedding": [1, 2]}]}, {"index": "data[].index"}),
        ({"data": [{"embedding": [1, 2], "index": 1}]}, {"index": "data[].index"}),
        ({"result": [1, 2]}, {"vectors": "result.vector"}),
        ({"vector": {"0": 1}}, {"vectors": "vector"}),
        ([[1, 2]], {"vectors": "vector"}),
    ],
)
def test_a_reply_of_another_shape(reply: object, options: dict[str, Any]) -> None:
    with pytest.raises(BrokenReplyError):
        asked(reply, **options)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"endpoint": None}, "no endpoint"),
        ({"dimension": None}, "does not describe the server.*dimension"),
        ({"body": None}, "does not describe the server.*body"),
        ({"vectors": None}, "does not describe the server.*vectors"),
        ({"input_type": "query"}, "cannot be told what an image is"),
        ({"body": {"model": "{model}"}}, "a body without an image.*{image_base64}"),
        ({"images_per_request": 4}, "images_per_request 4 without repeat"),
        ({"body": "bytes", "images_per_request": 2}, "images_per_request 2 without repeat"),
        ({"repeat": "inputs"}, "repeat 'inputs'.*a list of one item"),
        ({"repeat": "model"}, "repeat 'model'.*a list of one item"),
        ({"body": "bytes", "repeat": "input"}, "repeat 'input'.*a list of one item"),
        (
            {"body": {"input": ["{image}", "{image}"]}, "repeat": "input"},
            "repeat 'input'.*a list of one item",
        ),
        (
            {"body": {"input": ["{image}"], "again": "{image}"}, "repeat": "input"},
            "an image outside of repeat",
        ),
        ({"repeat": "input", "vectors": "vector"}, "beside vectors 'vector'"),
        ({"index": "items[].index"}, r"index 'items\[\].index' beside vectors"),
        ({"index": "data.index"}, "both out of one list"),
        ({"vectors": "vector", "index": "index"}, "both out of one list"),
    ],
)
def test_a_table_that_does_not_do(change: dict[str, Any], message: str) -> None:
    stated = {name: value for name, value in {**WHOLE, **change}.items() if value is not None}
    spec = spec_of(**stated)
    with pytest.raises(ModelError, match=message):
        library_of(spec).facts(spec)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('vectors = "data[.embedding"', "'models.own.vectors' is .*names with dots between them"),
        ('vectors = "data[].a[]"', "the one list on the way"),
        ('vectors = ""', "names with dots between them"),
        ('vectors = "data..embedding"', "names with dots between them"),
        ('repeat = "input[]"', "the last that of the list"),
        ('body = "raw"', "'models.own.body' is 'raw' .*a table that is sent as JSON"),
        ("body = { day = 2026-11-28 }", "what JSON can say"),
        ("body = { x = inf }", "what JSON can say"),
        ('key_variable = "MY KEY"', "key_variable"),
        ('key_header = "X: Y"', "key_header"),
        ('path = "data"', "unknown key 'models.own.path'"),
    ],
)
def test_a_key_that_cannot_be(tmp_path: Path, line: str, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        read(tmp_path, f'[models.own]\nsource = "http:x"\n{line}\n')


def test_what_decides_the_vectors_makes_another_model() -> None:
    def digest(**options: Any) -> str:
        spec = spec_of(**{**WHOLE, **options})
        return library_of(spec).identity(spec).weights_digest

    first = digest()
    assert digest(body={"input": ["{image}"], "model": "{model}"}) == first  # the order of keys
    assert digest(repeat="input", images_per_request=8) == first
    assert digest(key_variable="A_KEY", key_header="X-Api-Key") == first
    others = [
        digest(endpoint="http://127.0.0.1:9/v2"),
        digest(body={"model": "{model}", "input": ["{image_base64}"]}),
        digest(body="bytes"),
        digest(vectors="data[].vector"),
        digest(index="data[].index"),
    ]
    assert len({first, *others}) == 1 + len(others)


def test_the_key_is_named_where_it_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SHOP_KEY", raising=False)
    spec = spec_of(**WHOLE, key_variable="SHOP_KEY")
    with pytest.raises(ModelError, match="set SHOP_KEY"):
        library_of(spec).connect(spec)
