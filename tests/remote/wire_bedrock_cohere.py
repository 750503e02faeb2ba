"""Cohere Embed v4 on Amazon Bedrock, by an inference profile (see models/remote/bedrock_forms.py)."""

from __future__ import annotations

from collections.abc import Sequence

from bedrock_wire import ALONE, REGION, asked, configuration, decoded, refusal, reply
from werkzeug import Request, Response
from wire import PLANTED, Vectors, Wire

MODEL = "us.cohere.embed-v4:0"
HEAD = "data:image/png;base64,"


def read(request: Request) -> list[bytes]:
    body = asked(request, MODEL, "AKIDEXAMPLE")
    assert set(body) == {"images", "input_type", "embedding_types", "output_dimension"}
    assert body["input_type"] == "search_document"
    assert body["embedding_types"] == ["float"]
    assert body["output_dimension"] == 512
    assert all(uri.startswith(HEAD) for uri in body["images"])
    return [decoded(uri.removeprefix(HEAD)) for uri in body["images"]]


def answer(request: Request, vectors: Vectors, order: Sequence[int]) -> Response:
    return reply(
        {
            "id": "5807ee2e-0cda-445a-9ec8-864c60a06606",
            "embeddings": {"float": [vectors[i] for i in order]},
            "response_type": "embeddings_by_type",
        }
    )


WIRE = Wire(
    library="bedrock",
    identifier=MODEL,
    dimension=512,
    environment={**ALONE, "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": PLANTED},
    read=read,
    answer=answer,
    refusal=refusal,
    options={"dimension": 512, "region": REGION},
    beside=configuration,
)
